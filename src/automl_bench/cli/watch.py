"""`automl-bench watch`: does a service still answer as it did? One look at each call, for cron and CI."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from automl_bench.border.command_lines import quoted_command
from automl_bench.cli import completion
from automl_bench.cli.output import console, print_json, progress_bar, say
from automl_bench.errors import (
    AutomlBenchError,
    CouldNotLook,
    Interrupted,
    NoResults,
    ProviderChanged,
    RecordsError,
    WorkspaceError,
)

if TYPE_CHECKING:
    from automl_bench.cli.session import Session
    from automl_bench.report.looks import Judged
    from automl_bench.store.looks_table import Look, LookAnswer
    from automl_bench.store.records import TrialRecord
    from automl_bench.trials.surroundings import Surroundings
    from automl_bench.trials.trial import Trial


def watch(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="EXPERIMENT",
            help="a TOML file, or the name of one in configs/",
            autocompletion=completion.experiments,
        ),
    ],
    probes: Annotated[int, typer.Option(min=10, help="Test samples of a new reference, drawn by seed.")] = 300,
    false_alarms: Annotated[
        float, typer.Option(min=0.0001, max=0.5, help="Chance of any false alarm in --looks looks in a row.")
    ] = 0.05,
    looks: Annotated[int, typer.Option(min=1, help="Looks in a row for which --false-alarms holds.")] = 30,
    new_reference: Annotated[
        bool, typer.Option("--new-reference", help="Take this look as the reference from now on.")
    ] = False,
    wait: Annotated[
        float, typer.Option(min=0, metavar="SECONDS", help="How long a service that does not answer is waited for.")
    ] = 60.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """Ask an experiment's services the same test samples again, and tell whether their answers have changed.

    Prompted models are watched always, trained ones while they are deployed (`run --keep`). The first look is the
    reference. Each later one is held against it: an exact paired test of what turned right or wrong, whose false alarms
    are bounded over all looks, and the model that answered. Let cron call it; each call is one look, and is paid for.

    The exit code is 0 if no change was found, 13 if one was, 14 if a service could not be asked. Read docs/watching.md.

    \b
    Examples:
      automl-bench watch zero-shot
      automl-bench watch zero-shot --probes 500 --false-alarms 0.01 --json
      automl-bench watch zero-shot --new-reference      a change was looked into and is accepted
    """
    from automl_bench.cli.experiments import find_experiment
    from automl_bench.cli.session import Session
    from automl_bench.report.looks import look_row, look_words
    from automl_bench.settings.experiment_files import read_experiment
    from automl_bench.statistics.changes import level_of

    session = Session()
    experiment = read_experiment(find_experiment(session, file))
    with _surroundings(session) as around:
        watched, not_watched = _watched(session, around, session.trials(experiment))
        level = level_of(false_alarms, looks, len(watched))
        found = [
            (record, _look(one, around, record, probes=probes, level=level, anew=new_reference, wait=wait))
            for record, one in watched
        ]
    rows = [look_row(record, one) for record, one in found]
    if as_json:
        print_json(
            {
                "experiment": experiment.name,
                "false_alarms": false_alarms,
                "looks": looks,
                "found": rows,
                "not_watched": not_watched,
            }
        )
    else:
        if not_watched and rows:
            others = f" ({len(not_watched)} trials in all; --json lists them)" if len(not_watched) > 1 else ""
            say(f"not watched: {not_watched[0]}{others}")
        for (record, _), row in zip(found, rows, strict=True):
            console().print(look_words(row, record.label), markup=False)
        if rows:
            console().print(
                f"Any {looks} looks in a row raise a false alarm with a chance of at most {false_alarms:.2g}, all that"
                " is watched together.",
                markup=False,
            )
    _end(experiment.name, rows, not_watched)


@contextmanager
def _surroundings(session: Session) -> Iterator[Surroundings]:
    from automl_bench.cli.parting import stopping
    from automl_bench.trials.machine import Machine
    from automl_bench.trials.surroundings import Surroundings

    with session.store() as store, stopping() as stop, progress_bar("watch") as advance:
        store.hurry_with(stop)
        yield Surroundings(
            store=store,
            machine=Machine(session.machine_lock(say)),
            observers=session.observers,
            stop=stop,
            report=lambda trial, _stage, done, total, note: advance(done, total, note or trial.label),
            say=say,
        )


def _watched(
    session: Session, around: Surroundings, records: Sequence[TrialRecord]
) -> tuple[list[tuple[TrialRecord, Trial | AutomlBenchError]], list[str]]:
    """Return what there is to ask, an error in place of what cannot be set up, and why other trials are left out."""
    from automl_bench.trials.looking import why_not_watched
    from automl_bench.trials.trial import Trial

    watched: list[tuple[TrialRecord, Trial | AutomlBenchError]] = []
    not_watched = []
    for record in records:
        try:
            trial = Trial(record, session.bind(record.provider), session.source.material(record), around)
            trial.check_feasible()
        except AutomlBenchError as error:
            watched.append((record, error))
            continue
        if why := why_not_watched(trial):
            not_watched.append(f"{record.label}: {why}.")
        else:
            watched.append((record, trial))
    return watched, not_watched


def _look(
    trial: Trial | AutomlBenchError,
    around: Surroundings,
    record: TrialRecord,
    *,
    probes: int,
    level: float,
    anew: bool,
    wait: float,
) -> Judged:
    """Look once at one trial, and store what was seen."""
    from automl_bench.report.looks import no_look, reference_of
    from automl_bench.store.looks_table import LookFinding
    from automl_bench.trials.claims import Claims

    store = around.store
    store.save_trial(record)
    before = store.looks(record.trial_id)
    reference = None if anew else reference_of(before)
    at = datetime.now(UTC).isoformat(timespec="milliseconds")
    answers: Sequence[LookAnswer] = ()
    with Claims(store, say) as claims, claims.holding(record.trial_id, around.stop) as mine:
        try:
            if isinstance(trial, AutomlBenchError):
                raise trial
            if not mine:
                raise CouldNotLook("another automl-bench process works on this trial.")
            found, answers = _seen(trial, reference, before, probes=probes, level=level, wait=wait)
        except (Interrupted, RecordsError, WorkspaceError):
            raise
        except AutomlBenchError as error:
            found = no_look(record.trial_id, at, str(error), reference)
        number = store.add_look(found.look, answers) if mine else 0
    reference_number = number if found.look.finding is LookFinding.REFERENCE else found.look.reference
    return replace(found, look=replace(found.look, number=number, reference=reference_number))


def _seen(
    trial: Trial, reference: Look | None, before: Sequence[Look], *, probes: int, level: float, wait: float
) -> tuple[Judged, Sequence[LookAnswer]]:
    from automl_bench.report.looks import first_look, judged
    from automl_bench.trials.looking import look, probes_of

    trial_id, test = trial.record.trial_id, trial.material.test
    if reference is None:
        seen = look(trial, probes_of(test, probes, trial.record.seed), wait_seconds=wait)
        return first_look(trial_id, seen, level), seen.answers
    known = trial.around.store.look_answers(trial_id, reference.number)
    ids = {one.sample_id for one in known}
    seen = look(trial, [one for one in test if one[0].sample_id in ids], wait_seconds=wait)
    return judged(trial_id, seen, reference, known, before, level), seen.answers


def _end(experiment: str, rows: Sequence[Mapping[str, Any]], not_watched: Sequence[str]) -> None:
    """Turn what was found into the exit code; a change comes before what could not be asked."""
    from automl_bench.store.looks_table import LookFinding

    if not rows:
        raise NoResults(
            f"nothing of {experiment} can be asked now: {not_watched[0] if not_watched else 'it has no trials.'}",
            remedy="Trained models are watched while they are deployed: run with --keep, or use the verb `deploy`.",
        )
    findings = [row["finding"] for row in rows]
    changed, silent = findings.count(LookFinding.CHANGED), findings.count(LookFinding.NOT_LOOKED)
    if changed:
        raise ProviderChanged(
            f"{changed} of {len(rows)} watched services changed.",
            remedy=f"Measure again; to accept it: {quoted_command('watch', experiment, '--new-reference')}",
        )
    if silent:
        raise CouldNotLook(
            f"{silent} of {len(rows)} watched services could not be asked.", remedy="The reasons stand above."
        )
