"""The end of containers and images: what a training or server may have left at the engine."""

from __future__ import annotations

from pathlib import Path

from automl_bench.errors import ServiceUnavailable
from automl_bench_local import folders
from automl_bench_local.builders import BuildFailed
from automl_bench_local.choices import BEGUN, Choices
from automl_bench_local.engines import Engine, find_engine


def require_no_container(home: Path, name: str, engine: str | None = None) -> bool:
    """Remove the container of a resource, if it may have one; return whether one was looked for.

    Args:
        home: The provider's folder.
        name: The resource, and so the container.
        engine: The setting `container_engine` with which the resource was made or listed, where it is in a container.

    Raises:
        ServiceUnavailable: If the engine does not answer, or the container does not end.
    """
    setting = _engine_of(home, name, engine)
    if setting is None:
        return False
    if not _answering(setting).remove_container(name):
        raise ServiceUnavailable(f"The container {name} does not end.", remedy="Run the same command again.")
    return True


def require_no_image(home: Path, name: str, engine: str | None = None) -> bool:
    """Do the same for an image."""
    setting = _engine_of(home, name, engine)
    if setting is None:
        return False
    if not _answering(setting).remove_image(name):
        raise ServiceUnavailable(f"The image {name} cannot be removed: something uses it.", remedy="End that first.")
    return True


def _engine_of(home: Path, name: str, told_by: str | None) -> str | None:
    """Return the setting of the engine to ask; None where nothing was ever begun."""
    folder = folders.folder_of(home, name)
    choices = Choices.of(folder)
    if choices is None:  # no container, or its folder is gone: then the ledger or the engine itself has told of it
        return told_by
    return choices.engine if (folder / BEGUN).exists() else None


def _answering(setting: str) -> Engine:
    try:
        return find_engine(setting)
    except BuildFailed as error:
        raise ServiceUnavailable(f"What is in containers cannot be removed: {error}.") from error
