"""Every trouble at every stage, for every plugin: what is healthy lives, nothing is bought twice, nothing is left.

A plugin's tests say which stand-in they run against; the cells are those of its troubles that it has:

    class TestTroubles(TroublesAtEveryStage):
        provider = "acme"
        stand_in = AcmeService

        @pytest.fixture
        def walk(self, acme: AcmeService, tmp_path: Path) -> Walk: ...
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import pytest
from command_troubles import LASTING, TRAINING_SECONDS, check_command, check_command_at, command_cells
from service_troubles import Trouble, Troubled, Walk, check_cell, check_other_scopes, hook_cells

from automl_bench.contract import Stage


class TroublesAtEveryStage:
    """The tests of one plugin; its own class adds the fixture `walk`, a trial against a new stand-in.

    Attributes:
        provider: The provider's name.
        stand_in: Its stand-in.
        settings: More environment variables of the commands.
    """

    provider: ClassVar[str]
    stand_in: ClassVar[type[Troubled]]
    settings: ClassVar[Mapping[str, str]] = {}

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        if "stage" in metafunc.fixturenames:
            metafunc.parametrize(("trouble", "stage"), hook_cells(self.stand_in))
        elif "during" in metafunc.fixturenames:
            metafunc.parametrize(("trouble", "during"), command_cells(self.stand_in))

    def test_a_trouble_passes_and_nothing_is_lost(self, walk: Walk, trouble: Trouble, stage: Stage) -> None:
        check_cell(walk, trouble, stage)

    def test_what_lies_elsewhere_is_not_deleted(self, walk: Walk) -> None:
        check_other_scopes(walk)

    @pytest.mark.simulation
    @pytest.mark.parametrize("lasting", LASTING)
    def test_a_command_meets_a_trouble_that_lasts_and_pays_once(
        self, walk: Walk, tmp_path: Path, lasting: Trouble
    ) -> None:
        walk.service.train_for(TRAINING_SECONDS)
        check_command(walk.service, tmp_path, self.provider, lasting, settings=self.settings)

    @pytest.mark.simulation
    def test_a_command_meets_a_trouble_at_a_stage_and_pays_once(
        self, walk: Walk, tmp_path: Path, trouble: Trouble, during: Stage
    ) -> None:
        check_command_at(walk.service, tmp_path, self.provider, trouble, during, settings=self.settings)
