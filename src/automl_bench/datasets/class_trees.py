"""Reads trees with one folder per class, with or without folders for train, validation and test.

A tree is read only if its folders can mean one thing. What speaks against that is an `Objection`: a sentence that says
what was found, and the option that chooses.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from automl_bench.datasets.account import Reason
from automl_bench.datasets.class_folders import check_label
from automl_bench.datasets.folder_words import BESIDE_NAMES, GENERIC_NAMES
from automl_bench.datasets.listing import split_notes
from automl_bench.datasets.split_names import settled, split_of
from automl_bench.datasets.survey import Folder, reason_of_other
from automl_bench.errors import DatasetError
from automl_bench.numbers_in_words import counted, number_of

OUTER, INNER = "outer-folders", "inner-folders"


class Objection(DatasetError):
    """Why a source cannot be read as a tree of class folders."""


class EmptiedClass(Objection):
    """A class folder has no image that can be used."""


@dataclass(slots=True)
class ClassTree:
    """A tree as it was understood.

    Attributes:
        root: The source.
        classes: Label, kind of split ("" without splits) and folder of each class folder, in order.
        reasons: Why the images of a folder, and of those below it without a reason of their own, are no samples.
        notes: What a reader of the dataset should know.
        has_splits: Whether folders name the splits.
    """

    root: Folder
    classes: list[tuple[str, str, Folder]]
    reasons: dict[str, Reason] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    has_splits: bool = False

    @property
    def labels(self) -> list[str]:
        """The labels, in the order of the folders."""
        return list(dict.fromkeys(label for label, _, _ in self.classes))

    def files(self) -> Iterator[tuple[str, str, str]]:
        """Yield label, kind of split and path of every sample, class by class."""
        for label, split, top in self.classes:
            for folder in top.walk():
                for name in folder.images:
                    yield label, split, f"{folder.path}{os.sep}{name}"


# --- what the folders mean -------------------------------------------------------------------------------


def understand(root: Folder, further: Mapping[str, str], *, splits_are_chosen: bool = False) -> ClassTree:
    """Find out which folders are classes and which are splits.

    Args:
        root: The source.
        further: Names of split folders that the user or the catalogue declared, lower case.
        splits_are_chosen: Whether the user named the split folders: then other folders are not asked about.

    Raises:
        Objection: If the folders can mean more than one thing, or nothing.
    """
    level, reasons = _unwrapped(root, further)
    named = [(folder, split_of(folder.name, further)) for folder in level.with_images()]
    splits = [(folder, kind) for folder, kind in named if kind]
    others = [folder for folder, kind in named if not kind]
    if splits_are_chosen:
        chosen = [(folder, kind) for folder, kind in splits if folder.name.lower() in further]
        if not chosen:
            raise Objection(
                f"{level.path} has none of the split folders {', '.join(sorted(further))}.",
                remedy=f"It has the folders {_named(level.folders)}.",
            )
        taken = [folder for folder, _ in chosen]
        beside = [folder for folder, _ in named if folder not in taken]
        return _split_tree(root, level, chosen, beside, reasons, chosen=True)
    if not splits or _is_a_class_called_train(splits, others):
        return _plain_tree(root, level, reasons)
    if len(splits) == 1 and others:
        folder = splits[0][0]
        raise Objection(
            f"{level.path} has the folder {folder.name!r}, named like a split, beside {_named(others)}.",
            remedy=f"If all are classes, add --layout {OUTER}; if it is a split, say which is which with "
            f"--split-folders, as in --split-folders train={folder.name}.",
        )
    return _split_tree(root, level, splits, others, reasons, chosen=False)


def outer_classes(root: Folder, further: Mapping[str, str]) -> ClassTree:
    """Take every folder at the top for a class, whatever its name, with all the folders below it."""
    level = root
    while len(level.with_images()) == 1 and not level.images and level.with_images()[0].with_images():
        level = level.with_images()[0]
    tree = ClassTree(root, [(folder.name, "", folder) for folder in level.with_images()])
    tree.reasons = {root.relative: Reason.LOOSE}
    return _checked(tree)


def inner_classes(root: Folder, further: Mapping[str, str]) -> ClassTree:
    """Take the innermost folders for classes; those of one name in several folders are one class."""
    inner = [f for f in root.walk() if f.images and not f.with_images() and f is not root]
    tree = ClassTree(root, [(folder.name, "", folder) for folder in inner])
    tree.reasons = {root.relative: Reason.LOOSE}
    return _checked(tree)


def _checked(tree: ClassTree) -> ClassTree:
    if not tree.classes:
        raise Objection(
            f"{tree.root.path} has no class folders with images.",
            remedy="Lay it out as <class>/<image>, or train/<class>/<image> and test/<class>/<image>.",
        )
    for label, _, folder in tree.classes:
        check_label(label, folder.path)
    return tree


def _named(folders: Sequence[Folder], most: int = 3) -> str:
    names = [repr(folder.name) for folder in folders[:most]]
    return ", ".join(names) + (", …" if len(folders) > most else "")


def _is_a_class_called_train(splits: list[tuple[Folder, str]], others: list[Folder]) -> bool:
    """A train is also a vehicle: one folder of that very name, with images in it, beside at least one class."""
    folder = splits[0][0]
    return len(splits) == 1 and bool(others) and folder.name.lower() == "train" and bool(folder.images)


def _holds_folders(folder: Folder, least: int) -> bool:
    """Whether a folder's images are in at least so many folders in it, but for a few that lie about."""
    return len(folder.with_images()) >= least and len(folder.images) < folder.below - len(folder.images)


def _unwrapped(root: Folder, further: Mapping[str, str]) -> tuple[Folder, dict[str, Reason]]:
    """Go down while all images are in one folder that only holds folders (archives often wrap their content).

    Files beside it (a README, a preview image) change nothing, nor do folders for documents. A folder named like a
    split is no wrapper.
    """
    level = root
    reasons = {root.relative: Reason.LOOSE}
    while True:
        inside = level.with_images()
        generic = [folder for folder in inside if folder.name.lower() in GENERIC_NAMES and _holds_folders(folder, 2)]
        documents = [folder for folder in inside if folder.name.lower() in BESIDE_NAMES]
        if len(inside) > 1 and len(generic) == 1 and len(documents) == len(inside) - 1:
            reasons.update({folder.relative: Reason.OTHER_FOLDER for folder in documents})
            inside = generic
        if len(inside) != 1 or split_of(inside[0].name, further):
            return level, reasons
        below = inside[0].with_images()
        # However many images lie about beside them, split folders with class folders in them say what the folder is.
        holds_splits = any(split_of(folder.name, further) and _holds_folders(folder, 1) for folder in below)
        is_wrapper = _holds_folders(inside[0], 1) and not (len(below) == 1 and inside[0].images)
        if not (holds_splits or is_wrapper):
            return level, reasons
        level = inside[0]
        reasons[level.relative] = Reason.LOOSE


def _plain_tree(root: Folder, level: Folder, reasons: dict[str, Reason]) -> ClassTree:
    folders = level.with_images()
    documents = [folder for folder in folders if folder.name.lower() in BESIDE_NAMES]
    if len(folders) - len(documents) >= 2:
        folders = [folder for folder in folders if folder not in documents]
        reasons |= {folder.relative: Reason.OTHER_FOLDER for folder in documents}
    if not folders:
        raise _no_classes(level)
    halves = _splits_in_classes(folders)
    if halves:
        return _checked(ClassTree(root, halves, reasons, _split_notes(halves), True))
    _refuse_unclear_folders(level, folders)
    if len(folders) == 1:
        _refuse_a_single_class(level, folders[0])
    loose, inside = len(level.images), sum(folder.below for folder in folders)
    if loose >= inside and loose:
        raise Objection(
            f"{level.path} has {number_of(loose, 'image')} beside the folders {_named(folders)}, "
            f"which hold only {inside:,}.",
            remedy=f"Move the images into class folders, or add --layout {OUTER} to leave them out.",
        )
    tree = ClassTree(root, [(folder.name, "", folder) for folder in folders], reasons)
    _refuse_emptied(level, {label for label, _, _ in tree.classes}, tree.classes)
    return _checked(tree)


def _splits_in_classes(folders: Sequence[Folder]) -> list[tuple[str, str, Folder]]:
    """Return the classes of a tree `<class>/<split>/<image>`: every class has folders for splits and nothing else."""
    found: list[tuple[str, str, Folder]] = []
    for folder in folders:
        kinds = [(inner, split_of(inner.name)) for inner in folder.with_images()]
        if folder.images or len(kinds) < 2 or not all(kind for _, kind in kinds):
            return []
        if any(inner.with_images() for inner, _ in kinds) or len({kind for _, kind in kinds}) != len(kinds):
            return []
        found += [(folder.name, kind, inner) for inner, kind in kinds]
    return found if len(folders) > 1 else []


def _refuse_unclear_folders(level: Folder, folders: Sequence[Folder]) -> None:
    # Beside other classes, a few folders in one are parts of it; alone, it may as well be what holds the classes.
    alone = len(folders) == 1 and len(folders[0].with_images()) > 1
    holders = [folder for folder in folders if alone or _holds_folders(folder, 2)]
    for folder in folders:
        kinds = [inner for inner in folder.with_images() if inner.name.lower() in BESIDE_NAMES]
        if kinds:
            raise Objection(
                f"{folder.path} has the folder {kinds[0].name!r}, whose images are hardly samples of a class.",
                remedy=f"Remove such folders; or add --layout {OUTER} if they are samples.",
            )
    if holders:
        first = holders[0]
        raise Objection(
            f"the classes of {level.path} may be {_named(folders)} or, one level down, {_named(first.with_images())}.",
            remedy=f"Choose with --layout {OUTER} (the first) or --layout {INNER} (the innermost folders).",
        )
    generic = [folder for folder in folders if folder.name.lower() in GENERIC_NAMES]
    if generic:
        raise Objection(
            f"{level.path} has its images in {_named(folders)}, and {generic[0].name!r} is hardly a class.",
            remedy="Lay it out as <class>/<image>, or give a list with the columns path,label; "
            f"or add --layout {OUTER} if it is a class.",
        )


def _refuse_a_single_class(level: Folder, only: Folder) -> None:
    beside = [*level.images, *(name for name in level.files if not name.lower().startswith(("readme", "licen")))]
    inside = [name for name in only.files if name.lower().endswith(_DESCRIPTIONS)]
    beside = [name for name in beside if name in level.images or name.lower().endswith(_DESCRIPTIONS)]
    if beside or inside:
        name = level.shown(beside[0]) if beside else only.shown(inside[0])
        count = len(beside) + len(inside)
        more = counted(" and {n} more [file|files]", count - 1) if count > 1 else ""
        raise Objection(
            f"{level.path} has images in one folder, {only.name!r}, beside {name}{more}: no classes can be told.",
            remedy="Lay it out as <class>/<image>, or give a list with the columns path,label; "
            f"or add --layout {OUTER} for one class {only.name!r}.",
        )


_DESCRIPTIONS = (".csv", ".tsv", ".jsonl", ".json", ".xml", ".parquet", ".zip", ".tar", ".tgz", ".gz", ".xz", ".mat")


def _no_classes(level: Folder) -> Objection:
    found = ""
    if level.images:
        found = f": {counted('{n} [image lies|images lie]', len(level.images))} in it, for example {level.images[0]}"
    else:
        _refuse_emptied(level, set(), [])
    return Objection(
        f"{level.path} has no class folders with images{found}.",
        remedy="Lay it out as <class>/<image>, or train/<class>/<image> and test/<class>/<image>, "
        "or give a list with the columns path,label.",
    )


def _refuse_emptied(level: Folder, filled: set[str], classes: Sequence[tuple[str, str, Folder]]) -> None:
    """Refuse a class folder that has no image that can be used: a class must not vanish."""
    for folder in level.folders:
        if folder.below or folder.name in filled or folder.name.lower() in BESIDE_NAMES:
            continue
        what = _why_empty(folder)
        if what or classes:
            raise EmptiedClass(
                f"the class {folder.name!r} in {level.path} has no images{what}.",
                remedy="Add images to its folder, convert or bring back what is there, or delete the folder.",
            )


def _why_empty(folder: Folder) -> str:
    for inner in folder.walk():
        for reason, name, _ in inner.kept_out:
            if reason in (Reason.DANGLING_LINK, Reason.LINKED_FOLDER):
                return f" (it has {reason.phrase}, for example {inner.shown(name)})"
        for name in inner.files:
            if (reason := reason_of_other(name)) is not Reason.OTHER_FILE:
                return f" (it has {reason.phrase}, for example {inner.shown(name)})"
    return ""


# --- splits ----------------------------------------------------------------------------------------------


def _split_tree(
    root: Folder,
    level: Folder,
    splits: Sequence[tuple[Folder, str]],
    others: Sequence[Folder],
    reasons: dict[str, Reason],
    *,
    chosen: bool,
) -> ClassTree:
    holders: list[tuple[Folder, str]] = []
    unlabelled: list[Folder] = []
    for folder, kind in splits:
        top = _unwrapped_split(folder)
        if _holds_folders(top, 1) and not _is_one_wrapper(top):
            holders.append((top, kind))
            reasons[top.relative] = reasons[folder.relative] = Reason.LOOSE
        else:
            unlabelled.append(folder)
            reasons[folder.relative] = Reason.UNLABELLED
    meaning = settled(kind for _, kind in holders)
    _refuse_without_training(level, splits, holders, meaning)
    classes = [(inner.name, meaning[kind], inner) for top, kind in holders for inner in top.with_images()]
    labels = {label for label, _, _ in classes}
    for top, _ in holders:
        _refuse_unclear_folders(top, top.with_images())
        _refuse_emptied(top, labels, classes)
    if not chosen:
        _refuse_a_hidden_split(level, others, labels)
    reasons.update({folder.relative: Reason.OTHER_FOLDER for folder in others})
    notes = _split_notes(classes)
    for folder in unlabelled:
        without = counted("{n} [image has no label|images have no labels]", folder.below)
        notes.append(f"{folder.shown()} has no class folders: its {without}.")
    if others:
        notes.append(f"Ignored beside the split folders: {', '.join(folder.name for folder in others)}.")
    evaluation = [top.name for top, kind in holders if kind == "evaluation"]
    if evaluation:
        notes.append(f"{evaluation[0]!r} is the {meaning['evaluation']} split.")
    return _checked(ClassTree(root, classes, reasons, notes, True))


def _unwrapped_split(folder: Folder) -> Folder:
    """Go down through `training_set/training_set/` and `train/images/`."""
    while True:
        inside = folder.with_images()
        if len(inside) != 1 or not _is_one_wrapper(folder):
            return folder
        folder = inside[0]


def _is_one_wrapper(folder: Folder) -> bool:
    """Whether all images of a split folder are in one folder that is no class."""
    inside = folder.with_images()
    if len(inside) != 1:
        return False
    name = inside[0].name.lower()
    return name in GENERIC_NAMES or name == folder.name.lower() or bool(split_of(name))


def _refuse_without_training(
    level: Folder,
    splits: Sequence[tuple[Folder, str]],
    holders: Sequence[tuple[Folder, str]],
    meaning: Mapping[str, str],
) -> None:
    if not holders:
        example = next(inner for inner in splits[0][0].walk() if inner.images)
        raise Objection(
            f"{level.path} has no class folders: {_named([folder for folder, _ in splits])} hold images without them, "
            f"for example {example.shown(example.images[0])}.",
            remedy="Move the images into class folders, or give a list with the columns path,label; "
            f"or add --layout {OUTER} if these folders are the classes.",
        )
    if set(meaning.values()) == {"test"}:
        raise Objection("there is a test split but nothing to train on.", remedy="Add the training samples beside it.")
    tests = [folder for folder, kind in holders if meaning[kind] == "test"]
    if len(tests) > 1:
        raise Objection(
            f"{level.path} has several test splits: {_named(tests)}.",
            remedy=f"Choose with --split-folders, as in --split-folders train=…,test={tests[0].name}.",
        )


def _refuse_a_hidden_split(level: Folder, others: Sequence[Folder], labels: set[str]) -> None:
    """Refuse a folder beside the splits that has the same classes: it is a split whose name is not known."""
    for folder in others:
        inside = {inner.name for inner in folder.with_images()}
        if inside and len(inside & labels) * 2 >= len(inside):
            raise Objection(
                f"{folder.path} has the same classes as the split folders beside it, and its name is no split's.",
                remedy=f"Say which splits there are with --split-folders, as in --split-folders test={folder.name}.",
            )


def _split_notes(classes: Sequence[tuple[str, str, Folder]]) -> list[str]:
    counts: dict[str, int] = {}
    for _, split, folder in classes:
        counts[split] = counts.get(split, 0) + folder.below
    return list(split_notes(set(counts), counts)[1])
