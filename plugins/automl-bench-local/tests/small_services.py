"""A service for each modality, in this process: small models, learned from made-up samples."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from automl_bench_local import plugin, training
from automl_bench_local.service_app import ServiceSettings, load_app
from automl_bench_local.training_sets import store_training_set
from content_sets import training_set_of
from fastapi import FastAPI

from automl_bench.contract import Column, ColumnKind, TrainingSet

COLUMNS = (Column("age", ColumnKind.NUMBER), Column("town", ColumnKind.CATEGORY), Column("since", ColumnKind.DATE))
VARIANTS = {"image": "logistic-pixels", "text": "logistic-words", "tabular": "auto"}


def small_set(modality: str, images: TrainingSet) -> TrainingSet:
    """Return ten samples of each of two classes."""
    if modality == "image":
        return images
    if modality == "text":
        words = [(f"{word} number {n}", word) for n in range(10) for word in ("ham", "spam")]
        return training_set_of(words)
    rows: list[tuple[Mapping[str, Any], str]] = []
    for n in range(10):
        rows += [({"age": 20 + n, "town": "here", "since": f"2026-01-{n + 1:02}"}, "young")]
        rows += [({"age": 70 + n, "town": "there", "since": f"1999-01-{n + 1:02}"}, "old")]
    return training_set_of(rows, COLUMNS)


def trained(home: Path, modality: str, images: TrainingSet) -> Path:
    """Train and return the model's folder."""
    samples = small_set(modality, images)
    stored = store_training_set(home, f"automl-bench-{modality}-training-set", samples, lambda done, total, unit: None)
    folder = home / f"automl-bench-{modality}-model"
    folder.mkdir()
    variant = VARIANTS[modality]
    settings = plugin.DESCRIPTION.variants[variant]
    order = {"variant": variant, "settings": settings, "training_set": str(stored), "seed": 0, "threads": 1}
    training.train(folder, home, order, time.monotonic())
    return folder


def settings_of(model: Path, *, largest_body: int = 20_000, loopback: bool = False) -> ServiceSettings:
    """Return how a model is served, with small limits."""
    return ServiceSettings(
        model=model,
        graphs=model.parent,
        title="a small model",
        facts={"trial": "0123456789ab", "dataset": "people", "variant": "auto"},
        threads=1,
        largest_body=largest_body,
        most_samples=3,
        loopback=loopback,
    )


def service(model: Path, **limits: Any) -> FastAPI:
    """Return the application of a model, with small limits."""
    return load_app(settings_of(model, **limits))
