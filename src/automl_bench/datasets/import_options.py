"""How a dataset is imported, and what an import made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from automl_bench.datasets.account import Account
from automl_bench.datasets.layouts import LayoutHints
from automl_bench.datasets.manifest import Manifest

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
        skip_bad: Leave out files that are no images, instead of refusing the whole; no class may vanish.
        merge_labels: Give labels that look alike one spelling.
        own_folders: Folders of the workspace, which are no source, besides the data folder.
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
    merge_labels: bool = False
    own_folders: tuple[Path, ...] = ()
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
        account: What became of every file of the source.
    """

    manifest: Manifest
    layout: str
    warnings: tuple[str, ...]
    account: Account


@dataclass(frozen=True, slots=True)
class ImportSource:
    """What is imported.

    Attributes:
        name: The dataset's name.
        path: Folder, file or archive.
        scratch: Empty folder for unpacking, on the file system of the dataset.
        own: Folders of the workspace, which are no source.
        owned: Whether the path is our own temporary folder, whose files may be moved.
    """

    name: str
    path: Path
    scratch: Path
    own: tuple[Path, ...]
    owned: bool = False


class Made(NamedTuple):
    """What was written into the dataset's folder: see `Imported`."""

    layout: str
    warnings: tuple[str, ...]
    account: Account
