"""Where the files of the subsets are and what they are called."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from automl_bench.ablations.shots import spell

if TYPE_CHECKING:
    from automl_bench.datasets.manifest import Manifest

FOLDER_NAME = "ablations"
INDEX_NAME = "ablations.json"

COLUMNS = ("path", "label", "sample_id")
"""Header of a subset file; the path is relative to the dataset folder."""


def ablations_folder(manifest: Manifest) -> Path:
    """Return the folder of a dataset's subsets; it need not exist."""
    return manifest.folder / FOLDER_NAME


def stem(dataset: str, half: str, shots: int | None = None, fold: int = 0) -> str:
    """Return the name of a subset's file without its ending: "pets_train_20", "pets_val_20_fold1".

    Args:
        dataset: Name of the dataset.
        half: "train", "val" or "test"; a test file has neither size nor fold.
        shots: Samples per class, None for all.
        fold: Which draw; fold 0 is not named.
    """
    if half == "test":
        return f"{dataset}_test"
    return f"{dataset}_{half}_{spell(shots)}{_fold_suffix(fold)}"


def uploads_name(half: str, shots: int | None, fold: int = 0) -> str:
    """Return the name of a copy folder: "training_uploads_20", "val_uploads_20_fold1"."""
    return f"{'training' if half == 'train' else half}_uploads_{spell(shots)}{_fold_suffix(fold)}"


def _fold_suffix(fold: int) -> str:
    return f"_fold{fold}" if fold else ""
