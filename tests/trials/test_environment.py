"""What a process runs on stands beside every stage that it does, without a path and without a secret."""

from __future__ import annotations

import json
import subprocess
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import pytest
from small_workspace import make_workspace, write_experiment

from automl_bench.cli.main import run
from automl_bench.contract import Stage
from automl_bench.store import open_store
from automl_bench.store.records import StageStatus
from automl_bench.trials import environment
from automl_bench.trials.environment import RAN_IN, SUBSET, describe_environment

SMALL = """
    datasets = ["tiny"]
    providers = ["null"]
    shots = [4]
    folds = 2
    [parallel]
    enabled = false
"""


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    monkeypatch.setenv("AUTOML_BENCH_WORKSPACE", str(tmp_path))
    return make_workspace(tmp_path)


def git(folder: Path, *words: str) -> str:
    who = ("-c", "user.name=x", "-c", "user.email=x@example.com")
    return subprocess.run(["git", "-C", folder, *who, *words], check=True, capture_output=True, text=True).stdout


def test_every_stage_says_what_it_was_done_in_and_a_trial_which_subset_it_learned_from(workspace):
    git(workspace.root, "init", "-q")
    write_experiment(workspace.root, SMALL)
    git(workspace.root, "add", "small.toml")
    git(workspace.root, "commit", "-qm", "x")
    assert run(["run", str(workspace.root / "small.toml")]) == 0
    assert run(["upload", "null", "tiny", "8"]) == 0
    with open_store(workspace.store_path, read_only=True) as store:
        (experiment,) = store.experiments()
        last = store.environment(experiment.environment_id)
        trials = store.trials()
        done = [one for trial in trials for one in store.stages(trial.trial_id) if one.status is StageStatus.DONE]
        assert len(done) == 4 + 4 + 1
        assert {json.dumps(store.environment_of_key(one.result[RAN_IN])) for one in done} == {json.dumps(last)}
        subsets = [store.stage(trial.trial_id, Stage.UPLOAD).result[SUBSET] for trial in trials]
    assert len(set(subsets)) == 3, "two draws and another size"
    assert last["packages"]["numpy"] == metadata.version("numpy")
    assert last["packages"]["automl-bench"] == metadata.version("automl-bench")
    assert "pytest" in last["other_packages"]
    assert last["git"] == {"commit": git(workspace.root, "rev-parse", "HEAD").strip(), "changed": False}
    assert str(workspace.root) not in json.dumps(last)
    (workspace.root / "small.toml").write_text("")
    assert describe_environment(workspace.root, ["automl-bench"])["git"]["changed"]


def test_what_a_package_asks_for_is_told_from_what_is_merely_installed():
    found = describe_environment(Path("/"), ["automl-bench"])
    assert found["git"] == {}
    assert {"numpy", "pydantic-core", "six"} <= found["packages"].keys(), "also what it asks for through others"
    assert "mypy" not in found["packages"], "an extra for developers"
    assert not found["packages"].keys() & found["other_packages"].keys()
    assert sum(map(len, (found["packages"], found["other_packages"]))) == len(
        {one.metadata["Name"].lower().replace("_", "-").replace(".", "-") for one in metadata.distributions()}
    )
    assert next(iter(found["blas"].values()))["threads"] >= 1


@pytest.mark.parametrize(
    ("told", "source"),
    [
        ({"url": "file:///home/somebody/work", "dir_info": {"editable": True}}, "a folder"),
        ({"url": "file:///home/somebody/x.whl", "archive_info": {}}, "a file"),
        (
            {"url": "https://me:secret@example.com/x.git", "vcs_info": {"vcs": "git", "commit_id": "abc"}},
            "git+https://example.com/x.git@abc",
        ),
        ({"url": "https://example.com/x.whl?token=secret", "archive_info": {}}, "https://example.com/x.whl"),
        (None, ""),
    ],
)
def test_where_a_package_comes_from_is_told_without_paths_and_secrets(told, source):
    distribution = SimpleNamespace(read_text=lambda name: None if told is None else json.dumps(told))
    assert environment._source(distribution) == source
