# /// script
# requires-python = ">=3.11"
# dependencies = [
#     "huggingface_hub==2.4.0",
#     "numpy==2.4.6",
#     "pillow==13.0.0",
#     "torch==2.13.0",
#     "transformers==5.24.0",
# ]
# ///
"""Fine-tune an image classifier on an image folder of the Hub and push it to a model repository.

This file is published with automl-bench, committed beside the images and run by `uv run` in a Hugging Face Job. Of
automl-bench it imports one file only, `decoding.py`, which is committed beside it. What to do stands in the environment
variable AUTOML_BENCH_RECIPE as JSON (`Recipe`); the token comes from the job's secret HF_TOKEN, an address other than
the Hub's own from HF_ENDPOINT.

Images are decoded by automl-bench's rule, turned into RGB and prepared by the model's own image processor, without
augmentation. The model of the best epoch by the validation half is pushed; without a validation half, that of the last.
"""

from __future__ import annotations

import copy
import csv
import importlib
import json
import math
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

RECIPE = "AUTOML_BENCH_RECIPE"
SPEAKER = "automl-bench: "
"""Begins each line that says how far the training is."""
FEW_IMAGES = 256
"""Up to so many, processes that load images cost more than they save."""
MOST_LOADERS = 4
LARGEST_GRADIENT = 1.0


@dataclass(frozen=True)
class Recipe:
    """What to train, on what, and how.

    Attributes:
        dataset: Repository with `train/` and `validation/`, each with images and a `metadata.csv`.
        dataset_revision: Commit of it.
        model: Repository to push to; it exists.
        base_model: Repository or folder to start from.
        from_scratch: Whether to take only the configuration of `base_model` and begin with random weights.
        epochs: Most passes over the training half.
        batch_size: Images of one step.
        learning_rate: Highest learning rate of AdamW.
        warmup_ratio: Part of all steps in which the rate rises; afterwards it falls linearly to 0.
        weight_decay: Of AdamW.
        select_by: What makes an epoch the best one: "accuracy" (ties: the lower loss) or "loss".
        patience: Epochs without progress after which to stop, or None.
        threshold: Least change that counts as progress.
        seed: Of the order of images and of new weights.
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
    def from_json(cls, text: str) -> Recipe:
        """Read it, refusing unknown and missing keys."""
        content = json.loads(text)
        known = {each.name for each in fields(cls)}
        if set(content) != known:
            raise ValueError(f"the recipe's keys differ from what is known: {sorted(set(content) ^ known)}")
        return cls(**content)


@dataclass(frozen=True)
class Example:
    """One image file and the number of its label."""

    path: Path
    label: int


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


def say(words: str) -> None:
    """Print one line for whoever watches the job."""
    print(f"{SPEAKER}{words}", flush=True)


def read_folder(root: Path) -> tuple[list[str], dict[str, list[Example]]]:
    """Return the labels, sorted, and the examples of each half.

    Raises:
        ValueError: If there is nothing to train on, or a listed image is missing.
    """
    rows: dict[str, list[tuple[Path, str]]] = {}
    for half in ("train", "validation"):
        listing = root / half / "metadata.csv"
        rows[half] = []
        if listing.is_file():
            with listing.open(newline="", encoding="utf-8") as file:
                rows[half] = [(root / half / row["file_name"], row["label"]) for row in csv.DictReader(file)]
    missing = [path.name for half in rows.values() for path, _ in half if not path.is_file()]
    if missing:
        raise ValueError(f"{len(missing)} listed images are not in the repository, such as {missing[0]}")
    if not rows["train"]:
        raise ValueError("the repository has no train/metadata.csv with an image")
    labels = sorted({label for half in rows.values() for _, label in half})
    number = {label: index for index, label in enumerate(labels)}
    return labels, {half: [Example(path, number[label]) for path, label in found] for half, found in rows.items()}


def decoder() -> Any:
    """Return automl-bench's decoding rule, committed beside this file, so that local models see the same pixels."""
    return importlib.import_module("decoding")


class Images:
    """Examples as a data set of torch: prepared pixels and the label's number."""

    def __init__(self, examples: Sequence[Example], processor: Any) -> None:
        self.examples = examples
        self.processor = processor

    def __len__(self) -> int:
        return len(self.examples)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        example = self.examples[index]
        image = decoder().decode(example.path).convert("RGB")
        return self.processor(images=image, return_tensors="pt")["pixel_values"][0], example.label


def batches(images: Images, size: int, *, shuffle_with: int | None, device: Any) -> Iterator[tuple[Any, Any]]:
    """Give pixels and labels batch by batch, in a seeded order if asked for."""
    import torch

    generator = None
    if shuffle_with is not None:
        generator = torch.Generator()
        generator.manual_seed(shuffle_with)
    loaders = 0 if len(images) <= FEW_IMAGES else min(MOST_LOADERS, os.cpu_count() or 1)
    loader = torch.utils.data.DataLoader(
        images, batch_size=size, shuffle=generator is not None, generator=generator, num_workers=loaders
    )
    for pixels, labels in loader:
        yield pixels.to(device), labels.to(device)


def load(recipe: Recipe, labels: Sequence[str], device: Any) -> tuple[Any, Any]:
    """Return the image processor and the model with a new head for these labels."""
    from transformers import AutoConfig, AutoImageProcessor, AutoModelForImageClassification

    heading = {
        "num_labels": len(labels),
        "id2label": dict(enumerate(labels)),
        "label2id": {label: index for index, label in enumerate(labels)},
    }
    processor = AutoImageProcessor.from_pretrained(recipe.base_model)
    if recipe.from_scratch:
        config = AutoConfig.from_pretrained(recipe.base_model, **heading)
        model = AutoModelForImageClassification.from_config(config)
    else:
        model = AutoModelForImageClassification.from_pretrained(
            recipe.base_model, ignore_mismatched_sizes=True, **heading
        )
    return processor, model.to(device)


def validate(model: Any, images: Images, size: int, device: Any) -> Score:
    """Return accuracy and mean loss on images."""
    import torch

    model.eval()
    right, loss, seen = 0, 0.0, 0
    with torch.no_grad():
        for pixels, labels in batches(images, size, shuffle_with=None, device=device):
            answer = model(pixel_values=pixels, labels=labels)
            right += int((answer.logits.argmax(-1) == labels).sum())
            loss += float(answer.loss) * len(labels)
            seen += len(labels)
    return Score(right / seen, loss / seen)


def train(recipe: Recipe, model: Any, halves: dict[str, Images], device: Any) -> dict[str, Any]:
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
        for pixels, labels in batches(halves["train"], recipe.batch_size, shuffle_with=order, device=device):
            with torch.autocast(device.type, dtype=torch.bfloat16, enabled=half_precision):
                loss = model(pixel_values=pixels, labels=labels).loss
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


def card(recipe: Recipe) -> str:
    """Return the README of the model repository: without it the Hub does not know what the model is for."""
    return (
        "---\nlibrary_name: transformers\npipeline_tag: image-classification\ntags:\n- automl-bench\n---\n"
        f"A benchmark's model, trained by automl-bench from {recipe.base_model}. It is deleted with its trial.\n"
    )


def push(recipe: Recipe, model: Any, processor: Any, report: dict[str, Any]) -> None:
    """Save the model as files and bring them to its repository in one commit."""
    from huggingface_hub import HfApi

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model.save_pretrained(folder)
        processor.save_pretrained(folder)
        (folder / "training.json").write_text(json.dumps(report, indent=2), encoding="utf-8")
        (folder / "README.md").write_text(card(recipe), encoding="utf-8")
        HfApi().upload_folder(repo_id=recipe.model, folder_path=folder, commit_message="Trained by automl-bench")


def main() -> None:
    """Download, train, push."""
    began = time.monotonic()
    recipe = Recipe.from_json(os.environ[RECIPE])
    say("getting the images")
    import numpy
    import torch
    import transformers
    from huggingface_hub import snapshot_download

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if recipe.gpu and device.type != "cuda":
        sys.exit(f"{SPEAKER}this hardware is billed as a GPU and torch {torch.__version__} finds none")
    root = Path(
        snapshot_download(
            recipe.dataset,
            repo_type="dataset",
            revision=recipe.dataset_revision,
            allow_patterns=["train/*", "validation/*"],
        )
    )
    labels, examples = read_folder(root)
    for seed in (random.seed, numpy.random.seed, torch.manual_seed):
        seed(recipe.seed)
    processor, model = load(recipe, labels, device)
    halves = {half: Images(found, processor) for half, found in examples.items()}
    say(
        f"training on {len(halves['train'])} images of {len(labels)} labels with {len(halves['validation'])} for "
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
        "train_images": len(halves["train"]),
        "validation_images": len(halves["validation"]),
        "device": torch.cuda.get_device_name() if device.type == "cuda" else "cpu",
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "recipe": asdict(recipe),
    }
    say("pushing the model")
    push(recipe, model.cpu(), processor, report)
    say(f"done: trained in {report['training_seconds']:.1f} s")


if __name__ == "__main__":
    main()
