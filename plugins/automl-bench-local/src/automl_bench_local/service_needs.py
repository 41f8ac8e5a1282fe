"""What a service needs to answer, code and packages, as a fresh process that answers with it finds out."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from automl_bench.errors import ProviderError, UsageError

PROBE = "automl_bench_local.service_probe"


@dataclass(frozen=True, slots=True)
class Needs:
    """What a service needs to answer.

    Attributes:
        code: Files of automl-bench, by their path below the folder of all packages.
        requirements: Packages as pip takes them, with the versions that are installed here.
        example: The row or text of the example in JSON; empty for images, whose example is a file in the folder.
        answer: What the model answered for the example; None if it can make nothing of it.
    """

    code: Mapping[str, Path]
    requirements: tuple[str, ...]
    example: str
    answer: Mapping[str, Any] | None


def needs_of(folder: Path) -> Needs:
    """Try out an exported folder that has its model and settings; for images the example is written into it.

    Raises:
        ProviderError: If the model cannot be loaded, or fails.
        UsageError: If the model uses a module that belongs to no installed package.
    """
    with tempfile.TemporaryDirectory(prefix="automl-bench-needs-") as place:
        told = Path(place) / "needs.json"
        words = [sys.executable, "-P", "-m", PROBE, str(folder), str(told)]
        ended = subprocess.run(words, capture_output=True, text=True, check=False)
        if ended.returncode:
            said = ended.stderr.strip().splitlines() or ["it said nothing"]
            raise ProviderError(f"The model cannot be asked: {said[-1]}.")
        content = json.loads(told.read_text(encoding="utf-8"))
    return Needs(
        {name: Path(path) for name, path in content["code"].items()},
        _pinned(content["imported"]),
        content["example"],
        content["answer"],
    )


def _pinned(modules: Iterable[str]) -> tuple[str, ...]:
    """Return the packages of modules, and all that these require, as requirements.

    Raises:
        UsageError: If a module belongs to none.
    """
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    known = metadata.packages_distributions()
    missing = sorted(set(modules) - known.keys())
    if missing:
        raise UsageError(
            f"the model uses the module {missing[0]}, which belongs to no installed package.",
            remedy="Make a package of it and install that, so that an image can, too.",
        )
    open_ = [(known[module][0], "") for module in modules]
    pinned: dict[str, str] = {}
    seen = set()
    while open_:
        name, extra = open_.pop()
        if (canonicalize_name(name), extra) in seen:
            continue
        seen.add((canonicalize_name(name), extra))
        try:
            package = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue  # required by a package that does without it
        pinned[canonicalize_name(name)] = f"{package.metadata['Name']}=={package.version}"
        for requirement in map(Requirement, package.requires or ()):
            if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
                open_ += [(requirement.name, one) for one in ("", *requirement.extras)]
    return tuple(pinned[name] for name in sorted(pinned))
