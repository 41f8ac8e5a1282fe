"""Every trouble at every stage: see `troubles_at_every_stage`."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import pytest
from automl_bench_nyckel import plugin
from nyckel_fake import NyckelFake
from nyckel_service import NyckelService
from nyckel_trial import NyckelTrial
from service_troubles import Walk
from troubles_at_every_stage import TroublesAtEveryStage

from automl_bench.contract import TrainingSet


class TestTroubles(TroublesAtEveryStage):
    provider = "nyckel"
    stand_in = NyckelService
    settings: ClassVar = {"NYCKEL_POLL_SECONDS": "0.05"}

    @pytest.fixture
    def walk(self, fake: NyckelFake, training_set: TrainingSet, tmp_path: Path) -> Walk:
        return Walk(plugin, NyckelTrial(fake, tmp_path).context, training_set, NyckelService(fake))
