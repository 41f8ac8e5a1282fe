"""Hooks that are not stages (prices, lists, lanes, observers, …) break as harmlessly as those that are."""

from __future__ import annotations

from pathlib import Path

import pytest
from broken_plugins import ARGUMENTS, BESIDE_A_TRIAL, HEAD, OF_A_TRIAL, write, write_all
from compressed_commands import run_compressed
from small_workspace import command_environment, install_toy, make_workspace, write_experiment

from automl_bench.errors import ExitCode
from automl_bench.hookspecs import ObserverHooks, ProviderHooks
from automl_bench.testing.crash import Ended

EXPERIMENT = """
datasets = ["tiny"]
providers = [{names}]
shots = [2]
[parallel]
calls = 5
concurrency = 1
warm_up_calls = 0
"""
LINES = {
    "plan": ("plan", "{experiment}"),
    "run": ("run", "{experiment}"),
    "ablate": ("ablate", "tiny", "--shots", "2", "--provider", "{name}"),
    "teardown": ("teardown", "--orphans", "--yes", "{name}"),
    "check": ("data", "check", "tiny", "--label-suspects"),
    "help": ("--help",),
}
LAST = "zodd"
"""Loaded last and so asked first, where the first answer counts."""
ALL_AT_ONCE = ("plan", "run", "help")


def type_line(root: Path, site: Path, line: str, names: list[str]) -> Ended:
    listed = ", ".join(f'"{name}"' for name in (*names, "toy"))
    experiment = write_experiment(root, EXPERIMENT.format(names=listed))
    words = [word.format(experiment=experiment, name=names[0]) for word in LINES[line]]
    return run_compressed(*words, environment=command_environment(root, site), folder=root)


def assert_told(ended: Ended, names: dict[str, str]) -> None:
    """Each plugin is named with its hook in the words expected, and nothing is taken for a bug of ours."""
    said = " ".join((ended.stdout + ended.stderr).split())
    for name, words in names.items():
        assert f"the plugin of {name}: {words}" in said, said
    assert "Traceback" not in said
    assert "bug in automl-bench" not in said


@pytest.mark.parametrize("line", ALL_AT_ONCE)
def test_hooks_of_all_plugins_break_in_one_command(line: str, tmp_path: Path) -> None:
    make_workspace(tmp_path, train=4, test=2)
    site = install_toy(tmp_path)
    plugins = write_all(site, BESIDE_A_TRIAL[line])
    ended = type_line(tmp_path, site, line, list(plugins))
    assert_told(ended, {name: f"{broken.place} {broken.words}" for name, broken in plugins.items()})
    assert ended.returncode in ((ExitCode.PLUGIN, ExitCode.RESOURCES_LEFT) if line == "run" else (ExitCode.OK,))


CASES = [
    pytest.param(line, number, id=f"{line}-{BESIDE_A_TRIAL[line][number].what}")
    for line in LINES
    if line not in ALL_AT_ONCE
    for number in range(len(BESIDE_A_TRIAL[line]))
]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("beside")
    make_workspace(root, train=4, test=2)
    return root


@pytest.mark.parametrize(("line", "number"), CASES)
def test_a_hook_that_breaks_ends_its_command_in_one_sentence(
    line: str, number: int, small: Path, tmp_path: Path
) -> None:
    broken = BESIDE_A_TRIAL[line][number]
    site = install_toy(tmp_path)
    write(site, LAST, HEAD.format(name=LAST) + broken.source)
    ended = type_line(small, site, line, [LAST])
    assert_told(ended, {LAST: f"{broken.place} {broken.words}"})
    assert ended.returncode == ExitCode.PLUGIN, ended.stderr


def test_no_hook_is_left_out() -> None:
    broken = {one.what.partition(":")[0] for some in (OF_A_TRIAL, *BESIDE_A_TRIAL.values()) for one in some}
    hooks = {name for spec in (ProviderHooks, ObserverHooks) for name in vars(spec) if not name.startswith("_")}
    # How a plugin describes itself breaks when it is loaded, and deletions have a test of their own.
    assert hooks - {"describe_provider", "delete_resource"} <= broken
    assert set(ARGUMENTS) >= broken & hooks
