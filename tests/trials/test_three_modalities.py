"""One experiment over images, texts and a table, from files to a report, on the simulated cloud."""

from __future__ import annotations

import json
from pathlib import Path

from small_workspace import command, command_environment, make_workspace, write_experiment

from automl_bench.contract import Modality
from automl_bench.testing.toy_data import NAMES, make_toy_dataset

HOSTILE = "</script><b>bold</b>"


def test_one_report_shows_all_three(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path)
    for modality in (Modality.TEXT, Modality.TABULAR):
        make_toy_dataset(modality, tmp_path / "sources" / modality, workspace.data, shots=8, classes=3, side=1)
    mails = tmp_path / "mails.csv"
    rows = "".join(f'"{HOSTILE} text {n}, so",{"ham" if n % 2 else "spam"}\n' for n in range(40))
    mails.write_text(f"text,label\n{rows}", encoding="utf-8")
    environment = {**command_environment(tmp_path), "AUTOML_BENCH_SIMULATED_SPEED": "100000"}

    def run(*arguments: str) -> str:
        ended = command(*arguments, environment=environment, cwd=tmp_path, timeout=100)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    run("data", "import", "mails", str(mails), "--text", "text", "--label", "label")
    datasets = json.dumps(["tiny", NAMES[Modality.TEXT], NAMES[Modality.TABULAR], "mails"])
    path = write_experiment(
        tmp_path,
        f"""
        datasets = {datasets}
        providers = ["simulated:quick"]
        shots = [5]
        [images]
        min_side = 16
        [parallel]
        enabled = false
        """,
    )
    results = json.loads(run("run", str(path), "--json"))["results"]
    accuracy = {row["dataset"]: row["accuracy"] for row in results}
    assert set(accuracy) == {"tiny", "mails", "sentences", "rows"}
    assert accuracy["sentences"] > 0.6, "sentences of three classes are learned from"
    assert accuracy["rows"] > 0.5
    assert all(row["test_samples"] for row in results)
    run("report", "small")
    page = (tmp_path / "reports" / "small" / "report.html").read_text(encoding="utf-8")
    assert '"excerpts"' in page
    assert "weight: " in page
    assert HOSTILE not in page
    kinds = json.loads(run("data", "show", "rows", "--json"))["kinds"]
    assert kinds == {"weight": "number", "shade": "category", "seen": "date", "note": "text"}
