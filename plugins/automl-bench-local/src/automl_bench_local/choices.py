"""How containers are run: settings, and what is kept of them beside what may be in a container."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from automl_bench_local import folders

CHOICES = "container.json"
"""In the folder of a model, server or image: how its container is run."""

BEGUN = "container.begun"
"""Beside it from before the engine is asked to make a container or image of this name: there may be one."""


@dataclass(frozen=True, slots=True)
class Choices:
    """The settings of containers.

    Attributes:
        engine: Command of the engine; "" for one that answers.
        arguments: Further words for `run` and `build`.
        network: "publish" gives a server a network of its own with one port on 127.0.0.1; "host" this machine's.
        cpus: Processors that a container may use; 0 for all.
        memory_megabytes: Memory that it may use; 0 for all.
    """

    engine: str = ""
    arguments: str = ""
    network: str = "publish"
    cpus: float = 0.0
    memory_megabytes: int = 0

    def save(self, folder: Path) -> None:
        """Keep them in the folder of a model or server."""
        folders.write_json(folder / CHOICES, asdict(self))

    @classmethod
    def of(cls, folder: Path) -> Choices | None:
        """Return those of a folder, or None where it has no container."""
        told = folders.read_json(folder / CHOICES)
        return cls(**told) if isinstance(told, dict) else None
