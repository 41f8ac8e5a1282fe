"""One trial of the provider for tests, driven hook by hook, with a ledger in memory; and small training sets."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from automl_bench_nyckel import plugin
from automl_bench_nyckel.tokens import Tokens, tokens_for
from nyckel_fake import NyckelFake
from PIL import Image

from automl_bench.contract import (
    Column,
    Json,
    LabelledSample,
    Modality,
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
from automl_bench.transport import RetryPolicy, send_all

TRIAL_ID = "0123456789ab"
QUICK_PAUSES = {"first_wait_seconds": 0.1, "longest_wait_seconds": 0.5}
SHADES = {"dark": 40, "middle": 120, "bright": 220}


class MemoryLedger:
    """A ResourceRecorder that keeps its lines in a list."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.hourly: list[float | None] = []

    def ensure(
        self,
        kind: str,
        *,
        find: Callable[[str], Resource | None],
        create: Callable[[str], Resource],
        name: str | None = None,
        hourly_usd: float | None = None,
    ) -> Resource:
        name = name or f"automl-bench-{TRIAL_ID}-{kind}"
        self.hourly.append(hourly_usd)
        found = find(name)
        self.lines.append("found" if found else "created")
        return found or create(name)


class NyckelTrial:
    """One trial of the provider, driven hook by hook as the host does, with the host's own bulk sending."""

    def __init__(self, fake: NyckelFake, home: Path, **settings: str) -> None:
        self.fake = fake
        self.home = home
        self.settings = {"server_url": fake.url, "poll_seconds": "0.05", **settings}
        self.credentials = {"client_id": fake.client_id, "client_secret": fake.client_secret}
        self.results: dict[Stage, Mapping[str, Json]] = {}
        self.ledger = MemoryLedger()
        self.lines: list[str] = []
        self.steps: list[tuple[int, int | None]] = []
        self.labels: tuple[str, ...] = tuple(sorted(SHADES))
        self.modality = Modality.IMAGE
        self.columns: tuple[Column, ...] = ()
        self.stop = threading.Event()

    @property
    def context(self) -> TrialContext:
        return TrialContext(
            variant=Variant("nyckel", "default"),
            settings=self.settings,
            secrets=self.credentials.__getitem__,
            cache_dir=self.home,
            progress=lambda done, total, unit: self.steps.append((done, total)),
            log=self.lines.append,
            trial_id=TRIAL_ID,
            dataset="shades",
            labels=self.labels,
            shots=5,
            fold=0,
            seed=0,
            modality=self.modality,
            columns=self.columns,
            results=self.results,
            resources=self.ledger,
            send=self._send,
        )

    def _send(self, requests: Any, *, attempts: int = 5, **options: Any) -> SendReport:
        return send_all(requests, policy=RetryPolicy(attempts=attempts, **QUICK_PAUSES), stop=self.stop, **options)  # type: ignore[arg-type]  # two floats

    @property
    def tokens(self) -> Tokens:
        return tokens_for(self.context)

    def upload(self, training_set: TrainingSet) -> Operation:
        self.labels, self.modality = training_set.labels, training_set.modality
        self.columns = training_set.columns
        operation = plugin.upload(self.context, training_set)
        self.results[Stage.UPLOAD] = operation.result
        return operation

    def train(self) -> Operation:
        operation = self.wait(plugin.train(self.context))
        self.results[Stage.TRAIN] = operation.result
        return operation

    def wait(self, operation: Operation, within: float = 20.0) -> Operation:
        until = time.monotonic() + within
        while operation.state is OperationState.RUNNING:
            assert time.monotonic() < until, f"still running after {within} s: {operation.message}"
            time.sleep(operation.poll_after or 0.05)  # what the host does between two looks
            operation = plugin.poll(self.context, Operation(OperationState.RUNNING, token=operation.token))
        return operation


def make_sample(path: Path, shade: int, mark: int) -> Sample:
    """Write a 10 × 10 image of one shade with a mark that makes it unlike every other one."""
    image = Image.new("L", (10, 10), shade)
    image.putpixel((0, 0), mark)
    image.save(path)
    content = path.read_bytes()
    return Sample(hashlib.sha256(content).hexdigest(), path, len(content), "image/png", 10, 10)


def training_set_of(items: list[LabelledSample]) -> TrainingSet:
    """Split as the host does: every fifth sample of a class is validation."""
    labels = tuple(sorted({item.label for item in items}))
    by_label = {label: [item for item in items if item.label == label] for label in labels}
    train = [item for label in labels for index, item in enumerate(by_label[label]) if index % 5 != 4]
    validation = [item for label in labels for index, item in enumerate(by_label[label]) if index % 5 == 4]
    return TrainingSet("shades", labels, tuple(train), tuple(validation))
