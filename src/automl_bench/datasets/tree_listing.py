"""Lists the samples of a tree of class folders, and accounts for every other file in it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping

from automl_bench.datasets.account import Reason, Tally
from automl_bench.datasets.class_trees import ClassTree
from automl_bench.datasets.listing import Incoming, Listing, pooled_split
from automl_bench.datasets.survey import Folder, reason_of_other

_BLOCK = 64


def listing_of(tree: ClassTree) -> Listing:
    """Return the samples of a tree, and the account of everything else in it."""
    has_split = any(split == "test" for _, split, _ in tree.classes)
    images = [
        (label, split, [f"{f.path}{os.sep}{name}" for f in top.walk() for name in f.images])
        for label, split, top in tree.classes
    ]
    return Listing(
        layout="class folders" + (" with splits" if tree.has_splits else ""),
        labels=tuple(tree.labels),
        has_split=has_split,
        count=sum(len(files) for _, _, files in images),
        samples=_stream(images, has_split),
        notes=tuple(tree.notes),
        left_out=left_out_of_tree(tree).entries(),
    )


def left_out_of_tree(tree: ClassTree) -> Tally:
    """Count every file of a tree that is no sample, with its class where it has one."""
    tally = Tally()
    tops = {folder.relative: label for label, _, folder in tree.classes}
    _count(tree.root, tops, tree.reasons, "", None, Reason.OTHER_FOLDER, tally)
    return tally


def _count(
    folder: Folder,
    tops: Mapping[str, str],
    reasons: Mapping[str, Reason],
    label: str,
    taken: Folder | None,
    reason: Reason,
    tally: Tally,
) -> None:
    if folder.relative in tops:
        label, taken = tops[folder.relative], folder
    reason = reasons.get(folder.relative, reason)
    for kept, name, count in folder.kept_out:
        tally.add(kept, label, folder.shown(name), count)
    for name in folder.files:
        tally.add(reason_of_other(name), label, folder.shown(name))
    if taken is None and folder.images:
        tally.add(reason, label, folder.shown(folder.images[0]), len(folder.images))
    for inner in folder.folders:
        _count(inner, tops, reasons, label, taken, _below(reason), tally)


def _below(reason: Reason) -> Reason:
    return Reason.OTHER_FOLDER if reason is Reason.LOOSE else reason


def _stream(images: list[tuple[str, str, list[str]]], has_split: bool) -> Callable[[], Iterator[Incoming]]:
    def samples() -> Iterator[Incoming]:
        for label, split, path in _in_blocks(images):
            final = pooled_split(split) if has_split else ""
            yield Incoming(path[path.rfind(os.sep) + 1 :], label, final, path)

    return samples


def _in_blocks(images: list[tuple[str, str, list[str]]]) -> Iterator[tuple[str, str, str]]:
    """Go round the classes, some files of each at a time: two threads then seldom make files in one folder."""
    longest = max(len(files) for _, _, files in images)
    for start in range(0, longest, _BLOCK):
        for label, split, files in images:
            for path in files[start : start + _BLOCK]:
                yield label, split, path
