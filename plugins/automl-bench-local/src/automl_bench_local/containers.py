"""Containers of variants: their images, what is recorded of them, and how training and serving are started in one.

A container has the name of the resource that it belongs to, model or server, and labels with workspace and trial, so
that it is found without any file of ours. Its client, `podman run` or `docker run`, stays in the foreground as the
process of the training or server: it is found by its command line, ends with the container, and has its output.
"""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from automl_bench.contract import Environment, Where, parse_name
from automl_bench_local import folders
from automl_bench_local.builders import BuildFailed
from automl_bench_local.choices import BEGUN, Choices
from automl_bench_local.engines import NAME_LABEL, Engine, find_engine
from automl_bench_local.processes import THREAD_VARIABLES

CONTAINERFILE = "Containerfile"
LOOPBACK = "127.0.0.1"
INSIDE_PORT = 8000


@dataclass(frozen=True, slots=True)
class Ready:
    """A container's image that can be used.

    Attributes:
        engine: What runs it.
        facts: What is recorded with a trial.
    """

    engine: Engine
    facts: Mapping[str, Any]


def lay_down_image(home: Path, name: str, environment: Environment) -> Path:
    """Write the folder of an image that is to be built; the training that needs it builds it."""
    folder = folders.folder_of(home, name)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CONTAINERFILE).write_text(environment.containerfile, encoding="utf-8")
    return folder


def prepare(
    environment: Environment, choices: Choices, *, image_folder: Path, laid: Path, log: Path, say: Callable[[str], None]
) -> Ready:
    """Return an image, after fetching or building it, and what is in it.

    Args:
        environment: What is asked for.
        choices: The settings.
        image_folder: Folder of the image that is built, by its name; need not exist for one that is fetched.
        laid: The program, as `program.lay_down` wrote it.
        log: File that gets the engine's output.
        say: Told what is being done.

    Raises:
        BuildFailed: If there is no engine or no image, or the image lacks what is needed.
    """
    log.write_text("", encoding="utf-8")
    engine = find_engine(choices.engine)
    begun = time.monotonic()
    if environment.containerfile:
        reference = image_folder.name
        say("building the image")
        (image_folder / BEGUN).touch()
        engine.build(reference, image_folder / CONTAINERFILE, shlex.split(choices.arguments), log)
    else:
        reference = environment.container
        if engine.image(reference) is None:
            say(f"fetching the image {reference}")
            engine.pull(reference, log)
    image = engine.image(reference)
    if image is None:
        raise BuildFailed(f"{engine.name} has no image {reference} after making it")
    found = _facts_of(engine, choices, image.image_id, laid)
    facts = {
        "where": Where.CONTAINER.value,
        "lock": hashlib.sha256(image.image_id.encode()).hexdigest()[:16],
        **{name: found[name] for name in ("python", "implementation", "packages")},
        "megabytes": image.megabytes,
        "image": reference,
        "image_id": image.image_id,
        "digest": image.digest,
        "built_with": f"{engine.name} {engine.version}",
        "build_seconds": round(time.monotonic() - begun, 3),
    }
    return Ready(engine, facts)


def starts(
    engine: Engine,
    choices: Choices,
    name: str,
    image_id: str,
    *,
    mounts: Mapping[Path, str],
    threads: int,
    laid: Path,
    port: int | None = None,
) -> tuple[str, ...]:
    """Return the words that begin the command line of a process in a container.

    Args:
        engine: What runs it.
        choices: The settings.
        name: The resource, and so the container's name.
        image_id: Its image.
        mounts: Folders that are seen inside under their own paths, with "ro" or "rw".
        threads: Threads of the numeric libraries.
        laid: The program.
        port: Port on 127.0.0.1 of a server; None for a training, which needs no network.
    """
    words = [*engine.command, "run", "--rm", "--name", name, "--label", f"{NAME_LABEL}={name}"]
    if parts := parse_name(name):
        words += ["--label", f"automl-bench.trial={parts.trial_id}"]
        words += ["--label", f"automl-bench.workspace={parts.workspace}"] if parts.workspace else []
    for folder, mode in mounts.items():
        words += ["--volume", f"{folder}:{folder}:{mode}"]
    for variable in THREAD_VARIABLES:
        words += ["--env", f"{variable}={threads}"]
    words += _limits(engine, choices, port)
    return (*words, *shlex.split(choices.arguments), image_id, "python3", "-s", "-B", str(laid))


def address_words(choices: Choices, port: int) -> list[str]:
    """Return what tells a server in a container where it listens, and under which address it is reached."""
    inside = ["--port", str(port)] if choices.network == "host" else ["--port", str(INSIDE_PORT), "--listen", "0.0.0.0"]
    return [*inside, "--url", f"http://{LOOPBACK}:{port}"]


def free_port(wanted: int) -> int:
    """Return the port asked for, or for 0 one that is free now."""
    if wanted:
        return wanted
    with socket.socket() as listener:
        listener.bind((LOOPBACK, 0))
        return int(listener.getsockname()[1])


def names(home: Path, prefix: str, setting: str) -> list[str]:
    """Return the names of our containers and images under a prefix; none where no engine answers.

    The engine is asked where containers were used in this folder, and where the folder is gone.
    """
    if home.is_dir() and not any(home.glob(f"*/{BEGUN}")):
        return []
    with suppress(BuildFailed):
        return [name for name in find_engine(setting).names() if name.startswith(prefix) and folders.kind_of(name)]
    return []


def _limits(engine: Engine, choices: Choices, port: int | None) -> list[str]:
    words = []
    if choices.cpus:
        words += ["--cpus", f"{choices.cpus:g}"]
    if choices.memory_megabytes:
        words += ["--memory", f"{choices.memory_megabytes}m"]
    if engine.name == "docker" and os.getuid():
        words += ["--user", f"{os.getuid()}:{os.getgid()}"]  # else its files could not be deleted
    if choices.network == "host":
        words += ["--network", "host"]
    elif port is None:
        words += ["--network", "none"]
    else:
        words += ["--publish", f"{LOOPBACK}:{port}:{INSIDE_PORT}"]
    return words


def _facts_of(engine: Engine, choices: Choices, image_id: str, laid: Path) -> dict[str, Any]:
    told = laid / "automl_bench_local" / "inside" / "facts.py"
    network = "host" if choices.network == "host" else "none"
    words = ["run", "--rm", "--network", network, "--volume", f"{laid}:{laid}:ro", *shlex.split(choices.arguments)]
    ended = engine.ask(*words, image_id, "python3", "-s", "-B", str(told))
    try:
        found: dict[str, Any] = json.loads(ended.stdout)
    except ValueError:
        said = " ".join(ended.stderr.split())[-300:] or f"it ended with {ended.returncode}"
        raise BuildFailed(f"its Python (`python3`) does not run: {said}") from None
    if found["missing"]:
        raise BuildFailed(f"it has not what training and serving need: {'; '.join(found['missing'])}")
    return found
