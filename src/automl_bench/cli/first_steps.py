"""`automl-bench init` and `try`: from a folder of labelled data to a first experiment, and to its verdict."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from automl_bench.border.command_lines import command_line, quoted_command
from automl_bench.cli import completion
from automl_bench.cli.output import console, say
from automl_bench.errors import Interrupted, UsageError, WorkspaceError

if TYPE_CHECKING:
    from automl_bench.cli.session import Session
    from automl_bench.settings.first_experiment import Draft
    from automl_bench.trials.experiment import Experiment

PANEL = "First steps"
SAMPLE_DATASET = "digits"
"""Comes with the packages, so that a first experiment has something to run on."""
DEFAULT_PROVIDERS = ("local", "local:svc")


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.command("init", rich_help_panel=PANEL)(init)
    app.command("try", rich_help_panel=PANEL)(try_)


def init(
    datasets: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[DATASET]...",
            help="Datasets of the workspace or the catalogue.",
            show_default="those in the workspace, else digits",
            autocompletion=completion.known_datasets,
        ),
    ] = None,
    name: Annotated[str, typer.Option(help="Name of the experiment and of its file.")] = "first",
    providers: Annotated[
        list[str] | None,
        typer.Option("--provider", help="Provider or provider:variant; may be given again.", show_default="local ones"),
    ] = None,
) -> None:
    """Make this folder a workspace: an experiment with every line explained, a notebook, README and requirements.

    Writes NAME.toml, NAME.ipynb, README.md, requirements.txt (the packages in use now) and .gitignore. Nothing that is
    there already is overwritten.

    \b
    Examples:
      automl-bench init
      automl-bench init pets --provider local --provider vertex
    """
    from automl_bench.cli.session import Session
    from automl_bench.settings.workspace import WORKSPACE_VARIABLE, Workspace

    root = Path(os.environ.get(WORKSPACE_VARIABLE) or Path.cwd()).absolute()
    session = Session(Workspace(root))
    here = sorted(path.parent.name for path in session.workspace.data.glob("*/manifest.csv"))
    chosen = datasets or here or [SAMPLE_DATASET]
    for dataset in chosen:
        if dataset not in here:
            _require_known(session, dataset)
    draft = _draft(session, name, [one for one in chosen if one in here], providers or DEFAULT_PROVIDERS, chosen)
    path = session.workspace.root / f"{name}.toml"
    session.workspace.mark()
    _write_new(path, draft)
    out = console()
    out.print(f"wrote {path}", markup=False)
    missing = [one for one in chosen if one not in here]
    for beside, text in _beside(session, draft, missing).items():
        try:
            _write_text(session.workspace.root / beside, text)
        except FileExistsError:
            out.print(f"left {beside} as it is", markup=False)
        else:
            out.print(f"wrote {beside}", markup=False)
    if missing:
        out.print(f"  {command_line('data', 'fetch', *missing)}", markup=False)
    out.print(f"  {command_line('plan', _shown(path))}", markup=False)
    out.print(f"  {command_line('run', _shown(path))}", markup=False)


def try_(
    source: Annotated[
        str, typer.Argument(metavar="DATA", help="Folder, list or archive with labelled data; or a known dataset.")
    ],
    providers: Annotated[
        list[str],
        typer.Argument(
            metavar="PROVIDER...", help="Providers or provider:variant.", autocompletion=completion.providers
        ),
    ],
    name: Annotated[str, typer.Option(help="Name for the dataset.", show_default="that of DATA")] = "",
    max_cost: Annotated[
        float | None, typer.Option(min=0, metavar="USD", help="Begin no trial that could pass this budget.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before money may be spent.")] = False,
    open_page: Annotated[bool, typer.Option("--open/--no-open", help="Open the report in a browser.")] = True,
) -> None:
    """Import data, plan, ask once about money, run, and open the report: the shortest way to a first verdict.

    Writes the experiment try-NAME.toml, which `run` continues. Nothing is asked where nothing can cost money.

    \b
    Examples:
      automl-bench try ~/pictures/pets local simulated:quick
      automl-bench try digits local local:svc --no-open
    """
    from automl_bench.cli.decision import print_verdict
    from automl_bench.cli.experiments import print_results, run_trials
    from automl_bench.cli.report import write_report
    from automl_bench.cli.run_end import end, left_comes_first, print_tally
    from automl_bench.cli.session import Session
    from automl_bench.settings.experiment_files import read_experiment
    from automl_bench.trials.conductor import Wishes

    session = Session()
    for provider in providers:
        session.variant(provider)
    dataset = _bring(session, source, name)
    path = _experiment_file(session.workspace.root, dataset, tuple(providers))
    session.workspace.mark()
    if not path.exists():
        _write_new(path, _draft(session, path.stem, [dataset], providers, [dataset]))
    say(f"experiment: {path}")
    experiment = read_experiment(path)
    _agree(session, experiment, yes=yes or max_cost is not None)
    tally, rows = run_trials(session, experiment, Wishes(max_cost=max_cost), path)
    with left_comes_first(tally):
        print_results(experiment, rows)
        print_tally(experiment.name, tally)
        page = write_report(experiment.name)
        console().print(f"report: {page}", markup=False)
        print_verdict(session, experiment.name, rows)
        if open_page:
            _open(page)
    end(tally, _shown(path))


def _bring(session: Session, source: str, name: str) -> str:
    """Return the dataset that a source stands for, imported or fetched where it is not here yet.

    Raises:
        UsageError: If the source is neither data nor a dataset, or its name is taken by other data.
    """
    from automl_bench.cli.data import fetch_into_workspace
    from automl_bench.cli.importing import import_into_workspace
    from automl_bench.datasets.provenance import read_card

    path = Path(source).expanduser()
    if not path.exists():
        if not (session.workspace.dataset(source) / "manifest.csv").is_file():
            _require_known(session, source)
            fetch_into_workspace(source)
        return source
    name = name or _name_of(path)
    card = read_card(session.workspace.dataset(name))
    if card is None:
        import_into_workspace(name, path)
    elif card.source != str(path.absolute()):
        raise UsageError(
            f"there is a dataset {name!r} already, and it was not made from {path}.", remedy="Give another --name."
        )
    return name


def _require_known(session: Session, dataset: str) -> None:
    from automl_bench.border.names import did_you_mean

    known = set(session.workspace.config_files("datasets"))
    here = {path.parent.name for path in session.workspace.data.glob("*/manifest.csv")}
    if dataset not in known:
        own = f"Bring your own: {quoted_command('data', 'import', dataset, 'PATH')}"
        raise UsageError(f"there is no dataset {dataset!r}.", remedy=did_you_mean(dataset, {*known, *here}, own))


def _name_of(path: Path) -> str:
    """Return a name for the dataset in a file or folder."""
    stem = path.resolve().name.split(".")[0].lower()
    return re.sub(r"[^a-z0-9._-]+", "-", stem).strip("-._") or "mine"


def _draft(
    session: Session, name: str, here: Sequence[str], providers: Sequence[str], datasets: Sequence[str]
) -> Draft:
    from automl_bench.border.names import is_name
    from automl_bench.settings.first_experiment import Draft

    if not is_name(name):
        raise UsageError(
            f"{name!r} cannot be the name of an experiment.", remedy="Use letters, digits, dots, dashes, underscores."
        )
    for provider in providers:
        session.variant(provider)
    counts = [session.source.manifest(dataset).counts()["train"] for dataset in here]
    smallest = min((min(row.values()) for row in counts), default=None)
    tests = [sum(session.source.manifest(dataset).counts()["test"].values()) for dataset in here]
    return Draft(name, tuple(datasets), tuple(providers), smallest, max(tests, default=None))


def _beside(session: Session, draft: Draft, missing: Sequence[str]) -> dict[str, str]:
    """Return the other files of a new workspace by name."""
    from automl_bench.report.environment_files import EnvironmentFormat, environment_file
    from automl_bench.settings import workspace_files

    environment = session.environment(provider.partition(":")[0] for provider in draft.providers)
    title = "The packages that this workspace was set up with."
    return {
        f"{draft.name}.ipynb": workspace_files.notebook(draft, missing),
        "README.md": workspace_files.readme(draft, missing),
        "requirements.txt": environment_file(environment, EnvironmentFormat.PIP, name=draft.name, title=title),
        ".gitignore": workspace_files.gitignore(),
    }


def _write_new(path: Path, draft: Draft) -> None:
    try:
        _write_text(path, draft.text())
    except FileExistsError as error:
        raise WorkspaceError(f"{path} exists already.", remedy="Give another --name, or remove it.") from error


def _write_text(path: Path, text: str) -> None:
    """Write a file that is not there yet.

    Raises:
        FileExistsError: If it is there.
        WorkspaceError: If it cannot be written.
    """
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise
    except OSError as error:
        raise WorkspaceError(
            f"{path} cannot be written: {error.strerror}.", remedy="Choose a folder that you may write to."
        ) from error


def _experiment_file(root: Path, dataset: str, providers: tuple[str, ...]) -> Path:
    """Return the file of the same attempt before, else one that is not there yet."""
    from automl_bench.settings.experiment_files import read_experiment

    number = 1
    while True:
        path = root / f"try-{dataset}{f'-{number}' if number > 1 else ''}.toml"
        if not path.exists() or read_experiment(path).providers == providers:
            return path
        number += 1


def _shown(path: Path) -> str:
    """Return a path as the user would type it here."""
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)


def _agree(session: Session, experiment: Experiment, *, yes: bool) -> None:
    """Say what the run may cost, and ask if that is anything.

    Raises:
        UsageError: If there is nobody to ask.
        Interrupted: If the answer is no.
    """
    from automl_bench.cli.plan import worst_cost

    words, is_free = worst_cost(session, experiment)
    say(words)
    if is_free or yes:
        return
    if not sys.stdin.isatty():
        raise UsageError("this may cost money, and there is nobody to ask.", remedy="Add --yes or --max-cost USD.")
    if not typer.confirm("Begin?", err=True):
        raise Interrupted("nothing begun.")


def _open(page: Path) -> None:
    """Open a page in a browser where there is one to see it in."""
    import webbrowser

    has_display = sys.platform in ("darwin", "win32") or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if has_display and sys.stdout.isatty():
        webbrowser.open(page.as_uri())
