"""A trial of the provider made by hand: samples, a context, an invoker whose requests are sent at once."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import requests
from automl_bench_openai import plugin
from automl_bench_openai.prompts import data_url, row_text
from openai_fake import KEY, OpenaiFake
from openai_learning import Knowledge, seen_in
from PIL import Image

from automl_bench.contract import (
    Column,
    Endpoint,
    HttpInvoker,
    HttpResponse,
    LabelledSample,
    Modality,
    Prediction,
    Sample,
    TrainingSet,
    TrialContext,
    Value,
    Variant,
)
from automl_bench.errors import MissingSecret

COLOURS = {"blue": (0, 0, 200), "green": (0, 200, 0), "red": (200, 0, 0)}


def image_sample(folder: Path, label: str, number: int) -> Sample:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{label}-{number}.png"
    image = Image.new("RGB", (24, 24), COLOURS[label])
    image.putpixel((0, 0), (number % 256, 0, 0))
    image.save(path)
    content = path.read_bytes()
    return Sample(hashlib.sha256(content).hexdigest(), path, len(content), "image/png", 24, 24)


def text_sample(text: str) -> Sample:
    return Sample(hashlib.sha256(text.encode()).hexdigest(), Path(), len(text.encode()), "text/plain", text=text)


def row_sample(row: Mapping[str, Value]) -> Sample:
    digest = hashlib.sha256(repr(row).encode()).hexdigest()
    return Sample(digest, Path(), len(repr(row)), "application/json", row=row)


def knows(pairs: Sequence[tuple[Sample, str]]) -> Knowledge:
    """Return a model's knowledge of labelled samples."""
    taught = []
    for sample, label in pairs:
        words = sample.text if sample.text is not None else None if sample.row is None else row_text(sample.row)
        content: Any = words
        if words is None:
            content = [{"type": "image_url", "image_url": {"url": data_url(sample)}}]
        taught.append((seen_in(content), label))
    return Knowledge(taught)


def context(
    fake_url: str,
    cache: Path,
    *,
    labels: tuple[str, ...] = tuple(COLOURS),
    modality: Modality = Modality.IMAGE,
    shown: Sequence[LabelledSample] = (),
    columns: tuple[Column, ...] = (),
    secrets: Mapping[str, str] | None = None,
    **variant: Any,
) -> TrialContext:
    values = {"openai_key": KEY} if secrets is None else secrets

    def secret(name: str) -> str:
        if name not in values:
            raise MissingSecret(f"openai needs {name}, which is not set.")
        return values[name]

    return TrialContext(
        variant=Variant("openai", "test", variant),
        settings={"base_url": fake_url},
        secrets=secret,
        cache_dir=cache,
        progress=lambda done, total, unit: None,
        log=lambda line: None,
        trial_id="abcdef012345",
        dataset="tiny",
        labels=labels,
        shots=len(shown),
        fold=0,
        seed=0,
        modality=modality,
        results={},
        resources=None,  # type: ignore[arg-type]  # nothing is created
        columns=columns,
        training_set=TrainingSet("tiny", labels, tuple(shown), (), modality, columns, "kind" if columns else ""),
    )


def invoker_of(fake: OpenaiFake, cache: Path, **more: Any) -> HttpInvoker:
    invoker = plugin.invoke(context(fake.url, cache, **more), Endpoint(""))
    assert isinstance(invoker, HttpInvoker)
    return invoker


def ask(invoker: HttpInvoker, sample: Sample) -> Prediction:
    """Send a prepared request as it is and let the invoker read the answer."""
    request = invoker.prepare(sample)
    answer = requests.post(request.url, data=request.body, headers=dict(request.headers), timeout=20)
    headers = {name.lower(): value for name, value in answer.headers.items()}
    return invoker.parse(HttpResponse(answer.status_code, headers, answer.content))
