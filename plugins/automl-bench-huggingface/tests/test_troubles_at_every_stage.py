"""Every trouble at every stage: what is healthy lives, nothing is bought twice, nothing is left, all can be found."""

from __future__ import annotations

from pathlib import Path

import pytest
from automl_bench_huggingface import plugin
from command_troubles import COMMAND_TROUBLES, TRAINING_SECONDS, check_command
from hub_fake import Pace
from huggingface_service import HuggingfaceService
from huggingface_trial import HuggingfaceTrial, squares
from service_troubles import Trouble, Walk, check_cell, check_other_scopes, hook_cells

from automl_bench.contract import Stage


@pytest.mark.parametrize(("trouble", "stage"), hook_cells())
def test_a_trouble_passes_and_nothing_is_lost(tmp_path: Path, trouble: Trouble, stage: Stage) -> None:
    with HuggingfaceService() as service:
        if not service.can(trouble, stage):
            pytest.xfail("the service has no such trouble at this stage")
        trial = HuggingfaceTrial(service.fake, tmp_path, squares(tmp_path / "images"))
        check_cell(Walk(plugin, trial.context, trial.set, service), trouble, stage)


def test_what_lies_elsewhere_is_not_deleted(tmp_path: Path) -> None:
    with HuggingfaceService() as service:
        trial = HuggingfaceTrial(service.fake, tmp_path, squares(tmp_path / "images"))
        check_other_scopes(Walk(plugin, trial.context, trial.set, service))


@pytest.mark.simulation
@pytest.mark.parametrize("trouble", COMMAND_TROUBLES)
def test_a_command_meets_a_trouble_and_pays_once(tmp_path: Path, trouble: Trouble) -> None:
    with HuggingfaceService(Pace(training=TRAINING_SECONDS)) as service:
        check_command(service, tmp_path, "huggingface", trouble)
