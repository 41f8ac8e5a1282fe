"""`data import`: from a path in any known layout to a dataset folder, in one step that either happens or does not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace as with_values
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from automl_bench.contract import Modality
from automl_bench.datasets.account import Account, Reason, Tally
from automl_bench.datasets.addresses import download_all, scheme_of
from automl_bench.datasets.archives import is_archive
from automl_bench.datasets.columnar.files import unpacked
from automl_bench.datasets.columnar.importing import import_columns
from automl_bench.datasets.columnar.own import import_own_columns, own_columns
from automl_bench.datasets.columnar.readers import READERS
from automl_bench.datasets.columnar.text_folders import MAIL_FOLDERS, TEXT_FOLDERS, holds_texts
from automl_bench.datasets.groups import crossing_groups
from automl_bench.datasets.import_options import Imported as Imported
from automl_bench.datasets.import_options import ImportOptions as ImportOptions
from automl_bench.datasets.import_options import ImportSource, Made
from automl_bench.datasets.import_options import Progress as Progress
from automl_bench.datasets.intake import Placement, Problem, Refused, refusal, take_in
from automl_bench.datasets.listing import Incoming, Listing
from automl_bench.datasets.manifest import in_split, labels_of, read_manifest, string_array, write_manifest
from automl_bench.datasets.pixel_identity import Copies, decode_images, is_decoded_at_import, remember
from automl_bench.datasets.placing import building_folder, scratch_folder
from automl_bench.datasets.planner import recognise
from automl_bench.datasets.provenance import DatasetCard
from automl_bench.datasets.similar_labels import merged, similar_labels, told_apart
from automl_bench.datasets.splitting import draw_test_split
from automl_bench.errors import AutomlBenchError, DatasetError, UsageError
from automl_bench.numbers_in_words import counted

if TYPE_CHECKING:
    import pyarrow as pa

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")


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
    with (
        scratch_folder(target) as scratch,
        in_the_words_of_the_user(scratch, path),
        building_folder(target, replace=options.replace) as draft,
    ):
        source = ImportSource(name, path, scratch, (data_dir, *options.own_folders), owned=owned)
        given, options = options, _with_modality(source, options, progress)
        own = own_columns(source)
        if own is not None:
            made = import_own_columns(own, source, draft, given)
        elif options.hints.columns.asked:
            made = import_columns(source, draft, options, progress)
        else:
            made = _import_images(source, draft, options, progress)
        layout, warnings, account = made
    return Imported(read_manifest(target), layout, warnings, account)


def _with_modality(source: ImportSource, options: ImportOptions, progress: Progress) -> ImportOptions:
    """Say that texts are meant where the layout says so, or a source holds text files in folders and no image."""
    hints = options.hints
    is_free = not (hints.columns.asked or hints.layout or hints.list_file or hints.label_column)
    is_container = source.path.is_dir() or (
        source.path.is_file() and source.path.suffix.lower() not in READERS and is_archive(source.path)
    )
    if is_free and is_container:
        folder = unpacked(source, lambda done, total: progress("unpacking", done, total))
        if holds_texts(folder):
            hints = with_values(hints, layout=TEXT_FOLDERS)
    if hints.layout not in (TEXT_FOLDERS, MAIL_FOLDERS):
        return options
    columns = with_values(hints.columns, text="text", label="label")
    return with_values(options, hints=with_values(hints, columns=columns))


def _import_images(source: ImportSource, draft: Path, options: ImportOptions, progress: Progress) -> Made:
    name, path, scratch, own = source.name, source.path, source.scratch, source.own
    listing = recognise(
        path,
        scratch=scratch,
        hints=options.hints,
        own=own,
        progress=lambda done, total: progress("unpacking", done, total),
    )
    placement = Placement.MOVE if source.owned or any(scratch.iterdir()) else _placement(options)
    listing, merges = merged(listing) if options.merge_labels else (listing, ())
    listing, unreachable = _fetched(listing, scratch, options, progress)
    table, refused = take_in(
        listing,
        draft,
        placement=placement,
        skip_bad=options.skip_bad,
        processes=options.processes,
        progress=lambda done, total: progress("importing", done, total),
    )
    table, undecodable, copies = _decoded(table, draft, options, progress)
    refused = [*unreachable, *refused, *undecodable]
    _refuse_vanished_classes(listing, table, refused)
    if not listing.has_split:
        table = draw_test_split(table, draft, test_share=options.test_share, seed=options.seed, copies=copies or {})
    account = _account(listing, table, refused, str(scratch), str(path))
    warnings = (*_warnings_of(table, listing, copies or {}), *account.sentences(expected=False))
    notes = (*listing.notes, *merges, *options.notes, *account.sentences(expected=True), *warnings)
    notes = tuple(note.replace(f"{scratch}/", f"{path}: ") for note in notes)
    card = write_manifest(draft, table, _card(name, path, options, listing, notes, account))
    if copies is not None:
        remember(draft, card.fingerprint, copies)
    return Made(listing.layout, warnings, account)


@contextmanager
def in_the_words_of_the_user(scratch: Path, path: Path) -> Iterator[None]:
    """Let errors name the archive or dataset and the file in it instead of the folder into which it was unpacked."""
    try:
        yield
    except AutomlBenchError as error:
        error.message, error.remedy = (
            text.replace(f"{scratch}/", f"{path}: ").replace(str(scratch), str(path))
            for text in (error.message, error.remedy)
        )
        raise


def _fetched(
    listing: Listing, scratch: Path, options: ImportOptions, progress: Progress
) -> tuple[Listing, list[Refused]]:
    """Download the samples that a list names by their web addresses, if that was asked for.

    Raises:
        DatasetError: If one cannot be downloaded and bad files are not left out.
    """
    if not options.hints.download:
        return listing, []
    samples = list(listing.samples())
    addresses = [sample.path for sample in samples if scheme_of(sample.path)]
    folder = scratch / "downloads"
    files = download_all(addresses, folder, lambda done, total: progress("downloading", done, total))
    kept: list[Incoming] = []
    refused: list[Refused] = []
    for sample in samples:
        file = files.get(sample.path, Path(sample.path))
        if isinstance(file, Path):
            kept.append(sample._replace(path=str(file), name=file.name))
            continue
        if not options.skip_bad:
            raise DatasetError(file, remedy="Try again, or import with --skip-bad to leave out what is not there.")
        problem = Problem(Reason.NOT_DOWNLOADED, f"could not be downloaded ({file.rstrip('.')})")
        refused.append(Refused(sample.where, sample.label, "", problem))
    return with_values(listing, samples=lambda: iter(kept), count=len(kept)), refused


def _refuse_vanished_classes(listing: Listing, table: pa.Table, refused: list[Refused]) -> None:
    """Refuse a dataset in which a class of the source has no sample left."""
    vanished = sorted(set(listing.labels) - set(labels_of(table)))
    if not vanished:
        return
    label = vanished[0]
    lost = [each for each in refused if each.label == label]
    why = f": {lost[0].where} {lost[0].problem.phrase}" if lost else ""
    more = counted(" (and {n} more [class|classes])", len(vanished) - 1) if len(vanished) > 1 else ""
    raise DatasetError(
        f"the class {label!r}{more} has no image left of {len(lost):,}{why}.",
        remedy=(lost[0].problem.remedy if lost else "")
        or "Bring its images back, or take the class out of the source.",
    )


def _account(listing: Listing, table: pa.Table, refused: list[Refused], scratch: str, path: str) -> Account:
    tally = Tally()
    tally.add_all(listing.left_out)
    for each in refused:
        tally.add(each.problem.reason, each.label, each.where.replace(f"{scratch}/", "").removeprefix(f"{path}/"))
    left_out = tally.entries()
    return Account(table.num_rows + sum(entry.count for entry in left_out), table.num_rows, left_out)


def _decoded(
    table: pa.Table, draft: Path, options: ImportOptions, progress: Progress
) -> tuple[pa.Table, list[Refused], Copies | None]:
    """Decode every image of a dataset that is not too large for it, and leave out what cannot be decoded, if asked."""
    if not is_decoded_at_import(table):
        return table, [], None
    bad, copies = decode_images(
        draft, table, processes=options.processes, progress=lambda done, total: progress("decoding", done, total)
    )
    labels = dict(zip(table["path"].to_pylist(), table["label"].to_pylist(), strict=True)) if bad else {}
    refused = [
        Refused(image.path, labels[image.path], image.path, Problem(Reason.UNDECODABLE, image.problem)) for image in bad
    ]
    if not bad:
        return table, refused, copies
    if not options.skip_bad:
        raise refusal(refused[0])
    for image in bad:
        (draft / image.path).unlink(missing_ok=True)
    import pyarrow.compute as pc

    table = table.filter(pc.invert(pc.is_in(table["path"], string_array([image.path for image in bad]))))
    if table.num_rows == 0:
        raise DatasetError(
            f"there is no readable image: {refused[0].where} {refused[0].problem.phrase}.", remedy="Check the path."
        )
    return table, refused, copies


def _placement(options: ImportOptions) -> Placement:
    return Placement.LINK if options.link else Placement.COPY


def _card(
    name: str, path: Path, options: ImportOptions, listing: Listing, notes: tuple[str, ...], account: Account
) -> DatasetCard:
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
        notes=notes,
        account=account,
        group=options.hints.group,
        columns=dict(listing.columns),
        group_candidates=() if listing.grouped else listing.group_candidates,
    )


def _warnings_of(table: pa.Table, listing: Listing, copies: Copies) -> tuple[str, ...]:
    warnings = []
    leaks = leaking_ids(table, copies)
    if leaks:
        warnings.append(
            counted("{n} [image stands|images stand] in both train and test", len(leaks))
            + ": scores would be too good."
        )
    crossing = crossing_groups(table)
    if crossing:
        warnings.append(
            counted("{n} [group has|groups have] samples in both train and test", len(crossing))
            + f" (for example {crossing[0]!r}): scores would be too good."
        )
    if listing.group_candidates and not listing.grouped:
        warnings.append(unused_group_warning(listing.group_candidates[0]))
    warnings += [
        f"The labels {', '.join(map(told_apart, same))} look alike and are different classes: add --merge-labels if "
        "they are one."
        for same in similar_labels(listing.labels)[:3]
    ]
    two_labels = _contents_under_two_labels(table)
    if two_labels:
        stand = counted("{n} [image stands|images stand] under more than one label", two_labels)
        warnings.append(f"{stand}.")
    for split, samples in (("train", "training samples"), ("test", "test samples")):
        without = set(listing.labels) - set(table.filter(in_split(table, split))["label"].unique().to_pylist())
        if without:
            named = ", ".join(repr(label) for label in sorted(without)[:3])
            have = counted(f"{{n}} [class has|classes have] no {samples}", len(without))
            warnings.append(f"{have}: {named}{'…' if len(without) > 3 else ''}.")
    return tuple(warnings)


def unused_group_warning(column: str) -> str:
    """Return the sentence on a column that looks as if it named groups and was not used."""
    return (
        f"The column {column!r} is not used and looks as if it said which samples belong together: add "
        f"--group {column} to keep them on one side of every split."
    )


def _contents_under_two_labels(table: pa.Table) -> int:
    ids = table["sample_id"].to_pylist()
    if len(set(ids)) == len(ids):
        return 0
    first: dict[str, str] = {}
    pairs = zip(ids, table["label"].to_pylist(), strict=True)
    return len({sample_id for sample_id, label in pairs if first.setdefault(sample_id, label) != label})


def leaking_ids(table: pa.Table, copies: Copies = MappingProxyType({})) -> set[str]:
    """Return the contents (sample ids; of files with the same pixels, the one for all) that are in train and test."""
    train = table.filter(in_split(table, "train"))["sample_id"].to_pylist()
    test = table.filter(in_split(table, "test"))["sample_id"].to_pylist()
    return {copies.get(one, one) for one in train} & {copies.get(one, one) for one in test}
