"""Finding and loading plugins: by entry-point name, one at a time, so that a broken one never hurts another."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import pluggy

from automl_bench.border.names import did_you_mean
from automl_bench.border.streams import divert
from automl_bench.errors import AutomlBenchError, PluginLoadFailed, UsageError
from automl_bench.hookspecs import PROJECT_NAME, ObserverHooks, ProviderHooks
from automl_bench.providers.faults import no_way_out, said

UPDATE = "Update automl-bench: pip install --upgrade automl-bench"
"""The remedy where a plugin was written for a newer contract than ours."""

OUR_PACKAGE = "automl-bench"


@dataclass(frozen=True, slots=True)
class Installed:
    """One installed plugin, loaded or not.

    Attributes:
        name: Entry-point name, which is the provider's name.
        package: Distribution that brings it, with its version.
        load: Imports and returns the plugin's module or object.
        module: Name of the module it is in, or "" where that is unknown.
    """

    name: str
    package: str
    load: Callable[[], Any]
    module: str = ""

    def mentions(self, word: str) -> bool:
        """Whether the plugin's module has a word in its text, without importing it; True where that is unknown."""
        top, *inner = self.module.split(".")
        try:
            spec = importlib.util.find_spec(top) if top else None
            if spec is None:
                return True
            if inner:
                (folder,) = spec.submodule_search_locations or [""]
                place = Path(folder, *inner)
                path = place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
            else:
                path = Path(spec.origin or "")
            return word in path.read_text(encoding="utf-8")
        except (ImportError, OSError, ValueError):
            return True


@dataclass(frozen=True, slots=True)
class LoadFailure:
    """A plugin that did not load, why, and the remedy."""

    name: str
    package: str
    reason: str
    remedy: str


class _WayOut(AutomlBenchError):
    """A plugin tried to end the process while it was imported."""


def extras() -> list[str]:
    """Return the names of the extras that automl-bench has, as its package says."""
    try:
        return sorted(metadata.metadata(OUR_PACKAGE).get_all("Provides-Extra") or [])
    except metadata.PackageNotFoundError:
        return []


def requirement_of(name: str) -> str:
    """Return what brings the provider of a name: the package that declares it, an extra of ours, or ""."""
    for entry in metadata.entry_points(group=PROJECT_NAME, name=name):
        if entry.dist is not None and entry.dist.name != OUR_PACKAGE:
            return str(entry.dist.name)
    return f"{OUR_PACKAGE}[{name}]" if name in extras() else ""


def needs_newer(error: BaseException) -> bool:
    """Whether a plugin failed since it asks for something of the contract that this automl-bench has not."""
    from automl_bench import contract

    words = str(error)
    if isinstance(error, ImportError):
        return (error.name or "").partition(".")[0] == "automl_bench"
    if isinstance(error, TypeError):
        found = re.match(r"(\w+)\.__init__\(\) got an unexpected keyword argument", words)
        return found is not None and hasattr(contract, found[1])
    if isinstance(error, AttributeError):
        return bool(re.match(r"(?:module 'automl_bench\.|type object 'Capability')", words)) or (
            isinstance(error.obj, type) and error.obj.__module__ == contract.__name__
        )
    return False


def installed_plugins() -> list[Installed]:
    """Return what the environment holds, sorted by name, without importing any of it."""
    found = []
    for entry in metadata.entry_points(group=PROJECT_NAME):
        package = f"{entry.dist.name} {entry.dist.version}" if entry.dist else "unknown package"
        found.append(Installed(entry.name, package, entry.load, entry.module))
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

    def only_listens(self, name: str) -> bool:
        """Whether a plugin loads and is no provider: it implements observer hooks alone."""
        try:
            module = self.load(name)
        except AutomlBenchError:
            return False
        callers = self.manager.get_hookcallers(module) or []
        return bool(callers) and all(hasattr(ObserverHooks, caller.name) for caller in callers)

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

    def load_all(self, *, mentioning: str = "") -> None:
        """Load every plugin that loads; the others are kept in `failures`.

        Args:
            mentioning: Only those whose module has this word in its text, so that looking for one hook stays quick.
        """
        for name in self.names():
            if mentioning and not any(one.mentions(mentioning) for one in self.plugins if one.name == name):
                continue
            try:
                self.load(name)
            except AutomlBenchError:
                continue

    def _register(self, plugin: Installed) -> Any:
        divert()
        try:
            with no_way_out(_WayOut):
                module = plugin.load()
        except _WayOut as error:
            raise self._failed(
                plugin,
                f"the plugin {plugin.name!r} ({plugin.package}) fails on import: it {error}.",
                f"Report it to the plugin's authors, or: pip uninstall {plugin.package.split()[0]}",
            ) from error
        except ImportError as error:
            if needs_newer(error):
                raise self._too_new(plugin, error) from error
            missing = error.name or str(error)
            raise self._failed(
                plugin,
                f"the plugin {plugin.name!r} ({plugin.package}) cannot be imported: {error}.",
                f"Install what it needs ({missing}): pip install --force-reinstall {plugin.package.split()[0]}",
            ) from error
        except Exception as error:
            if needs_newer(error):
                raise self._too_new(plugin, error) from error
            raise self._failed(
                plugin,
                f"the plugin {plugin.name!r} ({plugin.package}) fails on import: {said(error)}.",
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
                "Compare its hooks with docs/plugins/hooks.md: a name or an argument is misspelt, or from a newer"
                " automl-bench than this one.",
            ) from error
        return module

    def _too_new(self, plugin: Installed, error: BaseException) -> PluginLoadFailed:
        return self._failed(
            plugin,
            f"the plugin {plugin.name!r} ({plugin.package}) was written for a newer automl-bench: {error}.",
            UPDATE,
        )

    def _failed(self, plugin: Installed, reason: str, remedy: str) -> PluginLoadFailed:
        self.failures[plugin.name] = LoadFailure(plugin.name, plugin.package, reason, remedy)
        return PluginLoadFailed(reason, remedy=remedy)

    def _suggest(self, name: str) -> str:
        names = self.names()
        if close := did_you_mean(name, names):
            return close
        if name in extras():
            return f"Install it: pip install '{OUR_PACKAGE}[{name}]'"
        known = ", ".join(names) or "none"
        more = [extra for extra in extras() if extra not in names and brings_a_provider(extra)]
        others = f" Others that can be installed: {', '.join(more)}." if more else ""
        return f"Installed are: {known}.{others}"


def brings_a_provider(extra: str) -> bool:
    """Whether an extra stands for one plugin, as its name says."""
    wanted = re.compile(rf"{OUR_PACKAGE}-{re.escape(extra)}\b.*extra == ['\"]{re.escape(extra)}['\"]")
    return any(wanted.match(line) for line in metadata.requires(OUR_PACKAGE) or [])
