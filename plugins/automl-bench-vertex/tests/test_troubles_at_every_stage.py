"""Every trouble at every stage: what is healthy lives, nothing is bought twice, nothing is left, all can be found."""

from __future__ import annotations

from pathlib import Path

import pytest
from automl_bench_vertex import plugin
from command_troubles import COMMAND_TROUBLES, TRAINING_SECONDS, check_command
from service_troubles import Trouble, Walk, check_cell, check_other_scopes, hook_cells
from vertex_service import VertexService
from vertex_trial import VertexTrial

from automl_bench.contract import Stage


@pytest.mark.parametrize(("trouble", "stage"), hook_cells())
def test_a_trouble_passes_and_nothing_is_lost(
    vertex: VertexService, tmp_path: Path, trouble: Trouble, stage: Stage
) -> None:
    if not vertex.can(trouble, stage):
        pytest.xfail("the service has no such trouble at this stage")
    trial = VertexTrial(tmp_path)
    check_cell(Walk(plugin, trial.context, trial.set, vertex), trouble, stage)


def test_what_lies_elsewhere_is_not_deleted(vertex: VertexService, tmp_path: Path) -> None:
    trial = VertexTrial(tmp_path)
    check_other_scopes(Walk(plugin, trial.context, trial.set, vertex))


@pytest.mark.simulation
@pytest.mark.parametrize("trouble", COMMAND_TROUBLES)
def test_a_command_meets_a_trouble_and_pays_once(vertex: VertexService, tmp_path: Path, trouble: Trouble) -> None:
    vertex.fake.project.pace.training = TRAINING_SECONDS
    check_command(vertex, tmp_path, "vertex", trouble)
