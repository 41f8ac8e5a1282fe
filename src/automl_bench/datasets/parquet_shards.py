"""Reads Parquet files in the hub's layout: a column `image` (struct of bytes and path) and a column `label`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from automl_bench.datasets.class_folders import check_label
from automl_bench.datasets.image_headers import TYPE_EXTENSIONS, parse_header
from automl_bench.datasets.listing import SPLIT_WORDS, Incoming, Listing, pooled_split, split_notes
from automl_bench.errors import DatasetError

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow.parquet import ParquetFile

_SHARD = re.compile(r"^(?P<split>[A-Za-z]+)(-\d+-of-\d+.*)?$")
_ROWS_PER_STEP = 256


def parquet_files(path: Path) -> list[Path]:
    """Return the Parquet file itself, or those below a folder, sorted."""
    if path.is_file():
        return [path] if path.suffix.lower() == ".parquet" else []
    return sorted(file for file in path.rglob("*.parquet") if not file.name.startswith("."))


def read_parquet(path: Path, *, test_split: str = "test") -> Listing:
    """List the samples of a Parquet file or of a folder of shards.

    The split comes from the file name (`train-00000-of-00002.parquet`), else from the folder it stands in. Labels are
    the names of the hub's ClassLabel feature (in the schema's `huggingface` metadata), or text as it is.

    Args:
        path: A file or a folder.
        test_split: The split that is the test set; some hub datasets name theirs "validation".

    Raises:
        DatasetError: If a file is damaged or has other columns, or integer labels have no names.
    """
    files = parquet_files(path)
    if not files:
        raise DatasetError(f"{path} holds no Parquet files.", remedy="Give the folder with the .parquet shards.")
    words = {**SPLIT_WORDS, test_split.lower(): "test"}
    splits = {file: words.get(_split_word(file), "") for file in files}
    found = {split for split in splits.values() if split}
    if found and "" in splits.values():
        odd = next(file for file, split in splits.items() if not split)
        raise DatasetError(
            f"{odd} names no split, where other files do.",
            remedy="Name the shards train-…, validation-… and test-…, or import one file.",
        )
    names = [_label_names(file) for file in files]
    counts: dict[str, int] = {}
    for file, split in splits.items():
        counts[split] = counts.get(split, 0) + _opened(file).metadata.num_rows
    has_split, notes = split_notes(found, counts)

    def samples() -> Iterator[Incoming]:
        for file, label_names in zip(files, names, strict=True):
            split = pooled_split(splits[file]) if has_split else ""
            yield from _samples_of(file, label_names, split)

    labels = tuple(dict.fromkeys(name for file, given in zip(files, names, strict=True) for name in _used(file, given)))
    return Listing("Parquet (hub layout)", labels, has_split, sum(counts.values()), samples, notes)


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
        raise DatasetError(f"{file} cannot be read as Parquet: {error}.", remedy="Download it again.") from error


def _label_names(file: Path) -> list[str] | None:
    """Return the ClassLabel names, or None if labels are text.

    Raises:
        DatasetError: If the columns are not the hub's.
    """
    import pyarrow as pa

    schema = _opened(file).schema_arrow
    if "image" not in schema.names or "label" not in schema.names:
        wanted = "this version imports images only" if "text" in schema.names else "`image` and `label` are needed"
        raise DatasetError(
            f"{file} has the columns {', '.join(schema.names)}: {wanted}.",
            remedy="Rename the columns, or export the images to class folders.",
        )
    image = schema.field("image").type
    if not pa.types.is_binary(image) and not pa.types.is_large_binary(image) and not _is_image_struct(image):
        raise DatasetError(
            f"{file} has an `image` column of type {image}, where bytes or a struct with bytes are needed.",
            remedy="Export it with the images embedded.",
        )
    kind = schema.field("label").type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_dictionary(kind):
        return None
    names = _class_label_names(schema)
    if not names:
        raise DatasetError(
            f"{file} has numbers as labels and no class names in its metadata.",
            remedy="Export it with a ClassLabel feature or with labels as text.",
        )
    return [check_label(name, str(file)) for name in names]


def _is_image_struct(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0)


def _class_label_names(schema: pa.Schema) -> list[str]:
    try:
        hub: Any = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
        names = hub["info"]["features"]["label"]["names"]
    except (ValueError, KeyError, TypeError):
        return []
    return [str(name) for name in names] if isinstance(names, list) else []


def _used(file: Path, names: list[str] | None) -> list[str]:
    """Return the labels that occur in a file, sorted."""
    import pyarrow.compute as pc

    values = pc.unique(_opened(file).read(columns=["label"])["label"].combine_chunks()).to_pylist()
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


def _samples_of(file: Path, names: list[str] | None, split: str) -> Iterator[Incoming]:
    import pyarrow as pa

    row = 0
    try:
        for batch in _opened(file).iter_batches(_ROWS_PER_STEP, columns=["image", "label"]):
            for image, value in zip(batch["image"], batch["label"], strict=True):
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
                yield Incoming(name, _label(value.as_py(), names, where), split, data=data, where=where)
    except (pa.ArrowInvalid, OSError) as error:
        raise DatasetError(f"{file} is damaged: {error}.", remedy="Download it again.") from error


def _extension(data: bytes) -> str:
    header = parse_header(data)
    return TYPE_EXTENSIONS.get(header.media_type, "") if header else ""
