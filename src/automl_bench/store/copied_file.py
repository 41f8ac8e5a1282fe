"""Reading another machine's results file, which stays as it is."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from automl_bench.errors import UsageError
from automl_bench.store.store import open_store


@contextmanager
def copy_of(other: Path) -> Iterator[Path]:
    """Give a copy of a results file, brought forward to the format of this automl-bench; gone after the block.

    Raises:
        UsageError: If there is no such file, or it is no results file.
        RecordsError: If it is damaged or too new.
    """
    if not other.is_file():
        raise UsageError(f"{other} does not exist.", remedy="Give the path of another automl-bench.sqlite.")
    with TemporaryDirectory(prefix="automl-bench-copy-") as folder:
        copy = Path(folder) / "other.sqlite"
        with (
            closing(sqlite3.connect(f"{other.resolve().as_uri()}?mode=ro", uri=True)) as source,
            closing(sqlite3.connect(copy)) as target,
        ):
            try:
                source.backup(target)
            except sqlite3.DatabaseError as error:
                raise UsageError(
                    f"{other} is no results file: {error}.", remedy="Give the path of another automl-bench.sqlite."
                ) from error
        open_store(copy).close()
        yield copy
