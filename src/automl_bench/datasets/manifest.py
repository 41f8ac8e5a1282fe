"""`manifest.csv`: one row for each sample of a dataset, read fast at a million rows, and the dataset's fingerprint."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, cast

from automl_bench.border.command_lines import quoted_command
from automl_bench.border.names import did_you_mean
from automl_bench.contract import Column, Modality
from automl_bench.datasets.provenance import DatasetCard, read_card, write_card
from automl_bench.errors import DatasetError, DatasetNotFound
from automl_bench.toolkit.whole_files import cannot, replaced_file, write_text

if TYPE_CHECKING:
    import pyarrow as pa

MANIFEST_NAME = "manifest.csv"
CLASSES_NAME = "classes.txt"
COLUMNS = ("sample_id", "path", "split", "label", "bytes", "width", "height", "media_type")
GROUP = "group"
"""Further column, last, of a dataset whose samples belong to groups."""
SPLITS = ("train", "test")

_ROWS_PER_STEP = 100_000


class ManifestRow(NamedTuple):
    """One sample, in the order of the file's columns.

    Attributes:
        sample_id: SHA-256 of the file's content, 64 hex digits; of texts and rows see `columnar.identity`.
        path: POSIX path relative to the dataset folder. For a text or row, which has no file, where it came from: the
            name of the source's file and the number of its row, from 1, as in "mails.csv:17".
        split: "train" or "test".
        label: Exact class name.
        bytes: Size of the file.
        width: Pixels, or None if it is no image.
        height: Pixels, or None.
        media_type: For example "image/png".
        group: What it belongs to with others, or "".
    """

    sample_id: str
    path: str
    split: str
    label: str
    bytes: int
    width: int | None
    height: int | None
    media_type: str
    group: str = ""


@dataclass(frozen=True)
class Manifest:
    """A dataset as read from its folder.

    Attributes:
        name: Dataset's name: the folder's name.
        folder: The dataset folder; `folder / path` is the file of a row.
        table: Columns sample_id string, path string, split dictionary<string>, label dictionary<string>,
            bytes int64, width int32, height int32, media_type dictionary<string>, and group dictionary<string> if
            samples belong to groups; rows sorted by (split, label, path) as imported. Chunks of a dictionary column
            share one dictionary.
        labels: All labels, sorted by code point.
        modality: What one sample is.
        fingerprint: See `fingerprint_of`.
        card: The rest of what is known of it.
    """

    name: str
    folder: Path
    table: pa.Table
    labels: tuple[str, ...]
    modality: Modality
    fingerprint: str
    card: DatasetCard

    def counts(self) -> dict[str, dict[str, int]]:
        """Return the number of samples by split and label; every label stands in both splits, with 0 if absent."""
        return counts_of(self.table, self.labels)

    @property
    def columns(self) -> tuple[Column, ...]:
        """Columns of a table with their kinds, in order; empty for other modalities."""
        return tuple(Column(name, kind) for name, kind in self.card.kinds.items())


def manifest_schema(*, grouped: bool = False) -> pa.Schema:
    """Return the schema of `Manifest.table`, with or without groups."""
    import pyarrow as pa

    words = pa.dictionary(pa.int32(), pa.string())
    types = (pa.string(), pa.string(), words, words, pa.int64(), pa.int32(), pa.int32(), words)
    fields = list(zip(COLUMNS, types, strict=True))
    return pa.schema([*fields, (GROUP, words)] if grouped else fields)


def is_own_manifest(path: Path) -> bool:
    """Return whether a file is a manifest of ours, by its first line."""
    try:
        with path.open("rb") as file:
            header = file.readline(200).decode(errors="replace").strip().split(",")
    except OSError:
        return False
    return header in (list(COLUMNS), [*COLUMNS, GROUP])


def manifest_table(rows: Iterable[ManifestRow], *, grouped: bool = False) -> pa.Table:
    """Return rows as a table of `manifest_schema`, sorted by (split, label, path).

    Rows are turned into columns in steps, so that a stream of a million of them needs little memory at once.
    """
    import pyarrow as pa

    schema = manifest_schema(grouped=grouped)
    stream = iter(rows)
    parts = []
    while step := list(islice(stream, _ROWS_PER_STEP)):
        columns = zip(zip(*step, strict=True), schema, strict=False)  # without groups the last value is not kept
        parts.append(pa.table([_column(values, field.type) for values, field in columns], schema=schema))
    return sorted_table(pa.concat_tables(parts) if parts else schema.empty_table())


def _column(values: Sequence[str] | Sequence[int | None], kind: pa.DataType) -> pa.Array:
    """Return values as a column.

    From their buffers: `pyarrow.array` would import pandas first, to ask whether the values are one of its own, and
    that takes longer than all the rest of a small import.
    """
    import numpy as np
    import pyarrow as pa

    if pa.types.is_string(kind):
        return string_array(cast("Sequence[str]", values))
    if pa.types.is_dictionary(kind):
        return string_array(cast("Sequence[str]", values)).dictionary_encode()
    there = None
    if None in values:
        there = pa.py_buffer(np.packbits([value is not None for value in values], bitorder="little"))
    numbers = np.array([value or 0 for value in values], kind.to_pandas_dtype())
    return pa.Array.from_buffers(kind, len(numbers), [there, pa.py_buffer(numbers)])


def string_array(values: Sequence[str]) -> pa.StringArray:
    """Return strings, at most 2 GiB of them, as an Arrow array."""
    import numpy as np
    import pyarrow as pa

    encoded = [value.encode() for value in values]
    ends = np.zeros(len(encoded) + 1, np.int64)
    np.cumsum([len(value) for value in encoded], out=ends[1:])
    return pa.StringArray.from_buffers(
        len(encoded), pa.py_buffer(ends.astype(np.int32)), pa.py_buffer(b"".join(encoded))
    )


def sorted_table(table: pa.Table) -> pa.Table:
    """Return a table of `manifest_schema` sorted by (split, label, path)."""
    order = [("split", "ascending"), ("label", "ascending"), ("path", "ascending")]
    grouped = GROUP in table.column_names
    plain = table.cast(_plain_schema(grouped=grouped)).sort_by(order)
    return plain.cast(manifest_schema(grouped=grouped)).unify_dictionaries()


def _beside(folder: Path) -> list[str]:
    return sorted(path.parent.name for path in folder.parent.glob(f"*/{MANIFEST_NAME}"))


def _bring(name: str) -> str:
    own = quoted_command("data", "import", name, "PATH")
    return f"Bring your own with {own}; {quoted_command('data', 'list')} shows what can be fetched."


def read_manifest(folder: Path, *, columns: Sequence[str] = COLUMNS) -> Manifest:
    """Read the manifest of a dataset folder: about a second for 1.3 million rows.

    The fingerprint comes from dataset.toml if that describes this very manifest.csv; a manifest that was edited by
    hand gets the fingerprint of what it now says.

    Args:
        folder: The dataset folder.
        columns: Columns of the table, for a caller who does not need all of a large one; sample_id, split and label
            have to be among them. Groups are always there if the dataset has them.

    Raises:
        DatasetNotFound: If the folder or its manifest does not exist.
        DatasetError: If the manifest has other columns, no rows, or values of the wrong type.
        WorkspaceError: If it cannot be read.
    """
    path = folder / MANIFEST_NAME
    if not path.is_file():
        raise DatasetNotFound(
            f"there is no dataset {folder.name!r}: {path} does not exist.",
            remedy=did_you_mean(folder.name, _beside(folder), _bring(folder.name)),
        )
    card = read_card(folder) or DatasetCard(name=folder.name)
    with ThreadPoolExecutor(1) as pool:  # the digest is taken by one core while the other parses
        digest = pool.submit(_sha256_of_file, path) if card.fingerprint else None
        table = _read_table(path, columns)
        unchanged = digest is not None and digest.result() == card.manifest_sha256
    return Manifest(
        name=folder.name,
        folder=folder,
        table=table,
        labels=labels_of(table),
        modality=card.modality,
        fingerprint=card.fingerprint if unchanged else fingerprint_of(table),
        card=card,
    )


def _sha256_of_file(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise cannot("read", path, error) from error


def _read_table(path: Path, columns: Sequence[str] = COLUMNS) -> pa.Table:
    import pyarrow as pa
    from pyarrow import csv

    grouped = _header_has_groups(path)
    wanted = [*columns, GROUP] if grouped else list(columns)
    options = csv.ConvertOptions(
        column_types={field.name: field.type for field in manifest_schema(grouped=grouped)},
        null_values=[""],
        include_columns=[] if tuple(columns) == COLUMNS else wanted,
    )
    try:
        table = csv.read_csv(path, convert_options=options)
        names = tuple(table.column_names)
    except (pa.ArrowInvalid, pa.ArrowKeyError, UnicodeDecodeError) as error:
        raise DatasetError(
            f"{path} cannot be read as a manifest: {error}.", remedy="Import the dataset again."
        ) from error
    except OSError as error:
        raise cannot("read", path, error) from error
    if names != tuple(wanted):
        raise DatasetError(
            f"{path} has the columns {', '.join(names)}, where a manifest has {', '.join(COLUMNS)}.",
            remedy="Import the dataset again.",
        )
    if table.num_rows == 0:
        raise DatasetError(f"{path} has no rows.", remedy="Import the dataset again.")
    table = table.unify_dictionaries()
    strange = set(_dictionary_values(table, "split")) - set(SPLITS)
    if strange:
        raise DatasetError(
            f"{path} has the split {sorted(strange)[0]!r}, where only train and test are known.",
            remedy="Import the dataset again.",
        )
    return table


def _header_has_groups(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.readline(200).strip().endswith(f",{GROUP}".encode())
    except OSError as error:
        raise cannot("read", path, error) from error


def _dictionary_values(table: pa.Table, column: str) -> list[str]:
    chunks = table.column(column).chunks
    return chunks[0].dictionary.to_pylist() if chunks else []


def labels_of(table: pa.Table) -> tuple[str, ...]:
    """Return the labels of a manifest table, sorted by code point."""
    return tuple(sorted(table.column("label").unique().to_pylist()))


def counts_of(table: pa.Table, labels: Sequence[str]) -> dict[str, dict[str, int]]:
    """Return the number of rows by split and label, 0 included."""
    counts = {split: dict.fromkeys(labels, 0) for split in SPLITS}
    for split in SPLITS:
        for row in table["label"].filter(in_split(table, split)).value_counts().to_pylist():
            counts[split][row["values"]] = row["counts"]
    return counts


def in_split(table: pa.Table, split: str) -> pa.ChunkedArray:
    """Return for each row whether it is in a split."""
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.equal(table["split"].cast(pa.string()), string_array([split])[0])


def fingerprint_of(table: pa.Table) -> str:
    """Return the SHA-256 hex digest over the sorted lines `sample_id,split,label`, each ended by LF.

    With groups, lines are `sample_id,split,label,group`, as groups decide which subsets are drawn. It depends on
    content, split, label and group only: not on file names, row order or platform. Lines sort by their UTF-8
    bytes; as sample ids have one length and no split begins with another, that is the order of the columns.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    names = ["sample_id", "split", "label", *([GROUP] if GROUP in table.column_names else [])]
    plain = table.select(names).cast(pa.schema([(name, pa.string()) for name in names]))
    if GROUP in names:
        plain = plain.set_column(3, GROUP, pc.fill_null(plain[GROUP], string_array([""])[0]))
    order = pc.sort_indices(plain, [(name, "ascending") for name in names])
    comma = string_array([","])[0]
    digest = hashlib.sha256()
    for start in range(0, plain.num_rows, _ROWS_PER_STEP):
        part = plain.take(order.slice(start, _ROWS_PER_STEP)).combine_chunks()
        lines = pc.binary_join_element_wise(*(part[name] for name in names), comma)
        digest.update("\n".join([*lines.to_pylist(), ""]).encode())
    return digest.hexdigest()


def write_manifest(folder: Path, table: pa.Table, card: DatasetCard) -> DatasetCard:
    """Write manifest.csv, classes.txt and dataset.toml into a dataset folder.

    Args:
        folder: The folder, which exists.
        table: A table of `manifest_schema`, for example from `manifest_table`.
        card: Name, title, licence, source…; fingerprint, digest and counts are filled in here.

    Returns:
        The card as written.

    Raises:
        WorkspaceError: If a file cannot be written.
    """
    labels = labels_of(table)
    path = folder / MANIFEST_NAME
    with replaced_file(path) as draft:
        _write_rows(draft, table.cast(_plain_schema(grouped=GROUP in table.column_names)))
    write_text(folder / CLASSES_NAME, "".join(f"{label}\n" for label in labels))
    card = replace(
        card,
        fingerprint=fingerprint_of(table),
        manifest_sha256=_sha256_of_file(path),
        counts=counts_of(table, labels),
    )
    write_card(folder, card)
    return card


def _write_rows(path: Path, plain: pa.Table) -> None:
    import pyarrow as pa
    from pyarrow import csv

    for quoting in ("none", "needed"):  # arrow's "needed" quotes every string of a column type that may need it
        with path.open("wb") as file:
            file.write((",".join(plain.column_names) + "\n").encode())
            try:
                csv.write_csv(plain, file, csv.WriteOptions(include_header=False, quoting_style=quoting))
            except pa.ArrowInvalid:
                if quoting == "needed":
                    raise
            else:
                return


def _plain_schema(*, grouped: bool) -> pa.Schema:
    import pyarrow as pa

    return pa.schema(
        [
            (field.name, field.type.value_type if pa.types.is_dictionary(field.type) else field.type)
            for field in manifest_schema(grouped=grouped)
        ]
    )
