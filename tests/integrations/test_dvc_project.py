"""examples/spam-dvc, by DVC itself: repro, a changed test share, metrics diff, five queued experiments, apply one."""

from __future__ import annotations

import csv
import io
import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from automl_bench.report.rows import result_rows
from automl_bench.store import open_store

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "spam-dvc"
VARIANT = "local-logistic-words"
pytestmark = [
    pytest.mark.integrations,
    pytest.mark.timeout(900),  # nine trainings and some forty commands of DVC, each a process of its own
]


class Project:
    """The example in a folder of its own, made smaller: one variant, ten shots, one draw."""

    def __init__(self, root: Path, machine_folder: Path) -> None:
        self.root = root
        shutil.copytree(EXAMPLE, root, dirs_exist_ok=True)
        path = root / "spam.toml"
        text = path.read_text(encoding="utf-8").replace(', "local:logistic-characters"', "")
        path.write_text(text.replace("shots = [5, 20]", "shots = [10]").replace("folds = 2", "folds = 1"))
        self.environment = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "AUTOML_BENCH_MACHINE_FOLDER": str(machine_folder),
            "AUTOML_BENCH_MLFLOW": "off",
            "DVC_NO_ANALYTICS": "1",
            "HOME": str(root.parent),
        }

    def run(self, *words: str) -> str:
        ended = subprocess.run(words, cwd=self.root, env=self.environment, capture_output=True, text=True, check=False)
        assert ended.returncode == 0, f"{words}\n{ended.stdout}\n{ended.stderr}"
        return ended.stdout

    def commit(self, words: str) -> None:
        self.run("git", "add", "-A")
        self.run("git", "-c", "user.name=x", "-c", "user.email=x@example.com", "commit", "-qm", words)

    def metrics(self) -> dict:
        found = json.loads((self.root / "metrics" / "test.json").read_text(encoding="utf-8"))
        return found["spam"]["10"][VARIANT]

    def rows(self) -> list[dict]:
        with open_store(self.root / "results" / "automl-bench.sqlite", read_only=True) as store:
            return result_rows(store)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, machine_folder: Path) -> Project:
    root = tmp_path_factory.mktemp("dvc") / "a project"
    one = Project(root, machine_folder)
    one.run(
        *("automl-bench", "-w", ".", "data", "import", "spam", "messages.csv"),
        *("--text", "message", "--label", "folder", "--test-share", "0.3"),
    )
    export = ("automl-bench", "-w", ".", "export", "dvc", "spam.toml", "--out", ".")
    told = one.run("sh", "-c", f"{shlex.join((*export, '--import', 'spam=--text message --label folder'))} 2>&1")
    (following,) = [line.removeprefix("next: ") for line in told.splitlines() if line.startswith("next: ")]
    one.run("sh", "-c", following)  # as it was printed: git init, dvc init, dvc repro
    one.commit("baseline")
    return one


def test_dvc_runs_every_stage_and_then_nothing_is_left_to_do(project):
    assert json.loads(project.run("dvc", "status", "--json")) == {}
    graph = project.run("dvc", "dag", "--dot")
    assert '"ablate-spam" -> "evaluate@spam-10-0-variant0"' in graph
    assert '"evaluate@spam-10-0-variant0" -> "aggregate"' in graph
    shown = project.run("dvc", "metrics", "show", "--md")
    assert f"spam.10.{VARIANT}.accuracy" in shown


def test_metrics_are_those_of_the_results_file_and_of_sklearn(project):
    from sklearn.metrics import classification_report

    with (project.root / f"trials/spam/10/0/{VARIANT}/test.csv").open(encoding="utf-8", newline="") as file:
        answers = list(csv.DictReader(file))
    found = project.metrics()
    (row,) = [one for one in project.rows() if one["accuracy"] == found["accuracy"]]
    assert row["test_samples"] == found["samples"] == len(answers) == 108
    theirs = classification_report(
        [one["label"] for one in answers], [one["predicted"] for one in answers], output_dict=True, zero_division=0.0
    )
    for average in ("macro avg", "weighted avg"):
        for ours, name in (("precision", "precision"), ("recall", "recall"), ("f1", "f1-score")):
            assert found[average][ours] == pytest.approx(theirs[average][name])
    assert found["classes"]["spam"]["f1"] == pytest.approx(theirs["spam"]["f1-score"])
    assert found["classes"]["spam"]["support"] == theirs["spam"]["support"]


def test_another_test_share_runs_again_what_depends_on_it_and_the_diff_has_our_numbers(project):
    before = project.metrics()
    path = project.root / "params.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("test_share: 0.3", "test_share: 0.4"), encoding="utf-8")
    assert "import-spam" in json.loads(project.run("dvc", "status", "--json"))
    project.run("dvc", "repro")
    difference = json.loads(project.run("dvc", "metrics", "diff", "--json"))["metrics/test.json"]
    (name,) = [one for one in difference if one.endswith(f"{VARIANT}.accuracy")]
    measured = {row["test_samples"]: row["accuracy"] for row in project.rows()}
    assert difference[name]["old"] == before["accuracy"] == measured[108]
    assert difference[name]["new"] == measured[144]
    assert "accuracy" in project.run("dvc", "metrics", "diff", "--md")
    project.commit("a larger test set")


def test_five_queued_experiments_are_five_rows_and_one_is_applied(project):
    for seed in range(1, 6):
        project.run("dvc", "exp", "run", "--queue", "-S", f"seed={seed}", "-n", f"draw-{seed}")
    project.run("dvc", "exp", "run", "--run-all")
    table = list(csv.DictReader(io.StringIO(project.run("dvc", "exp", "show", "--csv"))))
    rows = {row["Experiment"]: row for row in table if row["Experiment"].startswith("draw-")}
    assert sorted(rows) == [f"draw-{seed}" for seed in range(1, 6)]
    assert all(row["State"] in ("", "Success") for row in rows.values())
    accuracy = f"spam.10.{VARIANT}.accuracy"
    (column,) = [name for name in table[0] if name.endswith(accuracy) and "train" not in name]
    assert len({row[column] for row in rows.values()}) > 1, "other draws, other scores"
    project.run("dvc", "exp", "apply", "draw-3")
    assert "seed: 3" in (project.root / "params.yaml").read_text(encoding="utf-8")
    assert project.metrics()["accuracy"] == pytest.approx(float(rows["draw-3"][column]), abs=1e-5)
