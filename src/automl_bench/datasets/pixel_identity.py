"""Which files of a dataset show the same pixels: the same content in another file, for every rule about contents.

`data import` finds out for datasets of up to `MOST_FILES` images and `MOST_PIXELS_AT_IMPORT` pixels; for larger ones
whatever first needs it does (`ablate`, `run` and the single verbs). Either way every image has been decoded before
anything is uploaded. The answer is kept in the dataset folder and belongs to one fingerprint and one decoding rule.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from automl_bench.border.command_lines import quoted_command
from automl_bench.datasets.decoding import RULE
from automl_bench.datasets.image_inspection import Inspected, inspect_all
from automl_bench.errors import DatasetError
from automl_bench.numbers_in_words import counted
from automl_bench.toolkit.whole_files import write_text

if TYPE_CHECKING:
    import pyarrow as pa

    from automl_bench.datasets.manifest import Manifest

FILE_NAME = "pixels.json"

MOST_FILES = 5_000
MOST_PIXELS_AT_IMPORT = 1_000_000_000
"""About ten seconds of decoding."""

Progress = Callable[[int, int | None], None]

Copies = Mapping[str, str]
"""Sample id of each file whose pixels another file shows too → the smallest sample id among them."""


def is_decoded_at_import(table: pa.Table) -> bool:
    """Return whether `data import` decodes all images of a manifest table, instead of whatever needs them first."""
    if table.num_rows > MOST_FILES:
        return False
    sizes = zip(table["width"].to_pylist(), table["height"].to_pylist(), strict=True)
    return sum((width or 0) * (height or 0) for width, height in sizes) <= MOST_PIXELS_AT_IMPORT


def decode_images(
    folder: Path, table: pa.Table, *, processes: int = 1, progress: Progress = lambda done, total: None
) -> tuple[list[Inspected], Copies]:
    """Decode every image of a manifest table.

    Returns:
        Those that cannot be used, and which of the others share their pixels.
    """
    images = inspect_all(folder, table["path"].to_pylist(), processes=processes, progress=progress)
    bad = [image for image in images if image.problem]
    ids = table["sample_id"].to_pylist()
    pairs = [(sample_id, image.pixel_id) for sample_id, image in zip(ids, images, strict=True) if image.pixel_id]
    return bad, copies_among(pairs)


def copies_among(pairs: Iterable[tuple[str, str]]) -> Copies:
    """Return the copies among (sample id, pixel id) pairs."""
    groups: dict[str, set[str]] = defaultdict(set)
    for sample_id, pixel_id in pairs:
        groups[pixel_id].add(sample_id)
    shared = [group for group in groups.values() if len(group) > 1]
    return {sample_id: min(group) for group in shared for sample_id in group}


def remember(folder: Path, fingerprint: str, copies: Copies) -> None:
    """Keep what was found.

    Raises:
        WorkspaceError: If it cannot be written.
    """
    groups: dict[str, list[str]] = defaultdict(list)
    for sample_id, first in sorted(copies.items()):
        groups[first].append(sample_id)
    values = {"decoding_rule": RULE, "fingerprint": fingerprint, "same_pixels": list(groups.values())}
    write_text(folder / FILE_NAME, json.dumps(values, indent=1) + "\n")


def known_copies(manifest: Manifest) -> Copies | None:
    """Return the copies as kept, or None if they are not known for this fingerprint and decoding rule."""
    try:
        values = json.loads((manifest.folder / FILE_NAME).read_text(encoding="utf-8"))
        if values["decoding_rule"] != RULE or values["fingerprint"] != manifest.fingerprint:
            return None
        groups: Sequence[Sequence[str]] = values["same_pixels"]
        return {str(sample_id): str(min(group)) for group in groups for sample_id in group}
    except (OSError, ValueError, KeyError, TypeError):
        return None  # found out anew


def find_copies(manifest: Manifest, *, processes: int = 1, progress: Progress = lambda done, total: None) -> Copies:
    """Return the copies, decoding every image if they are not known yet.

    Raises:
        DatasetError: If an image cannot be decoded; the message names the first.
        WorkspaceError: If the result cannot be kept.
    """
    known = known_copies(manifest)
    if known is not None:
        return known
    bad, copies = decode_images(manifest.folder, manifest.table, processes=processes, progress=progress)
    if bad:
        others = counted(", and {n} [other|others] cannot be used", len(bad) - 1) if len(bad) > 1 else ""
        raise DatasetError(
            f"{manifest.folder / bad[0].path} {bad[0].problem}{others}.",
            remedy=f"List all with {quoted_command('data', 'check', manifest.name)}, remove or replace them at the "
            "source and import again, or import with --skip-bad.",
        )
    remember(manifest.folder, manifest.fingerprint, copies)
    return copies
