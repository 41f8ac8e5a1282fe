"""Training sets: the folder that `upload` fills and training reads."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from automl_bench.contract import LabelledSample, TrainingSet
from automl_bench_local import folders

LIST = "samples.json"
REPORT_EVERY = 100


@dataclass(frozen=True, slots=True)
class StoredSample:
    """One sample of a stored training set.

    Attributes:
        file: The copy.
        label: Its label.
        split: "train" or "validation".
    """

    file: Path
    label: str
    split: str


def find_training_set(home: Path, name: str) -> Path | None:
    """Return the folder of a whole training set, or None."""
    folder = folders.folder_of(home, name)
    return folder if (folder / LIST).is_file() else None


def store_training_set(
    home: Path, name: str, training_set: TrainingSet, progress: Callable[[int, int | None, str], None]
) -> Path:
    """Copy a training set; copies, not links, so that a later edit of an image changes no trial.

    Raises:
        OSError: If an image cannot be read or the folder not be written.
    """
    draft = folders.draft(home, name)
    try:
        halves = (("train", training_set.train), ("validation", training_set.validation))
        everything = [(labelled, split) for split, half in halves for labelled in half]
        # by content: neither the order in which the host lists samples nor their paths may change a model
        everything.sort(key=lambda pair: (pair[0].sample.sample_id, pair[0].label))
        rows = []
        for number, (labelled, split) in enumerate(everything):
            file = _file_name(labelled)
            if not (draft / file).exists():
                shutil.copyfile(labelled.sample.path, draft / file)
            rows.append({"path": file, "label": labelled.label, "split": split})
            if (number + 1) % REPORT_EVERY == 0 or number + 1 == len(everything):
                progress(number + 1, len(everything), "images")
        folders.write_json(
            draft / LIST, {"dataset": training_set.dataset, "labels": list(training_set.labels), "samples": rows}
        )
        target = folders.folder_of(home, name)
        if target.is_dir():  # a folder without a list: not one that this function finished
            shutil.rmtree(target)
        draft.rename(target)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    return target


def read_training_set(folder: Path) -> list[StoredSample]:
    """Return the samples of a stored training set, both halves, ordered by content.

    Raises:
        OSError: If the list cannot be read.
        ValueError: If it is damaged.
    """
    content = folders.read_json(folder / LIST)
    if content is None:
        raise FileNotFoundError(f"{folder / LIST} is missing or damaged")
    return [StoredSample(folder / row["path"], row["label"], row["split"]) for row in content["samples"]]


def _file_name(labelled: LabelledSample) -> str:
    return f"{labelled.sample.sample_id}{labelled.sample.path.suffix.lower()}"
