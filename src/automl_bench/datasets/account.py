"""What became of every file of a source: imported, or left out for a reason that has a name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from automl_bench.numbers_in_words import counted


class Reason(StrEnum):
    """Why a file or row of a source is no sample; the value is the key in `--json` and in dataset.toml."""

    HIDDEN = "hidden"
    SYSTEM = "system"
    OTHER_FILE = "other_file"
    UNKNOWN_ENDING = "unknown_ending"
    UNREADABLE_FORMAT = "unreadable_format"
    DANGLING_LINK = "dangling_link"
    LINKED_FOLDER = "linked_folder"
    SPECIAL_FILE = "special_file"
    OWN_FOLDER = "own_folder"
    LOOSE = "loose"
    OTHER_FOLDER = "other_folder"
    UNLABELLED = "unlabelled"
    UNLISTED = "unlisted"
    MISSING = "missing"
    EMPTY = "empty"
    GIT_LFS = "git_lfs"
    WEB_PAGE = "web_page"
    NOT_DOWNLOADED = "not_downloaded"
    NO_IMAGE = "no_image"
    UNDECODABLE = "undecodable"
    NO_SAMPLE = "no_sample"
    UNLISTED_FILE = "unlisted_file"
    NO_LABEL = "no_label"
    NO_TARGET = "no_target"
    EMPTY_TEXT = "empty_text"
    EMPTY_ROW = "empty_row"
    DROPPED = "dropped"

    @property
    def phrase(self) -> str:
        """What the files are, in the plural."""
        return self.phrase_for(2)

    def phrase_for(self, number: int) -> str:
        """What so many files are."""
        return counted(_PHRASES[self], number)

    @property
    def is_expected(self) -> bool:
        """Whether nobody would take such a file for a sample, so that it needs no warning."""
        return self in (Reason.HIDDEN, Reason.SYSTEM, Reason.OTHER_FILE, Reason.NO_SAMPLE, Reason.OWN_FOLDER)


_PHRASES: Mapping[Reason, str] = {
    Reason.HIDDEN: "hidden [file|files]",
    Reason.SYSTEM: "[thumbnail or other file|thumbnails and other files] of the operating system",
    Reason.OTHER_FILE: "[file that is no image|files that are not images]",
    Reason.UNKNOWN_ENDING: "[file whose name does|files whose names do] not end like an image's",
    Reason.UNREADABLE_FORMAT: "[image|images] in a format that is not understood",
    Reason.DANGLING_LINK: "[link to a file that does|links to files that do] not exist",
    Reason.LINKED_FOLDER: "linked [folder that leads|folders that lead] back into the source",
    Reason.SPECIAL_FILE: "[device, pipe or socket|devices, pipes or sockets]",
    Reason.OWN_FOLDER: "[folder|folders] of this workspace",
    Reason.LOOSE: "[image|images] beside the class folders",
    Reason.OTHER_FOLDER: "[image|images] in other folders beside the classes or splits",
    Reason.UNLABELLED: "[image|images] of a split without labels",
    Reason.UNLISTED: "[image|images] that the list does not name",
    Reason.MISSING: "[file that does|files that do] not exist",
    Reason.EMPTY: "empty [file|files]",
    Reason.GIT_LFS: "Git LFS [pointer instead of an image|pointers instead of images]",
    Reason.WEB_PAGE: "web [page saved as an image|pages saved as images]",
    Reason.NOT_DOWNLOADED: "[file|files] that could not be downloaded",
    Reason.NO_IMAGE: "[file that is no image|files that are no images]",
    Reason.UNDECODABLE: "[image that is|images that are] damaged or too large to be decoded",
    Reason.NO_SAMPLE: "[file that holds|files that hold] no text or row",
    Reason.UNLISTED_FILE: "[file that names no split|files that name no split] beside those that do",
    Reason.NO_LABEL: "[row|rows] without a label",
    Reason.NO_TARGET: "[file|files] without the column of labels",
    Reason.EMPTY_TEXT: "[row|rows] without a text",
    Reason.EMPTY_ROW: "[row|rows] in which every cell is missing",
    Reason.DROPPED: "[row|rows] that the catalogue leaves out",
}


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Files that are no samples, for one reason in one class.

    Attributes:
        reason: Why.
        label: Class they would have had, or "".
        count: How many.
        example: The first of them.
    """

    reason: Reason
    label: str
    count: int
    example: str


@dataclass(frozen=True, slots=True)
class Account:
    """`seen` = `imported` + what was left out.

    Attributes:
        seen: Files of the source; of lists and larger files, their rows.
        imported: Samples of the dataset.
        left_out: The rest, by reason and class.
    """

    seen: int = 0
    imported: int = 0
    left_out: tuple[LeftOut, ...] = ()

    def by_reason(self) -> dict[Reason, list[LeftOut]]:
        """Return what was left out by reason, in the order of `Reason`."""
        found: dict[Reason, list[LeftOut]] = {}
        for reason in Reason:
            entries = [entry for entry in self.left_out if entry.reason is reason]
            if entries:
                found[reason] = entries
        return found

    def sentences(self, *, expected: bool) -> list[str]:
        """Return one sentence for each reason: of those that need a warning, or of the others (`expected`)."""
        return [_sentence(reason, each) for reason, each in self.by_reason().items() if reason.is_expected is expected]

    def line(self) -> str:
        """Return the account in one line."""
        left = self.seen - self.imported
        return f"{self.seen:,} seen = {self.imported:,} imported + {left:,} left out"

    def as_values(self) -> dict[str, Any]:
        """Return plain values, as `--json` prints and dataset.toml keeps them."""
        return {
            "seen": self.seen,
            "imported": self.imported,
            "left_out": [
                {"reason": str(entry.reason), "class": entry.label, "count": entry.count, "example": entry.example}
                for entry in self.left_out
            ],
        }


def account_of(values: Mapping[str, Any]) -> Account:
    """Return what `Account.as_values` wrote; raises ValueError, KeyError or TypeError for anything else."""
    entries = tuple(
        LeftOut(Reason(entry["reason"]), str(entry["class"]), int(entry["count"]), str(entry["example"]))
        for entry in values["left_out"]
    )
    return Account(int(values["seen"]), int(values["imported"]), entries)


def _sentence(reason: Reason, entries: list[LeftOut]) -> str:
    total = sum(entry.count for entry in entries)
    classes = [f"{entry.label!r} {entry.count:,}" for entry in entries if entry.label]
    where = f" ({', '.join(classes[:5])}{', …' if len(classes) > 5 else ''})" if classes else ""
    return f"Left out {total:,} {reason.phrase_for(total)}{where}, for example {entries[0].example}."


@dataclass(slots=True)
class Tally:
    """Counts what is left out while a source is read."""

    counts: dict[tuple[Reason, str], int] = field(default_factory=dict)
    examples: dict[tuple[Reason, str], str] = field(default_factory=dict)

    def add(self, reason: Reason, label: str, example: str, count: int = 1) -> None:
        """Count files of one reason and class."""
        key = (reason, label)
        self.counts[key] = self.counts.get(key, 0) + count
        self.examples.setdefault(key, example)

    def add_all(self, entries: Iterable[LeftOut]) -> None:
        """Count what another tally counted."""
        for entry in entries:
            self.add(entry.reason, entry.label, entry.example, entry.count)

    def entries(self) -> tuple[LeftOut, ...]:
        """Return everything counted, by reason and class."""
        order = list(Reason)
        keys = sorted(self.counts, key=lambda key: (order.index(key[0]), key[1]))
        return tuple(LeftOut(*key, self.counts[key], self.examples[key]) for key in keys)
