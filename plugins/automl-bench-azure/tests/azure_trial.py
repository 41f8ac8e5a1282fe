"""A trial of coloured squares, driven hook by hook in the test's process."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from automl_bench_azure import plugin
from automl_bench_azure.description import DESCRIPTION
from PIL import Image

from automl_bench.contract import (
    Deletion,
    LabelledSample,
    Operation,
    OperationState,
    Resource,
    Sample,
    Stage,
    TrainingSet,
    TrialContext,
    Variant,
)
from automl_bench.errors import MissingSecret, ServiceUnavailable
from automl_bench.settings.provider_files import ProviderFile, resolve_settings
from automl_bench.transport.bulk import send_all

COLOURS = {"ash grey": (90, 90, 90), "brick": (160, 40, 30), "ocean": (20, 60, 180)}
PATIENCE_SECONDS = 30.0
SECRETS = {setting.name: setting.env for setting in DESCRIPTION.settings if setting.secret}


def sample(folder: Path, label: str, number: int, form: str = "png") -> LabelledSample:
    """Make one square; the same label and number give the same bytes in every run."""
    path = folder / f"{label}-{number}.{form}"
    if not path.exists():
        image = Image.new("RGB", (16, 12), COLOURS[label])
        image.putpixel((0, 0), (number % 256, number // 256, number % 7))
        image.save(path)
    content = path.read_bytes()
    media_type = {"png": "image/png", "jpg": "image/jpeg"}.get(form, f"image/{form}")
    return LabelledSample(Sample(hashlib.sha256(content).hexdigest(), path, len(content), media_type, 16, 12), label)


def training_set(folder: Path, shots: int, dataset: str = "squares", form: str = "png") -> TrainingSet:
    """Return k squares a colour; every fifth is for validation."""
    train, validation = [], []
    for label in COLOURS:
        for number in range(shots):
            (validation if number % 5 == 4 else train).append(sample(folder, label, number, form))
    return TrainingSet(dataset, tuple(COLOURS), tuple(train), tuple(validation))


def secret(name: str) -> str:
    """Return a declared secret, as the host does."""
    if SECRETS[name] not in os.environ:
        raise MissingSecret(f"{SECRETS[name]} is not set.")
    return os.environ[SECRETS[name]]


@dataclass
class Ledger:
    """A recorder that remembers in memory."""

    name_for: Callable[[str], str] = str
    made: list[Resource] = field(default_factory=list)
    promised: dict[str, float | None] = field(default_factory=dict)

    def ensure(self, kind: str, *, find: Any, create: Any, name: str | None = None, hourly_usd: Any = None) -> Resource:
        self.promised[kind] = hourly_usd
        resource: Resource = find(name or self.name_for(kind)) or create(name or self.name_for(kind))
        places = [index for index, each in enumerate(self.made) if (each.kind, each.name) == (kind, resource.name)]
        if places:
            self.made[places[0]] = resource
        else:
            self.made.append(resource)
        return resource

    def of(self, kind: str) -> Resource:
        """Return the one resource of a kind."""
        (found,) = [each for each in self.made if each.kind == kind]
        return found


class AzureTrial:
    """One trial's hooks, in order."""

    def __init__(
        self,
        folder: Path,
        trial_id: str = "0123456789ab",
        shots: int = 5,
        variant: dict[str, Any] | None = None,
        drawn: TrainingSet | None = None,
    ) -> None:
        self.folder = folder
        self.set = training_set(folder, shots) if drawn is None else drawn
        self.ledger = Ledger()
        self.results: dict[Stage, Any] = {}
        self.lines: list[str] = []
        self.tokens: list[str] = []
        resolved = resolve_settings(DESCRIPTION, ProviderFile(settings={}, path=folder / "azure.toml"))
        self.context = TrialContext(
            variant=Variant("azure", "default", variant or {}),
            settings=resolved,
            secrets=secret,
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
            send=send_all,
        )
        self.ledger.name_for = self.context.name_for

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
        """Poll with nothing but the token, as another process would, until the operation ends."""
        until = time.monotonic() + PATIENCE_SECONDS
        while operation.state is OperationState.RUNNING:
            assert time.monotonic() < until, operation.message
            if operation.token not in self.tokens:
                self.tokens.append(operation.token)
            time.sleep(0.02)
            with suppress(ServiceUnavailable):  # as the host, which looks again after a passing fault
                operation = plugin.poll(self.context, Operation(OperationState.RUNNING, token=operation.token))
        self.results[stage] = operation.result
        return operation


def delete(context: TrialContext, resource: Resource) -> Deletion:
    """Delete as the host does: again while it is pending."""
    until = time.monotonic() + PATIENCE_SECONDS
    while (done := plugin.delete_resource(context, resource)) is Deletion.PENDING:
        assert time.monotonic() < until, resource
        time.sleep(0.02)
    return done
