"""The id of a text or row: the SHA-256 of its content in one form, whatever file, encoding or column order it came in.

A text's form is its UTF-8. A row's is one line for each column, in the order of the names' code points: the name, and
behind `=` the cell, which is left out with its sign where the cell is missing. Whole numbers have no decimals, other
numbers have the fewest digits that give them back. In names and cells a backslash is written twice, a line feed as
backslash and n, in names an equals sign as backslash and e.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

ROWS_PER_STEP = 50_000


def ids_of_texts(texts: pa.ChunkedArray) -> tuple[pa.StringArray, pa.Int64Array]:
    """Return the id and the number of bytes of each text."""
    return _ids(texts)


def ids_of_rows(names: Sequence[str], columns: Sequence[pa.ChunkedArray]) -> tuple[pa.StringArray, pa.Int64Array]:
    """Return the id of each row, and the bytes of the form it was taken of.

    Args:
        names: Column names.
        columns: int64, double or string columns of one length.
    """
    import pyarrow as pa

    order = sorted(range(len(names)), key=lambda at: names[at])
    ids, sizes = [], []
    for start in range(0, len(columns[0]), ROWS_PER_STEP):
        lines = [_lines(names[at], columns[at].slice(start, ROWS_PER_STEP)) for at in order]
        found = _ids(pa.chunked_array([_joined(lines)]))
        ids.append(found[0])
        sizes.append(found[1])
    return pa.concat_arrays(ids), pa.concat_arrays(sizes)


def _joined(lines: Sequence[pa.Array]) -> pa.Array:
    import pyarrow.compute as pc

    return lines[0] if len(lines) == 1 else pc.binary_join_element_wise(*lines, "\n")


def _lines(name: str, part: pa.ChunkedArray) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    cells = part.combine_chunks() if part.num_chunks != 1 else part.chunk(0)
    cells = _escaped(cells) if pa.types.is_string(cells.type) else pc.cast(cells, pa.string())
    key = name.replace("\\", "\\\\").replace("\n", "\\n").replace("=", "\\e")
    return pc.fill_null(pc.binary_join_element_wise(f"{key}=", cells, ""), key)


def _escaped(cells: pa.Array) -> pa.Array:
    import pyarrow.compute as pc

    for sign, written in (("\\", "\\\\"), ("\n", "\\n")):
        if pc.any(pc.match_substring(cells, sign)).as_py():
            cells = pc.replace_substring(cells, sign, written)
    return cells


def _ids(contents: pa.ChunkedArray) -> tuple[pa.StringArray, pa.Int64Array]:
    """Return the digest of each string in hexadecimal, and its bytes; in steps, as a digest is an object at first."""
    import pyarrow as pa

    parts = [
        _ids_of_step(chunk.slice(start, ROWS_PER_STEP))
        for chunk in contents.chunks
        for start in range(0, len(chunk), ROWS_PER_STEP)
    ]
    kind = pa.large_string() if 2 * hashlib.sha256().digest_size * len(contents) >= 2**31 else pa.string()
    ids, sizes = zip(*parts, strict=True) if parts else ((), ())
    return (
        pa.concat_arrays([pa.array([], kind), *(part.cast(kind) for part in ids)]),
        pa.concat_arrays([pa.array([], pa.int64()), *sizes]),
    )


def _ids_of_step(strings: pa.Array) -> tuple[pa.StringArray, pa.Int64Array]:
    import numpy as np
    import pyarrow as pa

    wide = pa.types.is_large_string(strings.type)
    _, offsets, data = strings.buffers()
    ends = np.frombuffer(offsets, np.int64 if wide else np.int32)[strings.offset : strings.offset + len(strings) + 1]
    view = memoryview(data if data is not None else b"")
    sha256 = hashlib.sha256
    letters = b"".join([sha256(view[a:b]).digest() for a, b in itertools.pairwise(ends.tolist())]).hex().encode()
    stops = np.arange(0, len(letters) + 1, 2 * sha256().digest_size, dtype=np.int32)
    ids = pa.StringArray.from_buffers(len(strings), pa.py_buffer(stops), pa.py_buffer(letters))
    lengths = np.diff(ends).astype(np.int64)
    return ids, pa.Array.from_buffers(pa.int64(), len(lengths), [None, pa.py_buffer(lengths)])
