"""A trial of coloured squares, driven hook by hook in the test's process."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from automl_bench_rekognition import plugin
from automl_bench_rekognition.description import DESCRIPTION
from PIL import Image

from automl_bench.contract import (
    Deletion,
    LabelledSample,
    Modality,
    Operation,
    OperationState,
    Resource,
    Sample,
    Stage,
    TrainingSet,
    TrialContext,
    Variant,
)
from automl_bench.settings.provider_files import ProviderFile, resolve_settings
from automl_bench.transport.bulk import send_all

COLOURS = {"ash grey": (90, 90, 90), "brick": (160, 40, 30), "ocean": (20, 60, 180)}
SIDE = 64


def sample(folder: Path, label: str, number: int, size: tuple[int, int] = (SIDE, SIDE)) -> LabelledSample:
    """Make one square; the same label and number give the same bytes in every run."""
    path = folder / f"{label}-{number}-{size[0]}x{size[1]}.png"
    if not path.exists():
        image = Image.new("RGB", size, COLOURS[label])
        image.putpixel((0, 0), (number, number, number))
        image.save(path)
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    return LabelledSample(Sample(digest, path, len(content), "image/png", *size), label)


def training_set(folder: Path, shots: int, dataset: str = "squares") -> TrainingSet:
    """Return k squares a colour; every fifth is for validation, and smaller sets lie inside larger ones."""
    train, validation = [], []
    for label in COLOURS:
        for number in range(shots):
            (validation if number % 5 == 4 else train).append(sample(folder, label, number))
    return TrainingSet(dataset, tuple(COLOURS), tuple(train), tuple(validation))


@dataclass
class Ledger:
    """A recorder that remembers in memory."""

    name_for: Callable[[str], str] = str
    made: list[Resource] = field(default_factory=list)

    def ensure(self, kind: str, *, find: Any, create: Any, name: str | None = None, hourly_usd: Any = None) -> Resource:
        resource: Resource = find(name or self.name_for(kind)) or create(name or self.name_for(kind))
        self.made = [each for each in self.made if (each.kind, each.name) != (kind, resource.name)] + [resource]
        return resource


class Trial:
    """One trial's hooks, in order."""

    def __init__(self, folder: Path, trial_id: str = "0123456789ab", shots: int = 5, **settings: Any) -> None:
        self.set = training_set(folder, shots)
        self.ledger = Ledger()
        self.results: dict[Stage, Any] = {}
        self.lines: list[str] = []
        resolved = resolve_settings(DESCRIPTION, ProviderFile(settings=settings, path=folder / "rekognition.toml"))
        self.context = TrialContext(
            variant=Variant("rekognition", "default", {"inference_units": 1}),
            settings=resolved,
            secrets=lambda name: os.environ[name],
            cache_dir=folder,
            progress=lambda done, total, unit: None,
            log=self.lines.append,
            trial_id=trial_id,
            dataset="squares",
            labels=self.set.labels,
            shots=shots,
            fold=0,
            seed=0,
            modality=Modality.IMAGE,
            results=self.results,
            resources=self.ledger,
            send=send_all,
        )
        self.ledger.name_for = self.context.name_for

    def upload(self) -> Operation:
        return self._finish(Stage.UPLOAD, plugin.upload(self.context, self.set))

    def train(self) -> Operation:
        return self._finish(Stage.TRAIN, plugin.train(self.context))

    def deploy(self) -> Operation:
        return self._finish(Stage.DEPLOY, plugin.deploy(self.context))

    def up(self) -> Operation:
        self.upload()
        self.train()
        return self.deploy()

    def tear_down(self) -> None:
        for resource in reversed(self.ledger.made):
            delete(self.context, resource)
        self.ledger.made.clear()

    def _finish(self, stage: Stage, operation: Operation) -> Operation:
        while operation.state is OperationState.RUNNING:
            operation = plugin.poll(self.context, Operation(OperationState.RUNNING, token=operation.token))
        self.results[stage] = operation.result
        return operation


def delete(context: TrialContext, resource: Resource) -> Deletion:
    """Delete as the host does: again while it is pending."""
    while (done := plugin.delete_resource(context, resource)) is Deletion.PENDING:
        pass
    return done
