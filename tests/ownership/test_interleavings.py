"""Random interleavings of run, kill, suspend, teardown and orphans: two workspaces, several processes, two hosts.

`INTERLEAVINGS=200 pytest tests/ownership/test_interleavings.py -m simulation` is the long form. A seed that failed is
run again with `FIRST_SEED=… INTERLEAVINGS=1`.
"""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_forks import Command, Host, may_make_hosts
from shared_cloud import Cloud
from small_workspace import make_workspace

from automl_bench.errors import ExitCode
from automl_bench.settings.workspace import Workspace
from automl_bench.settings.workspace_identity import read_marker
from automl_bench.store import open_store
from automl_bench.store.records import TrialStatus

INTERLEAVINGS = int(os.environ.get("INTERLEAVINGS", "6"))
FIRST_SEED = int(os.environ.get("FIRST_SEED", "0"))
STEPS = 9
SAMPLES = 6
SPEED = 1_500.0
EXPERIMENT = f"""
name = "x"
datasets = ["tiny"]
providers = ["simulated:quick", "simulated:thorough"]
shots = [5]
test_limit = {SAMPLES}
[parallel]
enabled = false
"""
RUN = ("run", "x.toml")
ALL = ("teardown", "--all")
ORPHANS = ("teardown", "--orphans", "--yes", "simulated")


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Host]]:
    """Two machines: processes of the one mean nothing to the other. Without the right to make one, two servers."""
    folder = tmp_path_factory.mktemp("hosts")
    with Host(folder / "here") as here, Host(folder / "far", "far-away" if may_make_hosts() else "") as far:
        yield [here, far]


class Play:
    """One random interleaving."""

    def __init__(self, seed: int, root: Path, hosts: list[Host]) -> None:
        self.chance = random.Random(seed)
        self.hosts = hosts
        self.cloud = Cloud(root, lambda path: make_workspace(path, train=5, test=2))
        self.places = [self.cloud.workspace("anna"), self.cloud.workspace("ben")]
        for place in self.places:
            (place / "x.toml").write_text(EXPERIMENT)
        self.commands: list[tuple[Path, Command]] = []
        self.disturbed: set[int] = set()
        self.suspended: list[Command] = []
        self.log: list[str] = []

    def act(self) -> None:
        """Do one random thing, and let a random time pass."""
        chance = self.chance
        living = [command for _, command in self.commands if not command.has_ended()]
        kinds = ["run"] * 4 + ["all", "orphans"] * 2
        kinds += ["kill", "interrupt", "suspend"] * bool(living) + ["resume"] * 2 * bool(self.suspended)
        kind = chance.choice(kinds)
        if kind in ("run", "all", "orphans"):
            place, host = chance.choice(self.places), chance.choice(self.hosts)
            words = {"run": RUN, "all": ALL, "orphans": ORPHANS}[kind]
            command = host.start(*words, environment=self.cloud.environment(place, speed=SPEED), cwd=place)
            self.commands.append((place, command))
            self.log.append(f"{kind} in {place.name} on host {self.hosts.index(host)}: process {command.pid}")
        elif kind == "resume":
            command = self.suspended.pop(chance.randrange(len(self.suspended)))
            command.send(signal.SIGCONT)
            self.log.append(f"resume {command.pid}")
        else:
            command = chance.choice(living)
            self.disturbed.add(id(command))
            number = {"kill": signal.SIGKILL, "suspend": signal.SIGSTOP}.get(kind) or chance.choice(
                [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
            )
            command.send(number)
            if kind == "suspend":
                self.suspended.append(command)
            self.log.append(f"{kind} {command.pid}")
        time.sleep(chance.choice([0.0, 0.1, 0.3, 0.6, 1.2]))
        self.check_now()

    def check_now(self) -> None:
        """What must hold at every moment."""
        alive = Counter((thing.kind, thing.name) for thing in self.cloud.things())
        assert not [name for name, count in alive.items() if count > 1], "made twice at once"
        foreign = [(name, by) for name, by in self.cloud.cloud.deletions() if by not in name]
        assert not foreign, f"deleted by another workspace: {foreign}"

    def finish(self) -> None:
        """Let everything end, run what is missing, clear up, and look at what came of it."""
        for command in self.suspended:
            command.send(signal.SIGCONT)
        for _, command in self.commands:
            code = command.wait(120)
            expected = {0, ExitCode.UNFINISHED, ExitCode.RESOURCES_LEFT}
            if id(command) in self.disturbed:
                expected |= {ExitCode.INTERRUPTED, -signal.SIGKILL}
                if not command.stderr:  # struck before it had begun with anything
                    expected |= {-signal.SIGINT, -signal.SIGTERM, -signal.SIGHUP}
            assert code in expected, f"{command.words} ended with {code}: {command.stderr}"
            assert "bug" not in command.stderr
            assert "Traceback" not in command.stderr
        self.check_now()
        for place in self.places:
            environment = self.cloud.environment(place)
            for words in (RUN, ALL, ORPHANS):
                ended = self.hosts[0].run(*words, environment=environment, cwd=place, timeout=120)
                assert ended.code == ExitCode.OK, f"{words} in {place.name}: {ended.stderr}"
            self.check_rows(place)
        self.check_now()
        assert self.cloud.things() == [], "left behind"

    def check_rows(self, place: Path) -> None:
        """No row is lost or doubled, and no trial is said to have failed."""
        path = Workspace(place).store_path
        with sqlite3.connect(path) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        connection.close()
        assert read_marker(Workspace(place)) is not None
        with open_store(path, read_only=True) as store:
            assert store.ledger(open_only=True) == []
            for trial in store.trials():
                assert trial.status is TrialStatus.DONE, trial
                rows = [row for row in store.invocations(trial.trial_id) if row.phase.value == "measured"]
                assert len(rows) == len({row.sample_id for row in rows}) == SAMPLES


@pytest.mark.simulation
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(FIRST_SEED, FIRST_SEED + INTERLEAVINGS))
def test_no_interleaving_deletes_what_is_not_its_own_or_loses_or_doubles_anything(
    seed: int, tmp_path: Path, hosts: list[Host]
) -> None:
    play = Play(seed, tmp_path, hosts)
    try:
        for _ in range(STEPS):
            play.act()
        play.finish()
    except BaseException:
        print("\n".join(play.log))
        raise
