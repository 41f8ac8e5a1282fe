"""`dataset.toml`: what a dataset is, where it came from, and under which licence."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from automl_bench.contract import ColumnKind, Modality
from automl_bench.datasets.account import Account, account_of
from automl_bench.errors import DatasetError, WorkspaceError
from automl_bench.toolkit.whole_files import write_text

CARD_NAME = "dataset.toml"


@dataclass(frozen=True, slots=True)
class DatasetCard:
    """What is known of a dataset besides its samples.

    Attributes:
        name: The folder's name, which is the dataset's name.
        title: One line for people.
        licence: SPDX identifier or words; "not stated" if the user gave none.
        source: Address, or the file or folder it was imported from.
        modality: What one sample is.
        imported_at: ISO 8601, UTC.
        fingerprint: See `automl_bench.datasets.manifest.fingerprint_of`.
        manifest_sha256: SHA-256 of manifest.csv as written; tells whether `fingerprint` still describes it.
        seed: Seed of the test split, if we drew it.
        test_share: Share of the test split, if we drew it.
        notes: What the import did that a reader should know, one sentence each.
        counts: Samples by split and label.
        account: What became of every file of the source, or None for a dataset imported by an older version.
        group: Column or expression that says what samples belong together, or "".
        columns: Columns of the list that were not used, with the number of different values in each.
        group_candidates: Those of them that look as if they named groups.
        kinds: Kind of each column of a table, in order.
        target: Column that the labels come from, for texts and tables.
    """

    name: str
    title: str = ""
    licence: str = "not stated"
    source: str = ""
    modality: Modality = Modality.IMAGE
    imported_at: str = ""
    fingerprint: str = ""
    manifest_sha256: str = ""
    seed: int | None = None
    test_share: float | None = None
    notes: tuple[str, ...] = ()
    counts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    account: Account | None = None
    group: str = ""
    columns: Mapping[str, int] = field(default_factory=dict)
    group_candidates: tuple[str, ...] = ()
    kinds: Mapping[str, ColumnKind] = field(default_factory=dict)
    target: str = ""


def read_card(folder: Path) -> DatasetCard | None:
    """Return the card of a dataset folder, or None if it has none.

    Raises:
        DatasetError: If the file is not TOML or a value has the wrong type.
        WorkspaceError: If it cannot be read.
    """
    path = folder / CARD_NAME
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise WorkspaceError(f"cannot read {path}: {error.strerror}.", remedy="Check its permissions.") from error
    try:
        values = tomllib.loads(content.decode())
    except ValueError as error:
        raise DatasetError(f"{path} is not valid TOML: {error}.", remedy="Import the dataset again.") from error
    return _card_of(values, path, folder.name)


def _card_of(values: Mapping[str, Any], path: Path, name: str) -> DatasetCard:
    counts = values.get("counts", {})
    try:
        return DatasetCard(
            name=name,
            title=str(values.get("title", "")),
            licence=str(values.get("licence", "not stated")),
            source=str(values.get("source", "")),
            modality=Modality(values.get("modality", "image")),
            imported_at=str(values.get("imported_at", "")),
            fingerprint=str(values.get("fingerprint", "")),
            manifest_sha256=str(values.get("manifest_sha256", "")),
            seed=None if values.get("seed") is None else int(values["seed"]),
            test_share=None if values.get("test_share") is None else float(values["test_share"]),
            notes=tuple(str(note) for note in values.get("notes", ())),
            counts={split: {label: int(number) for label, number in row.items()} for split, row in counts.items()},
            account=account_of(values["account"]) if "account" in values else None,
            group=str(values.get("group", "")),
            columns={name: int(number) for name, number in values.get("columns", {}).items()},
            group_candidates=tuple(str(name) for name in values.get("group_candidates", ())),
            kinds={str(name): ColumnKind(kind) for name, kind in values.get("kinds", {}).items()},
            target=str(values.get("target", "")),
        )
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise DatasetError(
            f"{path} holds a value of the wrong type: {error}.", remedy="Import the dataset again."
        ) from error


def write_card(folder: Path, card: DatasetCard) -> None:
    """Write the card, replacing an older one in one step.

    Raises:
        WorkspaceError: If it cannot be written.
    """
    lines = [f"{key} = {_toml_value(value)}" for key, value in _scalars(card).items()]
    for split, row in sorted(card.counts.items()):
        lines += ["", f"[counts.{_toml_value(split)}]"]
        lines += [f"{_toml_value(label)} = {number}" for label, number in sorted(row.items())]
    if card.columns:
        lines += ["", "[columns]", *(f"{_toml_value(name)} = {number}" for name, number in card.columns.items())]
    if card.kinds:
        lines += ["", "[kinds]", *(f"{_toml_value(name)} = {_toml_value(str(k))}" for name, k in card.kinds.items())]
    if card.account:
        lines += _account_lines(card.account)
    write_text(folder / CARD_NAME, "\n".join(lines) + "\n")


def _account_lines(account: Account) -> list[str]:
    values = account.as_values()
    lines = ["", "[account]", f"seen = {values['seen']}", f"imported = {values['imported']}", "left_out = ["]
    lines += [
        "  { " + ", ".join(f"{key} = {_toml_value(value)}" for key, value in entry.items()) + " },"
        for entry in values["left_out"]
    ]
    return [*lines, "]"]


def _scalars(card: DatasetCard) -> dict[str, Any]:
    values: dict[str, Any] = {
        "name": card.name,
        "title": card.title,
        "licence": card.licence,
        "source": card.source,
        "modality": str(card.modality),
        "imported_at": card.imported_at,
        "fingerprint": card.fingerprint,
        "manifest_sha256": card.manifest_sha256,
        "seed": card.seed,
        "test_share": card.test_share,
        "notes": list(card.notes),
        "group": card.group or None,
        "target": card.target or None,
        "group_candidates": list(card.group_candidates) or None,
    }
    return {key: value for key, value in values.items() if value is not None}


def _toml_value(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(_toml_value(item) for item in value) + "]"
    if isinstance(value, str):
        # A JSON string is a TOML basic string but for DEL, which TOML wants escaped.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return repr(value)
