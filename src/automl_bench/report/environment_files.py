"""Files that make a recorded environment again: for pip, for conda, and for a container."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any

from automl_bench.errors import CorruptRecord, NoResults
from automl_bench.report.recorded_environments import words

_SHOWN_OTHERS = 8


class EnvironmentFormat(StrEnum):
    """What a file is for."""

    PIP = "pip"
    CONDA = "conda"
    CONTAINERFILE = "containerfile"


def environment_file(
    environment: Mapping[str, Any], kind: EnvironmentFormat, *, name: str, title: str = "", everything: bool = False
) -> str:
    """Return the text of a file that makes an environment again.

    Args:
        environment: As recorded.
        kind: What the file is for.
        name: Name of the experiment.
        title: Its first line; by default that it is the experiment's.
        everything: Whether packages are listed that neither automl-bench nor a provider at work asked for.

    Raises:
        CorruptRecord: If what is recorded cannot be the name or version of a package.
        NoResults: If the packages were not recorded.
    """
    packages = {**environment.get("packages", {}), **(environment.get("other_packages", {}) if everything else {})}
    if not packages or not environment.get("python"):
        raise NoResults(f"The packages that {name} was run with were not recorded.", remedy="Run it again.")
    sources = environment.get("sources", {})
    lines = [_requirement(one, str(version), str(sources.get(one, ""))) for one, version in sorted(packages.items())]
    title = title or f"The environment that the experiment {name} was run in, as automl-bench recorded it."
    head = _head(environment, title, packages, everything)
    return _WRITERS[kind](environment, name, head, lines)


def _requirement(name: str, version: str, source: str) -> str:
    """Return a line of a requirements file.

    Raises:
        CorruptRecord: If it is none: what is written here is run by others.
    """
    from packaging.requirements import InvalidRequirement, Requirement

    pinned = f"{name} @ {source}" if "://" in source else f"{name}=={version}"
    try:
        Requirement(pinned)
    except InvalidRequirement as error:
        raise CorruptRecord(
            f"The recorded environment names a package {name!r} of version {version!r}, which cannot be.",
            remedy="Restore a copy of the results file.",
        ) from error
    return pinned


def _head(environment: Mapping[str, Any], title: str, packages: Mapping[str, str], everything: bool) -> list[str]:
    """Return what a reader should know, one line each, without the sign of a comment."""
    where = [environment.get(key) for key in ("system", "architecture", "processor")]
    where += [f"{library} {words(value)}" for library, value in (environment.get("blas") or {}).items()]
    lines = [
        title,
        f"Python {environment['python']}; {'; '.join(str(one) for one in where if one)}",
    ]
    built = [one for one, source in environment.get("sources", {}).items() if one in packages and "://" not in source]
    if built:
        lines.append(
            f"Built from files there, not from an index: {', '.join(built)}. Make their wheels (`make packages`) and "
            "give pip --find-links dist."
        )
    others = environment.get("other_packages") or {}
    if others and not everything:
        more = f" and {len(others) - _SHOWN_OTHERS} more" if len(others) > _SHOWN_OTHERS else ""
        lines.append(
            f"Installed there, too, and left out, as nothing at work asked for it (--all): "
            f"{', '.join(list(others)[:_SHOWN_OTHERS])}{more}"
        )
    # A comment ends with its line: whatever a record holds, it stays one.
    return [" ".join(line.split()) for line in lines]


def _comments(head: list[str]) -> list[str]:
    return [f"# {line}" for line in head]


def _pip(environment: Mapping[str, Any], name: str, head: list[str], lines: list[str]) -> str:
    minor = ".".join(str(environment["python"]).split(".")[:2])
    use = f"# Use: python{_word(minor)} -m venv .venv && .venv/bin/pip install -r FILE"
    return "\n".join([*_comments(head), use, *lines]) + "\n"


def _conda(environment: Mapping[str, Any], name: str, head: list[str], lines: list[str]) -> str:
    import yaml

    content: dict[str, Any] = {
        "name": re.sub(r"[^A-Za-z0-9._-]+", "-", name),
        "channels": ["conda-forge"],
        # The packages come from pip, as they did: those of conda-forge are built with another BLAS.
        "dependencies": [f"python={_word(environment['python'])}", "pip", {"pip": lines}],
    }
    threads = {str(key): str(value) for key, value in (environment.get("threads") or {}).items()}
    if threads:
        content["variables"] = threads
    use = "# Use: conda env create -f FILE"
    return "\n".join([*_comments(head), use, yaml.safe_dump(content, sort_keys=False, width=120)])


def _containerfile(environment: Mapping[str, Any], name: str, head: list[str], lines: list[str]) -> str:
    threads = [f"ENV {_word(key)}={_word(value)}" for key, value in sorted((environment.get("threads") or {}).items())]
    quoted = " \\\n    ".join(shlex.quote(line) for line in lines)
    return "\n".join(
        [
            *_comments(head),
            '# Use: podman build -t NAME -f FILE . && podman run --rm -v "$PWD:/workspace" NAME reproduce EXPERIMENT',
            f"ARG BASE=docker.io/library/python:{_word(environment['python'])}-slim",
            "FROM ${BASE}",
            "# For example --build-arg PIP_OPTIONS='--find-links /wheels' with -v $PWD/dist:/wheels",
            'ARG PIP_OPTIONS=""',
            *threads,
            f"RUN python3 -m pip install --no-cache-dir ${{PIP_OPTIONS}} \\\n    {quoted}",
            "ENV AUTOML_BENCH_WORKSPACE=/workspace",
            "WORKDIR /workspace",
            'ENTRYPOINT ["automl-bench"]',
            "",
        ]
    )


def _word(value: object) -> str:
    """Return a version, name or number that may stand in a file of commands.

    Raises:
        CorruptRecord: If it is more than a word.
    """
    text = str(value)
    if not re.fullmatch(r"[A-Za-z0-9._+-]+", text):
        raise CorruptRecord(
            f"The recorded environment holds {text!r} where a version or a name belongs.",
            remedy="Restore a copy of the results file.",
        )
    return text


_WRITERS: Mapping[EnvironmentFormat, Callable[[Mapping[str, Any], str, list[str], list[str]], str]] = {
    EnvironmentFormat.PIP: _pip,
    EnvironmentFormat.CONDA: _conda,
    EnvironmentFormat.CONTAINERFILE: _containerfile,
}
