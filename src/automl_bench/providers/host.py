"""What the other rooms ask of all plugins together: their observers' voices and the datasets they bring."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from automl_bench.errors import AutomlBenchError, ContractViolation, MissingDependency
from automl_bench.providers.discovery import PluginRegistry
from automl_bench.providers.faults import no_way_out, said, violation

if TYPE_CHECKING:
    from automl_bench.contract import DatasetSource, ReportSection

N = TypeVar("N")

log = logging.getLogger(__name__)


class Observers:
    """Tells every loaded plugin what happened. An observer that fails is named and never hurts the measurement.

    Args:
        registry: The plugins.
    """

    def __init__(self, registry: PluginRegistry) -> None:
        self._registry = registry
        self._named: set[tuple[str, str]] = set()
        self._lock = threading.Lock()

    def tell(self, hook: str, **arguments: Any) -> list[Any]:
        """Call an observer hook of each plugin and return the answers of those that did not fail."""
        return [answer for _, answer in self.answers(hook, **arguments)]

    def answers(self, hook: str, **arguments: Any) -> list[tuple[str, Any]]:
        """Call an observer hook of each plugin and return name and answer of those that did not fail."""
        answers = []
        for name, caller in _callers(self._registry, hook):
            try:
                with no_way_out(lambda what, name=name: violation(name, hook, what)):  # type: ignore[misc]  # bound now
                    given = caller(**arguments)
            except ContractViolation as error:
                self.complain(name, hook, str(error))
            except Exception as error:  # noqa: BLE001  # a plugin's fault must not end a paid trial
                self.complain(name, hook, str(violation(name, hook, f"raised {said(error)}")))
            else:
                answers += [(name, answer) for answer in given]
        return answers

    def complain(self, plugin: str, hook: str, words: str) -> None:
        """Say once what is wrong with a hook of a plugin, and afterwards in the debug log only."""
        with self._lock:
            told = (plugin, hook) in self._named
            self._named.add((plugin, hook))
        log.log(logging.DEBUG if told else logging.ERROR, "%s", words)

    def listens(self, hook: str) -> bool:
        """Whether any loaded plugin implements an observer hook."""
        return bool(getattr(self._registry.manager.hook, hook).get_hookimpls())

    def collect(self, hook: str, kind: type[N], **arguments: Any) -> list[N]:
        """Call an observer hook whose answers are sequences of a noun, and leave out what is none.

        Args:
            hook: The hook.
            kind: The noun.
            arguments: What the hook gets.
        """
        from automl_bench.border.values import fault_of

        found: list[N] = []
        for name, answer in self.answers(hook, **arguments):
            if fault := fault_of(answer, Sequence[kind]):  # type: ignore[valid-type]  # a type only known here
                self.complain(name, hook, str(violation(name, hook, fault)))
            else:
                found += answer
        return found


def dataset_sources(registry: PluginRegistry | None = None) -> Sequence[DatasetSource]:
    """Return the datasets that installed plugins bring along."""
    from automl_bench.contract import DatasetSource

    registry = registry or PluginRegistry()
    registry.load_all()
    return Observers(registry).collect("register_datasets", DatasetSource)


def embeddings(
    paths: Sequence[Path], cache_dir: Path, registry: PluginRegistry | None = None
) -> Iterator[Sequence[float]]:
    """Yield the vector of each image, all of one length, from the first plugin that makes any.

    Raises:
        MissingDependency: If no plugin does.
        ContractViolation: If the plugin fails, tries to end the process, or gives something else than vectors.
    """
    registry = registry or PluginRegistry()
    registry.load_all()
    for name, caller in _callers(registry, "embed_images"):
        vectors = _guarded(name, "embed_images", partial(caller, paths=paths, cache_dir=cache_dir))
        if vectors is not None:
            yield from _looked_at(name, vectors, len(paths))
            return
    raise MissingDependency(
        "no installed plugin makes embeddings of images.", remedy="Run `pip install 'automl-bench[local]'`."
    )


def _callers(registry: PluginRegistry, hook: str) -> Iterator[tuple[str, Callable[..., Any]]]:
    """Yield the name of each plugin that implements a hook, and what calls it alone, in pluggy's order."""
    manager = registry.manager
    names = [one.plugin_name for one in getattr(manager.hook, hook).get_hookimpls()]
    for name in dict.fromkeys(reversed(names)):
        others = [plugin for other, plugin in manager.list_name_plugin() if other != name and plugin]
        yield name, manager.subset_hook_caller(hook, remove_plugins=others)


def _guarded(name: str, hook: str, call: Callable[[], Any]) -> Any:
    """Return what a plugin's code gives.

    Raises:
        AutomlBenchError: What the plugin raised, or the fault that it was.
    """
    try:
        with no_way_out(lambda what: violation(name, hook, what)):
            return call()
    except AutomlBenchError:
        raise
    except Exception as error:
        raise violation(name, hook, f"raised {said(error)}") from error


def _looked_at(name: str, vectors: Any, wanted: int) -> Iterator[Sequence[float]]:
    """Yield vectors that a plugin yields, as long as they are what was asked for."""
    hook = "embed_images"
    coming = _guarded(name, hook, lambda: iter(vectors))
    first: Sequence[float] | None = None
    for number in range(wanted):
        vector = _guarded(name, hook, lambda: next(coming, None))
        if vector is None:
            raise violation(name, hook, f"gave {number} vectors for {wanted} images")
        if not _guarded(name, hook, partial(_is_vector, vector)) or len(vector) != (
            len(vector) if first is None else len(first)
        ):
            raise violation(name, hook, "gave something else than finite numbers, as many for each image")
        first = vector if first is None else first
        yield vector


def _is_vector(value: Any) -> bool:
    import numpy as np

    array = np.asarray(value)
    return array.ndim == 1 and array.size > 0 and array.dtype.kind in "fiu" and bool(np.isfinite(array).all())


def report_sections(registry: PluginRegistry, results: Sequence[dict[str, Any]]) -> Sequence[ReportSection]:
    """Return the sections that observers add to a report."""
    from dataclasses import replace

    from automl_bench.border.texts import clean, scrub
    from automl_bench.contract import ReportSection

    found = Observers(registry).collect("report_sections", ReportSection, results=results)
    return [replace(section, title=clean(section.title), html=scrub(section.html)) for section in found]
