"""The provider's settings: how this machine is used, the same for every variant."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from automl_bench.contract import ProviderContext, Setting, SettingKind
from automl_bench.toolkit.setting_values import settings_of
from automl_bench_local.choices import Choices

DECLARED = (
    Setting(
        name="cache_folder",
        description="Folder for training sets, models, logs and embeddings; empty means the workspace's own.",
        env="AUTOML_BENCH_LOCAL_CACHE_FOLDER",
        default="",
        kind=SettingKind.PATH,
    ),
    Setting(
        name="idle_timeout_seconds",
        description="Idle timeout of a server, in seconds.",
        env="AUTOML_BENCH_LOCAL_IDLE_TIMEOUT",
        default="1800",
        kind=SettingKind.NUMBER,
        minimum=1,
        maximum=7 * 86400,
    ),
    Setting(
        name="threads",
        description="Threads of the numeric libraries in each training and each server.",
        env="AUTOML_BENCH_LOCAL_THREADS",
        default="1",
        kind=SettingKind.INTEGER,
        minimum=1,
        maximum=1024,
    ),
    Setting(
        name="serving_workers",
        description="Predictions that one server computes at once; 0 computes them in the event loop, one by one.",
        env="AUTOML_BENCH_LOCAL_SERVING_WORKERS",
        default="0",
        kind=SettingKind.INTEGER,
        minimum=0,
        maximum=256,
    ),
    Setting(
        name="port",
        description="Port of the server on 127.0.0.1; 0 takes a free one.",
        env="AUTOML_BENCH_LOCAL_PORT",
        default="0",
        kind=SettingKind.INTEGER,
        minimum=0,
        maximum=65535,
    ),
    Setting(
        name="environment_builder",
        description="What builds the environments of variants; auto takes uv where it is installed, else pip.",
        env="AUTOML_BENCH_LOCAL_ENVIRONMENT_BUILDER",
        default="auto",
        kind=SettingKind.CHOICE,
        choices=("auto", "uv", "pip"),
    ),
    Setting(
        name="container_engine",
        description="Command of the container engine, with its options; empty for podman, else docker.",
        env="AUTOML_BENCH_LOCAL_CONTAINER_ENGINE",
        default="",
    ),
    Setting(
        name="container_arguments",
        description="Further arguments for each container that is run and each image that is built.",
        env="AUTOML_BENCH_LOCAL_CONTAINER_ARGUMENTS",
        default="",
    ),
    Setting(
        name="container_network",
        description="publish gives a server one port on 127.0.0.1; host gives containers this machine's network.",
        env="AUTOML_BENCH_LOCAL_CONTAINER_NETWORK",
        default="publish",
        kind=SettingKind.CHOICE,
        choices=("publish", "host"),
    ),
    Setting(
        name="container_cpus",
        description="Processors that a container may use; 0 for all.",
        env="AUTOML_BENCH_LOCAL_CONTAINER_CPUS",
        default="0",
        kind=SettingKind.NUMBER,
        minimum=0,
        maximum=1024,
    ),
    Setting(
        name="container_memory_megabytes",
        description="Memory that a container may use; 0 for all.",
        env="AUTOML_BENCH_LOCAL_CONTAINER_MEMORY",
        default="0",
        kind=SettingKind.INTEGER,
        minimum=0,
        maximum=10_000_000,
    ),
)


@dataclass(frozen=True, slots=True)
class Options:
    """The settings as values.

    Attributes:
        home: Absolute folder of everything this provider keeps; part of a server's command line, so that two
            workspaces on one machine never take each other's servers for their own.
        idle_timeout: Seconds without a prediction after which a server shuts down.
        threads: Threads of the numeric libraries per process.
        serving_workers: Predictions computed at once by one server; 0 means in the event loop.
        port: Port on 127.0.0.1; 0 means any free one.
        environment_builder: "auto", "uv" or "pip".
        containers: How containers are run.
    """

    home: Path
    idle_timeout: float
    threads: int
    serving_workers: int
    port: int
    environment_builder: str
    containers: Choices

    @classmethod
    def of(cls, context: ProviderContext) -> Options:
        """Read the settings of a context.

        Raises:
            InvalidSetting: If one has the wrong type or is out of range.
        """
        values = settings_of(DECLARED, context.settings, "local")
        return cls(
            home=home_of(context),
            idle_timeout=values["idle_timeout_seconds"],
            threads=values["threads"],
            serving_workers=values["serving_workers"],
            port=values["port"],
            environment_builder=values["environment_builder"],
            containers=Choices(
                engine=values["container_engine"],
                arguments=values["container_arguments"],
                network=values["container_network"],
                cpus=values["container_cpus"],
                memory_megabytes=values["container_memory_megabytes"],
            ),
        )


def home_of(context: ProviderContext) -> Path:
    """Return the provider's folder; no other setting is looked at, so that a wrong one never hinders a teardown."""
    folder = context.settings.get("cache_folder", "").strip()
    return Path(os.path.realpath(Path(folder).expanduser() if folder else context.cache_dir))
