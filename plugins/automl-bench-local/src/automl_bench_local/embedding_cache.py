"""Embeddings of training images, kept by content so that the next trial need not compute them again.

One SQLite file in the provider's cache folder; it may be deleted at any time. Each row also keeps what the embedding
cost when it was computed, so that a training that found it here still reports an honest time. Never used for serving.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from automl_bench_local.backbone import GRAPH_NAME

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FILE_NAME = "embeddings.sqlite"
WAIT_SECONDS = 30.0
"""How long one training waits for another one's write."""


class EmbeddingCache:
    """Embeddings by content hash, network and input size. A damaged or unwritable file only costs its benefit."""

    def __init__(self, folder: Path, side: int) -> None:
        self._suffix = f":{GRAPH_NAME}:{side}".encode()
        self._file = folder / FILE_NAME
        self._connection: sqlite3.Connection | None = None

    def __enter__(self) -> EmbeddingCache:
        try:
            self._connection = self._open()
        except sqlite3.DatabaseError:
            self._connection = None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._connection is not None:
            self._connection.close()

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._file, timeout=WAIT_SECONDS, isolation_level=None)
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")
            connection.execute(
                "CREATE TABLE IF NOT EXISTS embeddings "
                "(key BLOB PRIMARY KEY, vector BLOB NOT NULL, seconds REAL NOT NULL) WITHOUT ROWID"
            )
        except sqlite3.DatabaseError:
            connection.close()
            raise
        return connection

    def _key(self, digest: bytes) -> bytes:
        return digest + self._suffix

    def find(self, digest: bytes) -> tuple[NDArray[np.float32], float] | None:
        """Return a kept embedding and the seconds it once took, or None.

        Args:
            digest: SHA-256 of the image's bytes.
        """
        import numpy as np

        if self._connection is None:
            return None
        try:
            row = self._connection.execute(
                "SELECT vector, seconds FROM embeddings WHERE key = ?", (self._key(digest),)
            ).fetchone()
        except sqlite3.DatabaseError:
            return None
        return (np.frombuffer(row[0], dtype="<f4"), float(row[1])) if row else None

    def keep(self, rows: Sequence[tuple[bytes, NDArray[np.float32], float]]) -> None:
        """Keep embeddings, in one transaction: digest of the image, vector, seconds it took."""
        if self._connection is None or not rows:
            return
        values = [(self._key(digest), vector.astype("<f4").tobytes(), seconds) for digest, vector, seconds in rows]
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.executemany("INSERT OR IGNORE INTO embeddings VALUES (?, ?, ?)", values)
            self._connection.execute("COMMIT")
        except sqlite3.DatabaseError:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
