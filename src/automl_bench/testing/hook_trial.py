"""One trial driven hook by hook in the test's own process: for a plugin's tests of single steps.

The conformance kit runs whole trials as commands, with the real ledger. A test of one step wants less: a context, a
ledger that it can look into, the host's own bulk sending, and `poll` called as another process would call it.

    trial = HookTrial(plugin, tmp_path, coloured_squares(tmp_path, shots=5), variant=Variant("acme", "default", {}))
    trial.upload()
    assert trial.ledger.of("dataset").name == "automl-bench-0123456789ab-dataset"
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from automl_bench.contract import (
    BulkSender,
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
from automl_bench.ownership import resource_name
from automl_bench.transport import RetryPolicy, send_all

TRIAL_ID = "0123456789ab"
VALIDATION_EVERY = 5
"""Every fifth sample of a class is for validation, as the ablations have it."""
PAUSE_SECONDS = 0.02
COLOURS: Mapping[str, tuple[int, int, int]] = {
    "ash grey": (90, 90, 90),
    "brick": (160, 40, 30),
    "ocean": (20, 60, 180),
}


class MemoryLedger:
    """A `ResourceRecorder` that remembers in memory.

    Attributes:
        made: The resources that there are, by first creation; a later `ensure` of the same one replaces it in place.
        events: "found <kind>" or "creating <kind>", one for each `ensure`, before anything is created.
        promised: The price in dollars per hour of the last `ensure` of each kind, None where unknown.
    """

    def __init__(self, name_for: Callable[[str], str]) -> None:
        self._name_for = name_for
        self.made: list[Resource] = []
        self.events: list[str] = []
        self.promised: dict[str, float | None] = {}

    def ensure(
        self,
        kind: str,
        *,
        find: Callable[[str], Resource | None],
        create: Callable[[str], Resource],
        name: str | None = None,
        hourly_usd: float | None = None,
    ) -> Resource:
        """Find a resource or create it, as the ledger does."""
        name = name or self._name_for(kind)
        self.promised[kind] = hourly_usd
        found = find(name)
        self.events.append(f"{'found' if found else 'creating'} {kind}")
        resource = found or create(name)
        at = [index for index, each in enumerate(self.made) if (each.kind, each.name) == (kind, resource.name)]
        if at:
            self.made[at[0]] = resource
        else:
            self.made.append(resource)
        return resource

    def of(self, kind: str) -> Resource:
        """Return the one resource of a kind.

        Raises:
            LookupError: If there is none, or more than one.
        """
        found = [each for each in self.made if each.kind == kind]
        if len(found) != 1:
            raise LookupError(f"{len(found)} resources of kind {kind}: {[each.name for each in found]}")
        return found[0]


class HookTrial:
    """The hooks of one trial, in order. Everything that the context says is an attribute that a test may change.

    Args:
        plugin: The provider's plugin: what holds its hooks.
        folder: The plugin's own folder (`cache_dir`).
        training_set: What `upload` sends.
        variant: The variant at work.
        settings: Resolved settings.
        secrets: What returns a secret by its name, as the host's does.
        trial_id: Twelve hex digits.
        seed: The experiment's seed.
        patience_seconds: How long an operation or a deletion may take before the test fails.
        bulk_pauses: Seconds of the first and the longest wait between two attempts of a bulk sending.
    """

    def __init__(
        self,
        plugin: Any,
        folder: Path,
        training_set: TrainingSet,
        *,
        variant: Variant,
        settings: Mapping[str, str] | None = None,
        secrets: Callable[[str], str] | None = None,
        trial_id: str = TRIAL_ID,
        seed: int = 0,
        patience_seconds: float = 30.0,
        bulk_pauses: tuple[float, float] = (0.05, 0.3),
    ) -> None:
        self.plugin = plugin
        self.folder = folder
        self.set = training_set
        self.variant = variant
        self.settings = dict(settings or {})
        self.secrets = secrets or _no_secret
        self.trial_id = trial_id
        self.seed = seed
        self.patience_seconds = patience_seconds
        self.results: dict[Stage, Mapping[str, Json]] = {}
        self.lines: list[str] = []
        """What was logged."""
        self.steps: list[tuple[int, int | None]] = []
        """Progress: done, total."""
        self.progress: Callable[[int, int | None, str], None] = lambda done, total, unit: self.steps.append(
            (done, total)
        )
        self.messages: list[str] = []
        """What the operations said while they went on."""
        self.polled_tokens: list[str] = []
        """Tokens of the operations that were polled, each once."""
        self.stop = threading.Event()
        """Set it to end a bulk sending as Ctrl-C does."""
        self.send: BulkSender = self._send
        """The host's own bulk sending, with short pauses."""
        self._bulk_pauses = bulk_pauses
        self.ledger = MemoryLedger(lambda kind: resource_name(None, self.trial_id, kind))

    @property
    def context(self) -> TrialContext:
        """The context as it is now."""
        return TrialContext(
            variant=self.variant,
            settings=self.settings,
            secrets=self.secrets,
            cache_dir=self.folder,
            progress=self.progress,
            log=self.lines.append,
            trial_id=self.trial_id,
            dataset=self.set.dataset,
            labels=self.set.labels,
            shots=max((self._count(label) for label in self.set.labels), default=0),
            fold=0,
            seed=self.seed,
            modality=self.set.modality,
            columns=self.set.columns,
            results=self.results,
            resources=self.ledger,
            send=self.send,
        )

    def upload(self, training_set: TrainingSet | None = None) -> Operation:
        """Run the stage to its end and keep its result; another training set becomes the trial's."""
        self.set = training_set or self.set
        return self.finish(Stage.UPLOAD, self.plugin.upload(self.context, self.set))

    def train(self) -> Operation:
        """Run the stage to its end and keep its result."""
        return self.finish(Stage.TRAIN, self.plugin.train(self.context))

    def deploy(self) -> Operation:
        """Run the stage to its end and keep its result."""
        return self.finish(Stage.DEPLOY, self.plugin.deploy(self.context))

    def up(self) -> Operation:
        """Run all stages up to a model that answers."""
        self.upload()
        self.train()
        return self.deploy()

    def finish(self, stage: Stage, operation: Operation) -> Operation:
        """Wait for an operation; where it succeeds, its result becomes the stage's."""
        operation = self.wait(operation)
        if operation.state is OperationState.SUCCEEDED:
            self.results[stage] = operation.result
        return operation

    def wait(self, operation: Operation, within: float | None = None) -> Operation:
        """Poll until an operation ends."""
        within = within or self.patience_seconds
        until = time.monotonic() + within
        while operation.state is OperationState.RUNNING:
            assert time.monotonic() < until, f"still running after {within} s: {operation.message}"
            if operation.token not in self.polled_tokens:
                self.polled_tokens.append(operation.token)
            time.sleep(operation.poll_after or PAUSE_SECONDS)
            operation = self.poll(operation)
            self.messages.append(operation.message)
        return operation

    def poll(self, operation: Operation) -> Operation:
        """Poll once as another process would: with nothing but the token."""
        polled: Operation = self.plugin.poll(self.context, Operation(OperationState.RUNNING, token=operation.token))
        return polled

    def delete(self, resource: Resource) -> Deletion:
        """Delete a resource as the host does: again while the deletion is pending."""
        until = time.monotonic() + self.patience_seconds
        while True:
            done: Deletion = self.plugin.delete_resource(self.context, resource)
            if done is not Deletion.PENDING:
                return done
            assert time.monotonic() < until, f"{resource.kind} {resource.name} is still there"
            time.sleep(PAUSE_SECONDS)

    def tear_down(self) -> None:
        """Delete all that was made, the last first."""
        for resource in reversed(self.ledger.made):
            self.delete(resource)
        self.ledger.made.clear()

    def _count(self, label: str) -> int:
        return sum(each.label == label for each in (*self.set.train, *self.set.validation))

    def _send(self, requests: Any, *, attempts: int = 5, **options: Any) -> SendReport:
        first, longest = self._bulk_pauses
        policy = RetryPolicy(attempts=attempts, first_wait_seconds=first, longest_wait_seconds=longest)
        return send_all(requests, policy=policy, stop=self.stop, **options)


def image_sample(path: Path) -> Sample:
    """Return an image file as a sample."""
    from PIL import Image

    content = path.read_bytes()
    with Image.open(path) as image:
        media_type, size = Image.MIME[str(image.format)], image.size
    return Sample(hashlib.sha256(content).hexdigest(), path, len(content), media_type, *size)


def coloured_square(
    folder: Path, label: str, number: int, colour: tuple[int, int, int], size: tuple[int, int] = (16, 12)
) -> LabelledSample:
    """Write one square; the same colour, size and number give the same bytes in every run.

    Args:
        folder: Where; the file's name is made of the colour, so that a label may hold any character.
        label: Its label.
        number: What makes it unlike the others of its colour: its first pixel.
        colour: Red, green, blue.
        size: Width and height in pixels.
    """
    from PIL import Image

    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{'-'.join(map(str, (*colour, *size, number)))}.png"
    if not path.exists():
        image = Image.new("RGB", size, colour)
        image.putpixel((0, 0), (number % 256, number // 256, 0))
        image.save(path)
    return LabelledSample(image_sample(path), label)


def coloured_squares(
    folder: Path,
    shots: int,
    colours: Mapping[str, tuple[int, int, int]] = COLOURS,
    size: tuple[int, int] = (16, 12),
) -> TrainingSet:
    """Return k squares a colour; sets of fewer shots lie inside sets of more."""
    squares = [
        coloured_square(folder, label, number, colour, size)
        for label, colour in colours.items()
        for number in range(shots)
    ]
    return split(squares, "squares", labels=tuple(colours))


def split(items: Iterable[LabelledSample], dataset: str, *, labels: Sequence[str] | None = None) -> TrainingSet:
    """Split images as the host does: class by class, every fifth sample is for validation.

    Args:
        items: Labelled samples.
        dataset: Name of the dataset.
        labels: All labels; by default those that occur, sorted.
    """
    by_label: dict[str, list[LabelledSample]] = {label: [] for label in labels or ()}
    for item in items:
        by_label.setdefault(item.label, []).append(item)
    names = tuple(labels or sorted(by_label))
    train: list[LabelledSample] = []
    validation: list[LabelledSample] = []
    for name in names:
        for number, item in enumerate(by_label[name], start=1):
            (train if number % VALIDATION_EVERY else validation).append(item)
    return TrainingSet(dataset, names, tuple(train), tuple(validation))


def _no_secret(name: str) -> str:
    raise AssertionError(f"asked for the secret {name}, and the test gave none")
