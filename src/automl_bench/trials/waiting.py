"""Patience, once for all plugins: retries of control calls, polling, deadlines. Nothing here is ever timed."""

from __future__ import annotations

import logging
import math
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from automl_bench.border.texts import clean
from automl_bench.contract import Operation, OperationState
from automl_bench.errors import (
    AutomlBenchError,
    Interrupted,
    OperationUnfinished,
    ProviderError,
    RateLimited,
    ResourceMissing,
    WorkLeft,
)
from automl_bench.trials.error_meaning import Meaning, Moment, meaning_of, needs_the_user

log = logging.getLogger(__name__)

T = TypeVar("T")

FIRST_DELAY = 0.5
"""Seconds before the first repetition or look; each later one waits half as long again."""
GROWTH = 1.5
LONGEST_DELAY = 60.0
LONGEST_LOOK = 600.0
"""Longest wait between two looks at an operation, whatever the plugin asks for."""
CONTROL_SECONDS = 1800.0
"""How long a control call is repeated where no stage's deadline bounds it sooner."""
LAG_SECONDS = 60.0
"""How long, beyond what the provider says of its lists, "not there" is not believed of work that was begun."""
TELL_SECONDS = 10.0
"""A wait that gets longer than this is told on stderr; again each time it has grown tenfold."""
STOPPED_SECONDS = 20.0
"""How long one deletion is repeated once the user wants to end."""
LOOK_SECONDS = 0.25
"""How often a wait that tears down looks whether the user wants to end."""


def interrupted() -> Interrupted:
    """Return the error that ends work after Ctrl-C or SIGTERM."""
    return Interrupted("stopped on request.", remedy="Run the same command again to go on.")


@dataclass(frozen=True, slots=True)
class Patience:
    """How long, and in which spirit, calls are repeated.

    Attributes:
        what: What is being done, for messages.
        moment: Decides what an error means.
        until: `time.monotonic()` after which to give up.
        stop: Set when the user wants to end. Ends every wait; a deletion goes on for `STOPPED_SECONDS`.
        lag: Seconds for which "not there" is not believed.
        say: Tells the user one line.
    """

    what: str
    moment: Moment
    until: float
    stop: threading.Event | None = None
    lag: float = 0.0
    say: Callable[[str], None] = field(default=lambda text: None, repr=False)

    def call(self, work: Callable[[], T]) -> T:
        """Make a call, again as long as its error says nothing of the work, with the waits the service asks for.

        Whatever the call creates goes through the ledger, so repeating it duplicates nothing.

        Raises:
            Interrupted: If `stop` was set while waiting.
            OperationUnfinished: If the deadline passed while nothing could be learnt of the work.
            WorkLeft: If it could not be begun, or something on this side keeps us from following it.
            AutomlBenchError: The error itself, where it is final, or a deletion's bound has ended.
        """
        begun = time.monotonic()
        told = _Told(self, begun)
        attempt = 0
        until = self.until
        hurried = False
        while True:
            try:
                answer = work()
            except Exception as error:  # noqa: BLE001  # the table says which are raised again
                if self._stopped and not hurried:
                    until, hurried = min(until, time.monotonic() + STOPPED_SECONDS), True
                wait = self._wait_after(error, begun, until, attempt)
                told.hear(error, wait)
            else:
                told.over()
                return answer
            attempt += 1
            self._rest(wait)

    @property
    def _stopped(self) -> bool:
        return self.stop is not None and self.stop.is_set()

    @property
    def _deletes(self) -> bool:
        return self.moment in (Moment.DELETE, Moment.HELD)

    def _wait_after(self, error: Exception, begun: float, until: float, attempt: int) -> float:
        """Return how long to wait before the next attempt, or raise what the error comes to."""
        meaning = meaning_of(error, self.moment)
        now = time.monotonic()
        if meaning is Meaning.FINAL or (meaning is Meaning.MISSING and now >= begun + self.lag):
            raise error
        if meaning is Meaning.HERE:
            raise work_left(self.what, error) from error
        if now >= until:
            if self._deletes:
                raise error
            raise _given_up(self, error) from error
        wait = _delay(error, attempt)
        if meaning is Meaning.MISSING:
            until = min(until, begun + self.lag)
        return max(0.0, min(wait, until - now))

    def _rest(self, seconds: float) -> None:
        log.info("%s: waiting %.1f s before trying again", self.what, seconds)
        if not self._deletes:
            pause(seconds, self.stop)
            return
        # Ctrl-C ends the wait, not the deletion: the next attempt follows at once.
        end, stopped_before = time.monotonic() + seconds, self._stopped
        while (left := end - time.monotonic()) > 0:
            if self._stopped and not stopped_before:
                return
            time.sleep(min(left, LOOK_SECONDS))


@dataclass(frozen=True, slots=True)
class Insistence:
    """How long deletions are tried.

    Attributes:
        stop: Set when the user wants to end; then each is tried for `STOPPED_SECONDS` more.
        say: Tells the user one line of a wait that gets long.
        until: `time.monotonic()` after which no deletion is tried again; None for the provider's own bound.
        held: Whether something that was made later is known to remain: what it stands on is not tried again and again.
    """

    stop: threading.Event | None = None
    say: Callable[[str], None] = field(default=lambda text: None, repr=False)
    until: float | None = None
    held: bool = False

    def patience(self, what: str, seconds: float = CONTROL_SECONDS) -> Patience:
        """Return the patience of one look-up or deletion, which may take so many seconds by itself."""
        end = time.monotonic() + seconds
        until = end if self.until is None else min(end, self.until)
        moment = Moment.HELD if self.held else Moment.DELETE
        return Patience(what, moment, until, self.stop, say=self.say)


class _Told:
    """Tells the user of a wait that gets long, and when it is over."""

    def __init__(self, patience: Patience, begun: float) -> None:
        self._patience = patience
        self._begun = begun
        self._next = TELL_SECONDS
        self._said = False

    def hear(self, error: Exception, wait: float) -> None:
        waited = time.monotonic() - self._begun
        at_once = needs_the_user(error) and not self._said
        if waited + wait < self._next and not at_once:
            return
        while waited + wait >= self._next:
            self._next *= 10
        self._said = True
        left = max(0.0, self._patience.until - time.monotonic())
        self._patience.say(f"{self._patience.what}: {_words(error)} Trying again for up to {duration(left)}.")

    def over(self) -> None:
        if self._said:
            waited = time.monotonic() - self._begun
            self._patience.say(f"{self._patience.what}: goes on, after {duration(waited)}.")


def _given_up(patience: Patience, error: BaseException) -> OperationUnfinished:
    """Return what becomes of work of which nothing could be learnt."""
    if patience.moment in (Moment.ACCESS, Moment.BEGIN):
        return WorkLeft(
            f"{patience.what} could not be begun: {_words(error)}",
            remedy="Nothing was lost. Run the same command again to go on.",
        )
    return OperationUnfinished(
        f"{patience.what}: the provider could not be asked until the deadline; last: {_words(error)}",
        remedy="What exists there was left as it is. Run the same command again to go on.",
    )


def work_left(what: str, error: BaseException) -> WorkLeft:
    """Return the error that leaves work at the provider as it is, because of a fault on this side."""
    return WorkLeft(
        f"{what}: {_words(error)}",
        remedy="What exists at the provider was left as it is. Fix the cause and run the same command again.",
    )


def patiently(
    call: Callable[[], T],
    stop: threading.Event | None,
    *,
    what: str,
    moment: Moment = Moment.DELETE,
    until: float | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> T:
    """Make one control call with patience; see `Patience`.

    Args:
        call: The call.
        stop: Set when the user wants to end.
        what: What is being done, for messages.
        moment: Decides what an error means.
        until: `time.monotonic()` after which to give up; by default `CONTROL_SECONDS` from now.
        say: Tells the user one line.
    """
    end = time.monotonic() + CONTROL_SECONDS if until is None else until
    return Patience(what, moment, end, stop, say=say).call(call)


def pause(seconds: float, stop: threading.Event | None) -> None:
    """Sleep, but wake and raise Interrupted as soon as `stop` is set."""
    if stop is None:
        time.sleep(seconds)
    elif stop.wait(seconds):
        raise interrupted()


class Until(threading.Event):
    """A stop event that is also set once a moment has passed.

    Args:
        stop: The user's own.
        moment: `time.monotonic()` from which on it is set; None for never.
    """

    def __init__(self, stop: threading.Event, moment: float | None) -> None:
        super().__init__()
        self._stop_event = stop
        self._moment = moment

    @property
    def too_late(self) -> bool:
        """Whether the moment has passed, and not the user asked to stop."""
        return self._moment is not None and time.monotonic() >= self._moment and not self._stop_event.is_set()

    def is_set(self) -> bool:
        """Whether work must end."""
        return self._stop_event.is_set() or self.too_late

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until work must end, at most `timeout` seconds."""
        left = None if self._moment is None else max(0.0, self._moment - time.monotonic())
        shortest = min((value for value in (left, timeout) if value is not None), default=None)
        self._stop_event.wait(shortest)
        return self.is_set()


def wait_for(
    operation: Operation,
    poll: Callable[[Operation], Operation],
    *,
    patience: Patience,
    on_look: Callable[[Operation], None],
) -> Operation:
    """Poll an operation until it ends.

    Args:
        operation: Its state so far.
        poll: Looks once.
        patience: What an error means, and until when to go on.
        on_look: Told of each new state; stores the token durably before the next wait.

    Raises:
        OperationUnfinished: If the deadline passed.
        Interrupted: If the user wants to end.
        ProviderError: If the service says that it failed.
    """
    delay = FIRST_DELAY
    on_look(operation)
    while operation.state is OperationState.RUNNING:
        left = patience.until - time.monotonic()
        if left <= 0:
            raise OperationUnfinished(
                f"{patience.what} is still running at the provider after the longest wait.",
                remedy="Run the same command again to go on waiting, or tear it down.",
            )
        pause(min(_look_after(operation.poll_after, delay), left), patience.stop)
        delay = min(LONGEST_DELAY, delay * GROWTH)
        current = operation
        operation = patience.call(lambda: poll(current))  # noqa: B023  # called at once
        on_look(operation)
    return operation


def undisturbed(tell: Callable[..., None]) -> Callable[..., None]:
    """Return a function that tells somebody something, and whose failing to do so disturbs no work.

    A closed terminal or a broken pipe raises in whoever prints, and rich turns it into SystemExit: neither may keep an
    endpoint running.
    """

    def told(*arguments: Any) -> None:
        try:
            tell(*arguments)
        except (Exception, SystemExit):
            log.debug("nobody could be told", exc_info=True)

    return told


def first_sentence(error: BaseException) -> str:
    """Return what a row or a table says of an error."""
    if isinstance(error, ProviderError) and error.request_id:
        return clean(f"{error} (request {error.request_id})")
    return clean(str(error)) or type(error).__name__


def duration(seconds: float) -> str:
    """Return a length of time in words: "40 s", "25 min", "3.0 h"."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def asked_to_wait(error: BaseException) -> float | None:
    """Return the seconds that a service asked to wait, or None where it named none that make sense."""
    asked = error.retry_after if isinstance(error, RateLimited) else None
    if not isinstance(asked, (int, float)) or math.isnan(asked):
        return None
    return max(0.0, float(asked))


def _delay(error: BaseException, attempt: int) -> float:
    asked = asked_to_wait(error)
    if asked is not None:
        # A service that says "at once" again and again is still not asked more often than others.
        return max(asked, min(FIRST_DELAY, 0.05 * attempt))
    bound = min(LONGEST_DELAY, FIRST_DELAY * GROWTH ** min(attempt, 50))
    if isinstance(error, ResourceMissing):
        bound = min(bound, 1.0)
    return bound * random.uniform(0.75, 1.25)


def _look_after(asked: float | None, own: float) -> float:
    """Return how long to wait before the next look; what a plugin asks for is kept within reason."""
    if asked is None or math.isnan(asked):
        return own
    return min(max(0.0, asked), LONGEST_LOOK)


def _words(error: BaseException) -> str:
    words = " ".join(first_sentence(error).split())
    if not isinstance(error, AutomlBenchError):
        words = f"{type(error).__name__}: {words}"
    return words if words.endswith((".", "!", "?")) else f"{words}."
