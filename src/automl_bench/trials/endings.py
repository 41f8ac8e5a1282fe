"""How the trials of a run end: each is torn down, whatever happens to its records, to the terminal or to the others."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from automl_bench.contract import Stage
from automl_bench.errors import AutomlBenchError, LeaseLost
from automl_bench.store.records import LedgerEntry, TrialRecord, TrialStatus
from automl_bench.trials.claims import require_lease
from automl_bench.trials.experiment import Experiment, missing_stages
from automl_bench.trials.retention import is_retained, kept_until, let_go_of, parted
from automl_bench.trials.sweeping import due, still_open, sweep
from automl_bench.trials.teardown import Leftover, resource_of
from automl_bench.trials.trial import BoundProvider, Surroundings, Trial
from automl_bench.trials.waiting import first_sentence, undisturbed

log = logging.getLogger(__name__)

WRITE_SECONDS = 2.0
"""How long the end of a trial waits for one of its rows to be written before it goes on deleting."""

ENDED = frozenset({TrialStatus.DONE, TrialStatus.FAILED, TrialStatus.INFEASIBLE})


@dataclass(slots=True)
class Tally:
    """How the trials of a run ended. `left` holds what could not be deleted, `unwritten` what could not be recorded,
    `plugin_faults` the ids of trials that failed by a plugin's fault.
    """

    done: int = 0
    skipped: int = 0
    failed: list[tuple[TrialRecord, str]] = field(default_factory=list)
    infeasible: list[tuple[TrialRecord, str]] = field(default_factory=list)
    interrupted: int = 0
    unfinished: int = 0
    busy: int = 0
    over_budget: list[tuple[TrialRecord, str]] = field(default_factory=list)
    left: list[Leftover] = field(default_factory=list)
    unwritten: list[str] = field(default_factory=list)
    plugin_faults: set[str] = field(default_factory=set)


class Endings:
    """Ends trials and keeps count.

    Nothing here depends on the results file being writable or on anybody hearing of it: a deletion comes first, and
    what could not be written or said is counted.

    Args:
        experiment: What is run.
        providers: The providers by name.
        around: What all trials share.
        keep: Whether everything is to stay.
        keep_trained_hours: How long what a failed trial has paid for once stays.
        on_end: Told of each trial that ended, with its status and reason.
    """

    def __init__(
        self,
        experiment: Experiment,
        providers: Mapping[str, BoundProvider],
        around: Surroundings,
        *,
        keep: bool,
        keep_trained_hours: float,
        on_end: Callable[[TrialRecord, TrialStatus, str], None],
    ) -> None:
        self._experiment = experiment
        self._providers = providers
        self._around = around
        self._keep = keep
        self._hours = keep_trained_hours
        self._on_end = undisturbed(on_end)
        self._lock = threading.Lock()
        self._left: dict[tuple[str, str, str], Leftover] = {}
        self._writers = ThreadPoolExecutor(thread_name_prefix="record")
        self.tally = Tally()
        self.ended: set[str] = set()
        """Trials that this run is through with."""

    # --- the ways a trial ends ----------------------------------------------------------------------------------

    def end(self, record: TrialRecord, status: TrialStatus, reason: str) -> None:
        """Tear a trial down as its end asks for, and write how it ended; never raises.

        Teardown comes first, as a kill in between must not hide it.
        """
        try:
            require_lease(self._around.store, record.trial_id)
            self._clear(record, status)
        except LeaseLost as error:
            self.busy(record, first_sentence(error))
            return
        except Exception as error:
            log.exception("the teardown of %s failed", record.label)
            self._unwritten(f"{record.label}: its teardown did not end: {first_sentence(error)}")
        if status is TrialStatus.DONE and self._is_incomplete(record):
            status = TrialStatus.INTERRUPTED
        self.close(record, status, reason if status in ENDED or status is TrialStatus.RUNNING else "")

    def _clear(self, record: TrialRecord, status: TrialStatus) -> None:
        store, trial_id = self._around.store, record.trial_id
        if self._keep and status is not TrialStatus.INFEASIBLE:
            self._write(record, lambda: store.ledger_keep(trial_id, True))
        elif status is TrialStatus.RUNNING:
            self._set_aside(record)
        else:
            self._write(record, lambda: store.set_trial_status(trial_id, TrialStatus.TEARING_DOWN))
            if status in (TrialStatus.DONE, TrialStatus.INTERRUPTED):
                self._tear_down(record, store.open_lines(trial_id))
            else:
                self.let_go(record)

    def let_go(self, record: TrialRecord) -> None:
        """Delete what a trial has, but for what was paid for once and stays for its retention."""
        store, trial_id = self._around.store, record.trial_id
        kept, rest = parted(store, self._providers, record, hours=self._hours)
        fresh = [entry.entry_id for entry in kept if not entry.keep_until]
        # First, so that a kill in between loses nothing that was paid for.
        self._write(record, lambda: store.ledger_keep_until(fresh, kept_until(self._hours)))
        self.remember(let_go_of(store, self._providers, trial_id, rest, self._around.insistence))

    def finish_teardown(self, record: TrialRecord) -> None:
        """Delete what a teardown that was cut short did not come to; what it left to its retention stays."""
        lines = self._around.store.open_lines(record.trial_id)
        self._tear_down(record, [line for line in lines if not is_retained(line)])

    def _set_aside(self, record: TrialRecord) -> None:
        """Leave unfinished work for the next run, but no endpoint that nobody waits for any more: it would be billed.

        What was paid for, as a training, stays; whatever of it may cost by the hour is named.
        """
        self._take_off(record, undone=[Stage.DEPLOY])
        for entry in self._around.store.open_lines(record.trial_id):
            if entry.hourly_usd != 0.0:
                named = Leftover(entry.provider, resource_of(entry), "unfinished: run the same command again")
                with self._lock:
                    self._left.setdefault((entry.provider, entry.kind, entry.name), named)

    def make_anew(self, trial: Trial, whole: bool) -> None:
        """Have a trial begin anew of whose resources some turned out to be gone.

        Whether what is left fits together shows only when it is used: what was paid for is given up the second time.

        Args:
            trial: The trial.
            whole: Whether to delete all that is left of it, and not only what serves.
        """
        self._around.say(f"{trial.record.label}: what an earlier command made is gone; making it anew")
        if whole:
            self._tear_down(trial.record, self._around.store.open_lines(trial.record.trial_id))
        self._take_off(trial.record, undone=trial.stages())

    def _take_off(self, record: TrialRecord, *, undone: Sequence[Stage]) -> None:
        store, trial_id = self._around.store, record.trial_id
        serving = [entry for entry in store.open_lines(trial_id) if entry.stage is Stage.DEPLOY]
        self.remember(let_go_of(store, self._providers, trial_id, serving, self._around.insistence))
        self._write(record, lambda: store.mark_stages_undone(trial_id, undone))

    def _tear_down(self, record: TrialRecord, entries: list[LedgerEntry]) -> None:
        if entries:
            self._around.report(record, Stage.TEARDOWN, 0, len(entries), "")
        self.remember(let_go_of(self._around.store, self._providers, record.trial_id, entries, self._around.insistence))

    def close(self, record: TrialRecord, status: TrialStatus, reason: str) -> None:
        """Write and count how a trial ended, and tell."""
        self._write(
            record,
            lambda: self._around.store.set_trial_status(record.trial_id, status, reason),
        )
        with self._lock:
            self.ended.add(record.trial_id)
            if status is TrialStatus.DONE:
                self.tally.done += 1
            elif status is TrialStatus.FAILED:
                self.tally.failed.append((record, reason))
            elif status is TrialStatus.INFEASIBLE:
                self.tally.infeasible.append((record, reason))
            elif status is TrialStatus.RUNNING:
                self.tally.unfinished += 1
            elif status is TrialStatus.PLANNED:
                self.tally.over_budget.append((record, reason))
            else:
                self.tally.interrupted += 1
        self._on_end(record, status, reason)

    def not_begun(self, records: Sequence[TrialRecord]) -> None:
        """Count trials that the user's wish to end kept from beginning."""
        with self._lock:
            self.tally.interrupted += len(records)

    def busy(self, record: TrialRecord, reason: str = "another automl-bench process works on it") -> None:
        """Count a trial that another process works on, and tell; it is left to that process as it is."""
        with self._lock:
            self.tally.busy += 1
        self._on_end(record, TrialStatus.RUNNING, reason)

    # --- what is left -------------------------------------------------------------------------------------------

    def remember(self, left: list[Leftover]) -> None:
        """Take note of what could not be deleted."""
        with self._lock:
            for item in left:
                self._left[item.provider, item.resource.kind, item.resource.name] = item

    @property
    def has_left(self) -> bool:
        """Whether something could not be deleted so far."""
        with self._lock:
            return bool(self._left)

    def sweep(self, bind: Callable[[str], BoundProvider], but: set[str]) -> None:
        """Try again to delete what should be gone, and say so; what could not be written is counted."""
        around = self._around
        try:
            lines = due(around.store, but=but)
            if not lines:
                return
            count = "one resource" if len(lines) == 1 else f"{len(lines)} resources"
            around.say(f"deleting {count} that should be gone")
            self.remember(sweep(around.store, bind, insistence=around.insistence, but=but))
        except Exception as error:
            log.exception("the sweep failed")
            self._unwritten(f"what earlier commands left was not looked at: {first_sentence(error)}")

    def settle(self) -> Tally:
        """Return the tally, with what is left now; the last call."""
        self._writers.shutdown()
        with self._lock:
            known = dict(self._left)
        try:
            store = self._around.store
            lines = {(line.provider, line.kind, line.name) for line in store.ledger(open_only=True)}
            known = {key: item for key, item in known.items() if key in lines}
            for item in still_open(store, list(known.values())):
                known.setdefault((item.provider, item.resource.kind, item.resource.name), item)
        except Exception as error:
            log.exception("what is left could not be read")
            self._unwritten(f"what is left could not be read: {first_sentence(error)}")
        self.tally.left = list(known.values())
        return self.tally

    # --- inside -------------------------------------------------------------------------------------------------

    def _is_incomplete(self, record: TrialRecord) -> bool:
        try:
            return bool(missing_stages(self._experiment, record, self._around.store.stages(record.trial_id)))
        except AutomlBenchError as error:
            self._unwritten(f"{record.label}: {first_sentence(error)}")
            return True

    def _write(self, record: TrialRecord, write: Callable[[], None]) -> None:
        """Write to the results file, waiting a moment only: a full disk or a lock keeps no resource alive."""
        written = self._writers.submit(write)
        try:
            written.result(timeout=WRITE_SECONDS)
        except TimeoutError:
            log.warning("%s: not written after %.0f s; going on", record.label, WRITE_SECONDS)
            written.add_done_callback(lambda done: self._late(record, done))
        except Exception as error:  # noqa: BLE001  # whatever keeps a row from being written keeps no resource alive
            log.warning("%s: not written: %s", record.label, error)
            self._unwritten(f"{record.label}: {first_sentence(error)}")

    def _late(self, record: TrialRecord, written: Future[None]) -> None:
        error = written.exception()
        if error is not None:
            self._unwritten(f"{record.label}: {first_sentence(error)}")

    def _unwritten(self, text: str) -> None:
        with self._lock:
            if text not in self.tally.unwritten:
                self.tally.unwritten.append(text)
        self._around.say(text)
