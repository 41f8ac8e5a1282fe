"""`providers new` writes a package whose own tests pass at once."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from automl_bench.cli.main import run
from automl_bench.errors import ExitCode, UsageError, WorkspaceError
from automl_bench.scaffold.template import write_plugin


def _install(package: Path) -> None:
    """Lay the metadata of an editable installation beside the code, without pip."""
    project = tomllib.loads((package / "pyproject.toml").read_text())["project"]
    info = package / "src" / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir()
    requires = "".join(f"Requires-Dist: {each}\n" for each in project["dependencies"])
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n{requires}"
    )
    points = project["entry-points"]["automl_bench"]
    (info / "entry_points.txt").write_text(
        "[automl_bench]\n" + "".join(f"{name} = {value}\n" for name, value in points.items())
    )


def _tests_of(package: Path, *options: str) -> str:
    """Run a package's own tests and return what they print."""
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options, str(package)],
        env={**os.environ, "PYTHONPATH": str(package / "src")},
        cwd=package,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


@pytest.mark.slow  # commands in processes of their own, on a busy machine
@pytest.mark.timeout(400)
@pytest.mark.parametrize("name", ["acme", "acme-vision-2"])
def test_the_tests_of_a_new_package_pass_at_once(tmp_path: Path, name: str) -> None:
    package = tmp_path / "package"
    assert run(["providers", "new", name, "--out", str(package)]) == ExitCode.OK
    _install(package)
    said = _tests_of(package, "-k", "test_c0 or test_s or test_e02 or test_a01")
    assert "16 passed" in said


@pytest.mark.conformance
@pytest.mark.slow  # a kill at every ledger write
@pytest.mark.timeout(900)
def test_the_whole_kit_passes_on_a_new_package(tmp_path: Path) -> None:
    package = tmp_path / "package"
    write_plugin("acme", package)
    _install(package)
    said = _tests_of(package)
    assert "left out" not in said
    for check in ("C01", "E06", "K04", "M05", "R06", "A01"):
        assert re.search(rf"{check} .* passed", said), said


def test_the_package_is_formatted_and_typed(tmp_path: Path) -> None:
    package = tmp_path / "package"
    write_plugin("acme-vision", package, title='The "Acme" Vision')
    config = Path(__file__).resolve().parents[2] / "pyproject.toml"
    for command in (
        ["ruff", "check", "--no-cache", "--config", str(config)],
        ["ruff", "format", "--check", "--no-cache", "--config", str(config)],
    ):
        ended = subprocess.run(
            [sys.executable, "-m", *command, str(package)], capture_output=True, text=True, check=False
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
    typed = subprocess.run(
        [
            sys.executable,
            "-m",
            "mypy",
            "--strict",
            "--cache-dir",
            str(tmp_path / "mypy"),
            "src/automl_bench_acme_vision",
        ],
        cwd=package,
        env={**os.environ, "MYPYPATH": f"src{os.pathsep}{config.parent / 'src'}"},
        capture_output=True,
        text=True,
        check=False,
    )
    own = [line for line in typed.stdout.splitlines() if line.startswith("src/automl_bench_acme")]
    assert own == [], own


@pytest.mark.parametrize("name", ["Acme", "1st", "a b", "acme_x", "", "acme-"])
def test_a_name_that_does_not_fit_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="cannot be a provider's name"):
        write_plugin(name, tmp_path / "package")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match="exists already"):
        write_plugin("acme", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WorkspaceError, match="cannot be written"):
        write_plugin("acme", tmp_path / "file" / "package")
