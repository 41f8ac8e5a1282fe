# /// script
# requires-python = ">=3.11"
# dependencies = [
#     "huggingface_hub==2.4.0",
#     "numpy==2.4.6",
#     "torch==2.13.0",
#     "transformers==5.24.0",
# ]
# ///
"""Fine-tune a text classifier on sentences of the Hub and push it to a model repository.

This file is published with automl-bench, committed beside the texts and run by `uv run` in a Hugging Face Job. It
imports `fine_tuning.py`, which has the training itself and is committed beside it.

Of each text the first `max_tokens` tokens are learned from. The pushed tokenizer says so too, so that an endpoint that
is told to truncate cuts a text at the same place.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING or __package__:
    from automl_bench_huggingface import fine_tuning
else:  # in the job it lies beside this file
    import fine_tuning


@dataclass(frozen=True)
class Recipe(fine_tuning.Recipe):
    """What to train, on what, and how.

    Attributes:
        max_tokens: Tokens of a text that are learned from, those that mark its beginning and end included.
    """

    max_tokens: int


@dataclass(frozen=True)
class Example:
    """One text and the number of its label."""

    text: str
    label: int


def read_folder(root: Path) -> tuple[list[str], dict[str, list[Example]]]:
    """Return the labels, sorted, and the examples of each half.

    Raises:
        ValueError: If there is nothing to train on, or a line is no text with a label.
    """
    rows: dict[str, list[tuple[str, str]]] = {}
    for half in ("train", "validation"):
        listing = root / f"{half}.jsonl"
        rows[half] = []
        if listing.is_file():
            with listing.open(encoding="utf-8", newline="\n") as file:
                rows[half] = [_row(line, f"{half}.jsonl line {number}") for number, line in enumerate(file, 1)]
    if not rows["train"]:
        raise ValueError("the repository has no train.jsonl with a text")
    labels = sorted({label for half in rows.values() for _, label in half})
    number = {label: index for index, label in enumerate(labels)}
    return labels, {half: [Example(text, number[label]) for text, label in found] for half, found in rows.items()}


def _row(line: str, place: str) -> tuple[str, str]:
    row = json.loads(line)
    if not isinstance(row, dict) or not all(isinstance(row.get(key), str) for key in ("text", "label")):
        raise ValueError(f"{place} has no text with a label")
    return row["text"], row["label"]


class Texts:
    """Examples as a data set of torch: tokens and the label's number."""

    def __init__(self, examples: Sequence[Example], tokenizer: Any, max_tokens: int) -> None:
        self.examples = examples
        self.tokenizer = tokenizer
        self.max_tokens = max_tokens

    def __len__(self) -> int:
        return len(self.examples)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        example = self.examples[index]
        return self.tokenizer(example.text, truncation=True, max_length=self.max_tokens), example.label

    def collate(self, items: Sequence[tuple[Any, int]]) -> tuple[dict[str, Any], Any]:
        """Return a batch of tokens, as long as its longest text, and the numbers of the labels."""
        import torch

        tokens, labels = zip(*items, strict=True)
        return dict(self.tokenizer.pad(list(tokens), return_tensors="pt")), torch.tensor(labels)


def load(recipe: Recipe, labels: Sequence[str]) -> tuple[Any, Any]:
    """Return the tokenizer and the model with a new head for these labels.

    Ends the process if the model cannot take so many tokens.
    """
    from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

    # Without the problem's type an endpoint would have to guess how to turn the model's numbers into scores.
    heading = {**fine_tuning.heading(labels), "problem_type": "single_label_classification"}
    tokenizer = AutoTokenizer.from_pretrained(recipe.base_model)
    if recipe.from_scratch:
        config = AutoConfig.from_pretrained(recipe.base_model, **heading)
        model = AutoModelForSequenceClassification.from_config(config)
    else:
        model = AutoModelForSequenceClassification.from_pretrained(
            recipe.base_model, ignore_mismatched_sizes=True, **heading
        )
    longest = min(tokenizer.model_max_length, getattr(model.config, "max_position_embeddings", recipe.max_tokens))
    if recipe.max_tokens > longest:
        sys.exit(f"{fine_tuning.SPEAKER}max_tokens is {recipe.max_tokens} and {recipe.base_model} takes {longest}")
    tokenizer.model_max_length = recipe.max_tokens
    return tokenizer, model


TASK = fine_tuning.Task(
    pipeline="text-classification",
    unit="texts",
    recipe=Recipe,
    files=("train.jsonl", "validation.jsonl"),
    read=read_folder,
    load=load,
    samples=lambda examples, tokenizer, recipe: Texts(examples, tokenizer, recipe.max_tokens),
)

if __name__ == "__main__":
    fine_tuning.run(TASK)
