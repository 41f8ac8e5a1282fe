"""`automl-bench ablate` from the command line."""

from __future__ import annotations

import json

import pytest
import typer
from typer.testing import CliRunner

from automl_bench.cli.ablate import ablate
from automl_bench.cli.session import Session
from automl_bench.contract import ProviderManifest
from automl_bench.errors import DatasetError, DatasetNotFound, ExitCode, NotEnoughShots, PluginError, UsageError


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Return a function that runs `ablate` in a workspace without plugins, and gives the result."""
    monkeypatch.setenv("AUTOML_BENCH_WORKSPACE", str(tmp_path))
    exporters, left_out = {}, {}
    monkeypatch.setattr(Session, "manifest_exporters", lambda self, modality: (exporters, left_out))
    app = typer.Typer()
    app.command()(ablate)

    def command(*arguments, **given):
        for name, format_of in given.items():
            if isinstance(format_of, Exception):
                left_out[name] = format_of
            else:
                exporters[name] = format_of
        return CliRunner().invoke(app, list(arguments))

    return command


def good(dataset, entries):
    return ProviderManifest(rows=[{"uri": "x"} for _ in entries], label_at=("label",))


def bad(dataset, entries):
    raise RuntimeError("boom")


def test_the_table_shows_each_subset_and_where_the_sizes_stop(run, place, numbered):
    place(numbered(cat=30, dog=22), name="pets")
    result = run("pets")
    assert result.exit_code == 0
    assert "2 classes, seed 0" in result.stdout
    assert "Stopped at 20 shots" in result.stdout
    assert "'dog'" in result.stdout


def test_json_names_every_file(run, place, numbered):
    manifest = place(numbered(cat=30, dog=22), numbered("test ", cat=2), name="pets")
    result = run("pets", "--shots", "5,all", "--folds", "2", "--seed", "3", "--copy-folders", "--json", acme=good)
    assert result.exit_code == 0
    values = json.loads(result.stdout)
    assert values["shots"] == ["5", "all"]
    assert values["seed"] == 3
    assert len(values["files"]) == 8 + 9
    assert all((manifest.folder / "ablations" / name).is_file() for name in values["files"])
    assert values["providers"]["acme"][0] == "pets_test_acme.csv"
    assert values["upload_folders"]["training_uploads_5_fold1"] == {"linked": 8, "copied": 0}


def test_a_failing_provider_is_told_on_stderr_and_the_rest_is_written(run, place, numbered):
    place(numbered(cat=10), name="pets")
    result = run("pets", acme=good, worse=bad)
    assert result.exit_code == 0
    assert "worse" in result.stderr
    assert "boom" in result.stderr
    assert "format of acme: 3 files" in result.stdout


def test_a_failing_provider_that_was_asked_for_fails_the_command(run, place, numbered):
    place(numbered(cat=10), name="pets")
    result = run("pets", "--provider", "worse", acme=good, worse=bad)
    assert isinstance(result.exception, PluginError)
    assert "worse" in str(result.exception)


def test_a_provider_that_does_not_exist_is_refused(run, place, numbered):
    place(numbered(cat=10), name="pets")
    assert isinstance(run("pets", "--provider", "nobody").exception, UsageError)


def test_verify_passes_after_writing_and_fails_with_code_4_after_a_change(run, place, numbered):
    manifest = place(numbered(cat=30), name="pets")
    run("pets", "--shots", "5,20")
    result = run("pets", "--verify")
    assert result.exit_code == 0
    assert "80/20" in result.stdout
    (manifest.folder / "ablations" / "pets_val_20.csv").unlink()
    result = run("pets", "--verify")
    assert isinstance(result.exception, DatasetError)
    assert result.exception.exit_code is ExitCode.DATASET
    assert "pets_val_20.csv does not exist" in str(result.exception)
    assert "NO" in result.stdout


def test_verify_as_json_lists_each_check(run, place, numbered):
    place(numbered(cat=30), name="pets")
    run("pets", "--shots", "5")
    values = json.loads(run("pets", "--verify", "--json").stdout)
    assert values["holds"] is True
    assert {"invariant", "fold", "shots", "holds", "violation"} == set(values["checks"][0])


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["nothing-here"], DatasetNotFound),
        (["pets", "--shots", "many"], UsageError),
        (["pets", "--shots", "500"], NotEnoughShots),
        (["pets", "--verify"], DatasetNotFound),
    ],
)
def test_bad_input_is_one_error_with_a_remedy(run, place, numbered, arguments, error):
    place(numbered(cat=10), name="pets")
    result = run(*arguments)
    assert isinstance(result.exception, error)
    assert result.exception.remedy


def test_fewer_than_one_fold_is_a_usage_error(run, place, numbered):
    place(numbered(cat=10), name="pets")
    assert run("pets", "--folds", "0").exit_code == ExitCode.USAGE
