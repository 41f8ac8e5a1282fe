"""Training sets of real texts and rows: what Python says of its own functions, and the Titanic's passengers."""

from __future__ import annotations

import csv
import decimal
import fractions
import hashlib
import importlib.util
import inspect
import json
import math
import os
import pathlib
import shutil
import statistics
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from automl_bench_local import training
from automl_bench_local.model import load_model
from automl_bench_local.training_sets import store_training_set

from automl_bench.contract import Column, ColumnKind, LabelledSample, Modality, Sample, TrainingSet

PASSENGER_COLUMNS = (
    Column("name", ColumnKind.IDENTIFIER),
    Column("class", ColumnKind.CATEGORY),
    Column("age", ColumnKind.NUMBER),
    Column("sex", ColumnKind.CATEGORY),
)
Content = str | Mapping[str, Any]
Labelled = Sequence[tuple[Content, str]]


def documentation() -> Labelled:
    """What functions on files and on numbers do, in their authors' words, each different text once."""
    about: dict[str, tuple[ModuleType | type, ...]] = {
        "files": (os, shutil, os.path, pathlib.Path),
        "numbers": (math, statistics, fractions.Fraction, decimal.Decimal),
    }
    texts: dict[str, str] = {}
    for label, places in about.items():
        for place in places:
            for name, member in sorted(vars(place).items()):
                said = inspect.getdoc(member) or ""
                if callable(member) and not name.startswith("_") and len(said) > 60:
                    texts.setdefault(said, label)
    return sorted(texts.items())


def passengers() -> Labelled:
    """The rows of the package bokeh-sampledata, without the passenger that has no class."""
    spec = importlib.util.find_spec("bokeh_sampledata")
    assert spec is not None
    assert spec.origin is not None
    with (Path(spec.origin).parent / "_data" / "titanic_all.csv").open(encoding="utf-8") as file:
        return [
            (
                {
                    "name": row["name"],
                    "class": row["class"],
                    "age": float(row["age"]) if row["age"] not in {"", "NA"} else None,
                    "sex": row["sex"],
                },
                "survived" if row["survived"] == "1" else "died",
            )
            for row in csv.DictReader(file)
            if row["class"] != "*"
        ]


def parted(samples: Labelled, shots: int, draw: str = "") -> tuple[Labelled, Labelled]:
    """Return `shots` samples of each class, drawn by a hash of their content, and all others."""
    ranked = sorted(samples, key=lambda pair: hashlib.sha256((draw + json.dumps(pair[0])).encode()).digest())
    chosen: list[tuple[Content, str]] = []
    others: list[tuple[Content, str]] = []
    for pair in ranked:
        (chosen if sum(label == pair[1] for _, label in chosen) < shots else others).append(pair)
    return chosen, others


def sample_of(content: Content) -> Sample:
    body = content.encode() if isinstance(content, str) else json.dumps(content, sort_keys=True).encode()
    name = hashlib.sha256(body).hexdigest()
    if isinstance(content, str):
        return Sample(name, Path(), len(body), "text/plain", text=content)
    return Sample(name, Path(), len(body), "application/json", row=content)


def training_set_of(samples: Labelled, columns: tuple[Column, ...] = ()) -> TrainingSet:
    """Every fifth sample of a class is validation, as the ablations room has it."""
    halves: tuple[list[LabelledSample], list[LabelledSample]] = ([], [])
    seen: dict[str, int] = {}
    for content, label in samples:
        position = seen[label] = seen.get(label, -1) + 1
        halves[position % 5 == 4].append(LabelledSample(sample_of(content), label))
    modality = Modality.TABULAR if columns else Modality.TEXT
    return TrainingSet("tiny", tuple(sorted(seen)), tuple(halves[0]), tuple(halves[1]), modality, columns)


def learn(home: Path, training_set: TrainingSet, settings: dict[str, Any], seed: int = 0) -> tuple[Any, dict[str, Any]]:
    """Train in this process, as the training process does; return the model and what the training says."""
    number = f"{time.monotonic_ns():012x}"
    stored = store_training_set(
        home, f"automl-bench-{number}-training-set", training_set, lambda done, total, unit: None
    )
    folder = home / f"automl-bench-{number}-model"
    folder.mkdir()
    order = {"variant": "v", "settings": settings, "training_set": str(stored), "seed": seed, "threads": 1}
    result = training.train(folder, home, order, time.monotonic())
    return load_model(folder, graph_folder=home, threads=1), result["result"]


def share_right(model: Any, samples: Labelled) -> float:
    return sum(model.predict(sample_of(content).content()).label == label for content, label in samples) / len(samples)
