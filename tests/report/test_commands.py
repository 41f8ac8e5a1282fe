"""`results`, `results import`, `report` and `export` on the command line."""

import json
import shutil
from pathlib import Path

import pytest

from automl_bench.cli.main import run
from automl_bench.errors import ExitCode
from automl_bench.store import open_store

FIXTURE = Path(__file__).parents[1] / "fixtures" / "ancestor_figures.csv"


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    monkeypatch.setenv("AUTOML_BENCH_WORKSPACE", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path


@pytest.fixture
def measured(workspace, report_folder):
    """A workspace with the results of the experiment `demo`."""
    (workspace / "results").mkdir()
    shutil.copy(report_folder.parent / "automl-bench.sqlite", workspace / "results")
    return workspace


def test_results_without_any_say_how_to_get_some(workspace, capsys):
    assert run(["results"]) == ExitCode.NO_RESULTS
    assert "There are no results yet" in capsys.readouterr().err
    assert list(workspace.iterdir()) == []


def test_results_json_is_a_list_of_rows_that_filters_narrow(measured, capsys):
    assert run(["results", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 54
    assert run(["results", "--experiment", "demo", "--provider", "local", "--dataset", "pets", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {row["dataset"] for row in rows} == {"pets"}
    assert run(["results", "--dataset", "pats", "--json"]) == ExitCode.USAGE
    assert "Did you mean 'pets'?" in capsys.readouterr().err


def test_results_print_means_times_load_runs_and_failures(measured, capsys):
    assert run(["results"]) == 0
    shown = capsys.readouterr().out
    for words in ("Accuracy (%)", "(n=3)", "median training", "Load runs", "INCOMPLETE", "the endpoint went away."):
        assert words in shown
    assert run(["results", "--trials"]) == 0
    assert "macro F1 %" in capsys.readouterr().out


def test_an_unknown_experiment_is_refused_with_the_known_ones(measured, capsys):
    for command in (["results", "--experiment", "dmo"], ["report", "dmo"]):
        assert run(command) == ExitCode.USAGE
        assert "Did you mean 'demo'?" in capsys.readouterr().err
    assert not (measured / "reports").exists()


def test_import_adds_the_published_figures_once(workspace, capsys):
    assert run(["results", "import", str(FIXTURE)]) == 0
    assert "Imported 112 results" in capsys.readouterr().out
    assert run(["results", "import", str(FIXTURE), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"file": str(FIXTURE), "results": 112, "new": 0}
    assert run(["results"]) == 0
    assert "73.2 ± 5.5 (n=7)" in capsys.readouterr().out


def test_a_bad_import_is_refused_whole_and_leaves_no_file_behind(workspace, capsys):
    bad = workspace / "bad.csv"
    bad.write_text("provider,dataset,shots,accuracy\nacme,pets,5,0.5\nacme,pets,20,87\n")
    assert run(["results", "import", str(bad)]) == ExitCode.USAGE
    assert "line 3: accuracy is 87" in capsys.readouterr().err
    assert not (workspace / "results").exists()


def test_report_writes_into_the_folder_of_the_experiment(measured, capsys):
    assert run(["report", "demo", "--json"]) == 0
    written = json.loads(capsys.readouterr().out)
    assert written["report"] == str(measured / "reports" / "demo" / "report.html")
    assert Path(written["report"]).stat().st_size > 100_000


@pytest.mark.parametrize(
    ("name", "ending"), [("csv", "csv"), ("json", "json"), ("markdown", "md"), ("parquet", "parquet")]
)
def test_export_writes_one_file_a_table(measured, tmp_path, capsys, name, ending):
    assert run(["export", "--format", name, "--out", str(tmp_path / "out"), "--json"]) == 0
    written = [Path(text) for text in json.loads(capsys.readouterr().out)]
    assert {path.suffix for path in written} == {f".{ending}"}
    assert {"trials", "invocations", "load_runs"} <= {path.stem for path in written}
    assert all(path.is_file() for path in written)


def test_export_in_the_published_format_names_its_columns(measured, tmp_path, capsys):
    out = tmp_path / "out"
    assert run(["export", "--format", "ancestor", "--experiment", "demo", "--out", str(out), "--json"]) == 0
    written = {Path(text).name for text in json.loads(capsys.readouterr().out)}
    assert "image-classification-throughputs.csv" in written
    results = sorted(path for path in out.glob("pets-local*-results-5.csv"))
    assert len(results) == 3
    header = results[0].read_text(encoding="utf-8").splitlines()[0]
    assert header == "actual_class,predicted_class,confidence,invoke_time"


def test_export_refuses_an_experiment_for_whole_tables(measured, capsys):
    assert run(["export", "--experiment", "demo"]) == ExitCode.USAGE
    assert "ancestor" in capsys.readouterr().err


def test_report_judges_without_suspects_and_a_cascade(measured, capsys):
    with open_store(measured / "results" / "automl-bench.sqlite", read_only=True) as store:
        trial = next(one for one in store.trials() if one.dataset == "pets")
        sample = min(store.invoked_sample_ids(trial.trial_id))
    suspects = measured / "suspects.csv"
    suspects.write_text(f"dataset,sample\npets,{sample}\n", encoding="utf-8")
    assert run(["report", "demo", "--without", str(suspects), "--cascade", "local:svc,local:auto"]) == 0
    text = (measured / "reports" / "demo" / "report.html").read_text(encoding="utf-8")
    assert "Label suspects left out: 1 of pets" in text
    assert "automl-bench report demo --without suspects.csv" in text, "what the page says to do with marked suspects"
    assert "local:svc, then local:auto: pets" in text
    capsys.readouterr()
    assert run(["report", "demo", "--cascade", "local:svc"]) == ExitCode.USAGE
    assert "does not name two variants" in capsys.readouterr().err
    assert run(["report", "demo", "--without", str(measured / "none.csv")]) == ExitCode.USAGE
    assert "none.csv does not exist" in capsys.readouterr().err
