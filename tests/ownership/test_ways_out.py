"""Every way out tears down and tells the truth: signals, a closed pipe, a full disk, a results file that is gone."""

from __future__ import annotations

import os
import re
import shlex
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from command_forks import Command

from automl_bench.errors import ExitCode
from automl_bench.simulation.loopback_service import Fault, Target
from tests.ownership.conftest import Colleague

SLOW = 300.0
"""Virtual seconds in a real one: a deployment of some seconds, long enough to be struck in the middle of it."""

RUN = """
name = "x"
datasets = ["tiny"]
providers = ["simulated:quick", "simulated:thorough"]
shots = [5]
[invoke]
interleave = true
[parallel]
enabled = false
"""


def wait_for(what: Callable[[], object], command: Command, seconds: float = 60.0) -> None:
    until = time.monotonic() + seconds
    while not what():
        assert not command.has_ended(), f"ended early: {command.stderr}"
        assert time.monotonic() < until, f"nothing came of it: {command.stderr}"
        time.sleep(0.02)


def run_until_served(anna: Colleague, stdout: str = "") -> Command:
    """Start an interleaved run of two services and wait until both have an endpoint that costs money."""
    (anna.root / "x.toml").write_text(RUN)
    command = anna.start("run", "x.toml", speed=SLOW, stdout=stdout)
    wait_for(lambda: len(anna.cloud.things("endpoint")) == 2, command)
    return command


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_each_signal_tears_a_group_down_and_is_an_interruption(anna: Colleague, number: signal.Signals) -> None:
    command = run_until_served(anna)
    command.send(number)
    assert command.wait() == ExitCode.INTERRUPTED, command.stderr
    assert anna.cloud.things("endpoint") == []
    assert "stopping: tearing down what costs money" in command.stderr


def test_a_terminal_that_closes_sends_several_signals_and_is_still_one_request(anna: Colleague) -> None:
    command = run_until_served(anna)
    for number in (signal.SIGHUP, signal.SIGHUP, signal.SIGTERM, signal.SIGCONT, signal.SIGTERM, signal.SIGHUP):
        command.send(number)
        time.sleep(0.2)
    assert command.wait() == ExitCode.INTERRUPTED, command.stderr
    assert anna.cloud.things("endpoint") == []


def test_under_nohup_a_closed_terminal_changes_nothing(anna: Colleague) -> None:
    (anna.root / "x.toml").write_text(RUN)
    process = subprocess.Popen(
        ["nohup", anna.host_python, "-m", "automl_bench.cli.main", "run", "x.toml"],
        env=anna.cloud.environment(anna.root),
        cwd=anna.root,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    until = time.monotonic() + 60
    while not anna.cloud.things() and time.monotonic() < until:
        time.sleep(0.05)
    process.send_signal(signal.SIGHUP)
    _, stderr = process.communicate(timeout=90)
    assert process.returncode == ExitCode.OK, stderr


def test_a_second_ctrl_c_names_what_remains_on_stderr_in_a_file_and_by_the_exit_code(anna: Colleague) -> None:
    command = run_until_served(anna)
    anna.cloud.cloud.tell(Fault.DELETION_FAILS, Target.CONTROL, None)
    anna.cloud.cloud.tell(Fault.UNAVAILABLE, Target.CONTROL, None)  # the teardown hangs in its retries
    command.send(signal.SIGINT)
    wait_for(lambda: "stopping" in command.stderr, command)
    time.sleep(0.7)
    assert not command.has_ended()
    command.send(signal.SIGINT)
    assert command.wait() == ExitCode.RESOURCES_LEFT
    written = (anna.root / "results" / "left-running.txt").read_text()
    for thing in anna.cloud.things("endpoint"):
        assert thing.name in command.stderr
        assert thing.name in written
    assert "an hour" in written
    assert "sqlite3" in written, "how to delete it by hand"
    anna.cloud.cloud.heal()
    assert anna("teardown", "--all").code == ExitCode.OK
    assert anna.cloud.things() == []
    assert not (anna.root / "results" / "left-running.txt").exists(), "nothing is left to be named"


@pytest.mark.parametrize("number", [None, signal.SIGINT, signal.SIGHUP])
def test_a_reader_that_goes_away_keeps_no_endpoint_alive(anna: Colleague, number: signal.Signals | None) -> None:
    reading, writing = os.pipe()
    (anna.root / "x.toml").write_text(RUN)
    process = subprocess.Popen(
        [anna.host_python, "-m", "automl_bench.cli.main", "run", "x.toml"],
        env={**anna.cloud.environment(anna.root), "AUTOML_BENCH_SIMULATED_SPEED": str(SLOW)},
        cwd=anna.root, stdout=writing, stderr=writing,
    )  # fmt: skip
    os.close(writing)
    until = time.monotonic() + 60
    while len(anna.cloud.things("endpoint")) < 2 and time.monotonic() < until:
        time.sleep(0.05)
    os.close(reading)
    if number is not None:
        process.send_signal(number)
    code = process.wait(timeout=90)
    assert anna.cloud.things() == [] if number is None else anna.cloud.things("endpoint") == []
    assert code == (ExitCode.INTERRUPTED if number else code)
    assert code in (ExitCode.OK, ExitCode.INTERRUPTED)


def test_output_that_the_disk_does_not_take_is_an_error_and_not_a_bug(anna: Colleague) -> None:
    anna("upload", "simulated:quick", "tiny", "5")
    ended = anna.start("status", "--json", stdout="/dev/full")
    assert ended.wait() == ExitCode.SETTINGS
    assert "the output could not be written: No space left on device" in ended.stderr
    assert "bug" not in ended.stderr


@pytest.mark.parametrize(
    ("words", "number"),
    [
        (("report", "x"), signal.SIGINT),
        (("export",), signal.SIGINT),
        (("results", "--json"), signal.SIGTERM),
        (("resources",), signal.SIGHUP),
    ],
)
def test_a_stopped_command_that_leaves_nothing_ends_with_130_and_a_sentence(
    anna: Colleague, words: tuple[str, ...], number: signal.Signals
) -> None:
    assert anna("upload", "simulated:quick", "tiny", "5").code == ExitCode.OK
    path = anna.root / "results" / "automl-bench.sqlite"
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = DELETE")  # so that a reader waits
    connection.execute("BEGIN EXCLUSIVE")
    command = anna.start(*words)
    wait_for(lambda: is_open_in(command.pid, path), command)
    command.send(number)
    connection.execute("ROLLBACK")
    connection.close()
    assert command.wait() == ExitCode.INTERRUPTED, command.stderr
    assert command.stderr.strip() == "error: stopped on request."


def is_open_in(pid: int, path: Path) -> bool:
    """Whether a process has a file open."""
    links = Path(f"/proc/{pid}/fd").iterdir()
    return any(os.path.exists(link) and os.path.samefile(link, path) for link in links)


def test_ctrl_c_in_teardown_all_names_what_it_did_not_come_to(anna: Colleague) -> None:
    anna.deploy()
    anna.deploy("--fold", "1")
    anna.cloud.cloud.tell(Fault.UNAVAILABLE, Target.CONTROL, None)
    command = anna.start("teardown", "--all")
    time.sleep(1.0)
    command.send(signal.SIGINT)
    wait_for(lambda: "stopping" in command.stderr, command)
    time.sleep(0.6)
    command.send(signal.SIGINT)
    assert command.wait() == ExitCode.RESOURCES_LEFT
    assert command.stderr.count("$18000.00 an hour") == 2
    anna.cloud.cloud.heal()
    assert anna("teardown", "--all").code == ExitCode.OK


def test_a_failed_deletion_is_one_line_and_its_traceback_lies_in_the_log(anna: Colleague) -> None:
    anna.deploy()
    anna.cloud.cloud.tell(Fault.DELETION_FAILS, Target.CONTROL, None)
    ended = anna("teardown", "--all")
    assert ended.code == ExitCode.RESOURCES_LEFT
    assert "Traceback" not in ended.stderr
    lines = ended.stderr.splitlines()
    assert len([line for line in lines if "told to refuse deletions" in line]) == 3
    assert len(lines) <= 6, ended.stderr
    anna.cloud.cloud.heal()


# --- the disk -------------------------------------------------------------------------------------------------


def lock(path: Path) -> Iterator[None]:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("BEGIN EXCLUSIVE")
    yield
    connection.execute("ROLLBACK")
    connection.close()


def disturb(path: Path, how: str) -> None:
    """Take the results file away from under a command."""
    if how == "deleted":
        for file in path.parent.glob(path.name + "*"):
            file.unlink()
    elif how == "replaced":
        other = path.with_name("other.sqlite")
        sqlite3.connect(other).execute("CREATE TABLE a (b)").connection.close()
        other.replace(path)
    elif how == "folder deleted":
        path.parent.rename(path.parent.with_name("results-gone"))


@pytest.mark.parametrize("how", ["deleted", "replaced", "folder deleted"])
def test_without_its_results_file_a_run_still_deletes_its_endpoints(anna: Colleague, how: str) -> None:
    command = run_until_served(anna)
    disturb(anna.root / "results" / "automl-bench.sqlite", how)
    command.send(signal.SIGINT)
    code = command.wait()
    assert anna.cloud.things("endpoint") == [], command.stderr
    assert code != ExitCode.OK
    assert "was deleted while it was in use" in command.stderr or "was replaced by another file" in command.stderr
    assert "bug" not in command.stderr


@pytest.mark.timeout(240)
def test_with_a_locked_results_file_endpoints_go_before_the_lock_does(anna: Colleague) -> None:
    command = run_until_served(anna)
    holder = lock(anna.root / "results" / "automl-bench.sqlite")
    next(holder)
    command.send(signal.SIGTERM)
    wait_for(lambda: not anna.cloud.things("endpoint"), command, seconds=30)
    next(holder, None)
    code = command.wait()
    assert code in (ExitCode.INTERRUPTED, ExitCode.SETTINGS), command.stderr


# --- what it prints can be typed ------------------------------------------------------------------------------


def printed_commands(text: str) -> list[list[str]]:
    """Return the commands that a text offers, as a shell would read them."""
    found = re.findall(r"(?:with|First|Again|again|delete): (automl-bench [^\n;]*)", text)
    return [shlex.split(line)[1:] for line in found]


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--fold", "1"),
        ("--seed", "7"),
        ("--test-limit", "3"),
        ("--min-side", "16"),
        ("--fold", "2", "--seed", "1", "--test-limit", "6", "--min-side", "12"),
    ],
)
def test_the_printed_commands_name_the_very_trial(anna: Colleague, options: tuple[str, ...]) -> None:
    trial = ("simulated:quick", "tiny", "all" if len(options) > 2 else "5", *options)
    first = anna("deploy", *trial)
    assert first.code == ExitCode.USAGE
    while first.code == ExitCode.USAGE:
        (words,) = printed_commands(first.stderr)
        ended = anna(*words)
        assert ended.code in (ExitCode.OK, ExitCode.USAGE), ended.stderr
        first = ended if ended.code == ExitCode.USAGE else anna("deploy", *trial)
    assert first.code == ExitCode.OK, first.stderr
    assert len(anna.cloud.things()) == 3
    (words,) = printed_commands(first.stderr)
    ended = anna(*words)
    assert ended.code == ExitCode.OK, ended.stderr
    assert "deleted 3 of 3 resources" in ended.stdout
    assert anna.cloud.things() == []


def test_a_printed_command_names_the_workspace_that_was_given(anna: Colleague, tmp_path: Path) -> None:
    environment = {**anna.cloud.environment(anna.root)}
    del environment["AUTOML_BENCH_WORKSPACE"]
    place = tmp_path / "anna's own"
    anna.root.rename(place)

    def run(*words: str) -> Command:
        return anna.host.run(*words, environment=environment, cwd=tmp_path)

    ended = run("--workspace", "anna's own", "upload", "simulated:quick", "tiny", "5")
    assert ended.code == ExitCode.OK, ended.stderr
    (words,) = printed_commands(ended.stderr)
    assert words[:2] == ["--workspace", "anna's own"]
    assert "deleted 1 of 1 resource" in run(*words).stdout
    assert anna.cloud.things() == []
