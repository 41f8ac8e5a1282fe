"""Every trouble at every stage: what is healthy lives, nothing is bought twice, nothing is left, all can be found."""

from __future__ import annotations

from pathlib import Path

import pytest
from automl_bench_nyckel import plugin
from command_troubles import COMMAND_TROUBLES, TRAINING_SECONDS, check_command
from nyckel_fake import NyckelFake
from nyckel_service import NyckelService
from nyckel_trial import NyckelTrial
from service_troubles import Trouble, Walk, check_cell, check_other_scopes, hook_cells

from automl_bench.contract import Stage, TrainingSet


@pytest.mark.parametrize(("trouble", "stage"), hook_cells())
def test_a_trouble_passes_and_nothing_is_lost(
    fake: NyckelFake, training_set: TrainingSet, tmp_path: Path, trouble: Trouble, stage: Stage
) -> None:
    service = NyckelService(fake)
    if not service.can(trouble, stage):
        pytest.xfail("the service has no such trouble at this stage")
    trial = NyckelTrial(fake, tmp_path)
    check_cell(Walk(plugin, trial.context, training_set, service), trouble, stage)


def test_what_lies_elsewhere_is_not_deleted(fake: NyckelFake, training_set: TrainingSet, tmp_path: Path) -> None:
    check_other_scopes(Walk(plugin, NyckelTrial(fake, tmp_path).context, training_set, NyckelService(fake)))


@pytest.mark.simulation
@pytest.mark.parametrize("trouble", COMMAND_TROUBLES)
def test_a_command_meets_a_trouble_and_pays_once(fake: NyckelFake, tmp_path: Path, trouble: Trouble) -> None:
    fake.train_seconds = TRAINING_SECONDS
    service = NyckelService(fake)
    check_command(
        service,
        tmp_path,
        "nyckel",
        trouble,
        settings={"NYCKEL_POLL_SECONDS": "0.05"},
        trains=lambda: len(service.training_samples()) == 3 * 10,
        refused_at=Stage.UPLOAD,
    )
