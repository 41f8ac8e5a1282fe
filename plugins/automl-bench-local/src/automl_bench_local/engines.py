"""A container engine through its command line: podman or docker, whichever is there and answers."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from automl_bench_local.builders import BuildFailed, run_step

KNOWN = ("podman", "docker")
PATIENCE_SECONDS = 120.0
"""For what takes a second: an engine that does not answer by then counts as one that never does."""

NAME_LABEL = "automl-bench.name"
"""Carried by every container and every image that we make, with the name of its resource."""


@dataclass(frozen=True, slots=True)
class Image:
    """An image that is here.

    Attributes:
        image_id: Hash of its content and settings: what containers are started from.
        digest: Digest of its manifest, where the engine knows one; else "".
        megabytes: Its size on the disk.
    """

    image_id: str
    digest: str
    megabytes: float


@dataclass(frozen=True, slots=True)
class Engine:
    """An engine that answers.

    Attributes:
        command: Words that begin each of its command lines.
        name: "podman" or "docker", or what else the first word is called.
        version: As it says.
    """

    command: tuple[str, ...]
    name: str
    version: str

    def image(self, reference: str) -> Image | None:
        """Return an image that is here, or None."""
        ended = self._run("image", "inspect", reference)
        if ended.returncode:
            return None
        found = json.loads(ended.stdout)[0]
        digests = found.get("RepoDigests") or [found.get("Digest") or ""]
        return Image(
            str(found["Id"]).removeprefix("sha256:"),
            str(digests[0]).rpartition("@")[2],
            round(float(found.get("Size", 0)) / 1e6, 1),
        )

    def pull(self, reference: str, log: Path) -> None:
        """Fetch an image.

        Raises:
            BuildFailed: If it cannot be had.
        """
        run_step(f"{self.name} pull", [*self.command, "pull", "--quiet", reference], log)

    def build(self, name: str, containerfile: Path, arguments: Sequence[str], log: Path) -> None:
        """Build an image from a containerfile that finds no file of this machine beside it.

        Raises:
            BuildFailed: If it cannot be built.
        """
        given = ["--label", f"{NAME_LABEL}={name}", "--tag", name, "--file", str(containerfile), *arguments]
        run_step(f"{self.name} build", [*self.command, "build", *given, str(containerfile.parent)], log)

    def names(self) -> list[str]:
        """Return the names of all containers, running or not, and images that we made."""
        containers = self._run("ps", "--all", "--filter", f"label={NAME_LABEL}", "--format", "{{.Names}}")
        images = self._run("images", "--filter", f"label={NAME_LABEL}", "--format", "{{.Repository}}")
        listed = [*containers.stdout.split(), *images.stdout.split()]
        return sorted({name.rpartition("/")[2] for name in listed})

    def remove_container(self, name: str) -> bool:
        """End and remove a container; whether there is none of that name any more."""
        self._run("rm", "--force", name)
        return bool(self._run("container", "inspect", name).returncode)

    def remove_image(self, name: str) -> bool:
        """Remove an image by our name for it; whether there is none of that name any more."""
        self._run("rmi", "--force", name)
        return self.image(name) is None

    def ask(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run one of its commands to the end."""
        return self._run(*words)

    def _run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return _run([*self.command, *words])


def find_engine(setting: str) -> Engine:
    """Return the engine that the setting `container_engine` names, or the first known one that answers.

    A client without a service, as docker's without a daemon, does not answer and so counts as absent.

    Args:
        setting: A command with its options; empty for podman, else docker.

    Raises:
        BuildFailed: If none answers, with what each said.
    """
    said = []
    for words in [shlex.split(setting)] if setting else [[name] for name in KNOWN]:
        path = shutil.which(words[0])
        if path is None:
            said.append(f"{words[0]} is not installed")
            continue
        command = (path, *words[1:])
        ended = _run([*command, "info", "--format", "{{json .}}"])
        if ended.returncode == 0 and (version := _version_of(ended.stdout)):
            return Engine(command, Path(path).name, version)
        lines = [line.strip() for line in (ended.stderr or ended.stdout).splitlines() if line.strip()]
        said.append(f"{words[0]}: {lines[-1][:200] if lines else 'no answer'}")
    raise BuildFailed(f"no container engine answers ({'; '.join(said)}): install podman, or set container_engine")


def _version_of(told: str) -> str:
    """Return the version in the answer to `info`: docker has it for its service only, podman in a table of its own."""
    try:
        info: Mapping[str, Any] = json.loads(told)
    except ValueError:
        return ""
    version = info.get("version")
    return str(info.get("ServerVersion") or (version.get("Version") if isinstance(version, Mapping) else "") or "")


def _run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=PATIENCE_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 1, "", f"no answer within {PATIENCE_SECONDS:g} s")
