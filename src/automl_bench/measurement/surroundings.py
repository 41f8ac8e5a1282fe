"""What happened to this machine and this process while something was measured, as far as the system tells.

The monotonic clock alone cannot: it stands still while the machine is suspended, and a process that is held back by a
quota does not notice. Read once before and once after a measurement.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from automl_bench.measurement.clock import NS_PER_MS, NS_PER_SECOND

if TYPE_CHECKING:
    from automl_bench.contract import Json

CGROUPS = Path("/sys/fs/cgroup")
OWN_CGROUPS = Path("/proc/self/cgroup")
V1_CONTROLLERS = ("cpu,cpuacct", "cpu")
"""Names under which version 1 mounts the controller that holds quotas."""


@dataclass(frozen=True, slots=True)
class Throttling:
    """How often and how long a cgroup's processor quota has held its processes back so far."""

    times: int
    total_ns: int


@dataclass(frozen=True, slots=True)
class Surroundings:
    """One reading.

    Attributes:
        monotonic_ns: `CLOCK_MONOTONIC`.
        asleep_ns: `CLOCK_BOOTTIME` − `CLOCK_MONOTONIC`: how long the machine has been suspended since it started; 0
            where the system has no such clock.
        wall_ns: The wall clock.
        throttling: Of this process's cgroup and those around it, or None where there is none.
    """

    monotonic_ns: int
    asleep_ns: int
    wall_ns: int
    throttling: Throttling | None

    @classmethod
    def now(cls) -> Surroundings:
        """Read everything."""
        monotonic_ns = time.monotonic_ns()
        boot_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else monotonic_ns
        return cls(monotonic_ns, max(0, boot_ns - monotonic_ns), time.time_ns(), read_throttling())

    def since(self) -> dict[str, Json]:
        """Return what has happened since this reading.

        Returns:
            {"seconds", "suspended_seconds", "clock_moved_seconds", "throttled"}: the wall clock's movement against the
            clock that also counts suspension; "throttled" is {"times", "ms"} or None.
        """
        now = Surroundings.now()
        suspended_ns = now.asleep_ns - self.asleep_ns
        elapsed_ns = now.monotonic_ns - self.monotonic_ns
        throttled = None
        if now.throttling is not None and self.throttling is not None:
            throttled = {
                "times": now.throttling.times - self.throttling.times,
                "ms": (now.throttling.total_ns - self.throttling.total_ns) / NS_PER_MS,
            }
        return {
            "seconds": elapsed_ns / NS_PER_SECOND,
            "suspended_seconds": suspended_ns / NS_PER_SECOND,
            "clock_moved_seconds": (now.wall_ns - self.wall_ns - elapsed_ns - suspended_ns) / NS_PER_SECOND,
            "throttled": throttled,
        }


def read_throttling(cgroups: Path = CGROUPS, own: Path = OWN_CGROUPS) -> Throttling | None:
    """Return the throttling of the innermost cgroup that has a quota's counters; version 2 and 1.

    Inside a container the path in `/proc/self/cgroup` may be the host's, which is not mounted: then the mounted root is
    the container's own. A quota may also be set on a group further out: of all groups on the way the longest counts.
    """
    found: list[Throttling] = []
    with suppress(OSError):
        for line in own.read_text(encoding="utf-8").splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers == "":
                roots = [cgroups, cgroups / "unified"]
            elif "cpu" in controllers.split(","):
                roots = [cgroups / name for name in (controllers, *V1_CONTROLLERS)]
            else:
                continue
            for root in roots:
                found += _on_the_way(root, path)
    return max(found, key=lambda one: one.total_ns, default=None)


def _on_the_way(root: Path, path: str) -> list[Throttling]:
    folder = root / path.strip("/")
    found = []
    while True:
        with suppress(OSError, ValueError, KeyError):
            found.append(_counters((folder / "cpu.stat").read_text(encoding="utf-8")))
        if folder == root or root not in folder.parents:
            return found
        folder = folder.parent


def _counters(text: str) -> Throttling:
    values = dict(line.split() for line in text.splitlines() if line.strip())
    if "throttled_usec" in values:
        return Throttling(int(values["nr_throttled"]), int(values["throttled_usec"]) * 1000)
    return Throttling(int(values["nr_throttled"]), int(values["throttled_time"]))
