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

This file is published with automl-bench, committed beside the images and run by `uv run` in a Hugging Face Job. It
imports two files that are committed beside it: `fine_tuning.py`, which has the training itself, and automl-bench's
`decoding.py`.

Images are decoded by automl-bench's rule, turned into RGB and prepared by the model's own image processor, without
augmentation.
"""

from __future__ import annotations

import csv
import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING or __package__:
    from automl_bench_huggingface import fine_tuning
else:  # in the job it lies beside this file
    import fine_tuning

Recipe = fine_tuning.Recipe


@dataclass(frozen=True)
class Example:
    """One image file and the number of its label."""

    path: Path
    label: int


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

    def collate(self, items: Sequence[tuple[Any, int]]) -> tuple[dict[str, Any], Any]:
        """Return a batch of pixels, and the numbers of the labels."""
        import torch

        pixels, labels = zip(*items, strict=True)
        return {"pixel_values": torch.stack(pixels)}, torch.tensor(labels)


def load(recipe: fine_tuning.Recipe, labels: Sequence[str]) -> tuple[Any, Any]:
    """Return the image processor and the model with a new head for these labels."""
    from transformers import AutoConfig, AutoImageProcessor, AutoModelForImageClassification

    heading = fine_tuning.heading(labels)
    processor = AutoImageProcessor.from_pretrained(recipe.base_model)
    if recipe.from_scratch:
        config = AutoConfig.from_pretrained(recipe.base_model, **heading)
        return processor, AutoModelForImageClassification.from_config(config)
    model = AutoModelForImageClassification.from_pretrained(recipe.base_model, ignore_mismatched_sizes=True, **heading)
    return processor, model


TASK = fine_tuning.Task(
    pipeline="image-classification",
    unit="images",
    recipe=fine_tuning.Recipe,
    files=("train/*", "validation/*"),
    read=read_folder,
    load=load,
    samples=lambda examples, processor, recipe: Images(examples, processor),
)

if __name__ == "__main__":
    fine_tuning.run(TASK)
