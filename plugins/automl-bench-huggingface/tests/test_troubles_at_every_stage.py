"""Every trouble at every stage: see `troubles_at_every_stage`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from automl_bench_huggingface import plugin
from huggingface_service import HuggingfaceService
from huggingface_trial import HuggingfaceTrial, squares
from service_troubles import Walk
from troubles_at_every_stage import TroublesAtEveryStage


class TestTroubles(TroublesAtEveryStage):
    provider = "huggingface"
    stand_in = HuggingfaceService

    @pytest.fixture
    def walk(self, tmp_path: Path) -> Iterator[Walk]:
        with HuggingfaceService() as service:
            trial = HuggingfaceTrial(service.fake, tmp_path, squares(tmp_path / "images"))
            yield Walk(plugin, trial.context, trial.set, service)
