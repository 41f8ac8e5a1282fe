"""The two loops of a load run: closed (N always under way) and open (a schedule that waits for nobody)."""

from __future__ import annotations

import gc
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from automl_bench.measurement.arrivals import SampleOrder
from automl_bench.measurement.call import Reading
from automl_bench.measurement.call_log import CallLog
from automl_bench.measurement.clock import NS_PER_SECOND
from automl_bench.measurement.pacing import Pacer
from automl_bench.measurement.senders import Sender
from automl_bench.store.records import CallPhase, CallTiming, Outcome
from automl_bench.transport import SEEN

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from automl_bench.contract import Json

SWITCH_SECONDS = 0.0001
"""Longest time another Python thread (the recorder, the store's writer) keeps the sending loop from running."""

LOOK_SECONDS = 0.25
"""How often a loop that has nothing to do looks whether it should stop."""

SPIN_NS = 2_000_000
"""The transport's wait ends on a whole millisecond: the last stretch before a send is waited for in short naps."""

POLL_STEP_NS = 1_100_000
"""How much earlier a longer wait has to end, as it may overshoot by one of those milliseconds."""

NAP_SECONDS = 0.0001

NO_WORKER = -1
"""Stands for the worker of a request that was given up."""


@dataclass(slots=True)
class LoopReport:
    """What a loop knows that the calls do not say.

    Attributes:
        begin_ns: Monotonic clock at the first moment of the schedule.
        end_ns: Monotonic clock after the last answer.
        planned: Sends asked for by the schedule; for a closed loop, sends made.
        dropped: Sends left out because as many requests as allowed were under way.
        abandoned: Requests given up because they had not ended in time.
        finished: Whether the loop came to its end; False after a stop.
    """

    begin_ns: int
    end_ns: int = 0
    planned: int = 0
    dropped: int = 0
    abandoned: int = 0
    finished: bool = True

    def as_json(self) -> dict[str, Json]:
        """Return the counts for the summary."""
        return {"planned": self.planned, "dropped": self.dropped, "abandoned": self.abandoned}


@contextmanager
def undisturbed() -> Iterator[None]:
    """Keep the interpreter's own pauses out of a load run.

    The sending loop has the interpreter back soon after it asks, and a garbage collection looks only at what was made
    since the run began: over everything that is loaded, one takes 5 ms, or 80 ms if scikit-learn and matplotlib are.
    """
    before = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_SECONDS)
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
        sys.setswitchinterval(before)


def warm_up(sender: Sender, log: CallLog, order: SampleOrder, calls: int, pacer: Pacer, stop: threading.Event) -> None:
    """Make the warm-up calls, as many at once as there is room and the pacer allows; recorded but never counted."""
    places = order.warm_up
    number = 0
    while not stop.is_set():
        pause = LOOK_SECONDS
        while number < calls and sender.free:
            now = time.monotonic_ns()
            delay = pacer.delay_ns(now)
            if delay:
                pause = min(pause, delay / NS_PER_SECOND)
                break
            pacer.sent(now)
            sender.start(number, places[number % len(places)], None)
            number += 1
        if not sender.in_flight and number >= calls:
            return
        for tag, answer in sender.wait(pause):
            timing, worker, reading, unseen = sender.read(answer)
            log.add(tag, worker, timing, reading, CallPhase.WARM_UP, unseen)
        if log.terminal is not None:
            return


def closed_loop(
    sender: Sender,
    log: CallLog,
    order: SampleOrder,
    *,
    calls: int | None,
    duration_seconds: float | None,
    pacer: Pacer,
    stop: threading.Event,
) -> LoopReport:
    """Keep every place of the sender busy until all calls are made or the time is over.

    A free place is filled before any answer is read, so that reading never makes the service wait.

    Args:
        sender: Sends; it has as many places as requests are to be under way.
        log: Takes the ended calls.
        order: Which sample each call carries.
        calls: How many calls, or None for as many as fit into the duration.
        duration_seconds: When to stop sending, or None for no limit.
        pacer: Keeps to a published rate.
        stop: Ends the loop early.
    """
    clock = time.monotonic_ns
    begin = clock()
    report = LoopReport(begin)
    last = sys.maxsize if calls is None else calls
    deadline = None if duration_seconds is None else begin + int(duration_seconds * NS_PER_SECOND)
    number = 0
    while True:
        pause = LOOK_SECONDS
        if stop.is_set() or log.terminal is not None:
            report.finished = False
            break
        while sender.free and number < last:
            now = clock()
            if deadline is not None and now >= deadline:
                last = number
                break
            delay = pacer.delay_ns(now)
            if delay:
                pause = min(pause, delay / NS_PER_SECOND)
                break
            pacer.sent(now)
            sender.start(number, order.next(), None)
            number += 1
        if not sender.in_flight and number >= last:
            break
        ended = sender.wait(pause)
        for _ in ended:
            now = clock()
            if number >= last or (deadline is not None and now >= deadline) or pacer.delay_ns(now):
                break
            pacer.sent(now)
            sender.start(number, order.next(), None)
            number += 1
        for tag, answer in ended:
            timing, worker, reading, unseen = sender.read(answer)
            log.add(tag, worker, timing, reading, CallPhase.MEASURED, unseen)
        log.flush(now_ns=clock())
    report.planned = number
    report.end_ns = clock()
    log.flush()
    return report


def open_loop(
    sender: Sender,
    log: CallLog,
    order: SampleOrder,
    *,
    moments: NDArray[np.int64],
    first_number: int = 0,
    drain_seconds: float,
    stop: threading.Event,
) -> LoopReport:
    """Send each request at its scheduled moment, whatever became of the earlier ones.

    Where as many requests as allowed are under way, the send is dropped and counted: waiting would turn the loop
    into a closed one without saying so.

    Args:
        sender: Sends; its places bound how many requests are under way.
        log: Takes the ended calls.
        order: Which sample each call carries.
        moments: Nanoseconds from the start, rising.
        first_number: Number of the first call.
        drain_seconds: How long to wait for answers after the last send; what has not ended then is given up and
            recorded as a time-out.
        stop: Ends the loop early.
    """
    clock = time.monotonic_ns
    schedule = moments.tolist()
    begin = clock() + 5_000_000
    report = LoopReport(begin, planned=len(schedule))
    waiting: dict[int, tuple[int, int]] = {}
    position, total = 0, len(schedule)
    give_up = begin + schedule[-1] + int(drain_seconds * NS_PER_SECOND)
    while True:
        if stop.is_set() or log.terminal is not None:
            report.finished = False
            break
        now = clock()
        while position < total and begin + schedule[position] <= now:
            moment = begin + schedule[position]
            place = order.next()
            if sender.free:
                sender.start(first_number + position, place, moment)
                waiting[first_number + position] = (place, moment)
            else:
                report.dropped += 1
            position += 1
            now = clock()
        if position >= total and (not sender.in_flight or now > give_up):
            break
        gap = begin + schedule[position] - now if position < total else int(LOOK_SECONDS * NS_PER_SECOND)
        ended = sender.wait(_pause(gap))
        for tag, answer in ended:
            timing, worker, reading, unseen = sender.read(answer)
            log.add(tag, worker, timing, reading, CallPhase.MEASURED, unseen)
            del waiting[tag[0]]
        if not ended and gap < SPIN_NS:
            time.sleep(min(max(gap, 0) / NS_PER_SECOND, NAP_SECONDS))
        log.flush(now_ns=clock())
    report.end_ns = clock()
    if report.finished:
        report.abandoned = len(waiting)
        _record_abandoned(log, waiting, report.end_ns)
    log.flush()
    return report


def _pause(gap_ns: int) -> float:
    """Return how long the sender may sleep before a scheduled send that is `gap_ns` away."""
    if gap_ns <= SPIN_NS:
        return 0.0
    return min(LOOK_SECONDS, (gap_ns - POLL_STEP_NS) / NS_PER_SECOND)


def _record_abandoned(log: CallLog, waiting: dict[int, tuple[int, int]], now_ns: int) -> None:
    """Record requests that had not ended: their latency is at least the time waited so far."""
    reading = Reading(Outcome.TIMEOUT, error="given up: no answer within the time left after the last send.")
    for number, (place, moment) in waiting.items():
        log.add((number, place), NO_WORKER, CallTiming(moment, now_ns, moment), reading, CallPhase.MEASURED, SEEN)
