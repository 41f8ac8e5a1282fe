"""The list of samples that `ablate` writes for this provider."""

from __future__ import annotations

from collections.abc import Sequence

from automl_bench.contract import ManifestEntry, ProviderManifest, Sample

LABEL_AT = ("annotation", "labelName")


def manifest_of(entries: Sequence[ManifestEntry]) -> ProviderManifest:
    """List images as `file,label`, and texts and rows as the JSON lines that are posted, one sample each.

    Nyckel has no import file of its own: samples go up one by one. A row's cells stand under the columns' names, as the
    fields' ids come to be with the function; a missing cell is left out.
    """
    if all(entry.sample.text is None and entry.sample.row is None for entry in entries):
        return ProviderManifest(
            rows=[{"file": str(entry.sample.path), "label": ""} for entry in entries], label_at=("label",)
        )
    rows = [
        {"data": _data(entry.sample), "externalId": entry.sample.sample_id, "annotation": {}, "sampleSets": []}
        for entry in entries
    ]
    return ProviderManifest(rows=rows, label_at=LABEL_AT, file_format="jsonl")


def _data(sample: Sample) -> object:
    if sample.row is None:
        return sample.text
    return {name: cell for name, cell in sample.row.items() if cell is not None}
