"""A workspace and a simulated cloud of its own, and whole commands with compressed time (`compressed_time`)."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from compressed_commands import run_compressed
from small_workspace import make_workspace, write_experiment

from automl_bench.simulation.cloud import SimulatedCloud
from automl_bench.simulation.loopback_service import Fault, Target
from automl_bench.testing.crash import Ended

SPEED = 100_000
HERE = Path(__file__).resolve().parent
EXPERIMENT = """
datasets = ["tiny"]
providers = ["simulated:quick"]
shots = [5]
[parallel]
calls = 20
concurrency = 2
warm_up_calls = 1
[deadlines]
upload_hours = 0.0006
train_hours = 0.0006
deploy_hours = 0.0006
measure_hours = 0.01
"""

STAGES = ("upload", "train", "deploy", "invoke", "load", "teardown")


@dataclass(frozen=True)
class Place:
    """Where a fault of a stage strikes."""

    at: str
    skip: int = 0


PLACES = {
    "upload": Place("upload"),
    "train": Place("poll model"),
    "deploy": Place("poll endpoint"),
    "invoke": Place("invoke"),
    "load": Place("invoke", skip=1),
    "teardown": Place("delete_resource"),
}


class Lab:
    """A workspace and a cloud of its own."""

    def __init__(self, root: Path, experiment: str = EXPERIMENT) -> None:
        self.root = root
        self.workspace = make_workspace(root, test=2)
        self.cloud = SimulatedCloud(root / "cloud" / "cloud.sqlite", SPEED)
        self.path = write_experiment(root, experiment)
        self.environment = {
            **os.environ,
            "AUTOML_BENCH_WORKSPACE": str(root),
            "AUTOML_BENCH_SIMULATED_CLOUD": str(self.cloud.path),
            "AUTOML_BENCH_SIMULATED_SPEED": str(SPEED),
            "PYTHONPATH": os.pathsep.join([str(HERE), *(place for place in sys.path if place)]),
            "COLUMNS": "250",
        }

    def run(self, *options: str) -> Ended:
        return self("run", str(self.path), *options)

    def __call__(self, *arguments: str) -> Ended:
        return run_compressed(*arguments, environment=self.environment, folder=self.root)

    def strike(self, fault: Fault, stage: str, times: int | None, **how: object) -> None:
        place = PLACES[stage]
        self.cloud.tell(fault, Target.CONTROL, times, at=place.at, skip=place.skip, **how)  # type: ignore[arg-type]

    def kinds(self) -> list[str]:
        return sorted(thing.kind for thing in self.cloud.existing())

    def made(self, kind: str) -> int:
        return sum(line.startswith(f"{kind} ") for line in self.cloud.creations())

    def trainings_billed(self) -> float:
        hours = sum(line.quantity for line in self.cloud.bill() if line.item == "train_hour")
        return hours / ((240 + 0.5 * 15) / 3600)
