"""A results file as large as a decision: six variants, two datasets of real images, three shots, three folds."""

from __future__ import annotations

import csv
import hashlib
import io
import random
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw

from automl_bench.contract import Price, Stage
from automl_bench.store import Store
from automl_bench.store.records import (
    CallTiming,
    ExperimentRecord,
    Invocation,
    LoadRun,
    Outcome,
    StageRecord,
    StageStatus,
    TrialRecord,
    TrialStatus,
)
from automl_bench.trials.price_records import PRICES, table_as_json

SHOTS = (5, 20, 50)
LABELS = ("circle", "square", "triangle", "cross", "<img src=x onerror=alert(1)>")
VARIANTS = {
    "local:auto": (0.90, 9.0),
    "local:svc": (0.82, 2.0),
    "local:logistic": (0.815, 3.0),
    "simulated:quick": (0.70, 4.0),
    "simulated:thorough": (0.93, 12.0),
    "simulated:thrifty": (0.86, 7.0),
}
"""Variant → (share of right answers at the most shots, milliseconds of an answer)."""
INVENTED = "invented for the simulated cloud"
PRICES_OF = {
    "local": {"train_hour": 0.0, "endpoint_hour": 0.0, "call": 0.0},
    "simulated:quick": {"train_hour": 3.0, "endpoint_hour": 0.9, "call": 0.0},
    "simulated:thorough": {"train_hour": 20.0, "endpoint_hour": 3.0, "call": 0.0},
    "simulated:thrifty": {"train_hour": 0.0, "endpoint_hour": 0.0, "call": 0.0015},
}


def write_images(folder: Path, count: int) -> list[tuple[str, str]]:
    """Write a dataset folder with so many test images, and return (content id, label) of each."""
    chance = random.Random(str(folder.name))
    rows, samples = [], []
    for number in range(count):
        label = LABELS[number % len(LABELS)]
        picture = Image.new("RGB", (28, 28), tuple(chance.randrange(160, 256) for _ in range(3)))
        draw = ImageDraw.Draw(picture)
        shade = tuple(chance.randrange(0, 140) for _ in range(3))
        left, top = chance.randrange(1, 8), chance.randrange(1, 8)
        box = (left, top, left + 18, top + 18)
        drawn = {"circle": draw.ellipse, "square": draw.rectangle}.get(label)
        if drawn is None:
            draw.arc(box, number % 360, number % 360 + 40 + 60 * LABELS.index(label), fill=shade, width=3)
        else:
            drawn(box, fill=shade)
        picture.putpixel((0, 0), (number % 256, number // 256, 0))
        buffer = io.BytesIO()
        picture.save(buffer, "PNG")
        content = buffer.getvalue()
        sample = hashlib.sha256(content).hexdigest()
        path = f"images/{sample[:16]}.png"
        (folder / "images").mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
        rows.append([sample, path, "test", label, len(content), 28, 28, "image/png"])
        samples.append((sample, label))
    with (folder / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["sample_id", "path", "split", "label", "bytes", "width", "height", "media_type"])
        writer.writerows(sorted(rows, key=lambda row: (row[3], row[1])))
    return samples


def fill(
    store: Store,
    data: Path,
    *,
    datasets: Sequence[str] = ("shapes", "signs"),
    variants: Sequence[str] = tuple(VARIANTS),
    shots: Sequence[int] = SHOTS,
    folds: int = 3,
    samples: int = 2000,
) -> None:
    """Write datasets and the results of an experiment "decide" on them."""
    ids = []
    for dataset in datasets:
        pictures = write_images(data / dataset, samples)
        hardness = [random.Random(f"{dataset} {number}").random() for number in range(samples)]
        for name in variants:
            for place, k in enumerate(shots):
                behind = len(shots) - 1 - place
                ids += [
                    _trial(store, name, dataset, k, fold, pictures, hardness, behind=behind) for fold in range(folds)
                ]
    environment = store.record_environment({"python": "3.11"})
    settings = {
        "seed": 0,
        "shots": list(shots),
        "use": {"calls_per_month": 100_000, "hours_per_day": 24.0, "label_usd": 0.08},
    }
    store.save_experiment(ExperimentRecord("decide", settings, tuple(ids), environment))


def _trial(
    store: Store,
    name: str,
    dataset: str,
    shots: int,
    fold: int,
    pictures: Sequence[tuple[str, str]],
    hardness: Sequence[float],
    *,
    behind: int,
) -> str:
    provider, variant = name.split(":")
    skill, wait = VARIANTS[name]
    chance = random.Random(f"{name} {dataset} {shots} {fold}")
    trial_id = hashlib.sha256(f"{name} {dataset} {shots} {fold}".encode()).hexdigest()[:12]
    store.save_trial(TrialRecord(trial_id, provider, variant, dataset, "f" * 64, shots, fold=fold))
    source = INVENTED if provider == "simulated" else "your own machine"
    priced = PRICES_OF.get(name) or PRICES_OF[provider]
    prices = [Price(item, usd, item, "2026-11-01", source) for item, usd in priced.items()]
    for stage, result in (
        (Stage.UPLOAD, {PRICES: table_as_json(prices), "train_samples": shots * len(LABELS)}),
        (Stage.TRAIN, {}),
        (Stage.DEPLOY, {"endpoint_id": "e"}),
    ):
        store.finish_stage(
            StageRecord(trial_id, stage, StageStatus.DONE, result=result, wall_seconds=9.0, work_seconds=3.0 * shots)
        )
    share = 1 - (1 - skill) * 1.5**behind
    clock, calls = 1_000_000_000, []
    for number, (sample, label) in enumerate(pictures):
        right = 0.35 * chance.random() + 0.65 * hardness[number] < share
        predicted = label if right else LABELS[(number + 1 + chance.randrange(3)) % len(LABELS)]
        took = int(1e6 * wait * chance.lognormvariate(0, 0.2))
        timing = CallTiming(clock, clock + took)
        clock += took + 100_000
        sure = min(0.999, max(0.2, chance.gauss(0.9 if right else 0.6, 0.1)))
        at = f"2026-01-01T00:{clock // 60_000_000_000:02d}:{clock % 60_000_000_000 / 1e9:09.6f}+00:00"
        calls.append(Invocation(trial_id, sample, label, predicted, sure, Outcome.OK, timing, at=at))
    store.add_invocations(calls)
    store.finish_stage(StageRecord(trial_id, Stage.INVOKE, StageStatus.DONE, wall_seconds=clock / 1e9))
    store.set_trial_status(trial_id, TrialStatus.DONE, "")
    if behind == 0 and fold == 0:
        _load_run(store, trial_id, wait)
    return trial_id


def _load_run(store: Store, trial_id: str, wait: float) -> None:
    def cell(value: float) -> dict[str, float]:
        return {"value": value, "low": 0.95 * value, "high": 1.1 * value, "n": 1200}

    quantiles = {"p50": cell(wait), "p90": cell(1.5 * wait), "p95": cell(1.8 * wait), "p99": cell(3 * wait)}
    summary = {
        "n": 1200,
        "outcomes": {"ok": 1200},
        "throughput": {"value": 20.0, "low": 19.0, "high": 21.0},
        "service_ms": quantiles,
        "response_ms": quantiles,
        "offered_rate": 20.0,
        "achieved_rate": 20.0,
    }
    settings = {"rate": 20.0, "duration_seconds": 60.0}
    run = LoadRun(f"load {trial_id}", trial_id, "open", settings, complete=True, valid=True, summary=summary)
    store.begin_load_run(run)
    store.finish_load_run(run)
