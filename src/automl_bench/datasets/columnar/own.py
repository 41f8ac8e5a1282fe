"""A dataset folder of automl-bench that holds texts or rows, for example one copied from another workspace."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from automl_bench.contract import Modality
from automl_bench.datasets.account import Account
from automl_bench.datasets.columnar.content_file import CONTENT_NAME, Contents, ids_of
from automl_bench.datasets.import_options import ImportOptions, ImportSource, Made
from automl_bench.datasets.manifest import MANIFEST_NAME, Manifest, is_own_manifest, read_manifest, write_manifest
from automl_bench.datasets.placing import cannot
from automl_bench.errors import DatasetError, UsageError


def own_columns(source: ImportSource) -> Manifest | None:
    """Return the dataset of texts or rows that a source is, as a folder or an unpacked archive, or None."""
    folder = source.path if source.path.is_dir() else source.scratch
    inner = [path for path in folder.iterdir() if path.is_dir()] if folder.is_dir() else []
    for place in (folder, *inner[:1]):
        if (place / CONTENT_NAME).is_file() and is_own_manifest(place / MANIFEST_NAME):
            manifest = read_manifest(place)
            return None if manifest.modality is Modality.IMAGE else manifest
    return None


def import_own_columns(manifest: Manifest, source: ImportSource, draft: Path, options: ImportOptions) -> Made:
    """Write a copy of a dataset of ours: same content, splits, groups and kinds, so also the same fingerprint.

    Raises:
        UsageError: If an option would read it in another way than it was imported.
        DatasetError: If it is damaged: a content is missing, or is not that of its id.
        WorkspaceError: If a file cannot be read or written.
    """
    hints = options.hints
    if hints.columns.asked or hints.group or hints.label_column or options.merge_labels:
        raise UsageError(
            f"{source.path} is a dataset of automl-bench: its columns, labels and groups stay as they were imported.",
            remedy="Leave out --text, --label, --target, --group and --merge-labels, or import its source with them.",
        )
    _refuse_damage(manifest, source.path)
    try:
        shutil.copyfile(manifest.folder / CONTENT_NAME, draft / CONTENT_NAME)
    except OSError as error:
        raise cannot("copy", manifest.folder / CONTENT_NAME, error) from error
    rows = manifest.table.num_rows
    card = manifest.card
    stated = options.licence != ImportOptions.licence
    account = Account(rows, rows)
    write_manifest(
        draft,
        manifest.table,
        replace(
            card,
            name=source.name,
            title=options.title or card.title,
            licence=options.licence if stated else card.licence,
            source=options.source or str(source.path.absolute()),
            imported_at=datetime.now(UTC).isoformat(timespec="seconds"),
            account=account,
        ),
    )
    return Made("automl-bench dataset", (), account)


def _refuse_damage(manifest: Manifest, path: Path) -> None:
    import pyarrow as pa
    import pyarrow.compute as pc

    contents = Contents(manifest)
    ids = contents.ids()
    found = ids_of(manifest, contents.names, [contents.column(name) for name in contents.names])
    listed = pc.is_in(manifest.table["sample_id"], value_set=ids.combine_chunks())
    if not pc.all(listed).as_py() or not pa.chunked_array([found.cast(pa.string())]).equals(ids):
        raise DatasetError(
            f"{path} is damaged: {CONTENT_NAME} does not hold the contents that {MANIFEST_NAME} lists.",
            remedy="Copy the folder again, or import its source.",
        )
