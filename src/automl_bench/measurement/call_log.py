"""The calls of a load run while it goes on: rows for the store in batches, columns for the summary."""

from __future__ import annotations

import queue
import threading
import time
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from automl_bench.contract import Sample
from automl_bench.errors import AutomlBenchError
from automl_bench.measurement.call import CallResult, Reading
from automl_bench.store.records import CallPhase, CallTiming, LoadCall, Outcome
from automl_bench.transport import Unseen

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from automl_bench.measurement.senders import Tag

BATCH_NS = 100_000_000
"""How often rows are handed on."""

UNKNOWN = -1
"""Stands in an integer column for "not known"."""

OUTCOMES = tuple(Outcome)
OUTCOME_CODES = {outcome: code for code, outcome in enumerate(OUTCOMES)}
PHASES = ("lookup", "connect", "tls", "send", "wait", "receive")


@dataclass(frozen=True, slots=True)
class Columns:
    """The measured calls of one run, ordered by the moment of sending; one array a column, all of length n.

    Attributes:
        sent_ns: Monotonic clock.
        received_ns: Monotonic clock.
        scheduled_ns: Monotonic clock; equals `sent_ns` where nothing was scheduled.
        outcome: Index into `OUTCOMES`.
        correct: 1, 0, or UNKNOWN where there was no answer.
        new_connection: 1, 0, or UNKNOWN.
        place: Which of the run's samples was sent.
        phases_ns: Shape (n, 6), the columns of `PHASES`; UNKNOWN where not known.
        unseen_ns: How long each answer lay in the kernel before this process looked, at most.
        unseen_least_ns: How long at least.
    """

    sent_ns: NDArray[np.int64]
    received_ns: NDArray[np.int64]
    scheduled_ns: NDArray[np.int64]
    outcome: NDArray[np.int64]
    correct: NDArray[np.int64]
    new_connection: NDArray[np.int64]
    place: NDArray[np.int64]
    phases_ns: NDArray[np.int64]
    unseen_ns: NDArray[np.int64]
    unseen_least_ns: NDArray[np.int64]

    @property
    def answered(self) -> NDArray[np.bool_]:
        """Which calls have outcome OK."""
        return np.equal(self.outcome, OUTCOME_CODES[Outcome.OK])

    def __len__(self) -> int:
        return int(self.sent_ns.size)


class BatchRecorder:
    """Hands batches of rows to a function in a thread of its own, so that the sending loop never waits for a disk.

    Args:
        record: Takes one batch; returns when it is durable.
    """

    def __init__(self, record: Callable[[list[LoadCall]], None]) -> None:
        self._record = record
        self._queue: queue.SimpleQueue[list[LoadCall] | None] = queue.SimpleQueue()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name="load-recorder", daemon=True)
        self._thread.start()

    def put(self, batch: list[LoadCall]) -> None:
        """Queue a batch.

        Raises:
            BaseException: What `record` raised for an earlier batch.
        """
        if self._error is not None:
            raise self._error
        self._queue.put(batch)

    def finish(self) -> None:
        """Wait until everything is recorded.

        Raises:
            BaseException: What `record` raised.
        """
        self._queue.put(None)
        self._thread.join()
        if self._error is not None:
            raise self._error

    def _work(self) -> None:
        while (batch := self._queue.get()) is not None:
            if self._error is None:
                try:
                    self._record(batch)
                except BaseException as error:  # noqa: BLE001  # raised again in the sending loop
                    self._error = error


class CallLog:
    """Builds the rows and keeps the columns.

    Args:
        samples: The run's samples with their labels, by place.
        recorder: Where batches go.
        on_batch: Hears (measured calls so far, ones without an OK answer so far) with each batch.
    """

    def __init__(
        self,
        samples: Sequence[tuple[Sample, str]],
        recorder: BatchRecorder,
        on_batch: Callable[[int, int], None] | None = None,
    ) -> None:
        self._ids = [sample.sample_id for sample, _ in samples]
        self._labels = [label for _, label in samples]
        self._recorder = recorder
        self._on_batch = on_batch
        self._rows: list[LoadCall] = []
        self._places: list[int] = []
        self._unseen: list[Unseen] = []
        self._flushed_ns = time.monotonic_ns()
        self._columns: list[array[int]] = [array("q") for _ in range(9 + len(PHASES))]
        self._failed = 0
        self.warmed_up: set[int] = set()
        """Places of the samples that warm-up calls have used."""
        self.errors: dict[str, str] = {}
        """The first error's words for each outcome that is not OK."""
        self.terminal: AutomlBenchError | None = None
        """An error after which every further call would fail alike."""

    def __len__(self) -> int:
        return len(self._columns[0]) + len(self._rows)

    def add(
        self,
        tag: Tag,
        worker: int,
        timing: CallTiming,
        reading: Reading | CallResult,
        phase: CallPhase,
        unseen: Unseen,
    ) -> None:
        """Take one ended call."""
        number, place = tag
        outcome = reading.outcome
        correct: bool | None = None
        if outcome is Outcome.OK:
            prediction = reading.prediction
            correct = prediction is not None and prediction.label == self._labels[place]
        else:
            self._note(reading)
        row = LoadCall(number, worker, self._ids[place], outcome, timing, correct, phase, reading.status)
        if phase is CallPhase.WARM_UP:
            self.warmed_up.add(place)
            self._recorder.put([row])
            return
        self._rows.append(row)
        self._places.append(place)
        self._unseen.append(unseen)

    def flush(self, *, now_ns: int | None = None) -> None:
        """Hand the rows on, if the last batch is old enough or `now_ns` is not given.

        Raises:
            BaseException: What the recorder met.
        """
        now = time.monotonic_ns() if now_ns is None else now_ns
        if not self._rows or (now_ns is not None and now - self._flushed_ns < BATCH_NS):
            return
        self._flushed_ns = now
        rows, places, unseen = self._rows, self._places, self._unseen
        self._rows, self._places, self._unseen = [], [], []
        self._extend(rows, places, unseen)
        self._recorder.put(rows)
        if self._on_batch is not None:
            self._on_batch(len(self), self._failed)

    def columns(self, begin: int = 0) -> Columns:
        """Return the calls from the begin-th to end on, in the order in which they were sent."""
        arrays = [np.frombuffer(column, dtype=np.int64)[begin:].copy() for column in self._columns]
        order = np.argsort(arrays[0], kind="stable")
        arrays = [column[order] for column in arrays]
        sent, received, scheduled, outcome, correct, fresh, place, most, least, *phases = arrays
        stacked = np.stack(phases, axis=1)
        return Columns(sent, received, scheduled, outcome, correct, fresh, place, stacked, most, least)

    def _note(self, reading: Reading | CallResult) -> None:
        self._failed += 1
        self.errors.setdefault(reading.outcome.value, reading.error)
        if reading.terminal is not None:
            self.terminal = reading.terminal

    def _extend(self, rows: list[LoadCall], places: list[int], unseen: list[Unseen]) -> None:
        by_field = zip(*(row.timing for row in rows), strict=True)
        clock = {name: list(values) for name, values in zip(CallTiming._fields, by_field, strict=True)}
        sent, received, scheduled, outcome, correct, fresh, place, most, least, *phases = self._columns
        sent.extend(clock["sent_ns"])
        received.extend(clock["received_ns"])
        scheduled.extend([s if t is None else t for s, t in zip(clock["sent_ns"], clock["scheduled_ns"], strict=True)])
        outcome.extend([OUTCOME_CODES[row.outcome] for row in rows])
        correct.extend(_known([row.correct for row in rows]))
        fresh.extend(_known(clock["new_connection"]))
        place.extend(places)
        most.extend([one.most_ns for one in unseen])
        least.extend([one.least_ns for one in unseen])
        for column, name in zip(phases, PHASES, strict=True):
            column.extend(_known(clock[f"{name}_ns"]))


def _known(values: list[int | None]) -> list[int]:
    return [UNKNOWN if value is None else value for value in values]
