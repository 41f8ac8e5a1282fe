"""`samples.parquet`: the content of every text or row of a dataset, once, in the order of the ids."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from automl_bench.border.command_lines import quoted_command
from automl_bench.contract import Modality, Sample
from automl_bench.datasets.columnar.identity import ids_of_rows, ids_of_texts
from automl_bench.datasets.content_ids import leading_words
from automl_bench.datasets.tables import one_line
from automl_bench.errors import DatasetError
from automl_bench.toolkit.whole_files import cannot

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

    from automl_bench.datasets.manifest import Manifest

CONTENT_NAME = "samples.parquet"
MEDIA_TYPES = {Modality.TEXT: "text/plain", Modality.TABULAR: "application/json"}
_ROWS_PER_GROUP = 1 << 16


def write_contents(folder: Path, ids: pa.Array, names: Sequence[str], columns: Sequence[pa.ChunkedArray]) -> None:
    """Write each content once: first its id, then its cells.

    Args:
        folder: The dataset folder.
        ids: Content id of each row.
        names: Column names.
        columns: The cells; for texts one column.

    Raises:
        WorkspaceError: If the file cannot be written.
    """
    import pyarrow as pa
    from pyarrow import parquet

    rows = pa.array(_first_of_each(ids))
    id_name = "sample_id"
    while id_name in names:
        id_name = f"_{id_name}"
    path = folder / CONTENT_NAME
    schema = pa.schema([(id_name, pa.string()), *((n, c.type) for n, c in zip(names, columns, strict=True))])
    try:
        with parquet.ParquetWriter(path, schema, compression="zstd", compression_level=1) as writer:
            for start in range(0, len(rows), _ROWS_PER_GROUP):
                step = rows.slice(start, _ROWS_PER_GROUP)
                cells = [column.take(step) for column in (ids.cast(pa.string()), *columns)]
                writer.write_table(pa.Table.from_arrays(cells, schema=schema))
    except OSError as error:
        raise cannot("write", path, error) from error


def _first_of_each(ids: pa.Array) -> npt.NDArray[np.int64]:
    """Return the rows of different ids, in the order of the ids; int64, shape (n,)."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    order = np.argsort(leading_words(ids), kind="stable")
    if order.size > 1:
        ordered = ids.take(pa.array(order))
        again = pc.equal(ordered.slice(1), ordered.slice(0, order.size - 1))
        order = np.concatenate([order[:1], order[1:][~np.asarray(again)]])
    return order.astype(np.int64)


class Contents:
    """The file, read column by column or in steps: a large table is never held whole.

    Args:
        manifest: The dataset.

    Raises:
        DatasetError: If the file is missing, damaged, or has other columns than the dataset's card says.
    """

    def __init__(self, manifest: Manifest) -> None:
        import pyarrow as pa
        from pyarrow import parquet

        self._manifest = manifest
        self._path = manifest.folder / CONTENT_NAME
        try:
            self._file = parquet.ParquetFile(self._path, memory_map=True)
        except (pa.ArrowException, OSError) as error:
            raise self._unreadable(error) from error
        found = self._file.schema_arrow.names
        self.names: list[str] = found[1:]
        """Columns of the cells; for texts one."""
        self.id_name: str = found[0]
        if manifest.modality is Modality.TABULAR and self.names != [one.name for one in manifest.columns]:
            raise DatasetError(
                f"{self._path} has other columns than {manifest.name}'s card says.", remedy=_remedy(manifest)
            )
        self.rows: int = self._file.metadata.num_rows
        """Number of contents."""

    def ids(self) -> pa.ChunkedArray:
        """Return the ids, sorted."""
        return self.column(self.id_name)

    def column(self, name: str) -> pa.ChunkedArray:
        """Return the cells of a column; of texts, the texts."""
        import pyarrow as pa

        try:
            return self._file.read(columns=[name]).column(0)
        except (pa.ArrowException, OSError) as error:
            raise self._unreadable(error) from error

    def steps(self) -> Iterator[pa.Table]:
        """Yield the file in parts: the id first, then the cells."""
        import pyarrow as pa

        try:
            for group in range(self._file.num_row_groups):
                yield self._file.read_row_group(group)
        except (pa.ArrowException, OSError) as error:
            raise self._unreadable(error) from error

    def take(self, ids: pa.Array) -> pa.Table | None:
        """Return the contents of ids in their order, or None if one is not there."""
        import pyarrow as pa
        import pyarrow.compute as pc

        parts = [part.filter(pc.is_in(part.column(0), value_set=ids)) for part in self.steps()]
        found = pa.concat_tables(parts)
        places = pc.index_in(ids, value_set=found.column(0))
        return None if places.null_count else found.take(places)

    def _unreadable(self, error: Exception) -> DatasetError:
        return DatasetError(
            f"{self._path} of the dataset {self._manifest.name} cannot be read: {one_line(error)}.",
            remedy=_remedy(self._manifest),
        )


def ids_of(manifest: Manifest, names: Sequence[str], columns: Sequence[pa.ChunkedArray]) -> pa.StringArray:
    """Return the ids that contents should have."""
    return (ids_of_texts(columns[0]) if manifest.modality is Modality.TEXT else ids_of_rows(names, columns))[0]


def samples_by_id(manifest: Manifest, ids: Sequence[str]) -> list[Sample]:
    """Return texts or rows as samples, in the order given; what was changed since the import is refused.

    Raises:
        DatasetError: If the file is missing or damaged, lacks an id, or has another content under it.
    """
    import pyarrow as pa

    if not ids:
        return []
    contents = Contents(manifest)
    wanted = pa.array(ids, pa.string())
    part = contents.take(wanted)
    if part is None or not ids_of(manifest, contents.names, part.columns[1:]).equals(wanted):
        raise DatasetError(
            f"{manifest.folder / CONTENT_NAME} is not the file that was imported: its content has changed.",
            remedy=_remedy(manifest),
        )
    names, columns = contents.names, part.columns[1:]
    media_type = MEDIA_TYPES[manifest.modality]
    cells = [column.to_pylist() for column in columns]
    if manifest.modality is Modality.TEXT:
        samples = [Sample(one, Path(), 0, media_type, text=text) for one, text in zip(ids, cells[0], strict=True)]
    else:
        rows = (dict(zip(names, row, strict=True)) for row in zip(*cells, strict=True))
        samples = [Sample(one, Path(), 0, media_type, row=row) for one, row in zip(ids, rows, strict=True)]
    return [replace(sample, size_bytes=len(sample.content())) for sample in samples]


def _remedy(manifest: Manifest) -> str:
    return f"Import the dataset again: {quoted_command('data', 'import', manifest.name, 'PATH', '--replace')}"
