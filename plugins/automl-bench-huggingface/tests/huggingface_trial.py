"""One trial of the provider for tests, driven hook by hook, with a ledger in memory and the host's own bulk sending."""

from __future__ import annotations

import hashlib
import io
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from automl_bench_huggingface import plugin
from automl_bench_huggingface.account import Account, account_of
from automl_bench_huggingface.description import DESCRIPTION
from automl_bench_huggingface.recipes import Recipe
from hub_fake import USER, HubFake
from PIL import Image

from automl_bench.contract import (
    Deletion,
    Json,
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
from automl_bench.settings.secrets import Secrets
from automl_bench.transport import RetryPolicy, send_all

TRIAL_ID = "0123456789ab"
QUICK_PAUSES = {"first_wait_seconds": 0.05, "longest_wait_seconds": 0.2}
COLOURS = {"ash grey": (90, 90, 90), 'brick, "red"': (160, 40, 30), "océan/2": (20, 60, 180)}
"""Labels with what a CSV, a path or an old header could not hold."""


def recipe(**settings: Json) -> Recipe:
    """Return the recipe of a variant with these settings."""
    return Recipe.of(Variant("huggingface", "mine", settings))


@dataclass
class MemoryLedger:
    """A recorder that remembers in memory."""

    made: list[Resource] = field(default_factory=list)
    hourly: dict[str, float | None] = field(default_factory=dict)

    def ensure(
        self,
        kind: str,
        *,
        find: Callable[[str], Resource | None],
        create: Callable[[str], Resource],
        name: str | None = None,
        hourly_usd: float | None = None,
    ) -> Resource:
        assert name is not None
        self.hourly[kind] = hourly_usd
        resource = find(name) or create(name)
        assert resource.name == name
        self.made = [each for each in self.made if (each.kind, each.name) != (kind, name)] + [resource]
        return resource


class HuggingfaceTrial:
    """One trial's hooks, in order."""

    def __init__(
        self,
        fake: HubFake,
        home: Path,
        training_set: TrainingSet,
        *,
        trial_id: str = TRIAL_ID,
        environment: Mapping[str, str] | None = None,
        variant: Mapping[str, Json] | None = None,
        **settings: str,
    ) -> None:
        self.fake = fake
        self.home = home
        self.set = training_set
        self.trial_id = trial_id
        self.environment = dict(environment or {"HF_TOKEN": fake.token})
        self.settings = {"hub_url": fake.url, "endpoints_api": fake.url, "namespace": USER, **settings}
        self.variant = Variant("huggingface", "default", dict(variant or {}))
        self.results: dict[Stage, Mapping[str, Json]] = {}
        self.ledger = MemoryLedger()
        self.lines: list[str] = []
        self.steps: list[tuple[int, int | None]] = []
        self.messages: list[str] = []

    @property
    def context(self) -> TrialContext:
        return TrialContext(
            variant=self.variant,
            settings=self.settings,
            secrets=Secrets("huggingface", DESCRIPTION.settings, self.environment),
            cache_dir=self.home,
            progress=lambda done, total, unit: self.steps.append((done, total)),
            log=self.lines.append,
            trial_id=self.trial_id,
            dataset=self.set.dataset,
            labels=self.set.labels,
            shots=5,
            fold=0,
            seed=7,
            modality=self.set.modality,
            columns=self.set.columns,
            results=self.results,
            resources=self.ledger,
            send=self._send,
        )

    @property
    def account(self) -> Account:
        return account_of(self.context)

    def _send(self, requests: Any, *, attempts: int = 5, **options: Any) -> SendReport:
        return send_all(requests, policy=RetryPolicy(attempts=attempts, **QUICK_PAUSES), **options)  # type: ignore[arg-type]  # two floats

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

    def poll(self, operation: Operation) -> Operation:
        """Look as another process would: with nothing but the token."""
        return plugin.poll(self.context, Operation(OperationState.RUNNING, token=operation.token))

    def wait(self, operation: Operation, within: float = 20.0) -> Operation:
        until = time.monotonic() + within
        while operation.state is OperationState.RUNNING:
            assert time.monotonic() < until, f"still running after {within} s: {operation.message}"
            time.sleep(0.02)  # what the host does between two looks
            operation = self.poll(operation)
            self.messages.append(operation.message)
        return operation

    def tear_down(self) -> None:
        for resource in reversed(self.ledger.made):
            delete(self.context, resource)
        self.ledger.made.clear()

    def _finish(self, stage: Stage, operation: Operation) -> Operation:
        operation = self.wait(operation)
        self.results[stage] = operation.result
        return operation


def delete(context: TrialContext, resource: Resource) -> Deletion:
    """Delete as the host does: again while it is pending."""
    while (done := plugin.delete_resource(context, resource)) is Deletion.PENDING:
        time.sleep(0.02)
    return done


def write_sample(path: Path, image: Image.Image) -> Sample:
    """Write an image as PNG."""
    target = io.BytesIO()
    image.save(target, "PNG")
    path.write_bytes(target.getvalue())
    digest = hashlib.sha256(target.getvalue()).hexdigest()
    return Sample(digest, path, len(target.getvalue()), "image/png", *image.size)


def square(folder: Path, label: str, number: int) -> LabelledSample:
    """Make one square; the same label and number give the same bytes in every run."""
    image = Image.new("RGB", (12, 12), COLOURS[label])
    image.putpixel((0, 0), (number, number, number))
    return LabelledSample(write_sample(folder / f"{list(COLOURS).index(label)}-{number}.png", image), label)


def split(items: Sequence[LabelledSample], dataset: str) -> TrainingSet:
    """Split as the host does: every fifth sample of a class is validation."""
    labels = tuple(sorted({item.label for item in items}))
    by_label = {label: [item for item in items if item.label == label] for label in labels}
    train = [item for label in labels for index, item in enumerate(by_label[label]) if index % 5 != 4]
    validation = [item for label in labels for index, item in enumerate(by_label[label]) if index % 5 == 4]
    return TrainingSet(dataset, labels, tuple(train), tuple(validation))


def squares(folder: Path, shots: int = 5) -> TrainingSet:
    """Return k squares a colour."""
    folder.mkdir(exist_ok=True)
    return split([square(folder, label, number) for label in COLOURS for number in range(shots)], "squares")
