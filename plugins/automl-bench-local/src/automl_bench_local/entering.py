"""How a training process enters its variant's environment: builds it if need be, then becomes a process inside it.

The process stays the same: its number, its session, its log and the lock of its folder; so does the end of its command
line, by which it is found.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn

from automl_bench.contract import Environment, Modality, Variant, Where
from automl_bench_local import containers, environments, folders, processes, program
from automl_bench_local.builders import BuildFailed, let_through
from automl_bench_local.choices import BEGUN, Choices
from automl_bench_local.description import NAME
from automl_bench_local.fork_server import LOCK_DESCRIPTOR
from automl_bench_local.inside import records
from automl_bench_local.recipes import read_recipe

BUILD_LOG = "environment.log"


def enter(
    role: processes.Role,
    folder: Path,
    order: Mapping[str, Any],
    environment: Environment,
    *,
    builder: str,
    asked_ns: int,
    say: Callable[[str], None],
) -> NoReturn:
    """Become the training inside the environment.

    Args:
        role: Who this process is.
        folder: The job's folder.
        order: Content of `job.json`.
        environment: What the variant asks for.
        builder: "auto", "uv" or "pip".
        asked_ns: Monotonic nanoseconds at which the command asked for the training; the time of the building is added.
        say: Writes one line of the log.

    Raises:
        BuildFailed: If the environment cannot be built.
        OSError: If the folder cannot be written.
    """
    begun = time.monotonic_ns()
    variant = Variant(NAME, order["variant"], order["settings"])
    laid = program.lay_down(folder)
    try:
        facts, starts = _prepared(role, folder, order, environment, builder, laid, say)
    except BuildFailed as error:
        raise BuildFailed(f"the environment of {variant} cannot be built: {error}") from error
    recipe = read_recipe(variant, Modality.IMAGE)
    inside = {
        "variant": variant.name,
        "training_set": order["training_set"],
        "seed": order["seed"],
        "threads": order["threads"],
        "side": recipe.side,
        "pixel_scale": recipe.pixel_scale,
        "steps": [{"path": step.path, "params": dict(step.params)} for step in recipe.steps],
        "environment": dict(facts),
    }
    folders.write_json(folder / records.ORDER, inside)
    asked = asked_ns + time.monotonic_ns() - begun
    line = [*processes.Role(role.module, role.name, role.home, starts).arguments(), "--asked-ns", str(asked)]
    sys.stdout.flush()
    with contextlib.suppress(OSError):  # the folder's lock goes along
        os.set_inheritable(LOCK_DESCRIPTOR, True)
    around = processes.inside_environment(os.environ, order["threads"])
    if environment.where is Where.CONTAINER:
        around |= let_through(os.environ)  # for the engine's client; a container gets what its command line says
    os.execve(line[0], line, around)


def _prepared(
    role: processes.Role,
    folder: Path,
    order: Mapping[str, Any],
    environment: Environment,
    builder: str,
    laid: Path,
    say: Callable[[str], None],
) -> tuple[Mapping[str, Any], tuple[str, ...]]:
    """Return the facts of the environment and the words that begin the command line inside it."""
    log = folder / BUILD_LOG
    if environment.where is not Where.CONTAINER:
        built = environments.prepare(role.home, environment, builder=builder, job=role.name, log=log, say=say)
        return built.facts, program.start_of(built.python, laid)
    choices = Choices.of(folder) or Choices()
    image_folder = role.home / (role.name.removesuffix(folders.MODEL) + folders.IMAGE)
    ready = containers.prepare(environment, choices, image_folder=image_folder, laid=laid, log=log, say=say)
    (folder / BEGUN).touch()
    ready.engine.remove_container(role.name)  # of an earlier attempt, whose client was killed
    starts = containers.starts(
        ready.engine,
        choices,
        role.name,
        str(ready.facts["image_id"]),
        mounts={folder: "rw", Path(order["training_set"]): "ro"},
        threads=order["threads"],
        laid=laid,
    )
    return ready.facts, starts
