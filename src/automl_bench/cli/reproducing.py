"""`automl-bench reproduce`: recorded trials once more, each answer held against the record."""

from __future__ import annotations

import hashlib
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from automl_bench.cli import completion
from automl_bench.cli.output import console, print_json, print_table, say
from automl_bench.cli.records import FromOption, environments_of, open_record, trials_of
from automl_bench.errors import AutomlBenchError, DatasetError, NoResults, NotReproduced, WorkspaceError
from automl_bench.numbers_in_words import counted

if TYPE_CHECKING:
    from automl_bench.cli.session import Session
    from automl_bench.report.recorded_environments import Difference
    from automl_bench.report.reproduction import Repeated
    from automl_bench.store import Store
    from automl_bench.store.records import TrialRecord
    from automl_bench.trials.conductor import Tally

LeftOut = tuple["TrialRecord", str]
"""A trial that is not repeated, and why."""

NAMED = 5
"""Trials and packages that an error names."""


def reproduce(
    what: Annotated[
        str,
        typer.Argument(
            metavar="EXPERIMENT|TRIAL",
            help="Experiment that was run, or the id of one of its trials.",
            autocompletion=completion.experiments,
        ),
    ],
    given: FromOption = None,
    tolerance: Annotated[
        float, typer.Option(min=0, max=1, help="How far a confidence may move for answers to count as alike.")
    ] = 1e-6,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Trials to run at once.", show_default="as many as fit")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """Run recorded trials again, here and now, and hold their answers against the recorded ones, one by one.

    Draws the training subsets anew, checks that the data are those of the record, and says in what this environment
    differs from the recorded one. Only trials of providers that compute on this machine are repeated, as they cost
    nothing. The record stays as it is: the repetition has a results file of its own, which is deleted at the end. The
    same command again goes on where it was stopped. Exit code 15 if an answer differs.

    \b
    Examples:
      automl-bench reproduce demo
      automl-bench reproduce 3f9a1c0b77de --json
      automl-bench reproduce demo --from ../colleague/results/automl-bench.sqlite
    """
    from automl_bench.cli.run_end import end, print_tally
    from automl_bench.cli.session import Session
    from automl_bench.report.recorded_environments import differences

    session = Session()
    with open_record(session, given) as store:
        trials = trials_of(store, what)
        chosen, left_out = _repeatable(session, store, trials)
        if not chosen:
            raise NoResults(
                f"nothing of {what} can be repeated here: {left_out[0][1] if left_out else 'it has no trials'}.",
                remedy="Only finished trials of providers that compute on this machine are.",
            )
        _require_same_data(session, chosen)
        recorded = environments_of(store, what, chosen)
        here = session.environment({trial.provider for trial in chosen})
        differing = list(dict.fromkeys(one for found in recorded for one in differences(found.content, here)))
        for one in differing:
            say(f"this environment differs from the recorded one: {one}")
        with _place_apart(session, f"{given or session.workspace.store_path} {what} {here}") as apart:
            tally, repeated = _repeat(apart, store, chosen, here, tolerance, jobs)
            shown = _Shown(what, bool(recorded), differing, repeated, left_out)
            shown.print(as_json=as_json)
            print_tally(what, tally)
            end(tally, what, again="the same command")
    shown.require_alike()


def _repeatable(
    session: Session, store: Store, trials: Sequence[TrialRecord]
) -> tuple[list[TrialRecord], list[LeftOut]]:
    """Return the trials that can be repeated, and why the others are left out."""
    from automl_bench.report.reproduction import has_answers
    from automl_bench.report.rows import FROM
    from automl_bench.store.records import TrialStatus
    from automl_bench.trials.command_lines import ADOPTED
    from automl_bench.trials.waiting import first_sentence

    chosen, left_out = [], []
    for trial in trials:
        try:
            local = session.provider(trial.provider).description.on_this_machine
        except AutomlBenchError as error:
            left_out.append((trial, first_sentence(error).rstrip(".")))
            continue
        if not local or ADOPTED in trial.variant_settings:
            left_out.append((trial, f"{trial.provider} does not compute on this machine, and may cost money"))
        elif FROM in trial.variant_settings:
            left_out.append((trial, f"its record is in {trial.variant_settings[FROM]}: give that with --from"))
        elif trial.status is not TrialStatus.DONE or not has_answers(store, trial):
            left_out.append((trial, f"it is {trial.status.value}"))
        else:
            chosen.append(trial)
    return chosen, left_out


def _require_same_data(session: Session, trials: Sequence[TrialRecord]) -> None:
    """Check that the datasets of trials are here and are those of the record.

    Raises:
        DatasetError: If one is not.
    """
    for dataset, fingerprint in sorted({(trial.dataset, trial.fingerprint) for trial in trials}):
        session.require_dataset(dataset)
        here = session.source.manifest(dataset).fingerprint
        if here != fingerprint:
            raise DatasetError(
                f"{dataset} has the fingerprint {here[:12]} here, and {fingerprint[:12]} in the record: other data.",
                remedy="Bring the data of the record, for example with `data push` there and `data pull` here.",
            )


@contextmanager
def _place_apart(session: Session, purpose: str) -> Iterator[Session]:
    """Give a workspace for a repetition: the same data and provider files, nothing else; gone after the block.

    One that was stopped stays, so that the same purpose goes on with it.

    Args:
        session: The workspace with the data.
        purpose: What is repeated, from which record, in which environment.

    Raises:
        WorkspaceError: If another process is at it, or it cannot be made.
    """
    from filelock import FileLock, Timeout

    from automl_bench.cli.session import Session
    from automl_bench.settings.workspace import Workspace
    from automl_bench.toolkit.whole_files import cannot

    name = hashlib.sha256(purpose.encode()).hexdigest()[:12]
    folder = session.workspace.cache / "reproduce" / name
    lock = FileLock(folder.with_name(f"{name}.lock"))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
        for inner in ("data", "configs"):
            with suppress(FileExistsError):
                (folder / inner).symlink_to(session.workspace.root.absolute() / inner)
    except Timeout as error:
        raise WorkspaceError("another process repeats this here.", remedy="Wait for it, or stop it first.") from error
    except OSError as error:
        raise cannot("make", folder, error) from error
    try:
        yield Session(Workspace(folder), session.registry)
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        lock.release()


def _repeat(
    session: Session,
    recorded: Store,
    trials: Sequence[TrialRecord],
    environment: Mapping[str, Any],
    tolerance: float,
    jobs: int | None,
) -> tuple[Tally, list[Repeated]]:
    """Run trials in a workspace apart, and return how it went and how near the answers are to the recorded ones."""
    from automl_bench.cli.experiments import working
    from automl_bench.measurement.accuracy_pass import PassSettings
    from automl_bench.report.reproduction import compare_trial
    from automl_bench.store.records import TrialStatus
    from automl_bench.trials.conductor import Wishes
    from automl_bench.trials.experiment import Experiment, ParallelPlan

    # What is timed does not matter here: no call is made for a clock alone.
    experiment = Experiment(
        name="reproduce",
        datasets=tuple(sorted({trial.dataset for trial in trials})),
        providers=tuple(sorted({f"{trial.provider}:{trial.variant}" for trial in trials})),
        shots=tuple({trial.shots: None for trial in trials}),
        invoke=PassSettings(warm_up=0, cold=False),
        parallel=ParallelPlan(enabled=False),
    )
    planned = [replace(trial, status=TrialStatus.PLANNED, reason="", created_at="") for trial in trials]
    with working(session, len(planned)) as work:
        number = work.store.record_environment(environment)
        tally = work.conduct(experiment, planned, Wishes(jobs=jobs, retry_failed=True), number)
        failed = {trial.trial_id for trial, _ in (*tally.failed, *tally.infeasible)}
        repeated = [
            compare_trial(trial, recorded, work.store, tolerance)
            for trial in trials
            if trial.trial_id not in failed and not tally.interrupted
        ]
    return tally, repeated


@dataclass(frozen=True, slots=True)
class _Shown:
    """What is said of a repetition."""

    what: str
    recorded: bool
    differing: Sequence[Difference]
    repeated: Sequence[Repeated]
    left_out: Sequence[LeftOut]

    def print(self, *, as_json: bool) -> None:
        """Print it."""
        from automl_bench.report.reproduction import Likeness

        if as_json:
            print_json(self._json())
            return
        rows = [
            (
                one.trial.label,
                one.likeness.value,
                one.samples,
                one.other_labels,
                one.moved,
                f"{one.largest:.2g}" if one.moved else "",
            )
            for one in self.repeated
        ]
        if rows:
            columns = ("trial", "answers", "samples", "other labels", "other confidences", "largest move")
            print_table(columns, rows, title=f"{self.what}: recorded and repeated")
        out = console()
        for trial, reason in self.left_out:
            out.print(f"not repeated: {trial.label}: {reason}", markup=False)
        found = Counter(one.likeness for one in self.repeated)
        counts = {one.value: found[one] for one in Likeness if found[one]}
        out.print(
            f"{self.what}: {', '.join(f'{number} {name}' for name, number in counts.items()) or 'nothing'}, "
            f"of {counted('{n} [trial|trials]', len(self.repeated) + len(self.left_out))}; {self._environment()}",
            markup=False,
        )

    def _environment(self) -> str:
        if not self.recorded:
            return "its environment was not recorded"
        if not self.differing:
            return "in the recorded environment"
        return f"in an environment that differs by {_some([str(one) for one in self.differing])}"

    def _json(self) -> dict[str, Any]:
        return {
            "what": self.what,
            "environment": {
                "recorded": self.recorded,
                "differences": [
                    {"what": one.what, "recorded": one.recorded, "here": one.here, "package": one.package}
                    for one in self.differing
                ],
            },
            "trials": [one.as_json() for one in self.repeated],
            "not_repeated": [
                {"trial_id": trial.trial_id, "trial": trial.label, "reason": reason} for trial, reason in self.left_out
            ],
        }

    def require_alike(self) -> None:
        """Hold the likeness of all trials against what was to be shown.

        Raises:
            NotReproduced: If an answer differs.
        """
        from automl_bench.report.reproduction import Likeness

        bad = [one for one in self.repeated if one.likeness is Likeness.DIFFERS]
        if not bad:
            return
        told = [
            f"{one.trial.label} (another training subset)"
            if one.other_subset
            else f"{one.trial.label} ({_otherwise(one)})"
            for one in bad
        ]
        packages = [str(one) for one in self.differing if one.package]
        cause = f" Packages that differ: {_some(packages)}." if packages else ""
        raise NotReproduced(
            f"{len(bad)} of {counted('{n} [repeated trial|repeated trials]', len(self.repeated))} "
            f"{counted('[gives|give]', len(bad))} other answers than recorded: {_some(told)}.{cause}",
            remedy="Make the recorded environment from the file that `export environment` writes, and repeat it there."
            if self.differing
            else "The environment is the recorded one: the training is not deterministic, or the record was changed.",
        )


def _otherwise(one: Repeated) -> str:
    if one.other_labels:
        return f"{counted('{n} other [label|labels]', one.other_labels)} among {one.samples:,}"
    return f"confidences that moved by up to {one.largest:.2g}"


def _some(items: Sequence[str]) -> str:
    more = f" and {len(items) - NAMED} more" if len(items) > NAMED else ""
    return ", ".join(items[:NAMED]) + more
