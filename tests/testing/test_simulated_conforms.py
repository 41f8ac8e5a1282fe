"""The simulated cloud is held to the same contract as every other provider."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import pytest

from automl_bench.contract import Modality
from automl_bench.simulation.cloud import SINGLE_FAULTS, SimulatedCloud
from automl_bench.testing import Fault, LoopbackService, ProviderConformance, SeenRequest, Target

ROOT = Path(__file__).resolve().parents[2]
STRANGER = "somebody-elses-dataset"
SPEED = 100_000


class CloudFile:
    """The simulated cloud's file, looked into from outside."""

    def __init__(self, path: Path) -> None:
        self.cloud = SimulatedCloud(path, SPEED)

    def environment(self) -> Mapping[str, str]:
        return {
            "AUTOML_BENCH_SIMULATED_CLOUD": str(self.cloud.path),
            "AUTOML_BENCH_SIMULATED_SPEED": str(SPEED),
        }

    def requests(self) -> Sequence[SeenRequest]:
        return []

    def predictions(self) -> int:
        return self.cloud.predictions()

    def resources(self) -> Sequence[str]:
        return [f"{thing.kind} {thing.name}" for thing in self.cloud.existing() if thing.name != STRANGER]

    def billing(self) -> Sequence[str]:
        return [name for name in self.resources() if name.startswith("endpoint ")]

    def creations(self) -> Sequence[str]:
        return self.cloud.creations()

    def training_samples(self) -> Sequence[tuple[str, str]]:
        return [(sample, label) for sample, label, _ in self.cloud.samples()]

    def stranger(self) -> str | None:
        return self.cloud.create("dataset", STRANGER, "quick").name

    def strangers(self) -> Sequence[str]:
        return [thing.name for thing in self.cloud.existing() if thing.name == STRANGER]

    def faults(self, target: Target) -> Collection[Fault]:
        lasting = {Fault.TRAINING_FAILS, Fault.DEPLOYMENT_FAILS, Fault.DELETION_FAILS, Fault.LOST_ANSWER}
        return SINGLE_FAULTS | lasting if target is Target.CONTROL else SINGLE_FAULTS

    def inject(self, fault: Fault, *, target: Target = Target.CONTROL, times: int | None = 1) -> None:
        self.cloud.tell(fault, target, times)

    def heal(self) -> None:
        self.cloud.heal()


@pytest.mark.slow  # a kill before and after each of fourteen ledger writes, three times over
class TestSimulatedConformance(ProviderConformance):
    provider_name = "simulated"
    variant = "thorough"
    readme = ROOT / "docs" / "plugins" / "testing.md"

    @pytest.fixture
    def service(self, tmp_path: Path) -> LoopbackService:
        return CloudFile(tmp_path / "cloud" / "cloud.sqlite")


@pytest.mark.slow  # as above, with one of the ledger writes
class TestSimulatedTextConformance(TestSimulatedConformance):
    modality = Modality.TEXT
    most_writes = 1


@pytest.mark.slow
class TestSimulatedTableConformance(TestSimulatedConformance):
    modality = Modality.TABULAR
    most_writes = 1
