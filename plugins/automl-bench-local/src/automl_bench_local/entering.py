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

from automl_bench.contract import Environment, Modality, Variant
from automl_bench_local import environments, folders, processes, program
from automl_bench_local.builders import BuildFailed
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
    try:
        ready = environments.prepare(
            role.home, environment, builder=builder, job=role.name, log=folder / BUILD_LOG, say=say
        )
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
        "environment": dict(ready.facts),
    }
    folders.write_json(folder / records.ORDER, inside)
    starts = program.start_of(ready.python, program.lay_down(folder))
    asked = asked_ns + time.monotonic_ns() - begun
    line = [*processes.Role(role.module, role.name, role.home, starts).arguments(), "--asked-ns", str(asked)]
    sys.stdout.flush()
    with contextlib.suppress(OSError):  # the folder's lock goes along
        os.set_inheritable(LOCK_DESCRIPTOR, True)
    os.execve(line[0], line, processes.inside_environment(os.environ, order["threads"]))
