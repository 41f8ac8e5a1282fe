"""The environments of variants: a venv for each resolved set of packages, built once and kept in the provider's folder.

    environments/
      requests/<hash of what was asked>.json     which venv that is
      <hash of what is in it>/                   the venv, with `environment.json`: its facts
      .<job>.new/                                a venv that the training of this job is just building

What was asked for is resolved once: the same request gets the same packages until the folder is deleted, which may be
done at any time. A venv gets its name when it is whole. One that was being built when its training was killed goes
with the training's folder.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from automl_bench.contract import Environment, Where
from automl_bench_local import folders
from automl_bench_local.builders import Builder, BuildFailed, choose_builder
from automl_bench_local.inside import facts

FOLDER = "environments"
REQUESTS = "requests"
FACTS = "environment.json"
HASH_DIGITS = 16


@dataclass(frozen=True, slots=True)
class Ready:
    """An environment that can be used.

    Attributes:
        python: Its interpreter.
        facts: What is recorded with a trial: where, lock, python, packages, megabytes, built_with.
    """

    python: Path
    facts: Mapping[str, Any]


def prepare(
    home: Path, environment: Environment, *, builder: str, job: str, log: Path, say: Callable[[str], None]
) -> Ready:
    """Return an environment, after building it if it is not there.

    Args:
        home: The provider's folder.
        environment: What is asked for.
        builder: "auto", "uv" or "pip".
        job: The training that asks; names what is being built.
        log: File that gets the builder's output.
        say: Told what is being done.

    Raises:
        BuildFailed: If it cannot be built, with the last lines of the log.
        OSError: If the folder cannot be written.
    """
    if environment.where is Where.HOST:
        here = _checked(facts.facts())
        return Ready(Path(sys.executable), {"where": Where.HOST.value, "lock": _lock_of(here), **_told(here)})
    store = home / FOLDER
    (store / REQUESTS).mkdir(parents=True, exist_ok=True)
    request = store / REQUESTS / f"{_request_of(environment)}.json"
    with _turn(request.with_suffix(".lock"), say):
        found = _known(store, request)
        if found is None:
            found = _built(store, request, environment, choose_builder(builder), job, log, say)
    return Ready(found / "bin" / "python", folders.read_json(found / FACTS))


def interpreter(home: Path, told: Mapping[str, Any]) -> Path:
    """Return the interpreter of the environment that a training's facts name; it may be gone."""
    if told.get("where") == Where.HOST:
        return Path(sys.executable)
    return home / FOLDER / str(told.get("lock", "")) / "bin" / "python"


def forget_draft(home: Path, job: str) -> None:
    """Delete what a killed training was building."""
    draft = _draft(home / FOLDER, job)
    if draft.exists():
        shutil.rmtree(draft)


def _draft(store: Path, job: str) -> Path:
    return store / f".{job}.new"


def _request_of(environment: Environment) -> str:
    asked = {
        "requirements": list(environment.requirements),
        "python": environment.python or platform.python_version(),
        "wheels_only": environment.wheels_only,
        "machine": [platform.system(), platform.machine()],
    }
    return _hash_of(asked)


def _lock_of(told: Mapping[str, Any]) -> str:
    return _hash_of({name: told[name] for name in ("python", "implementation", "system", "machine", "packages")})


def _hash_of(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:HASH_DIGITS]


@contextmanager
def _turn(lock: Path, say: Callable[[str], None]) -> Iterator[None]:
    """Wait while another training builds what we need; a lock ends with the process that holds it."""
    with lock.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for the same environment, which another training builds")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _known(store: Path, request: Path) -> Path | None:
    told = folders.read_json(request)
    folder = store / str(told["lock"]) if isinstance(told, dict) and "lock" in told else None
    if folder is None or not (folder / FACTS).is_file() or not (folder / "bin" / "python").exists():
        return None
    return folder


def _built(
    store: Path,
    request: Path,
    environment: Environment,
    builder: Builder,
    job: str,
    log: Path,
    say: Callable[[str], None],
) -> Path:
    draft = _draft(store, job)
    shutil.rmtree(draft, ignore_errors=True)
    begun = time.monotonic()
    try:
        say(f"building an environment of {len(environment.requirements)} requirements with {builder.name}")
        builder.build(draft, environment, log)
        told = _checked(_facts_of(draft))
        lock = _lock_of(told)
        content = {
            "where": Where.VENV.value,
            "lock": lock,
            **_told(told),
            "megabytes": round(_size_of(draft) / 1e6, 1),
            "built_with": builder.name,
            "build_seconds": round(time.monotonic() - begun, 3),
        }
        folders.write_json(draft / FACTS, content)
        target = store / lock
        if not (target / FACTS).is_file():
            shutil.rmtree(target, ignore_errors=True)
            draft.rename(target)
        folders.write_json(request, {"lock": lock, "requirements": list(environment.requirements)})
        return target
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _told(found: Mapping[str, Any]) -> dict[str, Any]:
    return {name: found[name] for name in ("python", "implementation", "packages")}


def _checked(found: Mapping[str, Any]) -> Mapping[str, Any]:
    if found["missing"]:
        raise BuildFailed(f"it has not what training and serving need: {'; '.join(found['missing'])}")
    return found


def _facts_of(venv: Path) -> dict[str, Any]:
    ended = subprocess.run(
        [str(venv / "bin" / "python"), "-s", facts.__file__],
        capture_output=True,
        text=True,
        errors="replace",
        env={name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")},
        check=False,
    )
    try:
        told: dict[str, Any] = json.loads(ended.stdout)
    except ValueError:
        raise BuildFailed(f"its Python does not run: {' '.join(ended.stderr.split())[-300:]}") from None
    return told


def _size_of(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir())
