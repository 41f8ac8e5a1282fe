"""One trial of the provider, driven hook by hook as the host does, with a ledger in memory."""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest
from automl_bench_local import plugin

from automl_bench.contract import (
    Column,
    Deletion,
    Json,
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


class MemoryLedger:
    """A ResourceRecorder that keeps its lines in a list."""

    def __init__(self, name_for: Callable[[str], str]) -> None:
        self.name_for = name_for
        self.lines: list[tuple[str, str]] = []
        self.created: list[Resource] = []

    def ensure(
        self,
        kind: str,
        *,
        find: Callable[[str], Resource | None],
        create: Callable[[str], Resource],
        name: str | None = None,
        hourly_usd: float | None = None,
    ) -> Resource:
        name = name or self.name_for(kind)
        self.lines.append(("intended", name))
        found = find(name)
        self.lines.append(("found" if found else "creating", name))
        resource = found or create(name)
        self.created.append(resource)
        return resource


class LocalTrial:
    """One trial of the provider, driven hook by hook as the host does."""

    def __init__(
        self,
        home: Path,
        variant: str = "auto",
        settings: Mapping[str, Json] | None = None,
        *,
        trial_id: str = "0123456789ab",
        options: Mapping[str, str] | None = None,
    ) -> None:
        self.variant = Variant(
            "local", variant, settings if settings is not None else plugin.DESCRIPTION.variants[variant]
        )
        self.home = home
        self.options = dict(options or {})
        self.trial_id = trial_id
        self.modality = Modality.IMAGE
        self.columns: tuple[Column, ...] = ()
        self.results: dict[Stage, Mapping[str, Json]] = {}
        self.lines: list[str] = []
        self.ledger = MemoryLedger(lambda kind: f"automl-bench-{trial_id}-{kind}")

    @property
    def context(self) -> TrialContext:
        return TrialContext(
            variant=self.variant,
            settings=self.options,
            secrets=lambda name: pytest.fail(f"asked for the secret {name}"),
            cache_dir=self.home,
            progress=lambda done, total, unit: None,
            log=self.lines.append,
            trial_id=self.trial_id,
            dataset="squares",
            labels=("a", "b"),
            shots=5,
            fold=0,
            seed=0,
            modality=self.modality,
            columns=self.columns,
            results=self.results,
            resources=self.ledger,
        )

    def upload(self, training_set: TrainingSet) -> Operation:
        self.modality, self.columns = training_set.modality, training_set.columns
        return self._done(Stage.UPLOAD, plugin.upload(self.context, training_set))

    def train(self) -> Operation:
        return self._done(Stage.TRAIN, self.wait(plugin.train(self.context)))

    def train_in_the_background(self) -> Operation:
        return plugin.train(self.context)

    def running(self) -> list[int]:
        """Return the processes of this trial."""
        listed = plugin.list_resources(self.context, f"automl-bench-{self.trial_id}")
        return [int(str(one.details["pid"])) for one in listed if "pid" in one.details]

    def listed(self) -> list[str]:
        """Return the names of what exists of this trial."""
        return [one.name for one in plugin.list_resources(self.context, f"automl-bench-{self.trial_id}")]

    def deploy(self) -> Operation:
        return self._done(Stage.DEPLOY, self.wait(plugin.deploy(self.context)))

    def until_trained(self, training_set: TrainingSet) -> Operation:
        self.upload(training_set)
        return self.train()

    def until_deployed(self, training_set: TrainingSet) -> str:
        self.until_trained(training_set)
        return str(self.deploy().result["url"])

    def with_model(self, model: Path) -> LocalTrial:
        """Take over a model that another trial trained: for tests that are about what comes later."""
        target = self.home / f"automl-bench-{self.trial_id}-model"
        shutil.copytree(model, target, ignore=shutil.ignore_patterns("process.*"))
        self.results[Stage.TRAIN] = {"model": str(target)}
        return self

    def deployed_with(self, model: Path) -> str:
        return str(self.with_model(model).deploy().result["url"])

    def wait(self, operation: Operation, within: float = 100.0) -> Operation:
        until = time.monotonic() + within
        while operation.state is OperationState.RUNNING:
            assert time.monotonic() < until, f"still running after {within} s: {operation.message}"
            time.sleep(operation.poll_after or 0.05)
            operation = plugin.poll(self.context, Operation(OperationState.RUNNING, token=operation.token))
        return operation

    def teardown(self) -> None:
        for resource in reversed(plugin.list_resources(self.context, f"automl-bench-{self.trial_id}")):
            self.delete(resource)

    def delete(self, resource: Resource) -> Deletion:
        """Ask until it is gone, as the host does."""
        until = time.monotonic() + 15
        while (deletion := plugin.delete_resource(self.context, resource)) is Deletion.PENDING:
            assert time.monotonic() < until, f"{resource.name} does not go away"
        return deletion

    def _done(self, stage: Stage, operation: Operation) -> Operation:
        if operation.state is OperationState.SUCCEEDED:
            self.results[stage] = operation.result
        return operation


def wait_until(condition: Callable[[], Any], *, within: float) -> None:
    """Look every 20 ms until a condition holds."""
    until = time.monotonic() + within
    while not condition():
        assert time.monotonic() < until, f"not within {within} s"
        time.sleep(0.02)


def sample_of(path: Path) -> Sample:
    content = path.read_bytes()
    return Sample(hashlib.sha256(content).hexdigest(), path, len(content), "image/png")


def training_set_of(files: Sequence[tuple[Path, str]], dataset: str = "squares") -> TrainingSet:
    """Make a training set; every fifth sample of each class is validation, as the ablations room has it."""
    train, validation, seen = [], [], {}
    for path, label in files:
        position = seen[label] = seen.get(label, -1) + 1
        (validation if position % 5 == 4 else train).append(LabelledSample(sample_of(path), label))
    labels = tuple(sorted({label for _, label in files}))
    return TrainingSet(dataset, labels, tuple(train), tuple(validation))


def our_processes(home: Path) -> list[int]:
    """Return the processes of this plugin that belong to a folder, zombies left out."""
    found = []
    for process in psutil.process_iter():
        try:
            line = process.cmdline()
        except psutil.Error:
            continue
        if str(home) in line and any("automl_bench_local" in word for word in line):
            found.append(process.pid)
    return found


def has_ended(pid: int) -> bool:
    """Tell whether a process is gone, or a zombie. One that is just ending has no command line and still counts."""
    try:
        return psutil.Process(pid).status() in {psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD}
    except psutil.NoSuchProcess:
        return True
