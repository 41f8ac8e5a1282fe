"""Commands of plugins are listed, no extra is invented, changed files and dead endpoints are told at once."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import pytest
from broken_plugins import HEAD, write
from small_workspace import command_environment, install_toy, make_workspace, write_experiment

from automl_bench.ablations.selection import samples_of
from automl_bench.cli.main import run
from automl_bench.contract import Capability, ProviderDescription, Setting
from automl_bench.datasets.manifest import read_manifest
from automl_bench.datasets.unchanged import require_unchanged
from automl_bench.errors import DatasetError, ExitCode, SettingsError, UsageError
from automl_bench.providers.discovery import Installed, PluginRegistry, extras
from automl_bench.settings.provider_files import ProviderFile, resolve_settings

QUIET = "shots = [2]\n[parallel]\nenabled = false\n"


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace with the toy cloud, for commands that run in this process."""
    make_workspace(tmp_path, train=4, test=2)
    site = install_toy(tmp_path)
    for name, value in command_environment(tmp_path, site).items():
        if name in {"AUTOML_BENCH_WORKSPACE", "TOY_CLOUD"}:
            monkeypatch.setenv(name, value)
    monkeypatch.syspath_prepend(str(site))
    return tmp_path


COMMANDS = (
    HEAD
    + """
@hookimpl
def register_commands(app):
    @app.command("greet", help="Greet from a plugin.")
    def greet():
        print("hello from a plugin")
"""
)


def test_a_plugins_command_stands_in_the_help_and_prints_what_it_likes(
    desk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import subprocess
    import sys

    write(desk / "site", "greeter", COMMANDS.format(name="greeter"))
    environment = command_environment(desk, desk / "site")
    said = {}
    for arguments in (["--help"], ["greet"]):
        ended = subprocess.run(
            [sys.executable, "-m", "automl_bench.cli.main", *arguments],
            env={**environment, "COLUMNS": "120"}, capture_output=True, text=True, check=True, timeout=60,
        )  # fmt: skip
        said[arguments[0]] = ended.stdout
    assert "greet" in said["--help"]
    assert "Greet from a plugin." in said["--help"]
    assert said["greet"] == "hello from a plugin\n"


def test_an_unknown_provider_is_promised_only_if_there_is_an_extra_for_it() -> None:
    registry = PluginRegistry([Installed("some", "some 1", object)])
    with pytest.raises(UsageError) as caught:
        registry.load("never-heard-of")
    assert "automl-bench[never-heard-of]" not in caught.value.remedy
    extra = next(name for name in extras() if name not in {"all", "test", "lint", "kaggle", "some"})
    assert extra in caught.value.remedy
    with pytest.raises(UsageError) as caught:
        registry.load(extra)
    assert caught.value.remedy == f"Install it: pip install 'automl-bench[{extra}]'"


def test_one_missing_setting_does_not_take_the_others_along() -> None:
    description = ProviderDescription(
        "some",
        "Some",
        frozenset({Capability.PRICE}),
        settings=(
            Setting("region", "Where.", default="a"),
            Setting("bucket", "Bucket.", env="SOME_BUCKET", required=True),
            Setting("size", "Size.", env="SOME_SIZE"),
        ),
    )
    file = ProviderFile(settings={"region": "b", "colour": "red"}, path=Path("some.toml"))
    faults: list[SettingsError] = []
    resolved = resolve_settings(description, file, {"SOME_SIZE": "7"}, on_fault=faults.append)
    assert resolved == {"region": "b", "size": "7"}
    assert ["'colour'" in str(faults[0]), "'bucket'" in str(faults[1])] == [True, True]


def test_a_picture_changed_after_import_is_not_used_under_the_old_fingerprint(
    desk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = read_manifest(desk / "data" / "tiny")
    samples = samples_of(manifest, range(manifest.table.num_rows))
    require_unchanged(manifest.folder, samples)
    path = samples[0].path
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))  # of the same size
    with pytest.raises(DatasetError, match="its content has changed"):
        require_unchanged(manifest.folder, samples)
    os.utime(path, (1, 1))  # not even an old date helps
    with pytest.raises(DatasetError, match="its content has changed"):
        require_unchanged(manifest.folder, samples)
    path.write_bytes(content)
    require_unchanged(manifest.folder, samples)
    path.write_bytes(content + b"x")
    experiment = write_experiment(desk, f'datasets = ["tiny"]\nproviders = ["toy"]\n{QUIET}'.replace("[2]", '["all"]'))
    assert run(["run", str(experiment)]) != ExitCode.OK
    assert "its content has changed" in capsys.readouterr().err
    assert run(["ablate", "tiny"]) == ExitCode.DATASET
    path.unlink()
    with pytest.raises(DatasetError, match="cannot be read"):
        require_unchanged(manifest.folder, samples)


def test_a_dead_endpoint_is_told_at_once_and_given_up_in_seconds(
    desk: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from automl_bench.trials import reaching

    monkeypatch.setattr(reaching, "PATIENCE_SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    source = (
        HEAD.replace("MORE = frozenset()", "MORE = frozenset({Capability.ADOPT_ENDPOINT})")
        + f"""
class Over:
    def prepare(self, sample):
        return HttpRequest("http://127.0.0.1:{port}/predict")

    def parse(self, response):
        return Prediction("red", 1.0)

@hookimpl
def invoke(context, endpoint):
    return Over()
"""
    )
    write(desk / "site", "dead", source.replace("{name!r}", "'dead'"))
    assert run(["invoke", "dead", "tiny", "2", "--endpoint", "http://127.0.0.1/x"]) == ExitCode.PROVIDER
    said = capsys.readouterr().err
    assert f"nothing accepts a connection at 127.0.0.1:{port} yet" in said
    assert f"error: nothing accepts a connection at 127.0.0.1:{port}" in said
    assert "Check the address given with --endpoint" in said


def test_why_samples_had_no_answer_is_shown(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = (
        HEAD.replace("{name!r}", "'moody'")
        + """
from automl_bench.errors import RequestRefused

class Moody:
    def call(self, sample):
        if int(sample.sample_id[0], 16) % 2:
            raise RequestRefused("the picture is too blue.")
        return Prediction("red", 1.0)

@hookimpl
def invoke(context, endpoint):
    return Moody()
"""
    )
    write(desk / "site", "moody", source)
    experiment = write_experiment(desk, f'datasets = ["tiny"]\nproviders = ["moody"]\n{QUIET}')
    assert run(["run", str(experiment)]) == ExitCode.OK
    capsys.readouterr()
    assert run(["results"]) == ExitCode.OK
    assert "the picture is too blue." in capsys.readouterr().out
    assert run(["results", "--json"]) == ExitCode.OK
    (row,) = json.loads(capsys.readouterr().out)
    assert row["unanswered"] == [{"reason": "the picture is too blue.", "samples": row["failed"]}]
