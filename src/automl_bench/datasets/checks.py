"""`data check`: what is wrong with a dataset, found before it costs money."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from sys import intern
from types import MappingProxyType
from typing import NamedTuple

from automl_bench.contract import Modality
from automl_bench.datasets.check_report import CheckReport, Finding, Severity, findings_of
from automl_bench.datasets.class_findings import class_findings, group_findings
from automl_bench.datasets.columnar.checks import check_columns
from automl_bench.datasets.decoding import ODDITIES, SEVERAL
from automl_bench.datasets.image_inspection import HUGE_PIXELS, Inspected, sketch_all
from automl_bench.datasets.manifest import SPLITS, Manifest
from automl_bench.datasets.near_duplicates import alike_pairs
from automl_bench.datasets.survey import kept_out

ODD_SIDES = 10.0
"""Longer side over shorter side, above which an image is odd: little is left of it in a square."""

ODD_AREA = 100.0
"""How many times larger or smaller than the dataset's median an image's area is, above which it is odd."""

MOST_SHOWN = 3
"""How many copies of one content an example names."""


class _Row(NamedTuple):
    sample_id: str
    path: str
    split: str
    label: str


def check_dataset(
    manifest: Manifest,
    *,
    shots: Sequence[int] = (),
    most_bytes: Mapping[str, int] = MappingProxyType({}),
    near: bool = True,
    processes: int = 1,
    progress: Callable[[int, int | None], None] = lambda done, total: None,
) -> CheckReport:
    """Look for everything that spoils a comparison: in the pixels of every image, in every text or row.

    Args:
        manifest: The dataset.
        shots: Samples per class that experiments will ask for.
        most_bytes: Largest text or row that each provider takes.
        near: Whether texts are compared for being nearly alike.
        processes: Worker processes for decoding. More than 1 needs a main module that may be imported again
            (`if __name__ == "__main__":`), as multiprocessing says.
        progress: Called with (images done, images in all).
    """
    if manifest.modality is not Modality.IMAGE:
        return check_columns(manifest, shots=shots, most_bytes=most_bytes, near=near, progress=progress)
    columns = (manifest.table[name].to_pylist() for name in ("sample_id", "path", "split", "label"))
    rows = [_Row(one, path, intern(split), intern(label)) for one, path, split, label in zip(*columns, strict=True)]
    inspected = sketch_all(manifest.folder, [row.path for row in rows], processes=processes, progress=progress)
    described = [at for at, image in enumerate(inspected) if image.description]
    findings = [
        *_content_findings(rows),
        *_image_findings(rows, inspected),
        *_size_findings(manifest),
        *_pixel_findings(rows, inspected),
        *_near_findings(rows, inspected, described, threads=processes),
        *class_findings(manifest, shots),
        *group_findings(manifest),
        *_unlisted(manifest, rows),
    ]
    order = list(Severity)
    return CheckReport(
        dataset=manifest.name,
        fingerprint=manifest.fingerprint,
        samples=len(rows),
        near_checked=len(described),
        findings=tuple(sorted(findings, key=lambda finding: order.index(finding.severity))),
    )


def _equal(paths: Sequence[str]) -> str:
    more = len(paths) - MOST_SHOWN
    return " = ".join(paths[:MOST_SHOWN]) + (f" and {more:,} more" if more > 0 else "")


def _repeated(rows: Sequence[_Row], keys: Sequence[str]) -> list[list[_Row]]:
    """Return the rows of each key that several rows have; "" is no key."""
    repeated = {key for key, number in Counter(keys).items() if number > 1 and key}
    groups: dict[str, list[_Row]] = defaultdict(list)
    for row, key in zip(rows, keys, strict=True):
        if key in repeated:
            groups[key].append(row)
    return list(groups.values())


def _content_findings(rows: Sequence[_Row]) -> list[Finding]:
    """Find equal contents: across the splits, under two labels, within a split."""
    copies = _repeated(rows, [row.sample_id for row in rows])
    leaks = [group for group in copies if len({row.split for row in group}) > 1]
    two_labels = [group for group in copies if len({row.label for row in group}) > 1]
    inside = [group for group in copies if len({row.split for row in group}) == 1]

    def paths(groups: list[list[_Row]]) -> list[list[str]]:
        return [[row.path for row in group] for group in groups]

    return [
        *findings_of(
            "leak", Severity.LEAK, "{n} [image stands|images stand] in both train and test", paths(leaks), _equal
        ),
        *findings_of(
            "two_labels",
            Severity.ERROR,
            "{n} [image stands|images stand] under more than one label",
            paths(two_labels),
            _equal,
        ),
        *findings_of(
            "duplicates",
            Severity.WARNING,
            "{n} [image stands|images stand] more than once in one split",
            paths(inside),
            _equal,
        ),
    ]


def _image_findings(rows: Sequence[_Row], inspected: Sequence[Inspected]) -> list[Finding]:
    broken = [f"{image.path} {image.problem}" for image in inspected if image.problem]
    changed = [
        image.path
        for row, image in zip(rows, inspected, strict=True)
        if not image.problem and image.sha256 != row.sample_id
    ]
    wrong = [f"{image.path} is {image.media_type}" for image in inspected if image.wrong_extension]
    animated = [image.path for image in inspected if SEVERAL in image.oddities]
    unlike = [
        f"{image.path} ({', '.join(oddities)})"
        for image in inspected
        if (oddities := [one for one in image.oddities if one != SEVERAL])
    ]
    huge = [f"{image.path} has {image.pixels:,} pixels" for image in inspected if image.pixels > HUGE_PIXELS]
    return [
        *findings_of("unreadable", Severity.ERROR, "{n} [image is|images are] missing, truncated or damaged", broken),
        *findings_of("changed", Severity.ERROR, "{n} [file has|files have] changed since the import", changed),
        *findings_of(
            "wrong_extension",
            Severity.WARNING,
            "{n} [image is of another type than its name says|images are of another type than their names say]",
            wrong,
        ),
        *findings_of(
            "animated",
            Severity.WARNING,
            "{n} [image is|images are] animated; services use the first frame or refuse",
            animated,
        ),
        *findings_of("decoded_differently", Severity.WARNING, _unlike_text(inspected), unlike),
        *findings_of(
            "huge",
            Severity.WARNING,
            f"{{n}} [image has|images have] more than {HUGE_PIXELS // 10**6} million pixels",
            huge,
        ),
    ]


def _size_findings(manifest: Manifest) -> list[Finding]:
    """Find images whose size is unlike that of the others: tracking pixels, strips, scans among thumbnails."""
    columns = (manifest.table[name].to_pylist() for name in ("path", "width", "height"))
    sizes = [(path, width, height) for path, width, height in zip(*columns, strict=True) if width and height]
    if not sizes:
        return []
    usual = median(width * height for _, width, height in sizes)
    odd = [
        f"{path} has {width:,} × {height:,} pixels"
        for path, width, height in sizes
        if max(width, height) > ODD_SIDES * min(width, height)
        or not usual / ODD_AREA <= width * height <= usual * ODD_AREA
    ]
    text = "{n} [image has a size|images have sizes] unlike the others: very long, very small or very large"
    return findings_of("odd_size", Severity.WARNING, text, odd)


def _unlike_text(inspected: Sequence[Inspected]) -> str:
    counts = Counter(one for image in inspected for one in image.oddities if one != SEVERAL)
    named = ", ".join(f"{counts[one]:,} {one}" for one in ODDITIES if counts[one])
    return f"{{n}} [image|images] may look different to a service that decodes the original bytes: {named}"


def _pixel_findings(rows: Sequence[_Row], inspected: Sequence[Inspected]) -> list[Finding]:
    """Find equal pixels in files of different bytes: across the splits, under two labels, within a split."""
    same = _repeated(rows, [image.pixel_id for image in inspected])
    groups = [group for group in same if len({row.sample_id for row in group}) > 1]
    leaks = [[row.path for row in group] for group in groups if len({row.split for row in group}) > 1]
    two_labels = [[row.path for row in group] for group in groups if len({row.label for row in group}) > 1]
    inside = [[row.path for row in group] for group in groups if len({row.split for row in group}) == 1]
    leak_text = (
        "{n} [image stands|images stand] in both train and test, in files that differ but decode to the same pixels"
    )
    return [
        *findings_of("pixel_leak", Severity.LEAK, leak_text, leaks, _equal),
        *findings_of(
            "pixels_two_labels",
            Severity.ERROR,
            "{n} [image stands|images stand] under more than one label, in different files with the same pixels",
            two_labels,
            _equal,
        ),
        *findings_of(
            "pixel_duplicates",
            Severity.WARNING,
            "{n} [image stands|images stand] more than once in one split, in different files with the same pixels",
            inside,
            _equal,
        ),
    ]


def _near_findings(
    rows: Sequence[_Row], inspected: Sequence[Inspected], described: Sequence[int], *, threads: int
) -> list[Finding]:
    first_of: dict[
        tuple[str, str], int
    ] = {}  # equal pixels are a finding of their own, and would crowd out what is merely alike
    for at in described:
        first_of.setdefault((inspected[at].pixel_id, rows[at].split), at)
    places = list(first_of.values())
    pairs = alike_pairs([inspected[at].description for at in places], threads=threads)
    across: list[list[str]] = []
    inside: list[list[str]] = []
    for first, second in pairs.tolist():
        if inspected[places[first]].pixel_id == inspected[places[second]].pixel_id:
            continue
        one, other = rows[places[first]], rows[places[second]]
        (inside if one.split == other.split else across).append([one.path, other.path])
    across_text = (
        "{n} [pair|pairs] of images in train and test [looks|look] alike; look at [it|them] before you trust the scores"
    )
    return [
        *findings_of("near_duplicates_across", Severity.WARNING, across_text, across, " ~ ".join),
        *findings_of(
            "near_duplicates",
            Severity.WARNING,
            "{n} [pair|pairs] of images within a split [looks|look] alike",
            inside,
            " ~ ".join,
        ),
    ]


def _unlisted(manifest: Manifest, rows: Sequence[_Row]) -> list[Finding]:
    listed = {row.path for row in rows}
    found = []
    for split in SPLITS:
        for folder, _, names in os.walk(manifest.folder / split):
            relative = Path(folder).relative_to(manifest.folder).as_posix()
            unlisted = [name for name in names if f"{relative}/{name}" not in listed and not kept_out(name)]
            found += [f"{relative}/{name}" for name in unlisted if Path(folder, name).is_file()]
    summary = "{n} [file is|files are] not in manifest.csv and [is|are] never used"
    return findings_of("unlisted", Severity.WARNING, summary, sorted(found))


def dataset_folders(data_dir: Path) -> list[Path]:
    """Return the dataset folders of a workspace, sorted by name."""
    if not data_dir.is_dir():
        return []
    return sorted(path.parent for path in data_dir.glob("*/manifest.csv") if not path.parent.name.startswith("."))
