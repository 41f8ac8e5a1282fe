"""What the other rooms ask of all plugins together: their observers' voices and the datasets they bring."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from automl_bench.errors import AutomlBenchError, ContractViolation, MissingDependency, PluginError
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
        self._manager = registry.manager
        self._named: set[tuple[str, str]] = set()
        self._lock = threading.Lock()

    def tell(self, hook: str, **arguments: Any) -> list[Any]:
        """Call an observer hook of each plugin and return the answers of those that did not fail."""
        return [answer for _, answer in self.answers(hook, **arguments)]

    def answers(self, hook: str, **arguments: Any) -> list[tuple[str, Any]]:
        """Call an observer hook of each plugin and return name and answer of those that did not fail."""
        answers = []
        names = [one.plugin_name for one in getattr(self._manager.hook, hook).get_hookimpls()]
        for name in dict.fromkeys(reversed(names)):
            others = [plugin for other, plugin in self._manager.list_name_plugin() if other != name and plugin]
            caller = self._manager.subset_hook_caller(hook, remove_plugins=others)
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
        return bool(getattr(self._manager.hook, hook).get_hookimpls())

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


def embeddings(paths: Sequence[Path], cache_dir: Path, registry: PluginRegistry | None = None) -> Iterator[Any]:
    """Yield the vector of each image, from the first plugin that makes any.

    Raises:
        MissingDependency: If no plugin does.
        PluginError: If the plugin fails.
    """
    registry = registry or PluginRegistry()
    registry.load_all()
    try:
        vectors = registry.manager.hook.embed_images(paths=paths, cache_dir=cache_dir)
        if vectors is not None:
            yield from vectors
            return
    except AutomlBenchError:
        raise
    except Exception as error:
        raise PluginError(
            f"a plugin failed in embed_images: {type(error).__name__}: {error}.", remedy="Tell the plugin's author."
        ) from error
    raise MissingDependency(
        "no installed plugin makes embeddings of images.", remedy="Run `pip install 'automl-bench[local]'`."
    )


def report_sections(registry: PluginRegistry, results: Sequence[dict[str, Any]]) -> Sequence[ReportSection]:
    """Return the sections that observers add to a report."""
    from dataclasses import replace

    from automl_bench.border.texts import clean, scrub
    from automl_bench.contract import ReportSection

    found = Observers(registry).collect("report_sections", ReportSection, results=results)
    return [replace(section, title=clean(section.title), html=scrub(section.html)) for section in found]
