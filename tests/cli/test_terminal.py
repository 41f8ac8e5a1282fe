"""What the terminal shows: at any width and encoding, to a reader who leaves, in a folder inside the workspace."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_workspace import make_workspace, write_experiment

from automl_bench.cli.main import run
from automl_bench.cli.output import console
from automl_bench.cli.tables import fitting
from automl_bench.errors import ExitCode
from automl_bench.settings.workspace import WORKSPACE_VARIABLE, Workspace
from automl_bench.store import open_store
from automl_bench.store.leases import current_owner

MAIN = [sys.executable, "-m", "automl_bench.cli.main"]
SMALL = """
datasets = ["tiny"]
providers = ["simulated:quick", "simulated:thrifty"]
shots = [2]
[parallel]
enabled = false
"""
QUESTIONS = (
    "Which one?", "How sure?", "What does it cost a month?", "How fast under load?", "Better than guessing?",
    "Worth more labels?", "What is not settled?", "What next?", "What did this cost?", "Still running?",
)  # fmt: skip
NAMES = ("simulated:quick", "simulated:thrifty", "tiny")


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    made = make_workspace(tmp_path)
    monkeypatch.delenv("COLUMNS", raising=False)  # pytest-xdist sets it
    monkeypatch.setenv(WORKSPACE_VARIABLE, str(tmp_path))
    monkeypatch.setenv("AUTOML_BENCH_SIMULATED_SPEED", "1000000")
    monkeypatch.chdir(tmp_path)
    return made


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace in which the experiment `small` was run, once for all tests that read it."""
    made = make_workspace(tmp_path_factory.mktemp("ran"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(WORKSPACE_VARIABLE, str(made.root))
        patch.setenv("AUTOML_BENCH_SIMULATED_SPEED", "1000000")
        assert run(["run", str(write_experiment(made.root, SMALL))]) == ExitCode.OK
    return made


@pytest.fixture
def measured(ran: Workspace, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """The workspace with the experiment `small`, as the current folder."""
    monkeypatch.setenv(WORKSPACE_VARIABLE, str(ran.root))
    monkeypatch.setenv("AUTOML_BENCH_SIMULATED_SPEED", "1000000")
    monkeypatch.chdir(ran.root)
    return ran


# --- widths and encodings ---------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("command", [["status"], ["results"], ["plan", "small.toml"], ["data", "list"]])
def test_no_name_is_broken_at_any_width(
    measured: Workspace,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    width: int,
    command: list[str],
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    assert run(command) == ExitCode.OK
    shown = capsys.readouterr().out.partition("Which one?")[0]
    framed = [line for line in shown.splitlines() if line.startswith(("│", "┃"))]
    assert max(map(len, framed), default=0) <= width
    words = set(re.split(r"[\s│┃]+", shown))
    for broken in ("simulated:", "simulated:qui", "simulated:thr", "fashion-", "fashion-mi", "ti"):
        assert broken not in words
    assert any(name in words for name in NAMES)


WORDS = st.text(alphabet="abcdefghij:-", min_size=1, max_size=24)


@given(
    rows=st.lists(st.lists(st.lists(WORDS, max_size=3).map(" ".join), min_size=3, max_size=3), min_size=1, max_size=4),
    width=st.integers(20, 140),
)
def test_every_word_of_a_table_stands_whole_on_a_line(rows: list[list[str]], width: int) -> None:
    from rich.console import Console

    heads = ("first", "second column", "third")
    found = fitting(heads, rows, [False] * 3, width, "")
    if isinstance(found, list):
        lines = found
    else:
        console = Console(width=width, record=True, file=open(os.devnull, "w"))  # noqa: SIM115
        console.print(found)
        console.file.close()
        lines = console.export_text().splitlines()
        assert max(map(len, lines)) <= width
    shown = " ".join(lines).replace("┃", " ").replace("│", " ").split()
    for word in (word for row in rows for cell in row for word in cell.split()):
        assert word in shown or any(word + ":" == one for one in shown)


def test_a_terminal_breaks_a_line_between_words_and_never_in_a_path_or_a_command(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "40")
    path = "/a/folder/with/a/name/that/is/longer/than/forty/characters"
    remedy = "  Go on with `automl-bench teardown simulated:quick tiny 2 --fold 1`, or leave it as it is."
    console().print(f"report: {path}\n{remedy}", markup=False)
    assert capsys.readouterr().out.splitlines() == [
        "report:",
        path,
        "  Go on with",
        "  `automl-bench teardown simulated:quick tiny 2 --fold 1`,",
        "  or leave it as it is.",
    ]


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_terminal_without_unicode_gets_plain_words(measured: Workspace, encoding: str) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    for command in (["results"], ["--help"]):
        ended = subprocess.run([*MAIN, *command], env=environment, capture_output=True, check=False)
        assert ended.returncode == ExitCode.OK, ended.stderr
        assert b"+-" in ended.stdout or b"\xb1" in ended.stdout
    ended = subprocess.run([*MAIN, "results", "--json"], env=environment, capture_output=True, check=True)
    assert json.loads(ended.stdout)[0]["dataset"] == "tiny"


def test_a_reader_that_leaves_early_is_no_error(measured: Workspace) -> None:
    for command in (["results", "--json"], ["data", "list", "--json"], ["--help"]):
        with subprocess.Popen([*MAIN, *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            process.stdout.readline()
            process.stdout.close()
            assert process.stderr.read() == b""
        assert process.returncode == ExitCode.OK


def test_a_group_without_a_command_prints_its_help(capfd: pytest.CaptureFixture[str]) -> None:
    for words in ([], ["data"], ["providers"]):
        assert run(words) == ExitCode.OK
        written = capfd.readouterr()
        assert "Usage" in written.out
        assert "error" not in written.err


def test_the_shell_completes_commands_and_names(workspace: Workspace) -> None:
    def complete(line: str) -> list[str]:
        words = line.split(" ")
        environment = {
            **os.environ,
            "_AUTOML_BENCH_COMPLETE": "complete_bash",
            "COMP_WORDS": line,
            "COMP_CWORD": str(len(words) - 1),
        }
        program = Path(sys.executable).with_name("automl-bench")
        return subprocess.run([program], env=environment, capture_output=True, text=True, check=True).stdout.split()

    assert complete("automl-bench ru") == ["run"]
    assert complete("automl-bench run demo-c") == ["demo-cloud"]
    assert complete("automl-bench providers show simu") == ["simulated"]
    assert complete("automl-bench upload simulated t") == ["tiny"]


# --- which workspace, which names -------------------------------------------------------------------------


def test_the_workspace_is_found_from_a_folder_inside(
    measured: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(WORKSPACE_VARIABLE)
    inside = measured.root / "notes" / "deep"
    inside.mkdir(parents=True)
    monkeypatch.chdir(inside)
    assert Workspace.current() == measured
    assert run(["status"]) == ExitCode.OK
    written = capsys.readouterr()
    assert "2 trials: 2 done" in written.out
    assert f"workspace: {measured.root}" in written.err
    assert run(["init", "digits"]) == ExitCode.OK  # makes a workspace of its own, as git does
    assert Workspace.current().root == inside


def test_a_folder_of_another_user_is_no_workspace(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv(WORKSPACE_VARIABLE)
    workspace.mark()
    inside = tmp_path / "inside"
    inside.mkdir()
    monkeypatch.chdir(inside)
    assert Workspace.current() == workspace
    monkeypatch.setattr(os, "getuid", lambda: os.geteuid() + 1)
    assert Workspace.current().root == inside


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["run", "demo-clod"], "demo-cloud"),
        (["run", "smal"], "small"),
        (["providers", "show", "simulatd"], "simulated"),
        (["train", "simulated:quik", "tiny", "2"], "simulated:quick"),
        (["data", "check", "tinny"], "tiny"),
        (["data", "fetch", "digitz"], "digits"),
        (["ablate", "tinny"], "tiny"),
        (["results", "--experiment", "smal"], "small"),
        (["results", "--dataset", "tinny"], "tiny"),
        (["status", "--provider", "simulatd"], "simulated"),
        (["report", "smal"], "small"),
        (["compare", "simulated:quick", "simulated:thrift"], "simulated:thrifty"),
        (["stauts"], "status"),
    ],
)
def test_a_misspelt_name_is_answered_with_the_right_one(
    measured: Workspace, capsys: pytest.CaptureFixture[str], words: list[str], meant: str
) -> None:
    assert run(words) in (ExitCode.USAGE, ExitCode.SETTINGS, ExitCode.DATASET)
    assert re.search(rf"Did you mean '{re.escape(meant)}(\.toml)?'", capsys.readouterr().err)


@pytest.mark.parametrize(
    ("wrong", "key", "meant"),
    [
        ('dataset = ["tiny"]', "dataset", "datasets"),
        ("shot = [2]", "shot", "shots"),
        ("test_limt = 3", "test_limt", "test_limit"),
    ],
)
def test_a_misspelt_key_is_named_with_the_right_one(
    workspace: Workspace, capsys: pytest.CaptureFixture[str], wrong: str, key: str, meant: str
) -> None:
    lines = [line for line in SMALL.strip().splitlines() if not line.startswith(f"{meant} =")]
    path = write_experiment(workspace.root, "\n".join([wrong, *lines]))
    assert run(["plan", str(path)]) == ExitCode.SETTINGS
    assert f"{key!r} is not a setting. Did you mean {meant!r}?" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ["results"],
        ["results", "--json"],
        ["status"],
        ["report"],
        ["export"],
        ["compare", "a", "b"],
        ["results", "check", "--fail-if", "accuracy(a, b, 2) < 1"],
    ],
)
def test_no_results_yet_is_one_exit_code(
    workspace: Workspace, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    assert run(words) == ExitCode.NO_RESULTS
    assert len(capsys.readouterr().err.splitlines()) == 1


# --- status, and two at once ------------------------------------------------------------------------------


def test_every_question_of_the_card_is_answered_for_texts_and_for_rows(
    workspace: Workspace, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    kinds = ("ham", "spam")
    mails = "".join(f"a note {n} about {kinds[n % 2]},{kinds[n % 2]}\n" for n in range(60))
    (workspace.root / "mails.csv").write_text(f"message,folder\n{mails}")
    rows = "".join(f"{n % 2 + n / 1000},{n},{kinds[n % 2]}\n" for n in range(60))
    (workspace.root / "flowers.csv").write_text(f"petal,sepal,species\n{rows}")
    for name, options in (("mails", ("--text", "message", "--label", "folder")), ("flowers", ("--target", "species"))):
        assert run(["data", "import", name, f"{name}.csv", *options]) == ExitCode.OK
    path = write_experiment(workspace.root, SMALL.replace('["tiny"]', '["mails", "flowers"]'), name="both")
    capsys.readouterr()
    assert run(["run", str(path)]) == ExitCode.OK
    shown = capsys.readouterr().out
    for question in QUESTIONS:
        answer = re.search(rf"^{re.escape(question)} +(\S.*)", shown, flags=re.MULTILINE)
        assert answer, question
    assert not re.search("image|picture", shown)


def test_status_has_totals_and_filters(measured: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["status", "--json"]) == ExitCode.OK
    assert json.loads(capsys.readouterr().out)["totals"] == {"done": 2}
    assert run(["status", "--provider", "simulated", "--dataset", "tiny", "--experiment", "small"]) == ExitCode.OK
    assert "2 trials: 2 done" in capsys.readouterr().out
    assert run(["status", "--status", "failed"]) == ExitCode.NO_RESULTS
    capsys.readouterr()
    assert run(["status", "--watch"]) == ExitCode.OK  # nothing runs: it ends at once


def test_a_second_run_says_who_else_works_on_the_experiment(
    measured: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    environment = dict(os.environ)
    with open_store(measured.store_path) as store:
        trial = store.trials()[0]
        store.claim_trial(trial.trial_id, current_owner())  # this process, seen by another one
        ended = subprocess.run(
            [*MAIN, "run", "small.toml", "--retry-failed"],
            env=environment, cwd=measured.root, capture_output=True, text=True, check=False,
        )  # fmt: skip
        store.release_trial(trial.trial_id, current_owner())
    assert f"process {os.getpid()} on" in ended.stderr
    assert "works on 1 of its 2 trials now" in ended.stderr


def test_no_simulated_price_stands_without_the_word(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    for verb in ("upload", "train", "deploy"):
        assert run([verb, "simulated:quick", "tiny", "2"]) == ExitCode.OK
    assert "$900000.00 an hour, simulated)" in capsys.readouterr().out
    assert run(["resources"]) == ExitCode.OK
    listed = capsys.readouterr().out
    assert "900000.00 simulated" in listed
    assert "together $900000.00 an hour simulated" in listed
    assert run(["plan", str(write_experiment(workspace.root, SMALL))]) == ExitCode.OK
    planned = capsys.readouterr().out
    for line in planned.splitlines():
        if line.startswith("│ simulated:") and re.search(r"\d\.\d\d\b", line):
            assert re.search(r"\d simulated|\(simulated\)", line), line
    assert re.search(r"worst case: together at most \$\S+ simulated: nobody bills it", planned)
    assert run(["teardown", "--all"]) == ExitCode.OK


# --- first steps ------------------------------------------------------------------------------------------


def test_init_writes_an_experiment_that_plan_takes(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["init", "--provider", "simulated:quick"]) == ExitCode.OK
    assert run(["plan", "first.toml"]) == ExitCode.OK
    text = (workspace.root / "first.toml").read_text()
    assert 'datasets = ["tiny"]' in text
    assert "shots = [5]" in text  # the smallest class has 12 samples
    assert run(["init"]) == ExitCode.SETTINGS
    assert "first.toml exists already" in capsys.readouterr().err


def test_init_makes_a_whole_workspace_and_overwrites_nothing(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    import nbformat

    root = workspace.root
    (root / "README.md").write_text("mine")
    assert run(["init", "tiny", "digits", "--provider", "null", "--name", "whole"]) == ExitCode.OK
    assert "left README.md as it is" in capsys.readouterr().out
    assert (root / "README.md").read_text() == "mine"
    notebook = nbformat.read(root / "whole.ipynb", as_version=4)
    nbformat.validate(notebook)
    assert 'project.fetch("digits")' in notebook.cells[1].source
    for cell in notebook.cells:
        if cell.cell_type == "code":
            compile(cell.source, "whole.ipynb", "exec")
    assert f"numpy=={version('numpy')}" in (root / "requirements.txt").read_text()
    assert "results/" in (root / ".gitignore").read_text()
    (root / "README.md").unlink()
    assert run(["init", "tiny", "--provider", "null", "--name", "second"]) == ExitCode.OK
    lines = [line for line in (root / "README.md").read_text().splitlines() if line.startswith("automl-bench")]
    assert run(shlex.split(lines[0])[1:]) == ExitCode.OK
    assert [line.split()[1] for line in lines] == ["plan", "run", "report", "reproduce"]


def test_try_goes_from_a_folder_to_a_report(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    folder = workspace.root / "source" / "train"
    begun = time.monotonic()
    assert run(["try", str(folder), "simulated:quick", "--name", "mine", "--no-open"]) == ExitCode.OK
    written = capsys.readouterr()
    assert "Which one?" in written.out
    assert (workspace.root / "reports" / "try-mine" / "report.html").is_file()
    assert "simulated" in written.err  # nothing was asked: nobody bills a simulation
    assert run(["run", "try-mine"]) == ExitCode.OK
    assert "3 done before" in capsys.readouterr().err
    assert time.monotonic() - begun < 60


def test_try_asks_before_money_may_be_spent(
    workspace: Workspace, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from automl_bench.report import plan_expectations
    from automl_bench.trials.pricing import Cost

    monkeypatch.setattr(plan_expectations, "billed", lambda plans: Cost(3.0))
    assert run(["try", "tiny", "simulated:quick", "--no-open"]) == ExitCode.USAGE
    assert "Add --yes or --max-cost USD." in capsys.readouterr().err
    assert not workspace.store_path.exists()
