"""Every trouble at every stage: see `troubles_at_every_stage`."""

from __future__ import annotations

from pathlib import Path

import pytest
from automl_bench_vertex import plugin
from service_troubles import Walk
from troubles_at_every_stage import TroublesAtEveryStage
from vertex_service import VertexService
from vertex_trial import VertexTrial


class TestTroubles(TroublesAtEveryStage):
    provider = "vertex"
    stand_in = VertexService

    @pytest.fixture
    def walk(self, vertex: VertexService, tmp_path: Path) -> Walk:
        trial = VertexTrial(tmp_path)
        return Walk(plugin, trial.context, trial.set, vertex)
