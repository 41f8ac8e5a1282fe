"""`pipeline` and `export dvc`: an experiment as steps; DVC itself runs them in tests/integrations."""

from __future__ import annotations

import json

import pytest
import yaml
from small_workspace import make_workspace, write_experiment

from automl_bench.cli.main import run
from automl_bench.errors import ExitCode

SMALL = """
    datasets = ["tiny"]
    providers = ["null", "null:http"]
    shots = [4, "all"]
    folds = 2
    [parallel]
    enabled = false
"""


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    monkeypatch.setenv("AUTOML_BENCH_WORKSPACE", str(tmp_path))
    make_workspace(tmp_path)
    write_experiment(tmp_path, SMALL)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_steps_by_hand_give_the_metrics_of_the_project(workspace, capsys):
    assert run(["export", "dvc", "small.toml", "--out", "."]) == 0
    params = yaml.safe_load((workspace / "params.yaml").read_text())
    assert params["variants"] == [{"name": "null", "variant": "null"}, {"name": "null-http", "variant": "null:http"}]
    assert params["shots"] == [4, "all"]
    params |= {"variants": params["variants"][:1], "shots": ["all"]}
    (workspace / "params.yaml").write_text(yaml.safe_dump(params))
    assert run(["pipeline", "metrics"]) == ExitCode.SETTINGS
    assert "trials/tiny/all/0/null/test.csv is missing" in capsys.readouterr().err
    for fold in ("0", "1"):
        words = ["--dataset", "tiny", "--shots", "all", "--variant", "null", "--fold", fold, "--test-limit", "6"]
        assert run(["pipeline", "trial", "small.toml", *words, "--out", f"trials/tiny/all/{fold}/null"]) == 0
    before = (workspace / "trials/tiny/all/0/null/test.csv").read_bytes()
    assert run(["pipeline", "metrics"]) == 0
    (found,) = json.loads((workspace / "metrics/test.json").read_text())["tiny"]["all"].values()
    assert (found["samples"], found["draws"]) == (6, 2)
    named = {label: one for label, one in found["classes"].items() if "precision" in one}
    assert list(named) == ["blue"], "null names one class; what is never named has no precision"
    assert found["accuracy"] == named["blue"]["precision"]
    assert (workspace / "plots/accuracy/tiny.csv").read_text().splitlines()[0] == "shots,null"
    assert run(["pipeline", "trial", "small.toml", *words[:-4], "--fold", "0", "--test-limit", "6", "--out", "x"]) == 0
    assert (workspace / "x/test.csv").read_bytes() == before, "the same trial writes the same bytes"
    capsys.readouterr()
    assert run(["pipeline", "subsets", "tiny"]) == 0
    assert (workspace / "data/tiny/ablations").is_dir()


def test_the_stages_depend_on_what_they_use(workspace):
    assert run(["export", "dvc", "small.toml", "--out", "dvc"]) == 0
    stages = yaml.safe_load((workspace / "dvc" / "dvc.yaml").read_text())["stages"]
    assert list(stages) == ["import-tiny", "ablate-tiny", "evaluate", "aggregate"]
    assert stages["import-tiny"]["deps"] == ["${import.tiny.source}"]
    assert "data/tiny/manifest.csv" in stages["import-tiny"]["outs"]
    assert stages["import-tiny"]["cmd"].startswith("automl-bench --workspace . data import tiny ")
    assert stages["evaluate"]["matrix"].keys() == {"dataset", "shots", "fold", "variant"}
    assert stages["aggregate"]["deps"] == ["trials"]


def test_what_cannot_be_exported_is_refused(workspace, capsys):
    assert run(["export", "dvc", "small.toml", "--out", "dvc"]) == 0
    assert run(["export", "dvc", "small.toml", "--out", "dvc"]) == ExitCode.SETTINGS
    assert run(["export", "dvc", "small.toml", "--import", "tiny"]) == ExitCode.USAGE
    (workspace / "source").rename(workspace / "elsewhere")
    assert run(["export", "dvc", "small.toml", "--out", "other"]) == ExitCode.USAGE
    assert "Import it again from where it is now." in capsys.readouterr().err
    (workspace / "params.yaml").write_text("shots: 5\n")
    assert run(["pipeline", "metrics"]) == ExitCode.SETTINGS
    assert "does not hold the parameters of a project" in capsys.readouterr().err
    words = ["--dataset", "tiny", "--shots", "4", "--variant", "null", "--out", "x", "--test-limit", "none"]
    assert run(["pipeline", "trial", "small.toml", *words]) == ExitCode.USAGE
