"""What the shell completes: names of experiments, providers and datasets, without importing a plugin."""

from __future__ import annotations

from collections.abc import Iterable

from automl_bench.settings.workspace import Workspace


def experiments(incomplete: str) -> list[str]:
    """Return the experiments that a beginning may stand for."""
    return _beginning(incomplete, Workspace.current().config_files("experiments"))


def providers(incomplete: str) -> list[str]:
    """Return the installed providers that a beginning may stand for; plugins that only listen are none."""
    from automl_bench.providers.discovery import installed_plugins

    found = {plugin.name for plugin in installed_plugins() if plugin.mentions("describe_provider")}
    return _beginning(incomplete, found)


def datasets(incomplete: str) -> list[str]:
    """Return the datasets of the workspace that a beginning may stand for."""
    return _beginning(incomplete, {path.parent.name for path in Workspace.current().data.glob("*/manifest.csv")})


def known_datasets(incomplete: str) -> list[str]:
    """Return the datasets of workspace and catalogue that a beginning may stand for."""
    return sorted({*datasets(incomplete), *_beginning(incomplete, Workspace.current().config_files("datasets"))})


def _beginning(incomplete: str, names: Iterable[str]) -> list[str]:
    return sorted(name for name in names if name.startswith(incomplete))
