"""One simulated cloud, and commands that start in milliseconds."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_forks import Command, Host
from shared_cloud import Cloud

from automl_bench.settings.workspace import Workspace
from automl_bench.settings.workspace_identity import read_marker


@pytest.fixture(scope="session")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with Host(tmp_path_factory.mktemp("commands")) as started:
        yield started


@pytest.fixture
def cloud(tmp_path: Path) -> Cloud:
    return Cloud(tmp_path)


class Colleague:
    """One workspace and its commands."""

    host_python = sys.executable

    def __init__(self, cloud: Cloud, host: Host, name: str) -> None:
        self.cloud = cloud
        self.host = host
        self.root = cloud.workspace(name)

    def __call__(self, *words: str, region: str = "home") -> Command:
        return self.host.run(*words, environment=self.cloud.environment(self.root, region=region), cwd=self.root)

    def start(self, *words: str, speed: float = 20_000.0, stdout: str = "") -> Command:
        environment = self.cloud.environment(self.root, speed=speed)
        return self.host.start(*words, environment=environment, cwd=self.root, stdout=stdout)

    def deploy(self, *options: str) -> None:
        for verb in ("upload", "train", "deploy"):
            ended = self(verb, "simulated:quick", "tiny", "5", *options)
            assert ended.code == 0, ended.stderr

    @property
    def workspace_id(self) -> str:
        marker = read_marker(Workspace(self.root))
        assert marker is not None
        return marker.workspace_id


@pytest.fixture
def anna(cloud: Cloud, host: Host) -> Colleague:
    return Colleague(cloud, host, "anna")


@pytest.fixture
def ben(cloud: Cloud, host: Host) -> Colleague:
    return Colleague(cloud, host, "ben")
