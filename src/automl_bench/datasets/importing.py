"""`data import`: from a path in any known layout to a dataset folder, in one step that either happens or does not."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from automl_bench.contract import Modality
from automl_bench.datasets.intake import Placement, Refused, refusal, take_in
from automl_bench.datasets.listing import Listing
from automl_bench.datasets.manifest import Manifest, in_split, read_manifest, write_manifest
from automl_bench.datasets.pixel_identity import Copies, decode_images, is_decoded_at_import, remember
from automl_bench.datasets.placing import building_folder, scratch_folder
from automl_bench.datasets.provenance import DatasetCard
from automl_bench.datasets.recognition import LayoutHints, recognise
from automl_bench.datasets.splitting import draw_test_split
from automl_bench.errors import DatasetError, UsageError

if TYPE_CHECKING:
    import pyarrow as pa

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")

Progress = Callable[[str, int, int | None], None]
"""Called with (what is being done, done, total or None)."""


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """How a dataset is imported.

    Attributes:
        test_share: Share of each class for the test split, where the source has none.
        seed: Seed of that draw.
        link: Hard-link the files instead of copying them.
        replace: Replace a dataset that has the name already.
        skip_bad: Leave out files that are no images, instead of refusing the whole.
        title: One line for people.
        licence: SPDX identifier or words.
        source: Where it comes from; by default the path.
        hints: What is known of the layout.
        processes: Worker processes for many files; see `intake.take_in`.
        notes: Further remarks for the card.
    """

    test_share: float = 0.2
    seed: int = 0
    link: bool = False
    replace: bool = False
    skip_bad: bool = False
    title: str = ""
    licence: str = "not stated"
    source: str = ""
    hints: LayoutHints = field(default_factory=LayoutHints)
    processes: int = 1
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import made.

    Attributes:
        manifest: The dataset.
        layout: What was recognised.
        warnings: What the user should look at, one sentence each: leaks, files left out.
    """

    manifest: Manifest
    layout: str
    warnings: tuple[str, ...]


def check_name(name: str) -> str:
    """Return a dataset's name if it may be one.

    Raises:
        UsageError: If it has other characters than letters, digits, `.`, `_` and `-`.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} cannot be a dataset's name.",
            remedy="Use letters, digits, dots, dashes and underscores, beginning with a letter or digit.",
        )
    return name


def check_target(name: str, data_dir: Path, *, replace: bool) -> Path:
    """Return the folder of a dataset to be made.

    Raises:
        UsageError: If the name is no name.
        DatasetError: If it exists and may not be replaced.
    """
    target = data_dir / check_name(name)
    if target.exists() and not replace:
        raise DatasetError(
            f"there is already a dataset {name!r} at {target}.",
            remedy="Choose another name, or add --replace to put the new one in its place.",
        )
    return target


def import_dataset(
    name: str,
    path: Path,
    data_dir: Path,
    options: ImportOptions | None = None,
    *,
    owned: bool = False,
    progress: Progress = lambda what, done, total: None,
) -> Imported:
    """Import what is at a path as the dataset `data_dir / name`.

    Args:
        name: The dataset's name.
        path: Folder, CSV, archive, Parquet or IDX files.
        data_dir: The workspace's data folder.
        options: See `ImportOptions`.
        owned: Whether the path is our own temporary folder beside the target, whose files may be moved.
        progress: Told about unpacking (bytes) and placing (samples).

    Raises:
        UsageError: If name or options are wrong.
        DatasetError: If there is nothing to import, a file is no image, or the name is taken.
        UnsafeArchive: If an archive is hostile.
        WorkspaceError: If something cannot be read or written. In every case nothing is left behind, and an older
            dataset of the name stays.
    """
    options = options or ImportOptions()
    if not 0 < options.test_share < 1:
        raise UsageError(
            f"a test share of {options.test_share:g} is not between 0 and 1.", remedy="Give a share such as 0.2."
        )
    target = check_target(name, data_dir, replace=options.replace)
    with scratch_folder(target) as scratch, building_folder(target, replace=options.replace) as draft:
        listing = recognise(
            path, scratch=scratch, hints=options.hints, progress=lambda done, total: progress("unpacking", done, total)
        )
        placement = Placement.MOVE if owned or any(scratch.iterdir()) else _placement(options)
        table, refused = take_in(
            listing,
            draft,
            placement=placement,
            skip_bad=options.skip_bad,
            processes=options.processes,
            progress=lambda done, total: progress("importing", done, total),
        )
        table, undecodable, copies = _decoded(table, draft, options, progress)
        refused += undecodable
        if not listing.has_split:
            table = draw_test_split(table, draft, test_share=options.test_share, seed=options.seed, copies=copies or {})
        warnings = (*_warnings_of(table, listing, copies or {}), *_refusals(refused))
        card = write_manifest(draft, table, _card(name, path, options, listing, warnings))
        if copies is not None:
            remember(draft, card.fingerprint, copies)
    return Imported(read_manifest(target), listing.layout, warnings)


def _decoded(
    table: pa.Table, draft: Path, options: ImportOptions, progress: Progress
) -> tuple[pa.Table, list[Refused], Copies | None]:
    """Decode every image of a dataset that is not too large for it, and leave out what cannot be decoded, if asked."""
    if not is_decoded_at_import(table):
        return table, [], None
    bad, copies = decode_images(
        draft, table, processes=options.processes, progress=lambda done, total: progress("decoding", done, total)
    )
    refused = [Refused(image.path, image.problem) for image in bad]
    if not bad:
        return table, refused, copies
    if not options.skip_bad:
        raise refusal(refused[0])
    for image in bad:
        (draft / image.path).unlink(missing_ok=True)
    import pyarrow as pa
    import pyarrow.compute as pc

    table = table.filter(pc.invert(pc.is_in(table["path"], pa.array([image.path for image in bad]))))
    if table.num_rows == 0:
        raise DatasetError(
            f"there is no readable image: {refused[0].where} {refused[0].reason}.", remedy="Check the path."
        )
    return table, refused, copies


def _placement(options: ImportOptions) -> Placement:
    return Placement.LINK if options.link else Placement.COPY


def _card(name: str, path: Path, options: ImportOptions, listing: Listing, warnings: tuple[str, ...]) -> DatasetCard:
    drawn = not listing.has_split
    return DatasetCard(
        name=name,
        title=options.title or name,
        licence=options.licence,
        source=options.source or str(path.absolute()),
        modality=Modality.IMAGE,
        imported_at=datetime.now(UTC).isoformat(timespec="seconds"),
        seed=options.seed if drawn else None,
        test_share=options.test_share if drawn else None,
        notes=(*listing.notes, *options.notes, *warnings),
    )


def _refusals(refused: list[Refused]) -> tuple[str, ...]:
    if not refused:
        return ()
    return (f"Left out {len(refused):,} files that are no images; the first: {refused[0].where} {refused[0].reason}.",)


def _warnings_of(table: pa.Table, listing: Listing, copies: Copies) -> tuple[str, ...]:
    warnings = []
    leaks = leaking_ids(table, copies)
    if leaks:
        warnings.append(
            f"{len(leaks):,} images stand in both train and test: scores would be too good; "
            "see `automl-bench data check`."
        )
    untested = set(listing.labels) - set(table.filter(in_split(table, "test"))["label"].unique().to_pylist())
    if untested:
        named = ", ".join(repr(label) for label in sorted(untested)[:3])
        warnings.append(f"{len(untested):,} classes have no test samples: {named}{'…' if len(untested) > 3 else ''}.")
    return tuple(warnings)


def leaking_ids(table: pa.Table, copies: Copies = MappingProxyType({})) -> set[str]:
    """Return the contents (sample ids; of files with the same pixels, the one for all) that are in train and test."""
    train = table.filter(in_split(table, "train"))["sample_id"].to_pylist()
    test = table.filter(in_split(table, "test"))["sample_id"].to_pylist()
    return {copies.get(one, one) for one in train} & {copies.get(one, one) for one in test}
