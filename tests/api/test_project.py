"""The Python API is the engine of the commands: the same rows, answers, pages and errors."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import threading

import pytest
from answered_trials import answer, right
from small_workspace import make_workspace, write_experiment

import automl_bench
from automl_bench.cli.main import run
from automl_bench.errors import NoResults, SettingsError, UsageError, WorkspaceError
from automl_bench.store import open_store

NULL = """
    datasets = ["tiny"]
    providers = ["null"]
    shots = [4, "all"]
    [parallel]
    enabled = false
"""


@pytest.fixture
def project(tmp_path):
    with open_store(tmp_path / "results" / "automl-bench.sqlite") as store:
        for fold in range(3):
            answer(store, "a", right(90, 100), fold=fold)
            answer(store, "b<b>", right(60 + fold, 100), fold=fold)
    return automl_bench.open(tmp_path)


def command(capsys, project, *words):
    assert run(["--workspace", str(project.folder), *words]) == 0
    return capsys.readouterr().out


def test_an_experiment_runs_and_goes_on_as_with_the_command(tmp_path, capsys):
    make_workspace(tmp_path)
    write_experiment(tmp_path, NULL)
    project = automl_bench.open(tmp_path)
    ended = project.run("small.toml", jobs=1)
    assert ended.counts == {"done": 2, "skipped": 0, "infeasible": 0}
    assert list(ended.results["shots"]) == [4, "all"]
    assert project.run("small").counts == {"done": 0, "skipped": 2, "infeasible": 0}
    assert "small: 2 skipped" in str(project.run("small"))
    assert command(capsys, project, "status", "--json")
    assert "null" in ended._repr_html_()


def test_a_table_is_imported_with_its_target(tmp_path, capsys):
    path = tmp_path / "loans.csv"
    path.write_text("age,repaid\n" + "".join(f"{20 + n % 7},{'yes' if n % 3 else 'no'}\n" for n in range(40)))
    project = automl_bench.open(tmp_path)
    project.import_data("loans", path, target="repaid")
    capsys.readouterr()
    assert json.loads(command(capsys, project, "data", "show", "loans", "--json"))["kinds"] == {"age": "number"}
    with pytest.raises(UsageError, match="--label"):
        project.import_data("other", path, text="age")


def test_it_runs_in_another_thread_too(tmp_path):
    """Signals reach the main thread alone; a server of notebooks or a web application has others."""
    make_workspace(tmp_path)
    write_experiment(tmp_path, NULL)
    ended = []
    worker = threading.Thread(target=lambda: ended.append(automl_bench.open(tmp_path).run("small.toml", jobs=1)))
    worker.start()
    worker.join(60)
    assert ended[0].counts["done"] == 2


def test_results_have_the_columns_and_rows_of_the_csv(project):
    table = project.results()
    page = project.report(out=project.folder / "out")
    with (page.folder / "results.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert list(table.columns) == list(rows[0])
    assert list(table["trial_id"]) == [row["trial_id"] for row in rows]
    assert table["accuracy"].mean() == pytest.approx(sum(float(row["accuracy"]) for row in rows) / 6)
    assert table["cost_usd"].isna().all(), "what is unknown is missing, never 0"


def test_compare_answers_as_the_command_does(project, capsys):
    found = project.compare("local:a", "local:b<b>", shots=20, metric="macro_f1")
    document = json.loads(
        command(capsys, project, "compare", "local:a", "local:b<b>", "--metric", "macro_f1", "--json")
    )
    assert found.answer == document["answer"]
    assert list(found.comparisons["p"]) == [one["p"] for one in document["comparisons"]]
    assert list(found.beside["accuracy"]) == [one["accuracy"] for one in document["beside"]]
    shown = found._repr_html_()
    assert "local:b&lt;b&gt;" in shown
    assert "<b>" not in shown


def test_a_report_shows_its_page_in_a_frame_of_its_own(project):
    page = project.report()
    assert page.path == project.folder / "reports" / "all" / "report.html"
    shown = page._repr_html_()
    assert shown.startswith('<iframe srcdoc="&lt;!doctype html')
    assert "allow-same-origin" not in shown, "the page cannot reach the notebook"


def test_errors_are_those_of_the_commands_and_name_the_workspace(project, tmp_path):
    with pytest.raises(UsageError, match="no metric 'f1'"):
        project.compare("local:a", "local:b<b>", metric="f1")
    with pytest.raises(UsageError, match="Did you mean 'local:a'"):
        project.compare("local:a", "local:c")
    with pytest.raises(SettingsError, match="no experiment 'none.toml'"):
        project.run("none.toml")
    with pytest.raises(NoResults) as caught:
        automl_bench.open(tmp_path / "empty").results()
    assert f"--workspace {tmp_path / 'empty'}" in str(caught.value)
    (tmp_path / "file").touch()
    with pytest.raises(WorkspaceError, match="not a folder"):
        automl_bench.open(tmp_path / "file")


def test_child_processes_do_not_run_the_script_again(tmp_path):
    """A notebook turned into a script has no `if __name__ == "__main__"`, and each child would import it."""
    script = tmp_path / "script.py"
    script.write_text(
        "print('began', flush=True)\n"
        "import multiprocessing, os\n"
        "from concurrent.futures import ProcessPoolExecutor\n"
        "import automl_bench\n"
        f"project = automl_bench.open({str(tmp_path)!r})\n"
        "with project._at_work(), ProcessPoolExecutor(1, multiprocessing.get_context('spawn')) as pool:\n"
        "    assert pool.submit(os.getpid).result() != os.getpid()\n"
        "print(__file__)\n"
    )
    ended = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stdout) == (0, f"began\n{script}\n"), ended.stderr
