"""Imports texts and tables: from files to one columnar file with ids, kinds, labels and splits."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from automl_bench.contract import ColumnKind, Modality
from automl_bench.datasets.account import Account, Reason, Tally
from automl_bench.datasets.columnar.content_file import MEDIA_TYPES, write_contents
from automl_bench.datasets.columnar.drawing import choose_test_rows
from automl_bench.datasets.columnar.files import source_files, unpacked
from automl_bench.datasets.columnar.identity import ids_of_rows, ids_of_texts
from automl_bench.datasets.columnar.joining import Joined, join
from automl_bench.datasets.columnar.kinds import TypedColumn, summary_of, typed_column
from automl_bench.datasets.columnar.readers import read_source
from automl_bench.datasets.columnar.remarks import remarks_on
from automl_bench.datasets.columnar.source_table import place_of
from automl_bench.datasets.columnar.targets import merged_labels, refuse_other_tasks, whole_labels
from automl_bench.datasets.columnar.text_folders import MAIL_FOLDERS, TEXT_FOLDERS, read_text_folders
from automl_bench.datasets.groups import group_of, path_pattern
from automl_bench.datasets.import_options import ImportOptions, ImportSource, Made, Progress
from automl_bench.datasets.list_columns import looks_like_group
from automl_bench.datasets.manifest import manifest_schema, sorted_table, write_manifest
from automl_bench.datasets.provenance import DatasetCard
from automl_bench.datasets.splitting import choose_test_by_group
from automl_bench.errors import DatasetError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa


def import_columns(source: ImportSource, draft: Path, options: ImportOptions, progress: Progress) -> Made:
    """Write a dataset of texts or rows into a folder.

    Args:
        source: What is imported.
        draft: The folder, empty.
        options: See `ImportOptions`; `hints.columns` says which column is what.
        progress: Told about unpacking and of rows.

    Raises:
        UsageError: If an option makes no sense.
        DatasetError: If there is nothing to import, or it cannot be read in one way.
        UnsafeArchive: If an archive is hostile.
        WorkspaceError: If something cannot be read or written.
    """
    joined, tally, layout = _read(source, options, progress)
    seen = joined.rows + sum(tally.counts.values())
    _leave_out(joined, options, tally)
    typed = _typed(joined, options, source.path, tally)
    progress("importing", 0, joined.rows)
    kinds = {column.name: column.kind for column in typed}
    columns = [column.values for column in typed]
    typed_notes = [note for column in typed for note in column.notes]
    del typed  # what is written is not held any longer
    joined.columns = []
    is_text = options.hints.columns.modality is Modality.TEXT
    ids, sizes = ids_of_texts(columns[0]) if is_text else ids_of_rows(list(kinds), columns)
    write_contents(draft, ids, list(kinds), columns)
    del columns
    table = _manifest_table(joined, ids, sizes, options)
    remarks = remarks_on(table, is_table=not is_text)
    account = Account(seen, table.num_rows, tally.entries())
    candidates = tuple(name for name, cells in joined.unused if joined.groups is None and _is_group(name, cells))
    warnings = (*remarks, *(unused_group(name) for name in candidates[:1]), *account.sentences(expected=False))
    kinds_said = () if is_text else (summary_of(kinds),)
    notes = (
        *joined.notes,
        *typed_notes,
        *kinds_said,
        *options.notes,
        *account.sentences(expected=True),
        *warnings,
    )
    write_manifest(draft, table, _card(source, options, joined, kinds, notes, account, candidates))
    progress("importing", table.num_rows, table.num_rows)
    return Made(layout, tuple(warnings), account)


def _read(source: ImportSource, options: ImportOptions, progress: Progress) -> tuple[Joined, Tally, str]:
    hints = options.hints
    if hints.layout in (TEXT_FOLDERS, MAIL_FOLDERS):
        tally = Tally()
        folder = unpacked(source, lambda done, total: progress("unpacking", done, total))
        table = read_text_folders(folder, hints.layout, hints.words, hints.columns.folder_labels, tally)
        joined = join([("", table)], hints.columns, "", tally)
        if hints.group:
            joined.groups = _groups_of(joined.places, hints.group)
        return joined, tally, "texts, folders"
    files = source_files(source.path, source.scratch, hints, lambda done, total: progress("unpacking", done, total))
    read = []
    for at, (split, path) in enumerate(files.files):
        progress("reading", at, len(files.files))
        read.append((split, read_source(path, hints.columns)))
    layout = "texts" if hints.columns.modality is Modality.TEXT else "table"
    endings = sorted({path.suffix.lower().removeprefix(".").upper() for _, path in files.files})
    return join(read, hints.columns, hints.group, files.left_out), files.left_out, f"{layout}, {' and '.join(endings)}"


def _groups_of(paths: pa.ChunkedArray, pattern: str) -> pa.ChunkedArray:
    """Return the group of each file of a text, by its path."""
    import pyarrow as pa

    compiled = path_pattern(pattern)
    return pa.chunked_array([pa.array([group_of(path, compiled) for path in paths.to_pylist()], pa.string())])


def _leave_out(joined: Joined, options: ImportOptions, tally: Tally) -> None:
    """Leave out rows without a label or text, and those that the catalogue names; count them."""
    import pyarrow as pa
    import pyarrow.compute as pc

    def drop(mask: pa.ChunkedArray, reason: Reason) -> None:
        number = pc.sum(mask).as_py() or 0
        if number:
            tally.add(reason, "", joined.places.filter(mask)[0].as_py(), number)
            joined.keep(pc.invert(mask))

    drop(pc.is_null(joined.labels), Reason.NO_LABEL)
    for name, values in options.hints.columns.drop.items():
        cells = dict(zip(joined.names, joined.columns, strict=True)) | dict(joined.unused)
        wanted = pc.is_in(cells.get(name, joined.labels), pa.array(values))
        drop(wanted, Reason.DROPPED)
    if options.hints.columns.modality is Modality.TEXT:
        text = pc.fill_null(joined.columns[0], "")
        joined.columns = [text]
        drop(pc.equal(pc.utf8_trim_whitespace(text), ""), Reason.EMPTY_TEXT)
    if not joined.rows:
        entries = tally.entries()
        why = f": {entries[0].count:,} {entries[0].reason.phrase_for(entries[0].count)}" if entries else ""
        raise DatasetError(f"no row is left to import{why}.", remedy="Look at the columns that were named.")
    joined.labels, note = whole_labels(joined.labels)
    joined.notes += [note] if note else []
    if options.merge_labels:
        joined.labels, merges = merged_labels(joined.labels)
        joined.notes += merges
    refuse_other_tasks(joined.labels, joined.target, options.hints.columns.modality)


def _typed(joined: Joined, options: ImportOptions, path: Path, tally: Tally) -> list[TypedColumn]:
    """Return the columns with their kinds; those of a text dataset are one text. Rows without any cell go."""
    import pyarrow.compute as pc

    if options.hints.columns.modality is Modality.TEXT:
        return [TypedColumn(joined.names[0], ColumnKind.TEXT, joined.columns[0])]
    told = {
        joined.names[place_of(name, joined.names, path, "--kind")]: kind
        for name, kind in options.hints.columns.kinds.items()
    }
    found = []
    for name in joined.names:
        cells, joined.columns = joined.columns[0], joined.columns[1:]
        found.append(typed_column(name, cells, path, told=told.get(name), comma_decimals=joined.comma_decimals))
    without_any = pc.is_null(found[0].values)
    for column in found[1:]:
        without_any = pc.and_(without_any, pc.is_null(column.values))
    number = pc.sum(without_any).as_py() or 0
    if not number:
        return found
    tally.add(Reason.EMPTY_ROW, "", joined.places.filter(without_any)[0].as_py(), number)
    kept = pc.invert(without_any)
    joined.keep(kept)
    if not joined.rows:
        raise DatasetError(f"{path} has no row with a cell besides the label.", remedy="Look at the file's columns.")
    return [TypedColumn(one.name, one.kind, one.values.filter(kept), one.notes) for one in found]


def _manifest_table(joined: Joined, ids: pa.Array, sizes: pa.Array, options: ImportOptions) -> pa.Table:
    import pyarrow as pa

    count = joined.rows
    labels = joined.labels.combine_chunks().dictionary_encode()
    splits = joined.splits
    if splits is None:
        chosen = _drawn(joined, ids, labels, options)
        splits = pa.chunked_array([pa.array(["train", "test"]).take(pa.array(chosen.astype("int32")))])
    columns: dict[str, pa.Array | pa.ChunkedArray] = {
        "sample_id": ids,
        "path": joined.places,
        "split": splits.combine_chunks().dictionary_encode(),
        "label": labels,
        "bytes": sizes,
        "width": pa.nulls(count, pa.int32()),
        "height": pa.nulls(count, pa.int32()),
        "media_type": pa.repeat(MEDIA_TYPES[options.hints.columns.modality], count).dictionary_encode(),
    }
    grouped = joined.groups is not None
    if joined.groups is not None:
        columns["group"] = joined.groups.combine_chunks().dictionary_encode()
    schema = manifest_schema(grouped=grouped)
    return sorted_table(pa.table([columns[field.name] for field in schema], schema=schema))


def _drawn(joined: Joined, ids: pa.Array, labels: pa.Array, options: ImportOptions) -> npt.NDArray[np.bool_]:
    import numpy as np

    if joined.groups is None:
        classes = np.asarray(labels.indices).astype(np.int32)
        return choose_test_rows(ids, classes, test_share=options.test_share, seed=options.seed)
    every = ids.to_pylist()
    samples = list(zip(every, labels.to_pylist(), strict=True))
    chosen = choose_test_by_group(samples, joined.groups.to_pylist(), test_share=options.test_share, seed=options.seed)
    return np.array([one in chosen for one in every])


def _is_group(name: str, cells: pa.ChunkedArray) -> bool:
    import pyarrow.compute as pc

    return looks_like_group(name.lower(), pc.count_distinct(cells).as_py(), len(cells))


def unused_group(column: str) -> str:
    """Return the sentence on a column that looks as if it named groups and was not used."""
    return (
        f"The column {column!r} is not used and looks as if it said which samples belong together: add "
        f"--group {column!r} to keep them on one side of every split."
    )


def _card(
    source: ImportSource,
    options: ImportOptions,
    joined: Joined,
    kinds: dict[str, ColumnKind],
    notes: tuple[str, ...],
    account: Account,
    candidates: tuple[str, ...],
) -> DatasetCard:
    import pyarrow.compute as pc

    drawn = joined.splits is None
    modality = options.hints.columns.modality
    return DatasetCard(
        name=source.name,
        title=options.title or source.name,
        licence=options.licence,
        source=options.source or str(source.path.absolute()),
        modality=modality,
        imported_at=datetime.now(UTC).isoformat(timespec="seconds"),
        seed=options.seed if drawn else None,
        test_share=options.test_share if drawn else None,
        notes=notes,
        account=account,
        group=options.hints.group,
        columns={name: pc.count_distinct(cells).as_py() for name, cells in joined.unused},
        group_candidates=candidates,
        kinds={} if modality is Modality.TEXT else kinds,
        target=joined.target,
    )
