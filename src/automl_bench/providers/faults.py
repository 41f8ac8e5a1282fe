"""Whose fault it is when the code of a plugin fails, and how that is told: one sentence with its name and the hook."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from automl_bench.border.texts import clean
from automl_bench.errors import AutomlBenchError, ContractViolation

REMEDY = "Report it to the plugin's authors."


def violation(plugin: str, hook: str, what: str, remedy: str = REMEDY) -> ContractViolation:
    """Return the error that names a plugin, its hook, and what is wrong with it."""
    return ContractViolation(f"the plugin of {plugin}: {hook} {clean(what, longest=400)}.", remedy=remedy)


def said(error: BaseException) -> str:
    """Return how an exception of a plugin is told: its type and its words."""
    try:
        words = str(error)
    except Exception:  # noqa: BLE001  # its own __str__ may fail, too
        words = ""
    return f"{type(error).__name__}: {clean(words, longest=300)}" if words else type(error).__name__


def way_out(error: BaseException) -> str:
    """Say how a hook tried to leave otherwise than by an Exception."""
    if isinstance(error, SystemExit):
        return f"called sys.exit({'' if error.code is None else clean(repr(error.code), longest=100)})"
    return f"raised {said(error)}"


@contextmanager
def no_way_out(fault: Callable[[str], AutomlBenchError]) -> Iterator[None]:
    """Turn SystemExit, KeyboardInterrupt and their like into a fault of the plugin; Ctrl-C stays the user's.

    Args:
        fault: Makes the error from what the plugin did.
    """
    heard: list[int] = []

    def hear(number: int, frame: FrameType | None) -> NoReturn:
        heard.append(number)
        raise KeyboardInterrupt

    default = hears_ctrl_c_itself()
    if default:
        signal.signal(signal.SIGINT, hear)
    try:
        yield
    except Exception:
        raise
    except BaseException as error:
        if heard:
            raise
        raise fault(way_out(error)) from error
    finally:
        if default and signal.getsignal(signal.SIGINT) is hear:
            signal.signal(signal.SIGINT, signal.default_int_handler)


def hears_ctrl_c_itself() -> bool:
    """Whether a Ctrl-C is raised right here, in the main thread, as nobody listens for it."""
    return (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    )
