"""Running an experiment: trials side by side, each torn down whatever happens, a failed one never stopping the rest."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial

from automl_bench.contract import Capability, ProviderDescription, Stage, Variant
from automl_bench.errors import (
    AutomlBenchError,
    DeadlinePassed,
    Infeasible,
    Interrupted,
    LeaseLost,
    OperationUnfinished,
    OtherScope,
    PluginError,
    ResourceMissing,
    WorkLeft,
    WorkspaceError,
)
from automl_bench.store.leases import LEASE_SECONDS
from automl_bench.store.records import TrialRecord, TrialStatus
from automl_bench.trials.budget import Budget
from automl_bench.trials.claims import Claims
from automl_bench.trials.endings import Endings, Tally
from automl_bench.trials.error_meaning import Moment
from automl_bench.trials.experiment import Experiment, missing_stages
from automl_bench.trials.extent import deadline, extent_of_trial
from automl_bench.trials.material import MaterialSource
from automl_bench.trials.measuring import invoke_together, is_done, load
from automl_bench.trials.scopes import require_same_scope
from automl_bench.trials.teardown import provider_context
from automl_bench.trials.trial import BoundProvider, Surroundings, Trial
from automl_bench.trials.waiting import first_sentence, patiently

__all__ = ["Conductor", "Tally", "Wishes", "at_once"]

log = logging.getLogger(__name__)

MOST_AT_ONCE = 16
"""Trials under way at once when the user does not say; waiting for a cloud costs nothing here."""

SWEEP_EVERY_SECONDS = 120.0
"""How often a run tries again to delete what it could not delete before."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """How the user wants an experiment run.

    Attributes:
        jobs: Trials under way at once, or None for as many as fit.
        keep: Whether to leave everything at the providers; recorded in the ledger.
        retry_failed: Whether to try failed and infeasible trials again.
        max_cost: US dollars that all trials together may cost, or None for no limit.
        keep_trained_hours: How long uploads and trained models stay after their trial failed; None for what the
            experiment says.
    """

    jobs: int | None = None
    keep: bool = False
    retry_failed: bool = False
    max_cost: float | None = None
    keep_trained_hours: float | None = None


class Conductor:
    """Runs the trials of one experiment.

    Args:
        experiment: What it asks for.
        providers: The providers by name.
        source: Where samples come from.
        around: What all trials share.
        wishes: How the user wants it run.
        on_end: Told of each trial that ended, with its status and reason.
        bind: Sets up a provider that earlier commands left something at; by default only those given are known.
    """

    def __init__(
        self,
        experiment: Experiment,
        providers: Mapping[str, BoundProvider],
        source: MaterialSource,
        around: Surroundings,
        wishes: Wishes,
        on_end: Callable[[TrialRecord, TrialStatus, str], None],
        bind: Callable[[str], BoundProvider] | None = None,
    ) -> None:
        self._experiment = experiment
        self._providers = providers
        self._bind = providers.__getitem__ if bind is None else bind
        self._source = source
        self._around = around
        self._wishes = wishes
        hours = wishes.keep_trained_hours
        self._endings = Endings(
            experiment,
            providers,
            around,
            keep=wishes.keep,
            keep_trained_hours=experiment.keep_trained_hours if hours is None else hours,
            on_end=on_end,
        )
        self._claims = Claims(around.store, around.say)
        self._budget = Budget(wishes.max_cost, around.store, providers, around.say, source.modality_of)
        self._access: dict[str, AutomlBenchError | None] = {}
        self._access_lock = threading.Lock()
        self._ends: dict[str, tuple[TrialStatus, str]] = {}
        self._gone: set[str] = set()
        self._slots = {
            name: threading.BoundedSemaphore(at_once(bound.provider.description)) for name, bound in providers.items()
        }

    def run(self, trials: Sequence[TrialRecord]) -> Tally:
        """Run what is missing of the trials and return how it went."""
        for trial in trials:
            self._around.store.save_trial(trial)
        self._endings.sweep(self._bind, set())
        pending = [trial for trial in trials if self._is_wanted(trial)]
        groups = self._group(pending)
        workers = self._wishes.jobs or max(1, min(MOST_AT_ONCE, len(groups)))
        with (
            self._claims,
            self._budget.opened(trials),
            ThreadPoolExecutor(max_workers=1, thread_name_prefix="sweep") as sweeper,
        ):
            with ThreadPoolExecutor(max_workers=workers, thread_name_prefix="trial") as pool:
                futures = [pool.submit(self._run_group, group) for group in groups]
                self._accompany(futures, {trial.trial_id for trial in pending}, sweeper)
            self._endings.sweep(self._bind, set())
        for future in futures:
            future.result()
        return self._endings.settle()

    def _accompany(self, futures: Sequence[Future[None]], pending: set[str], sweeper: ThreadPoolExecutor) -> None:
        """Wait for all groups; renew reservations, and try again now and then to delete what could not be deleted."""
        waiting = set(futures)
        beat = swept = time.monotonic()
        sweeping: Future[None] | None = None
        while waiting:
            # A short wait keeps the main thread free to hear Ctrl-C.
            _, waiting = wait(waiting, timeout=0.2, return_when=FIRST_COMPLETED)
            now = time.monotonic()
            if now - beat > LEASE_SECONDS / 4:
                self._renew_reservations()
                beat = now
            idle = sweeping is None or sweeping.done()
            if idle and self._endings.has_left and now - swept > SWEEP_EVERY_SECONDS:
                sweeping = sweeper.submit(self._endings.sweep, self._bind, pending - self._endings.ended)
                swept = now

    def _renew_reservations(self) -> None:
        """Tell other processes that this one's reservations still count."""
        try:
            self._budget.renew()
        except AutomlBenchError as error:
            log.warning("reservations were not renewed: %s", error)

    def _is_wanted(self, trial: TrialRecord) -> bool:
        known = self._around.store.trial(trial.trial_id)
        status = known.status if known else TrialStatus.PLANNED
        tally = self._endings.tally
        if status in (TrialStatus.FAILED, TrialStatus.INFEASIBLE) and not self._wishes.retry_failed:
            kept = tally.failed if status is TrialStatus.FAILED else tally.infeasible
            kept.append((trial, known.reason if known else ""))
            return False
        if status is TrialStatus.DONE and not self._missing(trial):
            tally.skipped += 1
            return False
        return True

    def _missing(self, trial: TrialRecord) -> list[Stage]:
        return missing_stages(self._experiment, trial, self._around.store.stages(trial.trial_id))

    def _group(self, trials: Sequence[TrialRecord]) -> list[list[TrialRecord]]:
        if not self._experiment.interleave:
            return [[trial] for trial in trials]
        groups: dict[tuple[object, ...], list[TrialRecord]] = {}
        for trial in trials:
            groups.setdefault((trial.dataset, trial.shots, trial.fold, trial.repeat), []).append(trial)
        return list(groups.values())

    def _run_group(self, records: Sequence[TrialRecord]) -> None:
        if self._around.stop.is_set():
            self._endings.not_begun(records)
            return
        with ExitStack() as held:
            for provider in sorted({record.provider for record in records}):
                held.enter_context(self._slots[provider])
            mine = [record for record in records if held.enter_context(self._claimed(record))]
            trials = self._begin(mine, held)
            try:
                self._measure(self._bring_up(trials))
                for whole in (False, True):
                    self._measure(self._bring_up(self._to_make_anew(trials, whole)))
            finally:
                self._end(trials)

    @contextmanager
    def _claimed(self, record: TrialRecord) -> Iterator[bool]:
        """Hold a trial's lease, so that no other process works on it."""
        self._around.store.save_trial(record)
        with self._claims.holding(record.trial_id, self._around.stop) as mine:
            if not mine:
                self._endings.busy(record)
            yield mine

    def _begin(self, records: Sequence[TrialRecord], held: ExitStack) -> list[Trial]:
        """Set the trials of a group up, reserve their money together, and try the credentials."""
        found = [trial for record in records if (trial := self._set_up(record)) is not None]
        needs = {trial.record.trial_id: (trial.record, extent_of_trial(self._experiment, trial)) for trial in found}
        try:
            refused = held.enter_context(self._budget.reserved(needs, self._around.stop))
        except Interrupted:
            for trial in found:
                self._endings.end(trial.record, TrialStatus.INTERRUPTED, "")
            return []
        trials = []
        for trial in found:
            record = trial.record
            if record.trial_id in refused:
                self._endings.let_go(record)
                self._endings.close(record, TrialStatus.PLANNED, first_sentence(refused[record.trial_id]))
            elif self._is_admitted(record):
                trial.admitted = True
                self._around.store.set_trial_status(record.trial_id, TrialStatus.RUNNING)
                self._around.observers.tell("trial_started", trial=record)
                trials.append(trial)
        return trials

    def _set_up(self, record: TrialRecord) -> Trial | None:
        """Return a trial that can run; finish an earlier teardown first, so that nothing just deleted is made again."""
        store = self._around.store
        known = store.trial(record.trial_id)
        if known is not None and known.status is TrialStatus.TEARING_DOWN:
            self._endings.finish_teardown(record)
            if not self._missing(record):
                self._endings.close(record, TrialStatus.DONE, "")
                return None
        try:
            material = self._source.material(record)
            trial = Trial(record, self._providers[record.provider], material, self._around)
            trial.check_feasible()
        except Infeasible as error:
            self._endings.end(record, TrialStatus.INFEASIBLE, error.message.removeprefix(f"{record.label}: "))
            return None
        except Exception as error:  # noqa: BLE001  # becomes the trial's row; a bug is logged by _reason
            self._not_begun(record, error)
            return None
        # Its retention ends here: what was kept is used again.
        lines = store.ledger(trial_id=record.trial_id, open_only=True)
        store.ledger_keep_until([line.entry_id for line in lines if line.keep_until], "")
        return trial

    def _is_admitted(self, record: TrialRecord) -> bool:
        """Try the credentials."""
        try:
            self._check_access(record)
            lines = self._around.store.ledger(trial_id=record.trial_id, open_only=True)
            require_same_scope(self._providers[record.provider], lines)
        except Exception as error:  # noqa: BLE001  # becomes the trial's row; a bug is logged by _reason
            self._not_begun(record, error)
            return False
        return True

    def _not_begun(self, record: TrialRecord, error: Exception) -> None:
        """End a trial that could not go on; what it has at the provider from before is left as it is."""
        exists = bool(self._around.store.ledger(trial_id=record.trial_id, open_only=True))
        status = TrialStatus.RUNNING if exists else self._status_after(error)
        self._endings.end(record, status, self._reason(record, error))

    def _check_access(self, record: TrialRecord) -> None:
        """Try the credentials once for each variant, as its address may be its own; its trials hear of a refusal."""
        name, bound = f"{record.provider}:{record.variant}", self._providers[record.provider]
        if Capability.CHECK_ACCESS not in bound.provider.description.capabilities:
            return
        with self._access_lock:
            if name not in self._access:
                bound.cache_dir.mkdir(parents=True, exist_ok=True)
                self._access[name] = None
                try:
                    context = provider_context(bound, Variant(record.provider, record.variant, record.variant_settings))
                    patiently(
                        lambda: bound.provider.check_access(context),
                        self._around.stop,
                        what=f"access to {record.provider}",
                        moment=Moment.ACCESS,
                        say=self._around.say,
                    )
                except AutomlBenchError as error:
                    self._access[name] = error
            refused = self._access[name]
        if refused is not None:
            raise refused

    def _bring_up(self, trials: Sequence[Trial]) -> list[Trial]:
        """Build the endpoints of a group, side by side, and return the trials that have one."""

        def build(trial: Trial) -> bool:
            return self._guarded(trial, trial.bring_up)

        if len(trials) <= 1:
            return [trial for trial in trials if build(trial)]
        with ThreadPoolExecutor(max_workers=len(trials), thread_name_prefix="build") as pool:
            return [trial for trial, ready in zip(trials, pool.map(build, trials), strict=True) if ready]

    def _to_make_anew(self, trials: Sequence[Trial], whole: bool) -> list[Trial]:
        """Return the trials that begin anew: what an earlier command made for them has turned out to be gone."""
        gone = {trial.record.trial_id: trial for trial in trials if trial.resumed}
        gone = {trial_id: trial for trial_id, trial in gone.items() if trial_id in self._gone}
        self._gone -= gone.keys()
        pending = [] if self._around.stop.is_set() else gone.values()
        anew = [trial for trial in pending if self._guarded(trial, partial(self._endings.make_anew, trial, whole))]
        for trial in anew:
            del self._ends[trial.record.trial_id]
        return anew

    def _measure(self, trials: Sequence[Trial]) -> None:
        moment = time.monotonic() + deadline(self._experiment, Stage.INVOKE)
        to_invoke = [trial for trial in trials if not is_done(trial, Stage.INVOKE)]
        if to_invoke and not self._guarded(to_invoke[0], lambda: self._invoke(to_invoke, moment), *to_invoke[1:]):
            return
        for trial in trials:
            if trial.record.trial_id in self._ends:
                continue
            if self._experiment.parallel.wants(trial.record) and not is_done(trial, Stage.PARALLEL):
                self._guarded(trial, partial(load, trial, self._experiment.parallel.settings, moment=moment))

    def _invoke(self, trials: Sequence[Trial], moment: float) -> None:
        for trial_id, error in invoke_together(trials, self._experiment.invoke, moment=moment).items():
            record = next(trial.record for trial in trials if trial.record.trial_id == trial_id)
            self._ends[trial_id] = (self._status_after(error), self._reason(record, error))

    def _guarded(self, trial: Trial, work: Callable[[], object], *others: Trial) -> bool:
        """Do part of a trial; an error becomes the trial's end and its reason, and never stops another trial."""
        try:
            work()
        except Exception as caught:  # noqa: BLE001  # becomes the trial's row; a bug is logged by _reason
            error = self._within_budget(caught)
            for hurt in (trial, *others):
                self._ends[hurt.record.trial_id] = (self._status_after(error), self._reason(hurt.record, error))
            return False
        return True

    def _status_after(self, error: Exception) -> TrialStatus:
        """Return how a trial stands after an error: an unfinished operation keeps it running, and not torn down.

        Rows are hardly waited for once the user wants to end: one that was not written makes no trial a failed one.
        """
        unwritten = isinstance(error, WorkspaceError) or isinstance(error.__cause__, WorkspaceError)
        if isinstance(error, Interrupted) or (unwritten and self._around.stop.is_set()):
            return TrialStatus.INTERRUPTED
        if isinstance(error, (LeaseLost, OperationUnfinished, OtherScope)):
            return TrialStatus.RUNNING
        return TrialStatus.FAILED

    def _within_budget(self, error: Exception) -> Exception:
        """Under a budget, an operation that outlives its deadline is not left running: no more was reserved for it."""
        outlived = isinstance(error, OperationUnfinished) and not isinstance(error, WorkLeft)
        if self._wishes.max_cost is None or not outlived:
            return error
        return DeadlinePassed(
            "the provider was still working at the deadline, and --max-cost reserved no more: torn down.",
            remedy="Raise that deadline under [deadlines] and add --retry-failed.",
        )

    def _reason(self, record: TrialRecord, error: Exception) -> str:
        if not isinstance(error, AutomlBenchError):
            log.exception("%s ended with an unexpected error", record.label)
            return f"unexpected {type(error).__name__}: {error} (see the log)"
        if isinstance(error, PluginError):
            self._endings.tally.plugin_faults.add(record.trial_id)
        if isinstance(error, ResourceMissing):
            self._gone.add(record.trial_id)
        log.warning("%s: %s", record.label, error)
        return first_sentence(error)

    def _end(self, trials: Sequence[Trial]) -> None:
        """End the trials of a group side by side: none waits for another's deletion, or hears of its troubles."""
        if not trials:
            return
        with ThreadPoolExecutor(max_workers=len(trials), thread_name_prefix="end") as pool:
            for trial in trials:
                status, reason = self._ends.get(trial.record.trial_id, (TrialStatus.DONE, ""))
                pool.submit(self._endings.end, trial.record, status, reason)


def at_once(description: ProviderDescription) -> int:
    """Return how many trials of a provider are under way at once at most."""
    cores = os.cpu_count() or 1
    return description.limits.concurrent_trials or (cores if description.on_this_machine else MOST_AT_ONCE)
