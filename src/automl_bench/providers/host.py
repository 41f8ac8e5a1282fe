"""What the other rooms ask of all plugins together: their observers' voices and the datasets they bring."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from automl_bench.contract import DatasetSource, ReportSection
from automl_bench.errors import AutomlBenchError, MissingDependency, PluginError
from automl_bench.providers.discovery import PluginRegistry

log = logging.getLogger(__name__)


class Observers:
    """Tells every loaded plugin what happened. An observer that fails is logged and never hurts the measurement."""

    def __init__(self, registry: PluginRegistry) -> None:
        self._hooks = registry.manager.hook

    def tell(self, hook: str, **arguments: Any) -> list[Any]:
        """Call an observer hook of all plugins and return their answers, or [] if one of them failed."""
        caller = getattr(self._hooks, hook)
        if not caller.get_hookimpls():
            return []
        try:
            return list(caller(**arguments))
        except Exception as error:  # noqa: BLE001  # a plugin's fault must not end a paid trial
            log.warning("an observer failed in %s: %s: %s", hook, type(error).__name__, error)
            return []

    def listens(self, hook: str) -> bool:
        """Whether any loaded plugin implements an observer hook."""
        return bool(getattr(self._hooks, hook).get_hookimpls())


def dataset_sources(registry: PluginRegistry | None = None) -> Sequence[DatasetSource]:
    """Return the datasets that installed plugins bring along."""
    registry = registry or PluginRegistry()
    registry.load_all()
    return [source for sources in Observers(registry).tell("register_datasets") for source in sources or ()]


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
    answers = Observers(registry).tell("report_sections", results=results)
    return [section for sections in answers for section in sections or ()]
