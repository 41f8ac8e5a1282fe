"""Every table as CSV, JSON, Parquet or Markdown. Rows are streamed, so that a table may be larger than memory."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from automl_bench.border.cells import inert
from automl_bench.errors import UsageError
from automl_bench.store.store import Store
from automl_bench.toolkit.whole_files import replaced_file

if TYPE_CHECKING:
    import pandas as pd


class ExportFormat(StrEnum):
    """File formats, named like the files' endings."""

    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"
    MARKDOWN = "md"


@dataclass(frozen=True, slots=True)
class ExportTable:
    """A table as it is exported.

    Attributes:
        sql: SELECT statement.
        complete_runs: Condition that leaves out incomplete load runs, or "".
    """

    sql: str
    complete_runs: str = ""


_OF_TRIAL = "JOIN trials t USING (trial_key)"
TABLES: Mapping[str, ExportTable] = {
    "trials": ExportTable(
        "SELECT trial_id, provider, variant, dataset, fingerprint, shots, fold, repeat, seed, variant_settings, images,"
        " test_limit, status, reason, created_at FROM trials"
    ),
    "stages": ExportTable(
        "SELECT t.trial_id, s.stage, s.status, s.token, s.result, s.started_at, s.finished_at, s.wall_seconds,"
        f" s.queue_seconds, s.work_seconds, s.billable_seconds, s.message FROM stages s {_OF_TRIAL}"
    ),
    "operations": ExportTable(f"SELECT t.trial_id, o.stage, o.token, o.saved_at FROM operations o {_OF_TRIAL}"),
    "ledger": ExportTable(
        "SELECT l.entry_id, t.trial_id, l.stage, l.provider, l.variant, l.kind, l.name, l.resource_id, l.state,"
        " l.hourly_usd, l.details, l.delete_by_hand, l.keep, l.intended_at, l.created_at, l.deleted_at"
        f" FROM ledger l {_OF_TRIAL}"
    ),
    "experiments": ExportTable(
        "SELECT e.name, x.position, x.trial_id, e.settings, e.environment_id, e.created_at"
        " FROM experiments e LEFT JOIN experiment_trials x USING (experiment_key)"
    ),
    "environments": ExportTable("SELECT environment_id, content, recorded_at FROM environments"),
    "invocations": ExportTable("SELECT * FROM readable_invocations"),
    "usages": ExportTable("SELECT * FROM readable_usages"),
    "load_runs": ExportTable(
        "SELECT r.load_run_id, t.trial_id, r.loop, r.settings, r.started_at, r.complete, r.valid, r.reasons, r.summary,"
        f" r.anchor_wall, r.anchor_ns FROM load_runs r {_OF_TRIAL}",
        complete_runs="r.complete = 1",
    ),
    "load_calls": ExportTable("SELECT * FROM readable_load_calls", complete_runs="complete = 1"),
    "imported": ExportTable(
        "SELECT source, provider, variant, dataset, classes, shots, fold, accuracy, test_samples, train_seconds"
        " FROM imported"
    ),
    "imported_runs": ExportTable(
        "SELECT source, provider, variant, dataset, shots, fold, seconds, calls, ok, concurrency, loop, valid"
        " FROM imported_runs"
    ),
}
"""What can be exported, by name; times ending in _ns are nanoseconds."""

_INTEGERS = frozenset(
    {
        "anchor_ns",
        "attempt",
        "cached_tokens",
        "calls",
        "classes",
        "concurrency",
        "entry_id",
        "environment_id",
        "fold",
        "http_status",
        "images_read",
        "input_tokens",
        "number",
        "ok",
        "output_tokens",
        "position",
        "reasoning_tokens",
        "repeat",
        "seed",
        "shots",
        "test_limit",
        "test_samples",
        "true_rank",
        "worker",
    }
)
_REALS = frozenset({"accuracy", "confidence", "hourly_usd", "seconds", "told_usd", "usd"})
_BOOLEANS = frozenset({"complete", "correct", "keep", "new_connection", "valid"})
_NESTED = frozenset({"variant_settings", "images", "result", "details", "settings", "content", "reasons", "summary"})


def export_tables(
    store: Store,
    folder: Path,
    *,
    formats: Sequence[ExportFormat] = (ExportFormat.CSV,),
    tables: Sequence[str] | None = None,
    incomplete_load_runs: bool = False,
) -> list[Path]:
    """Write tables to `<folder>/<table>.<format>`.

    In CSV and Markdown and Parquet, nested values are JSON text; in JSON they are nested. What is unknown is an empty
    cell, null in JSON and Parquet. Column types do not depend on the rows.

    Args:
        store: The store.
        folder: Folder to write to.
        formats: File formats.
        tables: Names of tables; by default all.
        incomplete_load_runs: Also write load runs, and their calls, whose end was never stored.

    Returns:
        The files written.

    Raises:
        UsageError: There is no such table.
        WorkspaceError: A file cannot be written.
    """
    written: list[Path] = []
    for name in TABLES if tables is None else tables:
        if name not in TABLES:
            raise UsageError(f"There is no table {name!r}.", remedy=f"Choose among {', '.join(TABLES)}.")
        for file_format in formats:
            path = folder / f"{name}.{file_format.value}"
            with replaced_file(path) as temporary:
                _WRITERS[file_format](temporary, table_frames(store, name, incomplete_load_runs=incomplete_load_runs))
            written.append(path)
    return written


def table_frames(store: Store, name: str, *, incomplete_load_runs: bool = False) -> Iterator[pd.DataFrame]:
    """Yield a table as data frames of up to 50,000 rows with the same typed columns; at least one, empty if need be.

    Args:
        store: The store.
        name: A key of `TABLES`.
        incomplete_load_runs: As in `export_tables`.
    """
    table = TABLES[name]
    sql = table.sql
    if table.complete_runs and not incomplete_load_runs:
        sql += f" WHERE {table.complete_runs}"
    columns = store.column_names(sql)
    empty = True
    for block in store.stream(sql):
        empty = False
        yield _frame(columns, block)
    if empty:
        yield _frame(columns, [])


def _frame(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> pd.DataFrame:
    import pandas as pd

    values: list[Sequence[Any]] = list(zip(*rows, strict=True)) or [()] * len(columns)
    frame: dict[str, Any] = {}
    for name, column in zip(columns, values, strict=True):
        dtype: Any = _dtype(name)  # pandas-stubs wants one literal with each type of list
        cells: list[Any] = [None if item is None else bool(item) for item in column] if name in _BOOLEANS else [*column]
        frame[name] = pd.array(cells, dtype=dtype)
    return pd.DataFrame(frame)


def _dtype(column: str) -> Literal["Int64", "Float64", "boolean", "string"]:
    if column in _INTEGERS or column.endswith("_ns"):
        return "Int64"
    if column in _REALS or column.endswith("_seconds"):
        return "Float64"
    return "boolean" if column in _BOOLEANS else "string"


def _write_csv(path: Path, frames: Iterable[pd.DataFrame]) -> None:
    for number, frame in enumerate(frames):
        texts: list[str] = list(frame.select_dtypes("string").columns)
        frame[texts] = frame[texts].map(inert)
        frame.to_csv(path, mode="a" if number else "w", header=not number, index=False, lineterminator="\n")


def _write_parquet(path: Path, frames: Iterable[pd.DataFrame]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    writer: Any = None
    try:
        for frame in frames:
            table = pa.Table.from_pandas(frame, preserve_index=False)
            writer = pq.ParquetWriter(path, table.schema) if writer is None else writer
            writer.write_table(table)
    finally:
        if writer is not None:
            writer.close()


def _write_json(path: Path, frames: Iterable[pd.DataFrame]) -> None:
    import pandas as pd

    with path.open("w", encoding="utf-8") as file:
        first = True
        for frame in frames:
            for row in frame.to_dict(orient="records"):
                record = {
                    str(name): None if pd.isna(value) else json.loads(value) if name in _NESTED else value
                    for name, value in row.items()
                }
                file.write("[\n" if first else ",\n")
                file.write(json.dumps(record, ensure_ascii=False))
                first = False
        file.write("[]\n" if first else "\n]\n")


def _write_markdown(path: Path, frames: Iterable[pd.DataFrame]) -> None:
    with path.open("w", encoding="utf-8") as file:
        for number, frame in enumerate(frames):
            if not number:
                file.write(f"| {' | '.join(map(str, frame.columns))} |\n")
                marks = ["---:" if _dtype(str(name)) in ("Int64", "Float64") else "---" for name in frame.columns]
                file.write(f"|{'|'.join(marks)}|\n")
            for row in frame.astype(object).where(frame.notna(), "").itertuples(index=False):
                file.write(f"| {' | '.join(_cell(value) for value in row)} |\n")


def _cell(value: Any) -> str:
    return str(value).replace("\\", "\\\\").replace("|", "\\|").replace("\r", " ").replace("\n", " ")


_WRITERS: Mapping[ExportFormat, Callable[[Path, Iterable[pd.DataFrame]], None]] = {
    ExportFormat.CSV: _write_csv,
    ExportFormat.JSON: _write_json,
    ExportFormat.PARQUET: _write_parquet,
    ExportFormat.MARKDOWN: _write_markdown,
}
