"""Every trouble at every stage: see `troubles_at_every_stage`."""

from __future__ import annotations

from pathlib import Path

import pytest
from automl_bench_azure import plugin
from azure_service import AzureService
from azure_trial import AzureTrial
from service_troubles import Walk
from troubles_at_every_stage import TroublesAtEveryStage


class TestTroubles(TroublesAtEveryStage):
    provider = "azure"
    stand_in = AzureService

    @pytest.fixture
    def walk(self, azure: AzureService, tmp_path: Path) -> Walk:
        trial = AzureTrial(tmp_path)
        return Walk(plugin, trial.context, trial.set, azure)
