"""Finding and loading plugins: by entry-point name, one at a time, so that a broken one never hurts another."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib import metadata
from typing import Any

import pluggy

from automl_bench.errors import AutomlBenchError, PluginLoadFailed, UsageError
from automl_bench.hookspecs import PROJECT_NAME, ObserverHooks, ProviderHooks


@dataclass(frozen=True, slots=True)
class Installed:
    """One installed plugin, loaded or not.

    Attributes:
        name: Entry-point name, which is the provider's name.
        package: Distribution that brings it, with its version.
        load: Imports and returns the plugin's module or object.
    """

    name: str
    package: str
    load: Callable[[], Any]


@dataclass(frozen=True, slots=True)
class LoadFailure:
    """A plugin that did not load, why, and what mends it."""

    name: str
    package: str
    reason: str
    remedy: str


def installed_plugins() -> list[Installed]:
    """Return what the environment holds, sorted by name, without importing any of it."""
    found = []
    for entry in metadata.entry_points(group=PROJECT_NAME):
        package = f"{entry.dist.name} {entry.dist.version}" if entry.dist else "unknown package"
        found.append(Installed(entry.name, package, entry.load))
    return sorted(found, key=lambda plugin: (plugin.name, plugin.package))


class PluginRegistry:
    """The loaded plugins of one process.

    Args:
        plugins: What may be loaded; by default everything installed.
    """

    def __init__(self, plugins: Iterable[Installed] | None = None) -> None:
        self.manager = pluggy.PluginManager(PROJECT_NAME)
        self.manager.add_hookspecs(ProviderHooks)
        self.manager.add_hookspecs(ObserverHooks)
        self.plugins: Sequence[Installed] = list(installed_plugins() if plugins is None else plugins)
        self.failures: dict[str, LoadFailure] = {}

    def names(self) -> list[str]:
        """Return the names of all installed plugins, loaded or not."""
        return sorted({plugin.name for plugin in self.plugins})

    def load(self, name: str) -> Any:
        """Load one plugin by name; loading it again is free.

        Raises:
            UsageError: If no plugin of that name is installed.
            PluginLoadFailed: If two packages claim the name, or it does not import or register.
        """
        loaded = self.manager.get_plugin(name)
        if loaded is not None:
            return loaded
        candidates = [plugin for plugin in self.plugins if plugin.name == name]
        if not candidates:
            raise UsageError(f"there is no provider named {name!r}.", remedy=self._suggest(name))
        if len(candidates) > 1:
            packages = " and ".join(plugin.package for plugin in candidates)
            raise self._failed(
                candidates[0],
                f"two packages bring a plugin named {name!r}: {packages}.",
                f"Uninstall one of them: pip uninstall {candidates[-1].package.split()[0]}",
            )
        return self._register(candidates[0])

    def load_all(self) -> None:
        """Load every plugin that loads; the others are kept in `failures`."""
        for name in self.names():
            try:
                self.load(name)
            except AutomlBenchError:
                continue

    def _register(self, plugin: Installed) -> Any:
        try:
            module = plugin.load()
        except ImportError as error:
            missing = error.name or str(error)
            raise self._failed(
                plugin,
                f"the plugin {plugin.name!r} ({plugin.package}) cannot be imported: {error}.",
                f"Install what it needs ({missing}): pip install --force-reinstall {plugin.package.split()[0]}",
            ) from error
        except Exception as error:
            raise self._failed(
                plugin,
                f"the plugin {plugin.name!r} ({plugin.package}) fails on import: {type(error).__name__}: {error}.",
                f"Report it to the plugin's authors, or: pip uninstall {plugin.package.split()[0]}",
            ) from error
        try:
            self.manager.register(module, name=plugin.name)
            self.manager.check_pending()
        except (pluggy.PluginValidationError, ValueError) as error:
            if self.manager.has_plugin(plugin.name):
                self.manager.unregister(name=plugin.name)
            reason = " ".join(str(error).split())
            raise self._failed(
                plugin,
                f"the plugin {plugin.name!r} ({plugin.package}) breaks the hook contract: {reason}.",
                "Compare its hooks with docs/plugins/hooks.md: a name or an argument is misspelt.",
            ) from error
        return module

    def _failed(self, plugin: Installed, reason: str, remedy: str) -> PluginLoadFailed:
        self.failures[plugin.name] = LoadFailure(plugin.name, plugin.package, reason, remedy)
        return PluginLoadFailed(reason, remedy=remedy)

    def _suggest(self, name: str) -> str:
        names = self.names()
        close = difflib.get_close_matches(name, names, n=1)
        if close:
            return f"Did you mean {close[0]!r}?"
        known = ", ".join(names) or "none"
        return f"Installed are: {known}. Others come with: pip install 'automl-bench[{name}]'"
