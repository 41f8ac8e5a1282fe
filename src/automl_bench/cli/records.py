"""Records of experiments, this workspace's or another's, and `export environment`: what one was run in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from automl_bench.cli import completion
from automl_bench.cli.output import console, print_json, say, say_plainly
from automl_bench.errors import NoResults
from automl_bench.report.environment_files import EnvironmentFormat

if TYPE_CHECKING:
    from automl_bench.cli.session import Session
    from automl_bench.report.recorded_environments import Recorded
    from automl_bench.store import Store
    from automl_bench.store.records import TrialRecord

FromOption = Annotated[
    Path | None,
    typer.Option(
        "--from",
        metavar="FILE",
        help="Results file to take the record from, of another workspace or machine.",
        show_default="this workspace's",
    ),
]


def export_environment(
    experiment: Annotated[
        str,
        typer.Argument(metavar="EXPERIMENT", help="Experiment that was run.", autocompletion=completion.experiments),
    ],
    format_: Annotated[
        EnvironmentFormat, typer.Option("--format", help="What the file is for.")
    ] = EnvironmentFormat.PIP,
    out: Annotated[Path | None, typer.Option(help="File to write.", show_default="standard output")] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Also the packages that nothing at work asked for.")
    ] = False,
    given: FromOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was recorded as JSON.")] = False,
) -> None:
    """Write the environment of an experiment as a file for pip, for conda, or for a container (podman, docker).

    Python and every package are pinned to the versions that its trials were run with. Where they were run in several
    environments, it is that of most of them.

    \b
    Examples:
      automl-bench export environment demo > requirements.txt
      automl-bench export environment demo --format conda --out environment.yml
      automl-bench export environment demo --format containerfile --out Containerfile
    """
    from automl_bench.cli.session import Session
    from automl_bench.report.environment_files import environment_file
    from automl_bench.toolkit.whole_files import write_text

    with open_record(Session(), given) as store:
        found = environments_of(store, experiment, trials_of(store, experiment))
    if not found:
        raise NoResults(f"It was not recorded what {experiment} was run in.", remedy="Run it again.")
    if as_json:
        print_json({"experiment": experiment, "environments": [{"trials": o.trials, **o.content} for o in found]})
        return
    if len(found) > 1:
        say(f"{experiment} was run in {len(found)} environments: this is that of {found[0].trials} trials")
    text = environment_file(found[0].content, format_, name=experiment, everything=everything)
    if out is None:
        say_plainly(text.removesuffix("\n"))
        return
    write_text(out, text)
    console().print(str(out), markup=False)


@contextmanager
def open_record(session: Session, given: Path | None) -> Iterator[Store]:
    """Open the results file with the record, for reading."""
    if given is None:
        with session.store_to_read() as store:
            yield store
        return
    from automl_bench.store import open_store
    from automl_bench.store.copied_file import copy_of

    with copy_of(given) as path, open_store(path, read_only=True) as store:
        yield store


def trials_of(store: Store, what: str) -> list[TrialRecord]:
    """Return the trials of an experiment, or the one of that id.

    Raises:
        NoResults: If nothing has been recorded.
        UsageError: If it is neither.
    """
    from automl_bench.report.missing import no_experiment

    if store.experiment(what) is not None:
        return store.trials(experiment=what)
    trial = store.trial(what)
    if trial is None:
        raise no_experiment(store, what)
    return [trial]


def environments_of(store: Store, what: str, trials: Sequence[TrialRecord]) -> list[Recorded]:
    """Return the environments that trials of an experiment were run in, that of most of them first."""
    from automl_bench.report.recorded_environments import recorded_environments

    experiment = store.experiment(what)
    return recorded_environments(store, trials, experiment.environment_id if experiment else None)
