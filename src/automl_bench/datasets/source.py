"""A source as the readers of whole layouts get it, and the account of what they did not name."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from pathlib import Path

from automl_bench.datasets.account import LeftOut, Reason, Tally
from automl_bench.datasets.layouts import LayoutHints
from automl_bench.datasets.listing import Listing
from automl_bench.datasets.survey import Folder, Survey, reason_of_other


@dataclass(frozen=True, slots=True)
class Source:
    """A folder, what is in it, and what is known of it.

    Attributes:
        folder: The folder.
        survey: What is in it.
        hints: What the user or the catalogue says.
        within: Folder that no path of a list may leave, or None.
    """

    folder: Path
    survey: Survey
    hints: LayoutHints
    within: Path | None


def levels_of(root: Folder) -> list[Folder]:
    """Return the folder and, as long as a folder has only one folder, and no image, the folders inside."""
    levels = [root]
    while len(levels[-1].folders) == 1 and not levels[-1].images and len(levels) < 6:
        levels.append(levels[-1].folders[0])
    return levels


def level_with(source: Source, fits: Callable[[Path], bool]) -> Path:
    """Return the first of the wrapping folders that fits, or the source."""
    return next((Path(level.path) for level in levels_of(source.survey.root) if fits(Path(level.path))), source.folder)


def with_rest(source: Source, listing: Listing, named: Collection[str]) -> Listing:
    """Add the account of every file of the source that is none of the named."""
    return replace(listing, left_out=(*listing.left_out, *rest_of(source.survey.root, named)))


def rest_of(root: Folder, named: Collection[str]) -> tuple[LeftOut, ...]:
    """Count the files of a source that a reader did not name."""
    tally = Tally()
    for folder in root.walk():
        for reason, name, count in folder.kept_out:
            tally.add(reason, "", folder.shown(name), count)
        for name in folder.images:
            if folder.shown(name) not in named:
                tally.add(Reason.UNLISTED, "", folder.shown(name))
        for name in folder.files:
            if folder.shown(name) not in named:
                tally.add(reason_of_other(name), "", folder.shown(name))
    return tally.entries()
