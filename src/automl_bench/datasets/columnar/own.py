"""A dataset folder of automl-bench that holds texts or rows, for example one copied from another workspace."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from automl_bench.contract import Modality
from automl_bench.datasets.account import Account, Reason, Tally
from automl_bench.datasets.columnar.content_file import CONTENT_NAME, Contents, ids_of
from automl_bench.datasets.columnar.text_folders import MAIL_FOLDERS, TEXT_FOLDERS
from automl_bench.datasets.import_options import ImportOptions, ImportSource, Made
from automl_bench.datasets.manifest import (
    CLASSES_NAME,
    MANIFEST_NAME,
    Manifest,
    is_own_manifest,
    read_manifest,
    write_manifest,
)
from automl_bench.datasets.provenance import CARD_NAME, DatasetCard
from automl_bench.datasets.survey import kept_out
from automl_bench.errors import DatasetError, UsageError
from automl_bench.toolkit.whole_files import cannot

OWN_FILES = frozenset((MANIFEST_NAME, CLASSES_NAME, CARD_NAME, CONTENT_NAME))


def own_columns(source: ImportSource) -> Manifest | None:
    """Return the dataset of texts or rows that a source is, as a folder or an unpacked archive, or None."""
    folder = source.path if source.path.is_dir() else source.scratch
    inside = [path for path in folder.iterdir() if not kept_out(path.name)]
    for place in (folder, *(inside if len(inside) == 1 else ())):
        if (place / CONTENT_NAME).is_file() and is_own_manifest(place / MANIFEST_NAME):
            manifest = read_manifest(place)
            return None if manifest.modality is Modality.IMAGE else manifest
    return None


def import_own_columns(manifest: Manifest, source: ImportSource, draft: Path, options: ImportOptions) -> Made:
    """Write a copy of a dataset of ours: same content, splits, groups and kinds, so also the same fingerprint.

    Args:
        manifest: See `own_columns`.
        source: What is imported.
        draft: The new dataset's folder, empty.
        options: How; an option that says what the dataset is anyway is none.

    Raises:
        UsageError: If an option would read it in another way than it was imported.
        DatasetError: If it is damaged: a content is missing, or is not that of its id.
        WorkspaceError: If a file cannot be read or written.
    """
    card = manifest.card
    _refuse_other_readings(card, source.path, options)
    _refuse_damage(manifest, source.path)
    try:
        shutil.copyfile(manifest.folder / CONTENT_NAME, draft / CONTENT_NAME)
    except OSError as error:
        raise cannot("copy", manifest.folder / CONTENT_NAME, error) from error
    tally = Tally()
    for path in sorted(manifest.folder.rglob("*")):
        if path.is_file() and path.name not in OWN_FILES:
            tally.add(kept_out(path.name) or Reason.NO_SAMPLE, "", path.relative_to(manifest.folder).as_posix())
    rows = manifest.table.num_rows
    account = Account(rows + sum(tally.counts.values()), rows, tally.entries())
    warnings = tuple(account.sentences(expected=False))
    copied = replace(
        card,
        name=source.name,
        title=options.title or card.title,
        licence=card.licence if options.licence == ImportOptions().licence else options.licence,
        source=options.source or str(source.path.absolute()),
        imported_at=datetime.now(UTC).isoformat(timespec="seconds"),
        notes=(*card.notes, *options.notes, *account.sentences(expected=True), *warnings),
        account=account,
    )
    write_manifest(draft, manifest.table, copied)
    return Made("automl-bench dataset", warnings, account)


def _refuse_other_readings(card: DatasetCard, path: Path, options: ImportOptions) -> None:
    hints = options.hints
    others = (
        hints.columns.asked and hints.columns.labels_from != card.target,
        hints.layout not in ("", TEXT_FOLDERS, MAIL_FOLDERS),
        hints.group not in ("", card.group),
        hints.label_column not in ("", card.target),
        options.merge_labels,
    )
    if any(others):
        raise UsageError(
            f"{path} is a dataset of automl-bench: its columns, labels and groups stay as they were imported.",
            remedy="Leave out the options that say how it is to be read, or import its source with them.",
        )


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
