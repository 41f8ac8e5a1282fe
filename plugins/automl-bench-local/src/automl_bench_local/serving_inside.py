"""Where the server of a model of another environment runs: in the venv, or in a container of the image."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from automl_bench.contract import Where
from automl_bench.errors import DeploymentFailed, ResourceMissing
from automl_bench_local import containers, environments, program
from automl_bench_local.builders import BuildFailed, let_through
from automl_bench_local.choices import BEGUN
from automl_bench_local.container_ends import require_no_container
from automl_bench_local.engines import Engine, find_engine
from automl_bench_local.options import Options


@dataclass(frozen=True, slots=True)
class Inside:
    """The environment of a trained model.

    Attributes:
        options: The provider's settings.
        model: The model's folder.
        told: What the training told of its environment.
    """

    options: Options
    model: Path
    told: Mapping[str, Any]

    def require(self) -> None:
        """Check that the environment is still there.

        Raises:
            ResourceMissing: If it is gone.
            DeploymentFailed: If no container engine answers.
        """
        if self.in_container:
            if self._engine().image(str(self.told["image_id"])) is None:
                raise ResourceMissing(f"The image of the model, {self.told['image']}, is gone.", remedy="Train again.")
            return
        python = environments.interpreter(self.options.home, self.told)
        if not python.exists():
            folder = python.parent.parent
            raise ResourceMissing(f"The environment of the model, {folder}, is gone.", remedy="Train again.")

    def server(self, folder: Path) -> tuple[tuple[str, ...], list[str], Mapping[str, str]]:
        """Return how the server in a folder is started.

        Returns:
            The words that begin its command line, those that say where it listens, and the variables that it needs
            beside those of every process of ours.

        Raises:
            DeploymentFailed: If no container engine answers.
        """
        laid = self.model / program.FOLDER
        if not self.in_container:
            python = environments.interpreter(self.options.home, self.told)
            return program.start_of(python, laid), ["--port", str(self.options.port)], {}
        choices = self.options.containers
        engine = self._engine()
        choices.save(folder)
        (folder / BEGUN).touch()
        port = containers.free_port(self.options.port)
        starts = containers.starts(
            engine,
            choices,
            folder.name,
            str(self.told["image_id"]),
            mounts={self.model: "ro", folder: "rw"},
            threads=self.options.threads,
            laid=laid,
            port=port,
        )
        return starts, containers.address_words(choices, port), let_through(os.environ)

    def clean(self, folder: Path) -> None:
        """Remove the container that an earlier server of the same name left."""
        if self.in_container:
            require_no_container(self.options.home, folder.name)

    def _engine(self) -> Engine:
        try:
            return find_engine(self.options.containers.engine)
        except BuildFailed as error:
            raise DeploymentFailed(f"The model's container cannot be started: {error}.") from error

    @property
    def in_container(self) -> bool:
        """Whether it is a container."""
        return self.told.get("where") == Where.CONTAINER
