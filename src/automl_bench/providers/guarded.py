"""What a plugin may do while its code runs, and what is then its own fault: it may fail, and nothing else with it.

`sys.exit`, a `KeyboardInterrupt` of its own and every other way out of a hook end the hook, not the command. An invoker
and the lanes of a plugin are handed on in a wrapper that looks at each request and each prediction.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NoReturn, TypeVar

from automl_bench.border.texts import clean_all
from automl_bench.border.values import prediction_fault, request_fault
from automl_bench.contract import (
    CallInvoker,
    HttpInvoker,
    HttpRequest,
    HttpResponse,
    Invoker,
    Lanes,
    Prediction,
    Sample,
)
from automl_bench.errors import AutomlBenchError
from automl_bench.providers.faults import hears_ctrl_c_itself, said, violation, way_out

T = TypeVar("T")


def guarded(plugin: str, invoker: Invoker) -> Invoker:
    """Return an invoker that looks at what the plugin's own one hands over."""
    if isinstance(invoker, HttpInvoker):
        return GuardedHttpInvoker(plugin, invoker)
    return GuardedCallInvoker(plugin, invoker)


class _Guard:
    """Makes errors of what the plugin's objects do."""

    def __init__(self, plugin: str, inner: object) -> None:
        self._plugin = plugin
        self._shown = inner

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._shown!r})"

    def _refuse(self, method: str, what: str) -> NoReturn:
        raise violation(self._plugin, method, what)

    def _leave(self, method: str, error: BaseException) -> NoReturn:
        """Raise what a way out that is no Exception becomes; a Ctrl-C that nobody else hears stays one."""
        if isinstance(error, KeyboardInterrupt) and hears_ctrl_c_itself():
            raise error
        raise violation(self._plugin, method, way_out(error)) from error


class GuardedHttpInvoker(_Guard):
    """An `HttpInvoker` whose requests and predictions are what they should be.

    Args:
        plugin: Name of the provider.
        inner: The plugin's own invoker.
    """

    def __init__(self, plugin: str, inner: HttpInvoker) -> None:
        super().__init__(plugin, inner)
        self.inner = inner

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of the results must know, in the plugin's words; none from most.

        Raises:
            ContractViolation: If they are no sequence of texts.
        """
        notes = getattr(self.inner, "notes", ())
        if not isinstance(notes, (tuple, list)) or not all(isinstance(one, str) for one in notes):
            self._refuse("notes of its invoker", f"returned {type(notes).__name__}, not a tuple of texts")
        return clean_all(notes)

    def prepare(self, sample: Sample) -> HttpRequest:
        """Let the plugin encode and sign.

        Raises:
            ContractViolation: If it hands over something that cannot be sent, or tries to end the process.
        """
        try:
            request = self.inner.prepare(sample)
        except Exception:
            raise
        except BaseException as error:  # noqa: BLE001  # told as the plugin's fault
            self._leave("prepare of its invoker", error)
        if fault := request_fault(request):
            self._refuse("prepare of its invoker", fault)
        return request

    def parse(self, response: HttpResponse) -> Prediction:
        """Let the plugin read an answer.

        Raises:
            ContractViolation: If it hands over no proper prediction, or tries to end the process.
        """
        try:
            prediction = self.inner.parse(response)
        except Exception:
            raise
        except BaseException as error:  # noqa: BLE001  # told as the plugin's fault
            self._leave("parse of its invoker", error)
        if fault := prediction_fault(prediction):
            self._refuse("parse of its invoker", fault)
        return prediction


class GuardedCallInvoker(_Guard):
    """A `CallInvoker` whose predictions are what they should be.

    The look costs well under a microsecond, against calls of milliseconds.

    Args:
        plugin: Name of the provider.
        inner: The plugin's own invoker.
    """

    def __init__(self, plugin: str, inner: CallInvoker) -> None:
        super().__init__(plugin, inner)
        self.inner = inner

    def call(self, sample: Sample) -> Prediction:
        """Let the plugin classify a sample.

        Raises:
            ContractViolation: If it hands over no proper prediction, or tries to end the process.
        """
        try:
            prediction = self.inner.call(sample)
        except Exception:
            raise
        except BaseException as error:  # noqa: BLE001  # told as the plugin's fault
            self._leave("call of its invoker", error)
        if fault := prediction_fault(prediction):
            self._refuse("call of its invoker", fault)
        return prediction


class GuardedLanes(_Guard):
    """A plugin's own lanes: as many as were asked for, each one guarded.

    Args:
        plugin: Name of the provider.
        inner: The plugin's own lanes.
    """

    def __init__(self, plugin: str, inner: Lanes) -> None:
        super().__init__(plugin, inner)
        self.inner = inner

    def open(self, count: int) -> Sequence[CallInvoker]:
        """Open lanes.

        Raises:
            ContractViolation: If it opens more or fewer than asked for, or something that cannot be called.
        """
        opened = self._run("open of its lanes", lambda: self.inner.open(count))
        if not isinstance(opened, Sequence) or isinstance(opened, (str, bytes)):
            self._refuse("open of its lanes", f"returned a value of type {type(opened).__name__}, not a sequence")
        if len(opened) != count:
            self._refuse("open of its lanes", f"opened {len(opened)} lanes, not {count}")
        if odd := next((lane for lane in opened if not isinstance(lane, CallInvoker)), None):
            self._refuse("open of its lanes", f"opened a {type(odd).__name__}, which has no call")
        return [GuardedCallInvoker(self._plugin, lane) for lane in opened]

    def close(self) -> None:
        """Close the lanes."""
        self._run("close of its lanes", self.inner.close)

    def _run(self, method: str, work: Callable[[], T]) -> T:
        try:
            return work()
        except AutomlBenchError:
            raise
        except Exception as error:
            raise violation(self._plugin, method, f"raised {said(error)}") from error
        except BaseException as error:  # noqa: BLE001  # told as the plugin's fault
            self._leave(method, error)
