"""Lists of samples that `data import` reads back."""

from __future__ import annotations

from collections.abc import Sequence

from automl_bench.contract import Json, ManifestEntry, ProviderManifest

LABEL = "label"


def manifest_of(entries: Sequence[ManifestEntry]) -> ProviderManifest:
    """List images by path, texts under `text`, rows by their own columns; the label in a column of its own.

    A table that has a column `label` among those learned from gets a longer name for the label's.
    """
    taken = {name for entry in entries[:1] for name in entry.sample.row or ()}
    label = LABEL
    while label in taken:
        label = f"{label}_"
    return ProviderManifest(rows=[{**_cells(entry), label: ""} for entry in entries], label_at=(label,))


def _cells(entry: ManifestEntry) -> dict[str, Json]:
    sample = entry.sample
    if sample.row is not None:
        return dict(sample.row)
    return {"path": str(sample.path)} if sample.text is None else {"text": sample.text}
