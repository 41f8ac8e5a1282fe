"""One trial of the provider, driven hook by hook as the host does, with a ledger in memory."""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil
from automl_bench_local import plugin

from automl_bench.contract import Json, LabelledSample, Operation, Sample, Stage, TrainingSet, Variant
from automl_bench.testing.hook_trial import TRIAL_ID, HookTrial, split


class LocalTrial(HookTrial):
    """One trial's hooks, in order. What is uploaded is given to `upload`."""

    def __init__(
        self,
        home: Path,
        variant: str = "auto",
        settings: Mapping[str, Json] | None = None,
        *,
        trial_id: str = TRIAL_ID,
        options: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(
            plugin,
            home,
            TrainingSet("squares", ("a", "b"), (), ()),
            variant=Variant(
                "local", variant, settings if settings is not None else plugin.DESCRIPTION.variants[variant]
            ),
            settings=options,
            trial_id=trial_id,
            patience_seconds=100.0,
        )

    def until_trained(self, training_set: TrainingSet) -> Operation:
        self.upload(training_set)
        return self.train()

    def until_deployed(self, training_set: TrainingSet) -> str:
        self.until_trained(training_set)
        return str(self.deploy().result["url"])

    def with_model(self, model: Path) -> LocalTrial:
        """Take over a model that another trial trained: for tests that are about what comes later."""
        target = self.folder / f"automl-bench-{self.trial_id}-model"
        shutil.copytree(model, target, ignore=shutil.ignore_patterns("process.*"))
        self.results[Stage.TRAIN] = {"model": str(target)}
        return self

    def deployed_with(self, model: Path) -> str:
        return str(self.with_model(model).deploy().result["url"])

    def train_in_the_background(self) -> Operation:
        operation: Operation = plugin.train(self.context)
        return operation

    def running(self) -> list[int]:
        """Return the processes of this trial."""
        listed = plugin.list_resources(self.context, f"automl-bench-{self.trial_id}")
        return [int(str(one.details["pid"])) for one in listed if "pid" in one.details]

    def listed(self) -> list[str]:
        """Return the names of what exists of this trial."""
        return [one.name for one in plugin.list_resources(self.context, f"automl-bench-{self.trial_id}")]

    def tear_down(self) -> None:
        """Delete whatever bears the trial's name, whether or not the ledger knows it."""
        for resource in reversed(plugin.list_resources(self.context, f"automl-bench-{self.trial_id}")):
            self.delete(resource)


def wait_until(condition: Callable[[], Any], *, within: float) -> None:
    """Look every 20 ms until a condition holds."""
    until = time.monotonic() + within
    while not condition():
        assert time.monotonic() < until, f"not within {within} s"
        time.sleep(0.02)


def sample_of(path: Path) -> Sample:
    """Return a file as a sample, whatever it holds."""
    content = path.read_bytes()
    return Sample(hashlib.sha256(content).hexdigest(), path, len(content), "image/png")


def training_set_of(files: Sequence[tuple[Path, str]], dataset: str = "squares") -> TrainingSet:
    """Make a training set; every fifth sample of each class is for validation."""
    return split([LabelledSample(sample_of(path), label) for path, label in files], dataset)


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
