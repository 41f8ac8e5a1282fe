"""Every trouble at every stage: see `troubles_at_every_stage`."""

from __future__ import annotations

from pathlib import Path

import pytest
from automl_bench_rekognition import plugin
from aws_service import AwsService
from service_troubles import Walk
from trial_of_squares import Trial
from troubles_at_every_stage import TroublesAtEveryStage


class TestTroubles(TroublesAtEveryStage):
    provider = "rekognition"
    stand_in = AwsService

    @pytest.fixture
    def walk(self, aws: AwsService, tmp_path: Path) -> Walk:
        trial = Trial(tmp_path)
        return Walk(plugin, trial.context, trial.set, aws)
