"""What the training of images and of texts have in common: the recipe, the loop over epochs, the push, the report.

This file is published with automl-bench and committed beside the script that imports it, which `uv run` runs in a
Hugging Face Job. What to do stands in the environment variable AUTOML_BENCH_RECIPE as JSON (`Recipe`); the token is the
job's secret HF_TOKEN, and HF_ENDPOINT names an address other than the Hub's own.

The model of the best epoch by the validation half is pushed; without a validation half, that of the last.
"""

from __future__ import annotations

import copy
import json
import math
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Generic, Protocol, Self, TypeVar

RECIPE = "AUTOML_BENCH_RECIPE"
SPEAKER = "automl-bench: "
"""Begins each line that says how far the training is."""
FEW_SAMPLES = 256
"""Up to so many, processes that load samples cost more than they save."""
MOST_LOADERS = 4
LARGEST_GRADIENT = 1.0

R = TypeVar("R", bound="Recipe")


@dataclass(frozen=True)
class Recipe:
    """What to train, on what, and how.

    Attributes:
        dataset: Repository with both halves.
        dataset_revision: Commit of it.
        model: Repository to push to; it exists.
        base_model: Repository or folder to start from.
        from_scratch: Whether to take only the configuration of `base_model` and begin with random weights.
        epochs: Most passes over the training half.
        batch_size: Samples of one step.
        learning_rate: Highest learning rate of AdamW.
        warmup_ratio: Part of all steps in which the rate rises; afterwards it falls linearly to 0.
        weight_decay: Of AdamW.
        select_by: What makes an epoch the best one: "accuracy" (ties: the lower loss) or "loss".
        patience: Epochs without progress after which to stop, or None.
        threshold: Least change that counts as progress.
        seed: Of the order of samples and of new weights.
        gpu: Whether the hardware is paid for as a GPU: then training on the CPU instead is an error.
    """

    dataset: str
    dataset_revision: str
    model: str
    base_model: str
    from_scratch: bool
    epochs: int
    batch_size: int
    learning_rate: float
    warmup_ratio: float
    weight_decay: float
    select_by: str
    patience: int | None
    threshold: float
    seed: int
    gpu: bool

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read it, refusing unknown and missing keys."""
        content = json.loads(text)
        known = {each.name for each in fields(cls)}
        if set(content) != known:
            raise ValueError(f"the recipe's keys differ from what is known: {sorted(set(content) ^ known)}")
        return cls(**content)


@dataclass(frozen=True)
class Score:
    """How good a model is on the validation half."""

    accuracy: float
    loss: float

    def better_than(self, other: Score, select_by: str) -> bool:
        """Whether this is the better one."""
        if select_by == "loss":
            return self.loss < other.loss
        return (self.accuracy, -self.loss) > (other.accuracy, -other.loss)

    def progress_over(self, other: Score, select_by: str) -> float:
        """How far it got beyond the other one."""
        return other.loss - self.loss if select_by == "loss" else self.accuracy - other.accuracy


class Samples(Protocol):
    """A half as a data set of torch: samples that are prepared one by one, and put together as batches."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Any: ...

    def collate(self, items: Sequence[Any]) -> tuple[dict[str, Any], Any]:
        """Return the model's inputs by name, and the numbers of the labels."""
        ...


@dataclass(frozen=True)
class Task(Generic[R]):
    """What the training of one modality adds.

    Attributes:
        pipeline: The Hub's word for what the model is for.
        unit: What a sample is, in the plural.
        recipe: The class of the recipe.
        files: Patterns of the files of both halves.
        read: Given the repository's files, returns the labels, sorted, and the examples of each half.
        load: Returns what prepares samples, and the model with a new head for these labels.
        samples: Returns examples as a data set.
    """

    pipeline: str
    unit: str
    recipe: type[R]
    files: Sequence[str]
    read: Callable[[Path], tuple[list[str], Mapping[str, Sequence[Any]]]]
    load: Callable[[R, Sequence[str]], tuple[Any, Any]]
    samples: Callable[[Sequence[Any], Any, R], Samples]


def say(words: str) -> None:
    """Print one line for whoever watches the job."""
    print(f"{SPEAKER}{words}", flush=True)


def heading(labels: Sequence[str]) -> dict[str, Any]:
    """Return what a model's configuration says of its labels."""
    return {
        "num_labels": len(labels),
        "id2label": dict(enumerate(labels)),
        "label2id": {label: index for index, label in enumerate(labels)},
    }


def batches(
    samples: Samples, size: int, *, shuffle_with: int | None, device: Any
) -> Iterator[tuple[dict[str, Any], Any]]:
    """Give inputs and labels batch by batch, in a seeded order if asked for."""
    import torch

    generator = None
    if shuffle_with is not None:
        generator = torch.Generator()
        generator.manual_seed(shuffle_with)
    loaders = 0 if len(samples) <= FEW_SAMPLES else min(MOST_LOADERS, os.cpu_count() or 1)
    loader = torch.utils.data.DataLoader(
        samples,
        batch_size=size,
        shuffle=generator is not None,
        generator=generator,
        num_workers=loaders,
        collate_fn=samples.collate,
    )
    for inputs, labels in loader:
        yield {name: each.to(device) for name, each in inputs.items()}, labels.to(device)


def validate(model: Any, samples: Samples, size: int, device: Any) -> Score:
    """Return accuracy and mean loss on samples."""
    import torch

    model.eval()
    right, loss, seen = 0, 0.0, 0
    with torch.no_grad():
        for inputs, labels in batches(samples, size, shuffle_with=None, device=device):
            answer = model(**inputs, labels=labels)
            right += int((answer.logits.argmax(-1) == labels).sum())
            loss += float(answer.loss) * len(labels)
            seen += len(labels)
    return Score(right / seen, loss / seen)


def train(recipe: Recipe, model: Any, halves: Mapping[str, Samples], device: Any) -> dict[str, Any]:
    """Train in place, leave the best epoch's weights in the model, and return what happened.

    Raises:
        RuntimeError: If the loss is no number any more.
    """
    import torch
    from transformers import get_linear_schedule_with_warmup

    steps_an_epoch = math.ceil(len(halves["train"]) / recipe.batch_size)
    steps = steps_an_epoch * recipe.epochs
    optimizer = torch.optim.AdamW(model.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
    schedule = get_linear_schedule_with_warmup(optimizer, int(recipe.warmup_ratio * steps), steps)
    half_precision = device.type == "cuda" and torch.cuda.is_bf16_supported()
    history: list[dict[str, Any]] = []
    best: Score | None = None
    best_epoch, best_weights, stale = 0, None, 0
    progress_mark: Score | None = None
    for epoch in range(1, recipe.epochs + 1):
        model.train()
        total = 0.0
        order = recipe.seed * 100_003 + epoch
        for inputs, labels in batches(halves["train"], recipe.batch_size, shuffle_with=order, device=device):
            with torch.autocast(device.type, dtype=torch.bfloat16, enabled=half_precision):
                loss = model(**inputs, labels=labels).loss
            if not torch.isfinite(loss):
                raise RuntimeError(f"the loss became {float(loss)} in epoch {epoch}: lower the learning rate")
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), LARGEST_GRADIENT)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
            total += float(loss) * len(labels)
        line: dict[str, Any] = {"epoch": epoch, "training_loss": total / len(halves["train"])}
        words = f"epoch {epoch}/{recipe.epochs}, training loss {line['training_loss']:.4f}"
        if len(halves["validation"]):
            score = validate(model, halves["validation"], recipe.batch_size, device)
            line |= {"validation_accuracy": score.accuracy, "validation_loss": score.loss}
            words += f", validation accuracy {score.accuracy:.4f}, validation loss {score.loss:.4f}"
            if best is None or score.better_than(best, recipe.select_by):
                best, best_epoch = score, epoch
                best_weights = copy.deepcopy({name: value.cpu() for name, value in model.state_dict().items()})
            if progress_mark is None or score.progress_over(progress_mark, recipe.select_by) > recipe.threshold:
                progress_mark, stale = score, 0
            else:
                stale += 1
        history.append(line)
        say(words)
        if recipe.patience is not None and stale >= recipe.patience:
            say(f"stopped early: {stale} epochs without progress")
            break
    if best_weights is not None:
        model.load_state_dict(best_weights)
    return {
        "best_epoch": best_epoch or len(history),
        "validation_accuracy": best.accuracy if best else None,
        "validation_loss": best.loss if best else None,
        "history": history,
    }


def card(task: Task[Any], recipe: Recipe) -> str:
    """Return the README of the model repository: without it the Hub does not know what the model is for."""
    return (
        f"---\nlibrary_name: transformers\npipeline_tag: {task.pipeline}\ntags:\n- automl-bench\n---\n"
        f"A benchmark's model, trained by automl-bench from {recipe.base_model}. It is deleted with its trial.\n"
    )


def push(task: Task[Any], recipe: Recipe, model: Any, processor: Any, report: Mapping[str, Any]) -> None:
    """Save the model as files and bring them to its repository in one commit."""
    from huggingface_hub import HfApi

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model.save_pretrained(folder)
        processor.save_pretrained(folder)
        (folder / "training.json").write_text(json.dumps(report, indent=2), encoding="utf-8")
        (folder / "README.md").write_text(card(task, recipe), encoding="utf-8")
        HfApi().upload_folder(repo_id=recipe.model, folder_path=folder, commit_message="Trained by automl-bench")


def run(task: Task[R]) -> None:
    """Download, train, push."""
    began = time.monotonic()
    recipe = task.recipe.from_json(os.environ[RECIPE])
    say(f"getting the {task.unit}")
    import numpy
    import torch
    import transformers
    from huggingface_hub import snapshot_download

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if recipe.gpu and device.type != "cuda":
        sys.exit(f"{SPEAKER}this hardware is billed as a GPU and torch {torch.__version__} finds none")
    root = Path(
        snapshot_download(
            recipe.dataset, repo_type="dataset", revision=recipe.dataset_revision, allow_patterns=list(task.files)
        )
    )
    labels, examples = task.read(root)
    for seed in (random.seed, numpy.random.seed, torch.manual_seed):
        seed(recipe.seed)
    processor, model = task.load(recipe, labels)
    model = model.to(device)
    halves = {half: task.samples(found, processor, recipe) for half, found in examples.items()}
    say(
        f"training on {len(halves['train'])} {task.unit} of {len(labels)} labels with {len(halves['validation'])} for "
        f"validation, on {device.type}"
    )
    ready = time.monotonic()
    outcome = train(recipe, model, halves, device)
    trained = time.monotonic()
    report = {
        **outcome,
        "training_seconds": trained - ready,
        "preparing_seconds": ready - began,
        "labels": labels,
        "train_samples": len(halves["train"]),
        "validation_samples": len(halves["validation"]),
        "device": torch.cuda.get_device_name() if device.type == "cuda" else "cpu",
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "recipe": asdict(recipe),
    }
    say("pushing the model")
    push(task, recipe, model.cpu(), processor, report)
    say(f"done: trained in {report['training_seconds']:.1f} s")
