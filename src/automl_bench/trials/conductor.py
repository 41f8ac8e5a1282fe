"""Running an experiment: trials side by side, each torn down whatever happens, a failed one never stopping the rest."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from automl_bench.contract import Capability, ProviderDescription, Stage
from automl_bench.errors import (
    AutomlBenchError,
    BudgetExceeded,
    DeadlinePassed,
    Infeasible,
    Interrupted,
    OperationUnfinished,
    PluginError,
)
from automl_bench.store.leases import LEASE_SECONDS, current_owner
from automl_bench.store.records import TrialRecord, TrialStatus
from automl_bench.trials.budget import Budget
from automl_bench.trials.experiment import Experiment, missing_stages
from automl_bench.trials.extent import Extent, deadline, extent_of
from automl_bench.trials.material import MaterialSource
from automl_bench.trials.measuring import invoke_together, is_done, load
from automl_bench.trials.teardown import Leftover, provider_context, resource_of, tear_down
from automl_bench.trials.trial import BoundProvider, Surroundings, Trial
from automl_bench.trials.waiting import first_sentence, patiently

log = logging.getLogger(__name__)

MOST_AT_ONCE = 16
"""Trials under way at once when the user does not say; waiting for a cloud costs nothing here."""

ENDED = frozenset({TrialStatus.DONE, TrialStatus.FAILED, TrialStatus.INFEASIBLE})


@dataclass(frozen=True, slots=True)
class Wishes:
    """How the user wants an experiment run.

    Attributes:
        jobs: Trials under way at once, or None for as many as fit.
        keep: Whether to leave everything at the providers; recorded in the ledger.
        retry_failed: Whether to try failed and infeasible trials again.
        max_cost: US dollars that all trials together may cost, or None for no limit.
    """

    jobs: int | None = None
    keep: bool = False
    retry_failed: bool = False
    max_cost: float | None = None


@dataclass(slots=True)
class Tally:
    """How the trials of a run ended. `left` holds what could not be deleted, `plugin_faults` ids of failed trials."""

    done: int = 0
    skipped: int = 0
    failed: list[tuple[TrialRecord, str]] = field(default_factory=list)
    infeasible: list[tuple[TrialRecord, str]] = field(default_factory=list)
    interrupted: int = 0
    unfinished: int = 0
    busy: int = 0
    over_budget: list[tuple[TrialRecord, str]] = field(default_factory=list)
    left: list[Leftover] = field(default_factory=list)
    plugin_faults: set[str] = field(default_factory=set)


class Conductor:
    """Runs the trials of one experiment.

    Args:
        experiment: What it asks for.
        providers: The providers by name.
        source: Where samples come from.
        around: What all trials share.
        wishes: How the user wants it run.
        on_end: Told of each trial that ended, with its status and reason.
    """

    def __init__(
        self,
        experiment: Experiment,
        providers: Mapping[str, BoundProvider],
        source: MaterialSource,
        around: Surroundings,
        wishes: Wishes,
        on_end: Callable[[TrialRecord, TrialStatus, str], None],
    ) -> None:
        self._experiment = experiment
        self._providers = providers
        self._source = source
        self._around = around
        self._wishes = wishes
        self._on_end = on_end
        self._tally = Tally()
        self._tally_lock = threading.Lock()
        self._owner = current_owner()
        self._claims: set[str] = set()
        self._budget = Budget(wishes.max_cost, around.store, providers)
        self._access: dict[str, AutomlBenchError | None] = {}
        self._access_lock = threading.Lock()
        self._ends: dict[str, tuple[TrialStatus, str]] = {}
        self._slots = {
            name: threading.BoundedSemaphore(at_once(bound.provider.description)) for name, bound in providers.items()
        }

    def run(self, trials: Sequence[TrialRecord]) -> Tally:
        """Run what is missing of the trials and return how it went."""
        for trial in trials:
            self._around.store.save_trial(trial)
        self._budget.remember(trials)
        pending = [trial for trial in trials if self._is_wanted(trial)]
        groups = self._group(pending)
        workers = self._wishes.jobs or max(1, min(MOST_AT_ONCE, len(groups)))
        with ThreadPoolExecutor(max_workers=workers, thread_name_prefix="trial") as pool:
            waiting: set[Future[None]] = {pool.submit(self._run_group, group) for group in groups}
            beat = time.monotonic()
            while waiting:
                # A short wait keeps the main thread free to hear Ctrl-C.
                done, waiting = wait(waiting, timeout=0.2, return_when=FIRST_COMPLETED)
                if time.monotonic() - beat > LEASE_SECONDS / 4:
                    self._renew_leases()
                    beat = time.monotonic()
                for future in done:
                    future.result()
        return self._tally

    def _renew_leases(self) -> None:
        """Tell other machines that share the results file that these trials are being worked on."""
        with self._tally_lock:
            claims = list(self._claims)
        for trial_id in claims:
            self._around.store.heartbeat(trial_id, self._owner)

    def _is_wanted(self, trial: TrialRecord) -> bool:
        known = self._around.store.trial(trial.trial_id)
        status = known.status if known else TrialStatus.PLANNED
        if status in (TrialStatus.FAILED, TrialStatus.INFEASIBLE) and not self._wishes.retry_failed:
            kept = self._tally.failed if status is TrialStatus.FAILED else self._tally.infeasible
            kept.append((trial, known.reason if known else ""))
            return bool(self._around.store.ledger(trial_id=trial.trial_id, open_only=True)) and not self._wishes.keep
        if status is TrialStatus.DONE and not self._missing(trial):
            self._tally.skipped += 1
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
            with self._tally_lock:
                self._tally.interrupted += len(records)
            return
        with ExitStack() as held:
            for provider in sorted({record.provider for record in records}):
                held.enter_context(self._slots[provider])
            mine = [record for record in records if held.enter_context(self._claimed(record))]
            trials = [trial for record in mine if (trial := self._begin(record, held)) is not None]
            try:
                self._measure(self._bring_up(trials))
            finally:
                for trial in trials:
                    self._end(trial)

    @contextmanager
    def _claimed(self, record: TrialRecord) -> Iterator[bool]:
        """Hold a trial's lease, so that no other process works on it."""
        store = self._around.store
        store.save_trial(record)
        if not store.claim_trial(record.trial_id, self._owner):
            with self._tally_lock:
                self._tally.busy += 1
            self._on_end(record, TrialStatus.RUNNING, "another automl-bench process works on it")
            yield False
            return
        with self._tally_lock:
            self._claims.add(record.trial_id)
        try:
            yield True
        finally:
            with self._tally_lock:
                self._claims.discard(record.trial_id)
            store.release_trial(record.trial_id, self._owner)

    def _begin(self, record: TrialRecord, held: ExitStack) -> Trial | None:
        """Set a trial up and reserve its money; finish an earlier teardown first, so that nothing just deleted is made
        again in between."""
        store = self._around.store
        known = store.trial(record.trial_id)
        failed_before = known is not None and known.status in (TrialStatus.FAILED, TrialStatus.INFEASIBLE)
        if known is not None and (known.status is TrialStatus.TEARING_DOWN or failed_before):
            self._tear_down(record)
        if failed_before and not self._wishes.retry_failed:
            return None
        if known is not None and known.status is TrialStatus.TEARING_DOWN and not self._missing(record):
            self._close(record, TrialStatus.DONE, "")
            return None
        try:
            material = self._source.material(record)
            trial = Trial(record, self._providers[record.provider], material, self._around)
            trial.check_feasible()
            held.enter_context(self._budget.reserved(record, self._extent(trial)))
            self._check_access(record.provider)
        except BudgetExceeded as error:
            self._tear_down(record)
            self._close(record, TrialStatus.PLANNED, first_sentence(error))
            return None
        except Infeasible as error:
            self._close(record, TrialStatus.INFEASIBLE, error.message.removeprefix(f"{record.label}: "))
            return None
        except Exception as error:  # noqa: BLE001  # becomes the trial's row; a bug is logged by _reason
            self._close(record, TrialStatus.FAILED, self._reason(record, error))
            return None
        store.set_trial_status(record.trial_id, TrialStatus.RUNNING)
        self._around.observers.tell("trial_started", trial=record)
        return trial

    def _extent(self, trial: Trial) -> Extent:
        """Return the most that a trial may take."""
        drawn = trial.material.training_set
        return extent_of(
            self._experiment,
            trial.record,
            samples=len(drawn.train) + len(drawn.validation),
            tests=len(trial.material.test),
            limits=trial.bound.provider.description.limits,
        )

    def _check_access(self, name: str) -> None:
        """Try a provider's credentials once, before its first trial; every trial hears of a refusal."""
        bound = self._providers[name]
        if Capability.CHECK_ACCESS not in bound.provider.description.capabilities:
            return
        with self._access_lock:
            if name not in self._access:
                bound.cache_dir.mkdir(parents=True, exist_ok=True)
                self._access[name] = None
                try:
                    context = provider_context(bound)
                    patiently(lambda: bound.provider.check_access(context), self._around.stop, what=f"access to {name}")
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

    def _measure(self, trials: Sequence[Trial]) -> None:
        moment = time.monotonic() + deadline(self._experiment, Stage.INVOKE)
        to_invoke = [trial for trial in trials if not is_done(trial, Stage.INVOKE)]
        if to_invoke and not self._guarded(to_invoke[0], lambda: self._invoke(to_invoke, moment), *to_invoke[1:]):
            return
        for trial in trials:
            if trial.record.trial_id in self._ends:
                continue
            if self._experiment.parallel.wants(trial.record) and not is_done(trial, Stage.PARALLEL):
                self._guarded(trial, lambda: self._load(trial, moment))  # noqa: B023  # called at once

    def _invoke(self, trials: Sequence[Trial], moment: float) -> None:
        for trial_id, error in invoke_together(trials, self._experiment.invoke, moment=moment).items():
            record = next(trial.record for trial in trials if trial.record.trial_id == trial_id)
            self._ends[trial_id] = (_status_after(error), self._reason(record, error))

    def _load(self, trial: Trial, moment: float) -> None:
        load(trial, self._experiment.parallel.settings, moment=moment)

    def _guarded(self, trial: Trial, work: Callable[[], None], *others: Trial) -> bool:
        """Do part of a trial; an error becomes the trial's end and its reason, and never stops another trial."""
        try:
            work()
        except Exception as caught:  # noqa: BLE001  # becomes the trial's row; a bug is logged by _reason
            error = self._within_budget(caught)
            for hurt in (trial, *others):
                self._ends[hurt.record.trial_id] = (_status_after(error), self._reason(hurt.record, error))
            return False
        return True

    def _within_budget(self, error: Exception) -> Exception:
        """Under a budget, an operation that outlives its deadline is not left running: no more was reserved for it."""
        if self._wishes.max_cost is None or not isinstance(error, OperationUnfinished):
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
            self._tally.plugin_faults.add(record.trial_id)
        log.warning("%s: %s", record.label, error)
        return first_sentence(error)

    def _end(self, trial: Trial) -> None:
        """Tear a trial down and write how it ended; teardown comes first, as a kill in between must not hide it."""
        record = trial.record
        status, reason = self._ends.get(record.trial_id, (TrialStatus.DONE, ""))
        if status is TrialStatus.RUNNING:
            self._set_aside(record)
            self._close(record, status, reason)
            return
        if self._wishes.keep:
            self._around.store.ledger_keep(record.trial_id, True)
        else:
            self._around.store.set_trial_status(record.trial_id, TrialStatus.TEARING_DOWN)
            self._tear_down(record)
        if status is TrialStatus.DONE and self._missing(record):
            status = TrialStatus.INTERRUPTED
        self._close(record, status, reason if status in ENDED else "")

    def _set_aside(self, record: TrialRecord) -> None:
        """Leave unfinished work for the next run, but no endpoint that nobody waits for any more: it would be billed.

        What was paid for, as a training, stays; whatever of it may cost by the hour is named.
        """
        store = self._around.store
        if self._wishes.keep:
            store.ledger_keep(record.trial_id, True)
            return
        entries = store.ledger(trial_id=record.trial_id, open_only=True)
        left = tear_down(store, self._providers, [entry for entry in entries if entry.stage is Stage.DEPLOY])
        store.mark_stages_undone(record.trial_id, [Stage.DEPLOY])
        named = {(item.resource.kind, item.resource.name) for item in left}
        for entry in store.ledger(trial_id=record.trial_id, open_only=True):
            if entry.hourly_usd != 0.0 and (entry.kind, entry.name) not in named:
                left.append(Leftover(entry.provider, resource_of(entry), "unfinished: run the same command again"))
        with self._tally_lock:
            self._tally.left.extend(left)

    def _tear_down(self, record: TrialRecord) -> None:
        store = self._around.store
        entries = store.ledger(trial_id=record.trial_id, open_only=True)
        if entries:
            self._around.report(record, Stage.TEARDOWN, 0, len(entries), "")
        left = tear_down(store, self._providers, entries)
        with self._tally_lock:
            self._tally.left.extend(left)

    def _close(self, record: TrialRecord, status: TrialStatus, reason: str) -> None:
        self._around.store.set_trial_status(record.trial_id, status, reason)
        with self._tally_lock:
            if status is TrialStatus.DONE:
                self._tally.done += 1
            elif status is TrialStatus.FAILED:
                self._tally.failed.append((record, reason))
            elif status is TrialStatus.INFEASIBLE:
                self._tally.infeasible.append((record, reason))
            elif status is TrialStatus.RUNNING:
                self._tally.unfinished += 1
            elif status is TrialStatus.PLANNED:
                self._tally.over_budget.append((record, reason))
            else:
                self._tally.interrupted += 1
        self._on_end(record, status, reason)


def at_once(description: ProviderDescription) -> int:
    """Return how many trials of a provider are under way at once at most."""
    cores = os.cpu_count() or 1
    return description.limits.concurrent_trials or (cores if description.on_this_machine else MOST_AT_ONCE)


def _status_after(error: Exception) -> TrialStatus:
    """Return how a trial stands after an error: an unfinished operation keeps it running, and not torn down."""
    if isinstance(error, Interrupted):
        return TrialStatus.INTERRUPTED
    if isinstance(error, OperationUnfinished):
        return TrialStatus.RUNNING
    return TrialStatus.FAILED
