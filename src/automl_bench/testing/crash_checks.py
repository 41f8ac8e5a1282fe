"""The emulated tier, second part: killed at every ledger write, and answers that never came."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from automl_bench.contract import Capability
from automl_bench.errors import ExitCode
from automl_bench.simulation.loopback_service import Fault
from automl_bench.testing.bench import Bench
from automl_bench.testing.checks import Tier, check
from automl_bench.testing.crash import CrashAt

SIGKILLED = -9
LONGEST_SECONDS = 900.0
"""Limit of a check that kills and repeats some dozens of commands, where pytest-timeout is at work."""


class CrashChecks:
    """Checks K01 to K04."""

    most_writes: ClassVar[int | None]

    @pytest.mark.timeout(LONGEST_SECONDS)
    @check("K01", Tier.EMULATED, Capability.UPLOAD)
    def test_k01_killed_at_every_ledger_write_a_run_goes_on(self, bench: Bench) -> None:
        """SIGKILL just before and after each ledger write; the same command again completes, nothing is made twice."""
        for crash, root in self._crashes(bench):
            before = list(bench.service.creations())
            self._strike(bench, crash, root)
            ended = bench.run(root=root)
            assert ended.returncode == ExitCode.OK, f"{crash}, then run: {ended.stderr}"
            assert bench.duplicates(before) == [], f"{crash}, then run: made twice"
            assert list(bench.service.resources()) == [], f"{crash}, then run: left behind"

    @pytest.mark.timeout(LONGEST_SECONDS)
    @check("K02", Tier.EMULATED, Capability.UPLOAD)
    def test_k02_killed_at_every_ledger_write_teardown_clears_all(self, bench: Bench) -> None:
        """SIGKILL just before and just after each ledger write; `teardown --all` leaves nothing."""
        for crash, root in self._crashes(bench):
            self._strike(bench, crash, root)
            ended = bench.command("teardown", "--all", root=root)
            assert ended.returncode == ExitCode.OK, f"{crash}, then teardown: {ended.stderr}"
            assert list(bench.service.resources()) == [], f"{crash}, then teardown: left behind"
            assert bench.open_lines(root) == [], f"{crash}, then teardown: the ledger is not closed"

    @pytest.mark.timeout(LONGEST_SECONDS)
    @check("K03", Tier.EMULATED, Capability.UPLOAD, Capability.LIST_RESOURCES)
    def test_k03_killed_and_every_local_file_lost_orphans_are_found(self, bench: Bench) -> None:
        """SIGKILL, the store deleted: `teardown --orphans` finds everything by its name at the provider."""
        for crash, root in self._crashes(bench):
            self._strike(bench, crash, root)
            shutil.rmtree(root / "results")
            if not bench.description.on_this_machine:
                shutil.rmtree(root / ".automl-bench", ignore_errors=True)
            # With its marker gone, this workspace cannot tell its own from a colleague's.
            options = ("--orphans", "--everyone", "--yes")
            ended = bench.command("teardown", *options, bench.wishes.provider, root=root)
            assert ended.returncode == ExitCode.OK, f"{crash}, then orphans: {ended.stderr}"
            assert list(bench.service.resources()) == [], f"{crash}, then orphans: left behind"

    @check("K04", Tier.EMULATED, Capability.UPLOAD)
    def test_k04_an_answer_that_is_lost_leaks_nothing(self, bench: Bench) -> None:
        """The connection is reset after the service has created: the run completes, nothing is made twice or left."""
        if not bench.can(Fault.LOST_ANSWER):
            return
        total = len(self._writes(bench, "ledger_created"))
        assert total, "nothing is created at all"
        for number in range(1, total + 1):
            root = bench.twin(f"lost-{number}")
            before = list(bench.service.creations())
            # Struck after the line was intended, the process of the next command is the one whose answer is lost.
            bench.run(crash=CrashAt(number, "after", only="ledger_intend"), root=root)
            bench.service.inject(Fault.LOST_ANSWER)
            ended = bench.run(root=root)
            bench.service.heal()
            assert ended.returncode == ExitCode.OK, f"creation {number} lost its answer: {ended.stderr}"
            assert bench.duplicates(before) == [], f"creation {number} lost its answer: made twice"
            assert list(bench.service.resources()) == [], f"creation {number} lost its answer: left behind"

    def _writes(self, bench: Bench, only: str = "") -> list[str]:
        """Return the ledger writes of an undisturbed run."""
        ended = bench.run(root=bench.twin("undisturbed"))
        assert ended.returncode == ExitCode.OK, ended.stderr
        assert list(bench.service.resources()) == [], "an undisturbed run leaves something behind"
        return [name for name in ended.writes if only in ("", name)]

    def _crashes(self, bench: Bench) -> Iterator[tuple[CrashAt, Path]]:
        total = len(self._writes(bench))
        assert total, "no ledger write at all: nothing is created through context.resources.ensure"
        numbers = list(range(1, total + 1))
        if self.most_writes is not None and total > self.most_writes:
            step = total / self.most_writes
            numbers = sorted({1 + int(index * step) for index in range(self.most_writes)})
        for number in numbers:
            for when in ("before", "after"):
                crash = CrashAt(number, "before" if when == "before" else "after")
                yield crash, bench.twin(f"{number}-{when}")

    @staticmethod
    def _strike(bench: Bench, crash: CrashAt, root: Path) -> None:
        struck = bench.run(crash=crash, root=root)
        assert struck.returncode == SIGKILLED, f"{crash} ended with {struck.returncode}: {struck.stderr}"
