"""A container image made from this machine's own files, for tests: no registry is needed.

Python, its standard library, the packages that training and serving need, and the shared libraries of all of them, each
under the path that it has here.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

LEFT_OUT = {"__pycache__", "test", "tests", "site-packages", "dist-packages", "idlelib", "tkinter", "ensurepip"}
NEEDED = ("scikit-learn", "pillow")


def lay_down(root: Path) -> None:
    """Write the root file system into an empty folder."""
    python = Path(sys.base_prefix) / "bin" / f"python3.{sys.version_info[1]}"
    stdlib = Path(sysconfig.get_path("stdlib", vars={"installed_base": sys.base_prefix}))
    files = {python, *_under(stdlib), *(path for name in _closure() for path in _of_package(name))}
    binaries = {path for path in files if path == python or ".so" in path.suffixes}
    for path in files | _libraries(binaries):
        target = root / path.relative_to("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path.resolve(), target)
        shutil.copymode(path.resolve(), target)
    (root / "usr" / "bin").mkdir(parents=True, exist_ok=True)
    starter = root / "usr" / "bin" / "python3"
    if not starter.exists():
        starter.symlink_to(python)
    site = Path(sysconfig.get_path("purelib"))
    inside = stdlib / "site-packages"
    (root / inside.relative_to("/")).mkdir(parents=True, exist_ok=True)
    (root / inside.relative_to("/") / "packages.pth").write_text(f"{site}\n", encoding="utf-8")
    for name in ("tmp", "proc", "sys", "dev", "etc"):
        (root / name).mkdir(exist_ok=True)


def _under(folder: Path) -> Iterator[Path]:
    for place, names, files in os.walk(folder):
        names[:] = [name for name in names if name not in LEFT_OUT and not name.startswith("config-")]
        yield from (Path(place) / name for name in files)


def _closure() -> set[str]:
    found: set[str] = set()
    left = list(NEEDED)
    while left:
        name = left.pop().lower()
        if name not in found:
            found.add(name)
            wanted = (text for text in metadata.requires(name) or () if ";" not in text)
            left += [re.split(r"[^A-Za-z0-9._-]", text, maxsplit=1)[0] for text in wanted]
    return found


def _of_package(name: str) -> Iterator[Path]:
    for entry in metadata.files(name) or ():
        path = Path(str(entry.locate())).absolute()
        if path.is_file() and not LEFT_OUT & set(entry.parts):
            yield path


def _libraries(binaries: set[Path]) -> set[Path]:
    """Return the shared libraries outside of the packages that binaries load."""
    told = subprocess.run(["ldd", *map(str, sorted(binaries))], capture_output=True, text=True, check=False).stdout
    return {Path(path) for path in re.findall(r"(/[^\s()]*\.so[^\s()]*) \(0x", told)} | {
        Path(path) for path in re.findall(r"^\s*(/lib\S*/ld-\S+)", told, flags=re.MULTILINE)
    }
