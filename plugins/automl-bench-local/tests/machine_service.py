"""This machine as the service of the provider `local`: its folder and its processes, looked into from outside."""

from __future__ import annotations

import ctypes
import json
import os
import struct
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Self
from urllib.request import ProxyHandler, build_opener

import psutil
from local_trial import our_processes
from moody_classifier import SERVING_FAILS, TRAINING_FAILS

from automl_bench.testing import Fault, SeenRequest, Target

KINDS = ("training-set", "model", "server")
STRANGER = "holiday-pictures-model"
TOLD = {Fault.TRAINING_FAILS: TRAINING_FAILS, Fault.DEPLOYMENT_FAILS: SERVING_FAILS}


class MachineService:
    """The provider's folder, one for all workspaces of a test, and the processes that work for it.

    There is no connection whose answer could be lost, nobody who throttles, and no password. What can fail is the
    user's own classifier, in training and while it is loaded to serve (`moody_classifier`).

    Args:
        root: An empty folder.
    """

    def __init__(self, root: Path) -> None:
        self.home = root / "home"
        self.orders = root / "orders"
        for folder in (self.home, self.orders):
            folder.mkdir()
        self._arrivals = Arrivals(self.home)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._arrivals.close()
        for pid in our_processes(self.home):
            psutil.Process(pid).kill()

    def environment(self) -> Mapping[str, str]:
        places = [str(Path(__file__).parent), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
        return {
            "AUTOML_BENCH_LOCAL_CACHE_FOLDER": str(self.home),
            "TMPDIR": str(self.orders),
            "PYTHONPATH": os.pathsep.join(places),
        }

    def requests(self) -> Sequence[SeenRequest]:
        return []

    def predictions(self) -> int:
        return sum(answered(json.loads(file.read_text())["url"]) for file in self.home.glob("*-server/server.json"))

    def resources(self) -> Sequence[str]:
        """Return folders and processes, the two of one name as one, and what is half written or half removed."""
        working = Counter(_name_of(psutil.Process(pid).cmdline()) for pid in our_processes(self.home))
        twice = [f"process {name}, once more" for name, count in working.items() if count > 1]
        remains = [f"remains {path.name}" for path in self.home.glob(".automl-bench-*")]
        folders = {path.name for path in self.home.glob("automl-bench-*")}
        return [*(f"{kind_of(name)} {name}" for name in sorted(folders | set(working))), *twice, *remains]

    def billing(self) -> Sequence[str]:
        """Return what uses processors and memory."""
        return [f"process {pid}" for pid in our_processes(self.home)]

    def creations(self) -> Sequence[str]:
        return [f"{kind_of(name)} {name}" for name in self._arrivals.names() if name.startswith("automl-bench-")]

    def training_samples(self) -> Sequence[tuple[str, str]]:
        found = []
        for folder in self.home.glob("*-training-set"):
            rows = json.loads((folder / "samples.json").read_text(encoding="utf-8"))["samples"]
            contents = folder / "contents.jsonl"
            ids = (
                contents.read_text(encoding="utf-8").split("\n") if contents.exists() else [row["path"] for row in rows]
            )
            found += [(one, row["label"]) for one, row in zip(ids, rows, strict=False)]
        return found

    def stranger(self) -> str | None:
        (self.home / STRANGER).mkdir()
        return STRANGER

    def strangers(self) -> Sequence[str]:
        return [path.name for path in self.home.glob(STRANGER)]

    def faults(self, target: Target) -> Collection[Fault]:
        return tuple(TOLD) if target is Target.CONTROL else ()

    def inject(self, fault: Fault, *, target: Target = Target.CONTROL, times: int | None = 1) -> None:
        (self.orders / TOLD[fault]).touch()

    def heal(self) -> None:
        for order in TOLD.values():
            (self.orders / order).unlink(missing_ok=True)


class Arrivals:
    """What was made in a folder or moved into it, as the kernel has seen it (inotify): nothing is too short-lived.

    Args:
        folder: The folder; what happens deeper is not seen.

    Raises:
        OSError: If the kernel does not watch it.
    """

    MOVED_HERE, CREATED = 0x80, 0x100
    HEAD = struct.Struct("iIII")

    def __init__(self, folder: Path) -> None:
        library = ctypes.CDLL(None, use_errno=True)
        self._handle = library.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if library.inotify_add_watch(self._handle, os.fsencode(folder), self.MOVED_HERE | self.CREATED) < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(folder))
        self._names: list[str] = []

    def names(self) -> Sequence[str]:
        """Return all names so far, in order."""
        self._names += self._new()
        return list(self._names)

    def close(self) -> None:
        os.close(self._handle)

    def _new(self) -> Iterator[str]:
        while True:
            try:
                content = os.read(self._handle, 1 << 16)
            except BlockingIOError:
                return
            while content:
                *_, length = self.HEAD.unpack_from(content)
                name, content = content[self.HEAD.size :][:length], content[self.HEAD.size + length :]
                yield os.fsdecode(name.rstrip(b"\0"))


def kind_of(name: str) -> str:
    """Return the kind that a resource's name ends with."""
    return next(kind for kind in KINDS if name.endswith(f"-{kind}"))


def answered(url: str) -> int:
    """Return how many predictions a server has answered."""
    with build_opener(ProxyHandler({})).open(f"{url}/health", timeout=10) as answer:
        return int(json.loads(answer.read())["answered"])


def _name_of(line: Sequence[str]) -> str:
    return line[line.index("--name") + 1]
