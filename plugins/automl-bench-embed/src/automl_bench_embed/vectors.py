"""Embedding requests, the vectors in their answers, and a cache: each content is embedded once a workspace."""

from __future__ import annotations

import base64
import hashlib
import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl_bench.contract import HttpRequest
from automl_bench_embed.items import Item
from automl_bench_embed.options import Options
from automl_bench_embed.shapes import Shape

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FILE_NAME = "vectors.sqlite"
WAIT_SECONDS = 30.0


def request_for(options: Options, headers: tuple[tuple[str, str], ...], items: Sequence[Item]) -> HttpRequest:
    """Return the request that embeds contents.

    Raises:
        OSError: If the file of an image cannot be read.
    """
    body = options.shape.body(options.model, items, options.dimensions)
    return HttpRequest(
        f"{options.base_url}{options.shape.path}",
        headers=headers,
        body=json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode(),
        timeout_seconds=options.timeout_seconds,
    )


def vectors_in(shape: Shape, content: Mapping[str, Any], count: int) -> NDArray[np.float64]:
    """Return the vectors of an answer, in the order asked for, each of length one.

    Raises:
        ValueError: If there are not as many as asked for, or one cannot be read.
    """
    import numpy as np

    found: dict[int, NDArray[np.float64]] = {}
    for place, given in shape.vectors(content):
        if isinstance(given, str):
            found[place] = np.frombuffer(base64.b64decode(given, validate=True), dtype="<f4").astype(np.float64)
        else:
            found[place] = np.asarray(given, dtype=np.float64)
    if sorted(found) != list(range(count)) or len({one.shape for one in found.values()}) != 1:
        raise ValueError("not one vector for each content")
    matrix = np.stack([found[place] for place in range(count)])
    lengths = np.linalg.norm(matrix, axis=1, keepdims=True)
    if matrix.ndim != 2 or not np.isfinite(matrix).all() or not (lengths > 0).all():
        raise ValueError("a vector without a direction")
    unit: NDArray[np.float64] = matrix / lengths
    return unit


class VectorCache:
    """Vectors by content and by what embedded them. May be deleted at any time.

    Args:
        folder: The provider's cache folder.
        identity: `Options.identity`.
    """

    def __init__(self, folder: Path, identity: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file = folder / FILE_NAME
        self._identity = identity
        with self._open() as connection:
            connection.execute("CREATE TABLE IF NOT EXISTS vectors (key BLOB PRIMARY KEY, vector BLOB NOT NULL)")

    def _open(self) -> closing[sqlite3.Connection]:
        return closing(sqlite3.connect(self._file, timeout=WAIT_SECONDS, isolation_level=None))

    def key(self, content: str) -> bytes:
        """Return the key of a content (`Item.identity`)."""
        return hashlib.sha256(f"{self._identity}\n{content}".encode()).digest()

    def find(self, contents: Iterable[str]) -> dict[str, NDArray[np.float64]]:
        """Return the vectors that are kept, by `Item.identity`."""
        import numpy as np

        found = {}
        with self._open() as connection:
            for one in contents:
                row = connection.execute("SELECT vector FROM vectors WHERE key = ?", (self.key(one),)).fetchone()
                if row is not None:
                    found[one] = np.frombuffer(row[0], dtype="<f8")
        return found

    def keep(self, items: Sequence[Item], vectors: NDArray[np.float64]) -> None:
        """Keep vectors."""
        rows = [
            (self.key(item.identity), vector.astype("<f8").tobytes())
            for item, vector in zip(items, vectors, strict=True)
        ]
        with self._open() as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany("INSERT OR IGNORE INTO vectors VALUES (?, ?)", rows)
            connection.execute("COMMIT")
