"""Every trouble at every stage: what is healthy lives, nothing is bought twice, nothing is left, all can be found."""

from __future__ import annotations

from pathlib import Path

import pytest
from automl_bench_rekognition import plugin
from aws_service import AwsService
from command_troubles import COMMAND_TROUBLES, TRAINING_SECONDS, check_command
from service_troubles import Trouble, Walk, check_cell, check_other_scopes, hook_cells
from trial_of_squares import Trial

from automl_bench.contract import Stage


@pytest.mark.parametrize(("trouble", "stage"), hook_cells())
def test_a_trouble_passes_and_nothing_is_lost(aws: AwsService, tmp_path: Path, trouble: Trouble, stage: Stage) -> None:
    if not aws.can(trouble, stage):
        pytest.xfail("the service has no such trouble at this stage")
    trial = Trial(tmp_path)
    check_cell(Walk(plugin, trial.context, trial.set, aws), trouble, stage)


def test_what_lies_elsewhere_is_not_deleted(aws: AwsService, tmp_path: Path) -> None:
    trial = Trial(tmp_path)
    check_other_scopes(Walk(plugin, trial.context, trial.set, aws))


@pytest.mark.simulation
@pytest.mark.parametrize("trouble", COMMAND_TROUBLES)
def test_a_command_meets_a_trouble_and_pays_once(aws: AwsService, tmp_path: Path, trouble: Trouble) -> None:
    aws.fake.pace.training = TRAINING_SECONDS
    check_command(aws, tmp_path, "rekognition", trouble)
