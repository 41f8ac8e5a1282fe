"""Signals, disk faults and clock steps at random moments of a run: what could be deleted is, and the rest is named.

`FAULTS=100 pytest tests/ownership/test_faults_at_random_moments.py -m simulation` strikes each fault a hundred times,
interleaved and not.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from command_forks import Command, Host
from shared_cloud import Cloud
from small_workspace import command_environment, install_toy, make_workspace

from automl_bench.errors import ExitCode
from automl_bench.settings.workspace import Workspace

TIMES = int(os.environ.get("FAULTS", "1"))
FIRST = int(os.environ.get("FIRST_FAULT", "0"))
SPEED = 600.0
LONGEST = 6.0
"""Seconds after which a strike finds most runs at their end."""

EXPERIMENT = """
name = "x"
datasets = ["tiny"]
providers = ["simulated:quick", "simulated:thorough"]
shots = [5]
test_limit = 6
[invoke]
interleave = {interleave}
[parallel]
enabled = false
"""
SIGNALS = {
    "hup": [signal.SIGHUP],
    "int": [signal.SIGINT],
    "term": [signal.SIGTERM],
    "kill": [signal.SIGKILL],
    "double int": [signal.SIGINT, signal.SIGINT],
}
FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)


def may_mount(folder: Path) -> bool:
    made = subprocess.run(["mount", "-t", "tmpfs", "none", str(folder)], capture_output=True, check=False)
    return made.returncode == 0 and subprocess.run(["umount", str(folder)], check=False).returncode == 0


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with Host(tmp_path_factory.mktemp("commands")) as started:
        yield started


@contextmanager
def full_disk(results: Path) -> Iterator[None]:
    """Fill the file system that the results lie on, up to the last page."""
    written = results / "filler"
    with suppress(OSError), written.open("wb") as file:
        while True:
            file.write(b"x" * 4096)
            file.flush()
    with suppress(OSError), (results / "filler-2").open("wb") as file:
        while True:
            file.write(b"x")
            file.flush()
    yield
    written.unlink()
    (results / "filler-2").unlink(missing_ok=True)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    connection = sqlite3.connect(path, isolation_level=None, timeout=30)
    connection.execute("BEGIN IMMEDIATE")
    yield
    connection.execute("ROLLBACK")
    connection.close()


class Struck:
    """A run in a workspace of its own, and what came of it."""

    def __init__(self, root: Path, host: Host, interleave: bool) -> None:
        self.cloud = Cloud(root, lambda path: make_workspace(path, train=5, test=2))
        self.place = self.cloud.workspace("anna")
        self.results = Workspace(self.place).results
        self.results.mkdir()
        (self.place / "x.toml").write_text(EXPERIMENT.format(interleave=str(interleave).lower()))
        self.environment = self.cloud.environment(self.place, speed=SPEED)
        self.host = host

    def start(self) -> Command:
        return self.host.start("run", "x.toml", environment=self.environment, cwd=self.place)

    def judge(self, code: int, told: str, *, done: bool = False) -> None:
        """Nothing that costs money is left, or the exit code is 10 and each is named; 0 only after the whole run."""
        left = self.cloud.things("endpoint")
        list_file = self.results / "left-running.txt"
        told += list_file.read_text() if list_file.exists() else ""
        if left:
            assert code == ExitCode.RESOURCES_LEFT, f"{code}: {told}"
            for thing in left:
                assert thing.name in told, told
        elif code == 0:
            assert done or self.cloud.things() == [], "0 means that everything was done"
        assert "bug" not in told
        assert "Traceback" not in told

    def clear_up(self) -> None:
        """The same command again completes, and leaves nothing."""
        environment = self.cloud.environment(self.place)
        for words in (("run", "x.toml"), ("teardown", "--all"), ("teardown", "--orphans", "--yes", "simulated")):
            ended = self.host.run(*words, environment=environment, cwd=self.place, timeout=120)
            assert ended.code == ExitCode.OK, f"{words}: {ended.stderr}"
        assert self.cloud.things() == []


@pytest.mark.simulation
@pytest.mark.timeout(300)
@pytest.mark.parametrize("number", range(FIRST, FIRST + TIMES))
@pytest.mark.parametrize("interleave", [True, False])
@pytest.mark.parametrize("how", SIGNALS)
def test_a_signal_at_a_random_moment(how: str, interleave: bool, number: int, tmp_path: Path, host: Host) -> None:
    chance = random.Random(f"{how} {interleave} {number}")
    struck = Struck(tmp_path, host, interleave)
    command = struck.start()
    time.sleep(chance.uniform(0.1, LONGEST))
    for each in SIGNALS[how]:
        command.send(each)
        time.sleep(chance.uniform(0.5, 1.0) if len(SIGNALS[how]) > 1 else 0)
    code = command.wait(120)
    if how != "kill":
        struck.judge(code, command.stderr)
    struck.clear_up()


DISK = ["full", "locked", "deleted", "replaced"]


@pytest.mark.simulation
@pytest.mark.timeout(400)
@pytest.mark.parametrize("number", range(FIRST, FIRST + TIMES))
@pytest.mark.parametrize("interleave", [True, False])
@pytest.mark.parametrize("how", DISK)
def test_a_disk_fault_at_a_random_moment(how: str, interleave: bool, number: int, tmp_path: Path, host: Host) -> None:
    chance = random.Random(f"{how} {interleave} {number}")
    struck = Struck(tmp_path, host, interleave)
    mounted = how == "full" and may_mount(struck.results)
    if how == "full" and not mounted:
        how = "locked"  # only root may mount a disk to fill
    if mounted:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", str(struck.results)], check=True)
    try:
        _strike_disk(struck, how, chance)
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(struck.results)], check=True)


def _strike_disk(struck: Struck, how: str, chance: random.Random) -> None:
    path = struck.results / "automl-bench.sqlite"
    command = struck.start()
    until = time.monotonic() + 60
    while not path.exists() and time.monotonic() < until:
        time.sleep(0.01)
    time.sleep(chance.uniform(0.1, LONGEST))
    if how == "full":
        with full_disk(struck.results):
            code = command.wait(240)
            struck.judge(code, command.stderr, done=True)
        struck.clear_up()
    elif how == "locked":
        with locked(path):
            time.sleep(chance.uniform(0.5, 2.0))
            command.send(signal.SIGTERM)
            code = command.wait(60)  # it does not wait for the lock: seconds, on a quiet machine
            struck.judge(code, command.stderr, done=True)
        struck.clear_up()
    else:
        for file in [*path.parent.glob(path.name + "-*"), path]:
            file.unlink(missing_ok=True)
        if how == "replaced":
            sqlite3.connect(path).execute("CREATE TABLE somebody_elses (a)").connection.close()
        code = command.wait(240)
        struck.judge(code, command.stderr, done=True)
        path.unlink(missing_ok=True)
        ended = struck.host.run(
            "teardown", "--orphans", "--yes", "simulated",
            environment=struck.cloud.environment(struck.place), cwd=struck.place,
        )  # fmt: skip
        assert ended.code == ExitCode.OK, ended.stderr
        assert struck.cloud.things() == [], "the marker still says whose they are"


@pytest.mark.simulation
@pytest.mark.timeout(300)
@pytest.mark.parametrize("number", range(FIRST, FIRST + TIMES))
@pytest.mark.parametrize("days", ["+3d", "-3d"])
def test_a_clock_step_at_a_random_moment(days: str, number: int, tmp_path: Path) -> None:
    """The wall clock of a running command jumps: it ends as ever, nothing is left, nothing costs less than nothing."""
    assert FAKETIME is not None, "the Debian package faketime is not installed"
    chance = random.Random(f"{days} {number}")
    make_workspace(tmp_path)
    clock = tmp_path / "clock"
    clock.write_text("+0d")
    environment = {
        **command_environment(tmp_path, install_toy(tmp_path)),
        "LD_PRELOAD": str(FAKETIME),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    (tmp_path / "cloud").mkdir()
    (tmp_path / "cloud" / "faults.json").write_text('{"polls": 60}')
    text = EXPERIMENT.format(interleave="false").replace('"simulated:quick", "simulated:thorough"', '"toy"')
    (tmp_path / "x.toml").write_text(text)
    process = subprocess.Popen(
        [sys.executable, "-m", "automl_bench.cli.main", "run", "x.toml", "--json"],
        env=environment, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    time.sleep(chance.uniform(0.5, 5.0))
    clock.with_name("next").write_text(days)
    clock.with_name("next").replace(clock)
    stdout, stderr = process.communicate(timeout=240)
    assert process.returncode == ExitCode.OK, stderr
    assert list((tmp_path / "cloud").glob("*=*.json")) == []
    assert '_usd": -' not in stdout
    shutil.rmtree(tmp_path / "cloud")
