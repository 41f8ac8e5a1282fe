"""A trial of coloured squares, driven hook by hook in the test's process."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from automl_bench_vertex import plugin
from automl_bench_vertex.description import DESCRIPTION
from automl_bench_vertex.options import VARIANTS
from PIL import Image
from vertex_service import VertexService

from automl_bench.contract import (
    Deletion,
    LabelledSample,
    Operation,
    OperationState,
    Resource,
    Sample,
    SendReport,
    Stage,
    TrainingSet,
    TrialContext,
    Variant,
)
from automl_bench.settings.provider_files import ProviderFile, resolve_settings
from automl_bench.transport import RetryPolicy, send_all

TRIAL_ID = "0123456789ab"
COLOURS = {"7": (90, 90, 90), "brick": (160, 40, 30), "ocean blue": (20, 60, 180)}
SIDE = 16
PATIENCE_SECONDS = 20.0


def sample(folder: Path, label: str, number: int, side: int = SIDE) -> LabelledSample:
    """Make one square; the same label and number give the same bytes in every run."""
    path = folder / f"{number}-{list(COLOURS).index(label)}-{side}.png"
    if not path.exists():
        image = Image.new("RGB", (side, side), COLOURS[label])
        image.putpixel((0, 0), (number % 256, number // 256, 0))
        image.save(path)
    return labelled(path, label, side)


def labelled(path: Path, label: str, side: int) -> LabelledSample:
    """Return a file as a sample with its label."""
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    return LabelledSample(Sample(digest, path, len(content), "image/png", side, side), label)


def noise(folder: Path, side: int) -> Sample:
    """Make an image that cannot be compressed."""
    path = folder / f"noise-{side}.png"
    pixels = np.random.default_rng(1).integers(0, 256, (side, side, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return labelled(path, "brick", side).sample


def training_set(folder: Path, shots: int) -> TrainingSet:
    """Return k squares a colour; every fifth is for validation."""
    train, validation = [], []
    for label in COLOURS:
        for number in range(shots):
            (validation if number % 5 == 4 else train).append(sample(folder, label, number))
    return TrainingSet("squares", tuple(COLOURS), tuple(train), tuple(validation))


@dataclass
class Ledger:
    """A recorder that remembers in memory."""

    name_for: Callable[[str], str] = str
    made: list[Resource] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    def ensure(self, kind: str, *, find: Any, create: Any, name: str | None = None, hourly_usd: Any = None) -> Resource:
        name = name or self.name_for(kind)
        found: Resource | None = find(name)
        self.lines.append(f"{'found' if found else 'created'} {kind}")
        resource: Resource = found or create(name)
        self.made = [each for each in self.made if (each.kind, each.name) != (kind, resource.name)] + [resource]
        return resource


class VertexTrial:
    """One trial's hooks, in order, with the host's own bulk sending; of coloured squares unless others are given."""

    def __init__(
        self,
        folder: Path,
        trial_id: str = TRIAL_ID,
        shots: int = 10,
        variant: str = "default",
        drawn: TrainingSet | None = None,
        variant_settings: dict[str, Any] | None = None,
        **settings: Any,
    ) -> None:
        self.folder = folder
        self.set = training_set(folder, shots) if drawn is None else drawn
        self.ledger = Ledger()
        self.results: dict[Stage, Any] = {}
        self.lines: list[str] = []
        self.stop = threading.Event()
        resolved = resolve_settings(DESCRIPTION, ProviderFile(settings=settings, path=folder / "vertex.toml"))
        self.context = TrialContext(
            variant=Variant("vertex", variant, {**VARIANTS[variant], **(variant_settings or {})}),
            settings=resolved,
            secrets=lambda name: os.environ[name],
            cache_dir=folder,
            progress=lambda done, total, unit: None,
            log=self.lines.append,
            trial_id=trial_id,
            dataset=self.set.dataset,
            labels=self.set.labels,
            shots=shots,
            fold=0,
            seed=0,
            modality=self.set.modality,
            columns=self.set.columns,
            results=self.results,
            resources=self.ledger,
            send=self._send,
        )
        self.ledger.name_for = self.context.name_for

    def _send(self, requests: Any, *, attempts: int = 5, **options: Any) -> SendReport:
        policy = RetryPolicy(attempts=attempts, first_wait_seconds=0.05, longest_wait_seconds=0.3)
        return send_all(requests, policy=policy, stop=self.stop, **options)

    def upload(self) -> Operation:
        return self.finish(Stage.UPLOAD, plugin.upload(self.context, self.set))

    def train(self) -> Operation:
        return self.finish(Stage.TRAIN, plugin.train(self.context))

    def deploy(self) -> Operation:
        return self.finish(Stage.DEPLOY, plugin.deploy(self.context))

    def up(self) -> Operation:
        self.upload()
        self.train()
        return self.deploy()

    def tear_down(self) -> None:
        for resource in reversed(self.ledger.made):
            delete(self.context, resource)
        self.ledger.made.clear()

    def finish(self, stage: Stage, operation: Operation) -> Operation:
        """Look until it has ended, as another process would: with nothing but the token."""
        until = time.monotonic() + PATIENCE_SECONDS
        while operation.state is OperationState.RUNNING:
            assert time.monotonic() < until, f"{stage} goes on: {operation.message}"
            time.sleep(0.01)  # what the host does between two looks
            operation = plugin.poll(self.context, Operation(OperationState.RUNNING, token=operation.token))
        self.results[stage] = operation.result
        return operation


def delete(context: TrialContext, resource: Resource) -> Deletion:
    """Delete as the host does: again while it is pending."""
    until = time.monotonic() + PATIENCE_SECONDS
    while (done := plugin.delete_resource(context, resource)) is Deletion.PENDING:
        assert time.monotonic() < until, f"{resource.kind} {resource.name} does not go away"
        time.sleep(0.01)
    return done


def enter(service: VertexService, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a service's addresses into this process's environment."""
    for name in ("GOOGLE_CLOUD_QUOTA_PROJECT", "AUTOML_BENCH_VERTEX_ANONYMOUS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in service.environment().items():
        monkeypatch.setenv(name, value)
