"""The provider's settings: how this machine is used, the same for every variant."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from automl_bench.contract import ProviderContext, Setting
from automl_bench.errors import RequestRefused

Number = TypeVar("Number", int, float)

DECLARED = (
    Setting(
        name="cache_folder",
        description="Folder for training sets, models, logs and embeddings; empty means the workspace's own.",
        env="AUTOML_BENCH_LOCAL_CACHE_FOLDER",
        default="",
    ),
    Setting(
        name="idle_timeout_seconds",
        description="A server that nobody asked anything for so long ends itself.",
        env="AUTOML_BENCH_LOCAL_IDLE_TIMEOUT",
        default="1800",
    ),
    Setting(
        name="threads",
        description="Threads of the numeric libraries in each training and each server.",
        env="AUTOML_BENCH_LOCAL_THREADS",
        default="1",
    ),
    Setting(
        name="serving_workers",
        description="Predictions that one server computes at once; 0 computes them in the event loop, one by one.",
        env="AUTOML_BENCH_LOCAL_SERVING_WORKERS",
        default="0",
    ),
    Setting(
        name="port",
        description="Port of the server on 127.0.0.1; 0 takes a free one.",
        env="AUTOML_BENCH_LOCAL_PORT",
        default="0",
    ),
)
DEFAULTS = {setting.name: setting.default or "" for setting in DECLARED}


@dataclass(frozen=True, slots=True)
class Options:
    """The settings as values.

    Attributes:
        home: Absolute folder of everything this provider keeps; part of a server's command line, so that two
            workspaces on one machine never take each other's servers for their own.
        idle_timeout: Seconds without a prediction after which a server ends itself.
        threads: Threads of the numeric libraries per process.
        serving_workers: Predictions computed at once by one server; 0 means in the event loop.
        port: Port on 127.0.0.1; 0 means any free one.
    """

    home: Path
    idle_timeout: float
    threads: int
    serving_workers: int
    port: int

    @classmethod
    def of(cls, context: ProviderContext) -> Options:
        """Read the settings of a context.

        Raises:
            RequestRefused: If one has the wrong type or is out of range.
        """
        values = {**DEFAULTS, **context.settings}
        return cls(
            home=home_of(context),
            idle_timeout=_number(values, "idle_timeout_seconds", float, low=1, high=7 * 86400),
            threads=_number(values, "threads", int, low=1, high=1024),
            serving_workers=_number(values, "serving_workers", int, low=0, high=256),
            port=_number(values, "port", int, low=0, high=65535),
        )


def home_of(context: ProviderContext) -> Path:
    """Return the provider's folder; no other setting is looked at, so that a wrong one never hinders a teardown."""
    folder = context.settings.get("cache_folder", "").strip()
    return Path(os.path.realpath(Path(folder).expanduser() if folder else context.cache_dir))


def _number(values: dict[str, str], name: str, kind: Callable[[str], Number], *, low: int, high: int) -> Number:
    try:
        value = kind(values[name])
    except ValueError:
        value = None
    if value is None or not low <= value <= high:
        what = "whole number" if kind is int else "number"
        raise RequestRefused(
            f"The setting {name} of the provider local is {values[name]!r}, not a {what} from {low} to {high}.",
            remedy="Change it in configs/providers/local.toml or in its environment variable.",
        )
    return value
