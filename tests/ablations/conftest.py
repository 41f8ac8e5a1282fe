"""Small datasets, in memory and on disk."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from automl_bench.contract import Modality
from automl_bench.datasets.manifest import (
    Manifest,
    ManifestRow,
    fingerprint_of,
    labels_of,
    manifest_table,
    read_manifest,
    write_manifest,
)
from automl_bench.datasets.pixel_identity import remember
from automl_bench.datasets.provenance import DatasetCard

Contents = Mapping[str, Sequence[str]]
"""Contents (any text) by label."""

Build = Callable[..., Manifest]
Place = Callable[..., Manifest]


def content_id(content: str) -> str:
    return hashlib.sha256(content.encode()).hexdigest()


def rows_of(train: Contents, test: Contents, class_folders: Mapping[str, str]) -> list[tuple[ManifestRow, str]]:
    found = []
    for split, half in (("train", train), ("test", test)):
        for label, contents in half.items():
            for number, content in enumerate(contents):
                path = f"{split}/{class_folders.get(label, label)}/{number:05}.txt"
                size = len(content.encode())
                row = ManifestRow(content_id(content), path, split, label, size, None, None, "text/plain")
                found.append((row, content))
    return found


@pytest.fixture(scope="session")
def build() -> Build:
    """Return a function that makes a manifest in memory: build(train={label: contents}, test={...})."""

    def make(train: Contents, test: Contents | None = None, name: str = "toy") -> Manifest:
        table = manifest_table(row for row, _ in rows_of(train, test or {}, {}))
        return Manifest(
            name=name,
            folder=Path("/nowhere") / name,
            table=table,
            labels=labels_of(table),
            modality=Modality.IMAGE,
            fingerprint=fingerprint_of(table),
            card=DatasetCard(name=name),
        )

    return make


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Return a function that writes a dataset with its files below tmp_path/data and reads its manifest."""

    def make(
        train: Contents,
        test: Contents | None = None,
        name: str = "toy",
        class_folders: Mapping[str, str] | None = None,
    ) -> Manifest:
        folder = tmp_path / "data" / name
        folder.mkdir(parents=True, exist_ok=True)
        rows = rows_of(train, test or {}, class_folders or {})
        for row, content in rows:
            (folder / row.path).parent.mkdir(parents=True, exist_ok=True)
            (folder / row.path).write_bytes(content.encode())
        card = write_manifest(folder, manifest_table(row for row, _ in rows), DatasetCard(name=name))
        remember(folder, card.fingerprint, {})  # they count as decoded: what is in the files matters nowhere here
        return read_manifest(folder)

    return make


@pytest.fixture(scope="session")
def numbered() -> Callable[..., dict[str, list[str]]]:
    """Return a function that makes distinct contents: numbered(cats=12, dogs=7)."""

    def make(prefix: str = "", **counts: int) -> dict[str, list[str]]:
        return {label: [f"{prefix}{label} {number}" for number in range(count)] for label, count in counts.items()}

    return make
