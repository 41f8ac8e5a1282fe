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

from automl_bench_openai import tokens
from automl_bench_openai.prompts import sample_text

from automl_bench.contract import Column, HttpRequest, Sample
from automl_bench.errors import RequestRefused
from automl_bench_embed.options import Options

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FILE_NAME = "vectors.sqlite"
WAIT_SECONDS = 30.0


def words_of(sample: Sample, columns: tuple[Column, ...], budget: int) -> str:
    """Return what is embedded of a sample: its text, or its fields one a line.

    Raises:
        RequestRefused: If it is empty, or longer than the budget.
    """
    words = sample_text(sample, columns) or ""
    if not words.strip():
        raise RequestRefused("The sample is empty, and empty texts are not embedded.")
    if tokens.of_text(words) > budget:
        raise RequestRefused(
            f"The sample takes more than the {budget:,} tokens of token_budget.", remedy="Raise token_budget."
        )
    return words


def request_for(options: Options, headers: tuple[tuple[str, str], ...], texts: Sequence[str]) -> HttpRequest:
    """Return the request that embeds texts."""
    body: dict[str, Any] = {"model": options.model, "input": list(texts), "encoding_format": "base64"}
    if options.dimensions is not None:
        body["dimensions"] = options.dimensions
    return HttpRequest(
        f"{options.base_url}/embeddings",
        headers=headers,
        body=json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode(),
        timeout_seconds=options.timeout_seconds,
    )


def vectors_in(content: Mapping[str, Any], count: int) -> NDArray[np.float64]:
    """Return the vectors of an answer, in the order asked for, each of length one.

    Raises:
        ValueError: If there are not as many as asked for, or one cannot be read.
    """
    import numpy as np

    found: dict[int, NDArray[np.float64]] = {}
    for one in content["data"]:
        given = one["embedding"]
        if isinstance(given, str):
            vector = np.frombuffer(base64.b64decode(given, validate=True), dtype="<f4").astype(np.float64)
        else:
            vector = np.asarray(given, dtype=np.float64)
        found[int(one["index"])] = vector
    if sorted(found) != list(range(count)) or len({one.shape for one in found.values()}) != 1:
        raise ValueError("not one vector for each text")
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

    def key(self, words: str) -> bytes:
        """Return the key of what is embedded."""
        return hashlib.sha256(f"{self._identity}\n{words}".encode()).digest()

    def find(self, words: Iterable[str]) -> dict[str, NDArray[np.float64]]:
        """Return the vectors that are kept, by their words."""
        import numpy as np

        found = {}
        with self._open() as connection:
            for text in words:
                row = connection.execute("SELECT vector FROM vectors WHERE key = ?", (self.key(text),)).fetchone()
                if row is not None:
                    found[text] = np.frombuffer(row[0], dtype="<f8")
        return found

    def keep(self, words: Sequence[str], vectors: NDArray[np.float64]) -> None:
        """Keep vectors."""
        rows = [(self.key(text), vector.astype("<f8").tobytes()) for text, vector in zip(words, vectors, strict=True)]
        with self._open() as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany("INSERT OR IGNORE INTO vectors VALUES (?, ?)", rows)
            connection.execute("COMMIT")
