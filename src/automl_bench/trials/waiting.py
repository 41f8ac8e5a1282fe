"""Patience, once for all plugins: retries of control calls, polling, deadlines. Nothing here is ever timed."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable
from typing import TypeVar

import tenacity

from automl_bench.border.texts import clean
from automl_bench.contract import Operation, OperationState
from automl_bench.errors import Interrupted, OperationUnfinished, ProviderError, RateLimited, TransientProviderError

log = logging.getLogger(__name__)

T = TypeVar("T")

FIRST_DELAY = 0.5
"""Seconds before the first repetition or look; each later one waits half as long again."""
GROWTH = 1.5
LONGEST_DELAY = 60.0
ATTEMPTS = 8


def interrupted() -> Interrupted:
    """Return the error that ends work after Ctrl-C or SIGTERM."""
    return Interrupted("stopped on request.", remedy="Run the same command again to go on.")


def patiently(call: Callable[[], T], stop: threading.Event | None, *, what: str) -> T:
    """Make a control call, again after a throttle or a passing fault, with the wait the service asked for.

    Args:
        call: The call; whatever it creates goes through the ledger, so repeating it duplicates nothing.
        stop: Set when the user wants to end; None while tearing down, which must go on.
        what: What is being done, for the log.

    Raises:
        Interrupted: If `stop` was set while waiting.
        ProviderError: The last error, once the attempts are used up; at once if repeating is useless.
    """

    def delay(state: tenacity.RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, RateLimited) and error.retry_after is not None:
            return max(0.0, error.retry_after)
        bound = min(LONGEST_DELAY, FIRST_DELAY * GROWTH ** (state.attempt_number - 1))
        return bound * random.uniform(0.75, 1.25)

    def sleep(seconds: float) -> None:
        log.info("%s: waiting %.1f s before trying again", what, seconds)
        pause(seconds, stop)

    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type((RateLimited, TransientProviderError)),
        wait=delay,
        stop=tenacity.stop_after_attempt(ATTEMPTS),
        sleep=sleep,
        reraise=True,
    )
    return retrying(call)


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
    deadline: float,
    stop: threading.Event,
    on_look: Callable[[Operation], None],
    what: str,
) -> Operation:
    """Poll an operation until it ends.

    Args:
        operation: Its state so far.
        poll: Looks once.
        deadline: `time.monotonic()` after which to give up.
        stop: Set when the user wants to end.
        on_look: Told of each new state; stores the token durably before the next wait.
        what: What is awaited, for messages.

    Raises:
        OperationUnfinished: If the deadline passed.
        Interrupted: If `stop` was set.
        ProviderError: If looking fails for good.
    """
    delay = FIRST_DELAY
    on_look(operation)
    while operation.state is OperationState.RUNNING:
        if time.monotonic() >= deadline:
            raise OperationUnfinished(
                f"{what} is still running at the provider after the longest wait.",
                remedy="Run the same command again to go on waiting, or tear it down.",
            )
        pause(operation.poll_after if operation.poll_after is not None else delay, stop)
        delay = min(LONGEST_DELAY, delay * GROWTH)
        current = operation
        operation = patiently(lambda: poll(current), stop, what=what)  # noqa: B023  # called at once
        on_look(operation)
    return operation


def first_sentence(error: BaseException) -> str:
    """Return what a row or a table says of an error."""
    if isinstance(error, ProviderError) and error.request_id:
        return clean(f"{error} (request {error.request_id})")
    return clean(str(error)) or type(error).__name__
