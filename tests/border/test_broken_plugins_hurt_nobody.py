"""Whatever a plugin does is one sentence with its name; the others' trials finish, the workspace stays readable."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from broken_plugins import OF_A_TRIAL, ON_LOADING, Broken, hook, write_all, write_unloadable
from small_workspace import command, command_environment, install_toy, make_workspace, write_experiment

from automl_bench.errors import ExitCode

QUIET = "shots = [2]\n[parallel]\nenabled = false\n"


@dataclass(frozen=True)
class Ran:
    """One run of an experiment with all broken plugins and the toy cloud."""

    root: Path
    environment: Mapping[str, str]
    plugins: Mapping[str, Broken]
    ended: subprocess.CompletedProcess[str]
    seconds: float

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return command(*arguments, environment=dict(self.environment), cwd=self.root, timeout=180)


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    root = tmp_path_factory.mktemp("broken")
    make_workspace(root, train=4, test=2)
    site = install_toy(root)
    plugins = write_all(site, OF_A_TRIAL)
    write_unloadable(site, ON_LOADING)
    environment = command_environment(root, site)
    names = ", ".join(f'"{name}"' for name in (*plugins, "toy"))
    experiment = write_experiment(root, f'datasets = ["tiny"]\nproviders = [{names}]\n{QUIET}')
    begun = time.monotonic()
    ended = command("run", str(experiment), "--json", environment=environment, cwd=root, timeout=240)
    return Ran(root, environment, plugins, ended, time.monotonic() - begun)


def reasons(ran: Ran) -> dict[str, str]:
    """Return why trials failed, by provider."""
    failed = json.loads(ran.ended.stdout)["tally"]["failed"]
    return {item["trial"].partition(":")[0].partition(" ")[0]: item["reason"] for item in failed}


def test_there_are_sixty_of_them() -> None:
    assert len(OF_A_TRIAL) + len(ON_LOADING) >= 60


@pytest.mark.parametrize("number", range(len(OF_A_TRIAL)), ids=lambda number: OF_A_TRIAL[number].what[:60])
def test_a_fault_is_one_sentence_with_the_plugins_name(ran: Ran, number: int) -> None:
    name, broken = f"b{number:02d}", OF_A_TRIAL[number]
    reason = reasons(ran).get(name, "")
    if not broken.words:
        assert not reason
        return
    if broken.place == "poll":
        # Nothing was learnt of work that is paid for: the trial is unfinished, and the work is left as it is.
        assert not reason
        reason = next(line for line in ran.ended.stderr.splitlines() if f"still running {name}:" in line)
    assert f"the plugin of {name}: {broken.place} " in reason
    assert broken.words in reason
    assert "\n" not in reason
    assert "Traceback" not in ran.ended.stderr


def test_the_others_finish_and_the_exit_code_says_that_plugins_are_at_fault(ran: Ran) -> None:
    tally = json.loads(ran.ended.stdout)["tally"]
    assert tally["done"] == 1 + sum(not broken.words for broken in OF_A_TRIAL)
    assert "toy" not in reasons(ran)
    unfinished = [name for name, broken in ran.plugins.items() if broken.place == "poll" and broken.words]
    assert tally["unfinished"] == len(unfinished)
    assert {item.partition(" ")[0] for item in tally["left"]} == set(unfinished), "only what somebody may still pay for"
    assert ran.ended.returncode == ExitCode.RESOURCES_LEFT, ran.ended.stderr


def test_where_nothing_is_left_the_exit_code_says_that_plugins_are_at_fault(ran: Ran) -> None:
    name = next(name for name, broken in ran.plugins.items() if broken.place == "upload" and broken.words)
    path = write_experiment(ran.root, f'datasets = ["tiny"]\nproviders = ["{name}"]\n{QUIET}', name="faulty")
    ended = ran.command("run", str(path), "--retry-failed")
    assert ended.returncode == ExitCode.PLUGIN, ended.stderr


def test_a_thread_left_behind_does_not_keep_the_command(ran: Ran) -> None:
    assert "left a thread behind" in ran.ended.stderr


def test_observers_are_named_once_each(ran: Ran) -> None:
    whats = ("trial_started called sys.exit(0)", "stage_finished raised KeyboardInterrupt", "RuntimeError: observer")
    for what in whats:
        assert ran.ended.stderr.count(what) == 1


def test_the_workspace_stays_readable_and_holds_no_value_that_was_refused(ran: Ran) -> None:
    for arguments in (("status", "--json"), ("results", "--json"), ("resources", "--json")):
        ended = ran.command(*arguments)
        assert ended.returncode == ExitCode.OK, f"{arguments}: {ended.stderr}"
        json.loads(ended.stdout)
    exported = ran.command("export")
    assert exported.returncode == ExitCode.OK
    calls = (ran.root / "results" / "export" / "invocations.csv").read_text()
    assert ",high," not in calls
    assert ",'=cmd()" in calls
    assert ",=cmd()" not in calls


def test_an_escape_of_a_plugin_never_reaches_the_terminal(ran: Ran) -> None:
    for arguments in (("status",), ("results", "--trials")):
        ended = ran.command(*arguments)
        assert "\x1b" not in ended.stdout + ended.stderr


@pytest.mark.parametrize("number", range(len(ON_LOADING)), ids=lambda number: ON_LOADING[number].what)
def test_a_plugin_that_does_not_load_is_listed_with_its_reason(ran: Ran, number: int, listing: Any) -> None:
    row = listing[f"n{number:02d}"]
    assert row["status"] == "failed"
    assert ON_LOADING[number].words in row["reason"]
    newer = "newer" in row["reason"] or "of the contract" in row["reason"]
    assert ("Update automl-bench" in row["remedy"]) is newer


@pytest.fixture(scope="module")
def listing(ran: Ran) -> Any:
    ended = ran.command("providers", "list", "--json")
    assert ended.returncode == ExitCode.OK, ended.stderr
    return {row["name"]: row for row in json.loads(ended.stdout)}


@pytest.mark.parametrize("name", ["n01", "n07"])
def test_naming_a_plugin_that_exits_is_its_fault_and_not_a_success(ran: Ran, name: str) -> None:
    ended = ran.command("providers", "show", name)
    assert ended.returncode == ExitCode.PLUGIN
    assert name in ended.stderr
    assert "called sys.exit(0)" in ended.stderr
    listed = ran.command("data", "list")
    assert listed.returncode == ExitCode.OK
    assert "tiny" in listed.stdout


def test_a_price_in_words_is_named_by_plan(ran: Ran) -> None:
    name = next(name for name, broken in ran.plugins.items() if broken.what.startswith("price"))
    path = write_experiment(ran.root, f'datasets = ["tiny"]\nproviders = ["{name}"]\n{QUIET}', name="priced")
    ended = ran.command("plan", str(path))
    assert "returned a Price whose usd is '0.01', not a number" in " ".join(ended.stdout.split())


DELETIONS = [
    hook("delete_resource", "sys.exit(0)", "called sys.exit(0)"),
    hook("delete_resource", "return True", "returned True, not a Deletion"),
    hook("delete_resource", "return 'deleted'", "returned 'deleted', not a Deletion"),
]


def test_a_deletion_that_cannot_be_believed_leaves_the_resource_on_the_list(tmp_path: Path) -> None:
    make_workspace(tmp_path, train=4, test=2)
    site = install_toy(tmp_path)
    plugins = write_all(site, DELETIONS)
    names = ", ".join(f'"{name}"' for name in (*plugins, "toy"))
    experiment = write_experiment(tmp_path, f'datasets = ["tiny"]\nproviders = [{names}]\n{QUIET}')
    environment = command_environment(tmp_path, site)
    ended = command("run", str(experiment), environment=environment, cwd=tmp_path, timeout=120)
    assert ended.returncode == ExitCode.RESOURCES_LEFT, ended.stderr
    for name, broken in plugins.items():
        assert f"the plugin of {name}: delete_resource {broken.words}" in ended.stderr
    assert "  - toy" not in ended.stderr
    reported = command("report", environment=environment, cwd=tmp_path, timeout=120)
    assert reported.returncode == ExitCode.OK, reported.stderr
