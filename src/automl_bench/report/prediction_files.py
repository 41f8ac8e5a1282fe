"""Predictions as files: a CSV that `results import` reads back, and FiftyOne's dataset JSON."""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl_bench.border.cells import inert
from automl_bench.contract import Modality
from automl_bench.errors import UsageError
from automl_bench.report.labels import in_order, shots_label
from automl_bench.report.predictions import PREDICTION_COLUMNS
from automl_bench.report.rows import ANSWER_COLUMNS, final_places
from automl_bench.store.ancestor_files import results_names, service_name
from automl_bench.store.records import Outcome, TrialRecord
from automl_bench.toolkit.whole_files import replaced_file

if TYPE_CHECKING:
    from automl_bench.datasets.manifest import Manifest
    from automl_bench.store import Store

_CLASSIFICATION = "fiftyone.core.fields.EmbeddedDocumentField(fiftyone.core.labels.Classification)"
_TEXT = "fiftyone.core.fields.StringField"


@dataclass(frozen=True, slots=True)
class Prediction:
    """The last answer for one test sample.

    Attributes:
        sample: Its content id.
        label: The true label.
        predicted: The label answered, or None.
        confidence: 0 to 1, or None.
        seconds: Service time; 0 if unknown.
        usd: What it cost in US dollars, where the answer says so, or None.
        error: Why there is no answer, or empty.
    """

    sample: str
    label: str
    predicted: str | None
    confidence: float | None
    seconds: float
    usd: float | None
    error: str


def final_predictions(store: Store, trial_id: str) -> Iterator[Prediction]:
    """Yield the answers of a trial as they are scored: the last measured attempt of each sample, by content id."""
    calls = store.invocation_columns([trial_id], only=(*ANSWER_COLUMNS, "confidence", "service_ns", "usd", "error"))
    for sample, place in sorted(final_places(calls).items()):
        answered = calls["outcome"][place] == Outcome.OK.value
        confidence = float(calls["confidence"][place])
        yield Prediction(
            sample,
            calls["label"][place],
            calls["predicted"][place] if answered else None,
            None if math.isnan(confidence) or not answered else confidence,
            int(calls["service_ns"][place]) / 1e9,
            None if math.isnan(calls["usd"][place]) else float(calls["usd"][place]),
            "" if answered else calls["error"][place] or str(calls["outcome"][place]),
        )


def export_predictions(
    store: Store, folder: Path, *, trials: Sequence[TrialRecord], default_variants: Mapping[str, str]
) -> list[Path]:
    """Write `<dataset>-<provider>-predictions-<shots>.csv` for each trial with answers; `PREDICTION_COLUMNS`.

    Args:
        store: The results file.
        folder: Folder to write to.
        trials: Which trials.
        default_variants: For each provider the variant that needs no mention in the file's name.

    Returns:
        The files written.
    """
    written = []
    for trial, name in zip(trials, results_names(trials, default_variants, kind="predictions"), strict=True):
        about = {
            "provider": trial.provider,
            "variant": trial.variant,
            "dataset": trial.dataset,
            "shots": shots_label(trial.shots),
            "fold": str(trial.fold),
        }
        rows = [
            {
                "sample": one.sample,
                "predicted": one.predicted or "",
                "confidence": "" if one.confidence is None else repr(one.confidence),
                "seconds": f"{one.seconds:.9f}" if one.seconds else "",
                "cost": "" if one.usd is None else repr(one.usd),
                "label": one.label,
                "error": " ".join(one.error.split()),
                **about,
            }
            for one in final_predictions(store, trial.trial_id)
        ]
        if not rows:
            continue
        with replaced_file(folder / name) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(PREDICTION_COLUMNS)
            writer.writerows([inert(row[column]) for column in PREDICTION_COLUMNS] for row in rows)
        written.append(folder / name)
    return written


def export_fiftyone(
    store: Store,
    folder: Path,
    *,
    trials: Sequence[TrialRecord],
    default_variants: Mapping[str, str],
    manifest_of: Callable[[str], Manifest],
) -> list[Path]:
    """Write `<dataset>.fiftyone.json` for each dataset with answers, for `fiftyone.Dataset.from_json`.

    A sample is a test image that at least one trial was asked, with its label as `ground_truth` and a Classification
    for each trial.

    Args:
        store: The results file.
        folder: Folder to write to.
        trials: Which trials.
        default_variants: As of `export_predictions`.
        manifest_of: Reads the manifest of a dataset, which knows the files.

    Returns:
        The files written.

    Raises:
        UsageError: If a dataset is not there any more with this content, or has no images.
    """
    written = []
    for dataset in in_order(trial.dataset for trial in trials):
        own = [trial for trial in trials if trial.dataset == dataset]
        answered = [trial for trial in own if store.invoked_sample_ids(trial.trial_id)]
        if not answered:
            continue
        content = _fiftyone_dataset(store, answered, default_variants, manifest_of(dataset))
        path = folder / f"{dataset}.fiftyone.json"
        with replaced_file(path) as temporary:
            temporary.write_text(json.dumps(content, ensure_ascii=False, indent=1), encoding="utf-8")
        written.append(path)
    return written


def _fiftyone_dataset(
    store: Store, trials: Sequence[TrialRecord], default_variants: Mapping[str, str], manifest: Manifest
) -> dict[str, Any]:
    files = _files(manifest, trials)
    samples: dict[str, dict[str, Any]] = {}
    fields: list[str] = []
    for trial in trials:
        field = _field(trial, default_variants, fields)
        fields.append(field)
        for one in final_predictions(store, trial.trial_id):
            sample = samples.setdefault(one.sample, {"ground_truth": _classification(one.label, None)})
            if one.predicted is not None:
                sample[field] = _classification(one.predicted, one.confidence)
    return {
        "name": manifest.name,
        "media_type": "image",
        "sample_fields": dict.fromkeys(("ground_truth", *fields), _CLASSIFICATION) | {"content_id": _TEXT},
        "info": {field: trial.label for field, trial in zip(fields, trials, strict=True)},
        "default_classes": list(manifest.labels),
        "samples": [
            {"filepath": files[sample], "tags": ["test"], "content_id": sample, **values}
            for sample, values in samples.items()
        ],
    }


def _files(manifest: Manifest, trials: Sequence[TrialRecord]) -> dict[str, str]:
    """Return content id → path of the image file."""
    if manifest.modality is not Modality.IMAGE:
        raise UsageError(
            f"{manifest.name} holds {manifest.modality.value} samples, and FiftyOne shows files of images.",
            remedy="Use --format predictions.",
        )
    if any(trial.fingerprint != manifest.fingerprint for trial in trials):
        raise UsageError(
            f"{manifest.name} has another content now than some of its trials were measured with.",
            remedy="Choose the trials with --experiment, or use --format predictions, which needs no files.",
        )
    ids, paths = (manifest.table.column(name).to_pylist() for name in ("sample_id", "path"))
    return {sample: str((manifest.folder / path).absolute()) for sample, path in zip(ids, paths, strict=True)}


def _field(trial: TrialRecord, default_variants: Mapping[str, str], taken: Sequence[str]) -> str:
    """Return the name of a trial's field: "local_svc_20", with the fold, and its id where that is taken."""
    name = f"{service_name(trial, default_variants)}_{shots_label(trial.shots)}"
    name += f"_fold{trial.fold}" if trial.fold else ""
    name += f"_repeat{trial.repeat}" if trial.repeat else ""
    name = re.sub(r"\W", "_", name, flags=re.ASCII).lower().strip("_")
    name = name if name[0].isalpha() else f"p_{name}"
    return f"{name}_{trial.trial_id}" if name in taken else name


def _classification(label: str, confidence: float | None) -> dict[str, Any]:
    return {"_cls": "Classification", "tags": [], "label": label, "confidence": confidence}
