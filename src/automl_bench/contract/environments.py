"""Where a variant trains and serves: in the host's own environment, or in one made for it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Where(StrEnum):
    """What kind of environment a variant has."""

    HOST = "host"
    """The Python that runs automl-bench, with the server that the other environments have: their yardstick."""
    VENV = "venv"
    CONTAINER = "container"


@dataclass(frozen=True, slots=True)
class Environment:
    """The environment that a variant asks for.

    Attributes:
        where: What kind it is.
        requirements: Lines as in pip's requirements files, one requirement or option each.
        python: Version of Python, as in 3.9; empty for that which runs automl-bench.
        wheels_only: Whether only wheels are installed: nothing is compiled and no package's own code runs.
        container: Name of a container image.
        containerfile: Text of a containerfile, from which an image is built.
    """

    where: Where
    requirements: tuple[str, ...] = ()
    python: str = ""
    wheels_only: bool = True
    container: str = ""
    containerfile: str = ""
