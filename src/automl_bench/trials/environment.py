"""What a process runs on: the machine and its software, as recorded with every stage that it does."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

from automl_bench.contract import Json

if TYPE_CHECKING:
    from packaging.requirements import Requirement

RAN_IN = "ran_in"
"""Key of a stage's result: the environment in which it was done, as `Store.environment_key` names it."""

SUBSET = "subset"
"""Key of the result of a trial's first stage: hash of the training subset, as `ablations.selection.subset_hash`."""

EXTRAS_OF_DEVELOPERS = frozenset({"test", "lint", "bench", "integrations"})
"""Extras for work on automl-bench itself: nothing that they bring is needed to repeat an experiment."""

PLUGIN_PREFIX = "automl-bench-"
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS")
GIT_SECONDS = 10.0


def describe_environment(workspace: Path, asking: Collection[str]) -> dict[str, Json]:
    """Describe this process's Python, packages, machine and BLAS, and the commit of the workspace.

    Args:
        workspace: The workspace's folder.
        asking: Packages whose work is recorded: automl-bench itself and those of the providers at work.

    Returns:
        {"python", "implementation", "platform", "system", "processor", "architecture", "cores", "blas", "threads",
        "packages", "other_packages", "sources", "git"}. `packages` holds name → version of what is asking and of all
        that it asks for, directly or not; `other_packages` the rest of what is installed; `sources` where a package
        comes from that no index gave; `git` the commit and whether tracked files have changed since, empty outside a
        repository. No path of this machine and no secret is in it.
    """
    installed = installed_packages()
    needed = _needed(installed, asking)
    versions = {name: one.version for name, one in installed.items()}
    return {
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "platform": platform.platform(),
        "system": _system(),
        "processor": _processor(),
        "architecture": platform.machine(),
        "cores": os.cpu_count(),
        "blas": _blas(),
        "threads": {name: os.environ[name] for name in THREAD_VARIABLES if name in os.environ},
        "packages": {name: version for name, version in versions.items() if name in needed},
        "other_packages": {name: version for name, version in versions.items() if name not in needed},
        "sources": {name: one.source for name, one in installed.items() if one.source},
        "git": _git(workspace),
    }


@dataclass(frozen=True, slots=True)
class _Package:
    """An installed package: its version, its extras, what it asks for, and where it comes from if from no index."""

    version: str
    extras: frozenset[str]
    requirements: tuple[Requirement, ...]
    source: str


@cache
def installed_packages() -> Mapping[str, _Package]:
    """Return the installed packages by canonical name; of several the one that Python imports.

    Looked up once a process: it takes a third of a second, and every command that runs trials asks.
    """
    from packaging.utils import canonicalize_name

    found: dict[str, _Package] = {}
    for one in metadata.distributions():
        name = one.metadata["Name"]
        if name and canonicalize_name(name) not in found:  # what is left of a package removed by hand has no name
            extras = frozenset(one.metadata.get_all("Provides-Extra") or ())
            found[canonicalize_name(name)] = _Package(
                one.version, extras, tuple(_requirements(one.requires or ())), _source(one)
            )
    return dict(sorted(found.items()))


def _requirements(lines: Iterable[str]) -> Iterator[Requirement]:
    from packaging.requirements import InvalidRequirement, Requirement

    for line in lines:
        with suppress(InvalidRequirement):  # the metadata of an old package; pip could not have followed it either
            yield Requirement(line)


def _needed(installed: Mapping[str, _Package], asking: Collection[str]) -> set[str]:
    """Return packages and what they ask for, directly or not, as far as it is installed.

    Of those that are asking what any extra for users asks for counts, too: whoever installed it uses it.
    """
    from packaging.utils import canonicalize_name

    first = [name for one in asking if (name := canonicalize_name(one)) in installed]
    waiting = [(name, installed[name].extras - EXTRAS_OF_DEVELOPERS) for name in first]
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        name, extras = one = waiting.pop()
        if one in seen or name not in installed:
            continue
        seen.add(one)
        wanted = [one for one in installed[name].requirements if _is_wanted(one, extras)]
        waiting += [(canonicalize_name(one.name), frozenset(one.extras)) for one in wanted]
    return {name for name, _ in seen}


def _is_wanted(wanted: Requirement, extras: Collection[str]) -> bool:
    marker = wanted.marker
    if marker is None or marker.evaluate({"extra": ""}):
        return True
    # An extra that names a plugin, such as automl-bench[all], says nothing of the providers at work.
    return not wanted.name.startswith(PLUGIN_PREFIX) and any(marker.evaluate({"extra": extra}) for extra in extras)


def _source(distribution: metadata.Distribution) -> str:
    """Return where a package comes from that was not installed from an index (PEP 610); "" for all others."""
    try:
        found = json.loads(distribution.read_text("direct_url.json") or "{}")
    except (ValueError, OSError):
        return ""
    url, repository = str(found.get("url", "")), found.get("vcs_info")
    if isinstance(repository, Mapping):
        return f"{repository.get('vcs')}+{_without_user(url)}@{repository.get('commit_id')}"
    if url.startswith("file:"):
        return "a folder" if "dir_info" in found else "a file"
    return _without_user(url)


def _without_user(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment=""))


def _system() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return f"{platform.system()} {platform.release()}"


def _processor() -> str:
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8") as lines:
            for line in lines:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _blas() -> dict[str, Json]:
    """Return the linear algebra that NumPy uses: version, the processor type it chose its code for, threads.

    Others may be loaded beside it, such as SciPy's own, depending on what the process has done so far.
    """
    import numpy as np
    from threadpoolctl import threadpool_info

    folder = Path(np.__file__).parent
    homes = (folder, folder.with_name("numpy.libs"))
    found = [one for one in threadpool_info() if one["user_api"] == "blas"]
    own = [one for one in found if any(home in Path(one["filepath"]).parents for home in homes)]
    return {
        one["internal_api"]: {
            "version": one["version"],
            "architecture": one.get("architecture"),
            "threads": one["num_threads"],
        }
        for one in sorted(own or found, key=lambda one: str(one["filepath"]), reverse=True)
    }


def _git(folder: Path) -> dict[str, Json]:
    """Return the commit that a folder is at, or {} where git knows none."""

    def git(*words: str) -> str:
        ended = subprocess.run(
            ["git", "-C", str(folder), *words],
            capture_output=True,
            text=True,
            timeout=GIT_SECONDS,
            check=True,
            # Looking must not write: another git may be at work here.
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},
        )
        return ended.stdout.strip()

    try:
        commit = git("rev-parse", "HEAD")
        changed = bool(git("status", "--porcelain", "--untracked-files=no", "--", "."))
    except (OSError, subprocess.SubprocessError):
        return {}
    return {"commit": commit, "changed": changed}
