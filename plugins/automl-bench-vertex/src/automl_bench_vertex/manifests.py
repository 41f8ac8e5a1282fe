"""Image lists as the service imports them: CSV without a header, `ML_USE,GCS_PATH,LABEL`."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from automl_bench.contract import ManifestEntry, ProviderManifest
from automl_bench_vertex import labels
from automl_bench_vertex.naming import ending

TRAINING, VALIDATION = "training", "validation"
ML_USES = {"train": TRAINING, "validation": VALIDATION, "test": "test"}
"""The service's word for each of our splits, in lower case as in its own examples."""


def encode(bucket: str, rows: Iterable[tuple[str, str, str]]) -> bytes:
    """Return a whole import file of (ML use, object, label) rows; labels are written in the service's alphabet."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows((use, f"gs://{bucket}/{name}", labels.to_service(label)) for use, name, label in rows)
    return text.getvalue().encode()


def describe(bucket: str, dataset: str, entries: Sequence[ManifestEntry]) -> ProviderManifest:
    """Describe samples as they lie on disk, for an upload by hand into a folder of the dataset's name.

    (A trial's own upload has a folder that carries the trial's id.) The host fills in the labels, in the spelling that
    comes with the description.
    """
    names = [f"{dataset}/{entry.sample.sample_id}.{ending(entry.sample.media_type)}" for entry in entries]
    return ProviderManifest(
        rows=[
            {"ml_use": ML_USES[entry.split], "image": f"gs://{bucket}/{name}", "label": ""}
            for name, entry in zip(names, entries, strict=True)
        ],
        label_at=("label",),
        header=False,
        label_names=labels.Spelling(),
        destination=f"gs://{bucket}/",
        objects=names,
    )
