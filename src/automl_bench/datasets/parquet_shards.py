"""Reads Parquet files in the hub's layout: a column `image` (struct of bytes and path) and a column `label`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, NamedTuple

from automl_bench.datasets.class_folders import check_label
from automl_bench.datasets.image_headers import TYPE_EXTENSIONS, parse_header
from automl_bench.datasets.list_columns import is_group_name, looks_like_group
from automl_bench.datasets.listing import Incoming, Listing, pooled_split, split_notes
from automl_bench.datasets.split_names import SPLIT_WORDS, settled, split_of
from automl_bench.datasets.survey import kept_out
from automl_bench.datasets.tables import one_line, refuse_stand_ins
from automl_bench.errors import DatasetError

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow.parquet import ParquetFile

_SHARD = re.compile(r"^(?P<split>[A-Za-z]+)(-\d+-of-\d+.*)?$")
_ROWS_PER_STEP = 256


_NAME_COLUMNS = frozenset(("file_name", "filename", "path"))
_IMAGE_COLUMNS = ("image", "img")


def parquet_shards(path: Path) -> list[Path]:
    """Return the Parquet files at or below a path that hold samples, sorted; lists of file names are none.

    Raises:
        DatasetError: If one is a Git LFS pointer.
    """
    if path.is_file():
        files = [path] if path.suffix.lower() == ".parquet" else []
    else:
        files = sorted(
            file
            for file in path.rglob("*.parquet")
            if not any(kept_out(part) for part in file.relative_to(path).parts) and file.is_file()
        )
    for file in files:
        refuse_stand_ins(file)
    return [file for file in files if not _is_list(file)]


def _is_list(file: Path) -> bool:
    import pyarrow as pa
    from pyarrow.parquet import read_schema

    try:
        names = {str(name).lower() for name in read_schema(file).names}
    except (pa.ArrowInvalid, pa.ArrowTypeError, OSError):
        return False  # whoever reads it says what is wrong with it
    return bool(names & _NAME_COLUMNS) and not names & set(_IMAGE_COLUMNS)


def _refuse_configurations(path: Path, files: list[Path]) -> None:
    """Refuse a folder that has several configurations of a hub dataset: often the same samples again."""
    if path.is_file():
        return
    found: dict[str, Path] = {}
    for file in files:
        parts = [part for part in file.relative_to(path).parts[:-1] if part.lower() != "data" and not split_of(part)]
        found.setdefault("/".join(parts), file.parent)
    if len(found) > 1:
        names = sorted(found)
        shown = ", ".join(name or "(none)" for name in names[:5])
        folder = next(found[name] for name in names if name)
        raise DatasetError(
            f"{path} has several configurations, which may hold the same samples: {shown}.",
            remedy=f"Import the folder of one, for example {folder}.",
        )


class _Columns(NamedTuple):
    """Names of the columns of a file: image, label, and group or ""."""

    image: str
    label: str
    group: str


def read_parquet(path: Path, *, test_split: str = "test", label_column: str = "", group: str = "") -> Listing:
    """List the samples of a Parquet file or of a folder of shards.

    The split comes from the file name (`train-00000-of-00002.parquet`), else from the folder it stands in. Labels are
    the names of the hub's ClassLabel feature (in the schema's `huggingface` metadata), or text as it is.

    Args:
        path: A file or a folder.
        test_split: The split that is the test set; some hub datasets name theirs "validation".
        label_column: Column with the labels, if it is not `label`.
        group: What keeps samples together: a column, or something else that is not looked for here.

    Raises:
        DatasetError: If a file is damaged or has other columns, or integer labels have no names.
    """
    files = parquet_shards(path)
    if not files:
        raise DatasetError(f"{path} holds no Parquet files.", remedy="Give the folder with the .parquet shards.")
    _refuse_configurations(path, files)
    words = {test_split.lower(): "test"}
    kinds = {file: split_of(_split_word(file), words) for file in files}
    meaning = {"": "", **settled(kinds.values())}
    splits = {file: meaning[kind] for file, kind in kinds.items()}
    found = {split for split in splits.values() if split}
    if found and "" in splits.values():
        odd = next(file for file, split in splits.items() if not split)
        raise DatasetError(
            f"{odd} names no split, where other files do.",
            remedy="Name the shards train-…, validation-… and test-…, or import one file.",
        )
    columns = [_columns_of(file, label_column, group) for file in files]
    grouped = _is_grouped(files, columns, group)
    names = [_label_names(file, one.image, one.label) for file, one in zip(files, columns, strict=True)]
    counts: dict[str, int] = {}
    for file, split in splits.items():
        counts[split] = counts.get(split, 0) + _opened(file).metadata.num_rows
    has_split, notes = split_notes(found, counts)

    def samples() -> Iterator[Incoming]:
        for file, one, label_names in zip(files, columns, names, strict=True):
            split = pooled_split(splits[file]) if has_split else ""
            yield from _samples_of(file, one, label_names, split)

    labels = tuple(
        dict.fromkeys(
            name
            for file, one, given in zip(files, columns, names, strict=True)
            for name in _used(file, one.label, given)
        )
    )
    total = sum(counts.values())
    return Listing(
        "Parquet (hub layout)",
        labels,
        has_split,
        total,
        samples,
        notes,
        group_candidates=() if grouped else _group_candidates(files, columns, total),
        grouped=grouped,
    )


def _is_grouped(files: list[Path], columns: list[_Columns], group: str) -> bool:
    """Return whether the files have the group column.

    Raises:
        DatasetError: If only some have it.
    """
    without = [file for file, one in zip(files, columns, strict=True) if not one.group]
    if without and len(without) < len(files):
        raise DatasetError(
            f"{without[0]} has no column {group!r}, where other files do.",
            remedy="Export all files with it, or choose another group.",
        )
    return not without


def _is_plain(kind: pa.DataType) -> bool:
    """Whether a column holds texts or whole numbers."""
    import pyarrow as pa

    inner = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(inner) or pa.types.is_large_string(inner) or pa.types.is_integer(inner))


def _group_candidates(files: list[Path], columns: list[_Columns], total: int) -> tuple[str, ...]:
    """Return the unused columns that look as if they said what samples have in common."""
    import pyarrow.compute as pc

    found = []
    schemas = [_opened(file).schema_arrow for file in files]
    for field in schemas[0]:
        used = any(field.name in one for one in columns) or any(field.name not in schema.names for schema in schemas)
        if used or not _is_plain(field.type) or not is_group_name(field.name):
            continue
        values: set[Any] = set()
        for file in files:
            values.update(pc.unique(_opened(file).read(columns=[field.name])[field.name]).to_pylist())
        if looks_like_group(field.name, len(values), total):
            found.append(field.name)
    return tuple(found)


def _split_word(file: Path) -> str:
    shard = _SHARD.match(file.stem)
    word = shard["split"].lower() if shard else ""
    if word in SPLIT_WORDS or (shard and "-of-" in file.stem):
        return word
    return file.parent.name.lower()


def _opened(file: Path) -> ParquetFile:
    import pyarrow as pa
    from pyarrow.parquet import ParquetFile

    try:
        return ParquetFile(file)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OSError) as error:
        reason = one_line(error)
        raise DatasetError(f"{file} cannot be read as Parquet: {reason}.", remedy="Download it again.") from error


def _columns_of(file: Path, label_column: str, group: str) -> _Columns:
    """Return the names of the columns that are read.

    Raises:
        DatasetError: If the columns are not the hub's, or the group's holds neither texts nor numbers.
    """
    schema = _opened(file).schema_arrow
    names = schema.names
    image = next((name for name in _IMAGE_COLUMNS if name in names), "")
    label = label_column or "label"
    if image and label in names:
        together = next((name for name in names if group and name.lower() == group.lower()), "")
        if together and not _is_plain(kind := schema.field(together).type):
            raise DatasetError(
                f"{file} has a `{together}` column of type {kind}, and a group is a text or a whole number.",
                remedy="Choose another column with --group.",
            )
        return _Columns(image, label, together)
    wanted = "this version imports images only" if "text" in names else "`image` and `label` are needed"
    remedy = "Choose the label with --labels-from COLUMN." if image else "Export the images to class folders."
    raise DatasetError(f"{file} has the columns {', '.join(names)}: {wanted}.", remedy=remedy)


def _label_names(file: Path, image_column: str, label_column: str) -> list[str] | None:
    """Return the ClassLabel names, or None if labels are text.

    Raises:
        DatasetError: If the columns have other types than the hub's.
    """
    import pyarrow as pa

    schema = _opened(file).schema_arrow
    image = schema.field(image_column).type
    if not pa.types.is_binary(image) and not pa.types.is_large_binary(image) and not _is_image_struct(image):
        raise DatasetError(
            f"{file} has an `{image_column}` column of type {image}, where bytes or a struct with bytes are needed.",
            remedy="Export it with the images embedded.",
        )
    kind = schema.field(label_column).type
    if pa.types.is_nested(kind) and not pa.types.is_dictionary(kind):
        raise DatasetError(
            f"{file} has several labels for each image (`{label_column}` is {kind}), and one is needed.",
            remedy="Export the images that have one label, or choose another column with --labels-from.",
        )
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_dictionary(kind):
        return None
    names = _class_label_names(schema, label_column)
    if not names:
        raise DatasetError(
            f"{file} has numbers as labels and no class names in its metadata.",
            remedy="Export it with a ClassLabel feature or with labels as text.",
        )
    return [check_label(name, str(file)) for name in names]


def _is_image_struct(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0)


def _class_label_names(schema: pa.Schema, column: str) -> list[str]:
    try:
        hub: Any = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
        names = hub["info"]["features"][column]["names"]
    except (ValueError, KeyError, TypeError):
        return []
    return [str(name) for name in names] if isinstance(names, list) else []


def _used(file: Path, column: str, names: list[str] | None) -> list[str]:
    """Return the labels that occur in a file, sorted."""
    import pyarrow.compute as pc

    values = pc.unique(_opened(file).read(columns=[column])[column].combine_chunks()).to_pylist()
    return sorted({_label(value, names, str(file)) for value in values})


def _label(value: Any, names: list[str] | None, where: str) -> str:
    if value is None:
        raise DatasetError(f"{where} has a row without a label.", remedy="Remove the row or label it.")
    if names is None:
        return check_label(str(value), where)
    if not 0 <= value < len(names):
        raise DatasetError(
            f"{where} has the label {value}, where {len(names)} classes are named.", remedy="Export it again."
        )
    return names[int(value)]


def _samples_of(file: Path, columns: _Columns, names: list[str] | None, split: str) -> Iterator[Incoming]:
    import pyarrow as pa

    row = 0
    try:
        for batch in _opened(file).iter_batches(_ROWS_PER_STEP, columns=[name for name in columns if name]):
            groups = batch[columns.group].to_pylist() if columns.group else [None] * len(batch)
            for image, value, given_group in zip(batch[columns.image], batch[columns.label], groups, strict=True):
                row += 1
                where = f"{file}, row {row}"
                content = image.as_py()
                if isinstance(content, dict):
                    data, given = content.get("bytes"), PurePosixPath(content.get("path") or "").name
                else:
                    data, given = content, ""
                if data is None:
                    raise DatasetError(f"{where} has no image bytes.", remedy="Export it with the images embedded.")
                name = given or f"{file.stem}-{row:07d}{_extension(data)}"
                label = _label(value.as_py(), names, where)
                together = "" if given_group is None else str(given_group).strip()
                yield Incoming(name, label, split, data=data, where=where, group=together)
    except (pa.ArrowInvalid, OSError) as error:
        raise DatasetError(f"{file} is damaged: {error}.", remedy="Download it again.") from error


def _extension(data: bytes) -> str:
    header = parse_header(data)
    return TYPE_EXTENSIONS.get(header.media_type, "") if header else ""
