"""Training sets: the folder that `upload` fills and training reads."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from automl_bench.contract import Column, ColumnKind, LabelledSample, Modality, TrainingSet, Value
from automl_bench_local import folders

LIST = "samples.json"
CONTENTS = "contents.jsonl"
"""Texts and rows, one a line in the order of the list: a file for each would take a disk block for each."""

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
    """Copy a training set; copies, not links, so that a later edit of a sample changes no trial.

    Raises:
        OSError: If an image cannot be read or the folder not be written.
    """
    draft = folders.draft(home, name)
    try:
        halves = (("train", training_set.train), ("validation", training_set.validation))
        everything = [(labelled, split) for split, half in halves for labelled in half]
        # by content: neither the order in which the host lists samples nor their paths may change a model
        everything.sort(key=lambda pair: (pair[0].sample.sample_id, pair[0].label))
        if training_set.modality is Modality.IMAGE:
            rows = _copy_images(draft, everything, progress)
        else:
            rows = _write_contents(draft, everything, progress)
        folders.write_json(
            draft / LIST,
            {
                "dataset": training_set.dataset,
                "labels": list(training_set.labels),
                "modality": training_set.modality.value,
                "columns": [[column.name, column.kind.value] for column in training_set.columns],
                "samples": rows,
            },
        )
        target = folders.folder_of(home, name)
        if target.is_dir():  # a folder without a list: not one that this function finished
            shutil.rmtree(target)
        draft.rename(target)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    return target


def _copy_images(
    draft: Path,
    everything: Sequence[tuple[LabelledSample, str]],
    progress: Callable[[int, int | None, str], None],
) -> list[dict[str, str]]:
    rows = []
    for number, (labelled, split) in enumerate(everything):
        file = _file_name(labelled)
        if not (draft / file).exists():
            shutil.copyfile(labelled.sample.path, draft / file)
        rows.append({"path": file, "label": labelled.label, "split": split})
        if (number + 1) % REPORT_EVERY == 0 or number + 1 == len(everything):
            progress(number + 1, len(everything), "images")
    return rows


def _write_contents(
    draft: Path,
    everything: Sequence[tuple[LabelledSample, str]],
    progress: Callable[[int, int | None, str], None],
) -> list[dict[str, str]]:
    with (draft / CONTENTS).open("w", encoding="utf-8") as file:
        for labelled, _ in everything:
            sample = labelled.sample
            json.dump(sample.text if sample.row is None else dict(sample.row), file, ensure_ascii=False)
            file.write("\n")
    progress(len(everything), len(everything), "samples")
    return [{"label": labelled.label, "split": split} for labelled, split in everything]


def modality_of(folder: Path) -> Modality:
    """Return what the samples of a stored training set are.

    Raises:
        OSError: If the list cannot be read.
    """
    return Modality(_list_of(folder).get("modality", Modality.IMAGE.value))


def read_training_set(folder: Path) -> list[StoredSample]:
    """Return the images of a stored training set, both halves, ordered by content.

    Raises:
        OSError: If the list cannot be read.
        ValueError: If it is damaged.
    """
    return [StoredSample(folder / row["path"], row["label"], row["split"]) for row in _list_of(folder)["samples"]]


@dataclass(frozen=True, slots=True)
class StoredContents:
    """The texts or rows of a stored training set, both halves, ordered by content.

    Attributes:
        contents: Texts, or a row's cells by column.
        labels: The label of each.
        columns: Columns of a table.
    """

    contents: list[str] | list[Mapping[str, Value]]
    labels: list[str]
    columns: tuple[Column, ...]


def read_contents(folder: Path) -> StoredContents:
    """Return the texts or rows of a stored training set.

    Raises:
        OSError: If a file cannot be read.
        ValueError: If one is damaged.
    """
    listed = _list_of(folder)
    with (folder / CONTENTS).open(encoding="utf-8") as file:
        contents = [json.loads(line) for line in file]
    labels = [row["label"] for row in listed["samples"]]
    if len(contents) != len(labels):
        raise ValueError(f"{folder / CONTENTS} is damaged: it has {len(contents)} of {len(labels)} samples")
    return StoredContents(contents, labels, tuple(Column(name, ColumnKind(kind)) for name, kind in listed["columns"]))


def _list_of(folder: Path) -> dict[str, Any]:
    content = folders.read_json(folder / LIST)
    if not isinstance(content, dict):
        raise FileNotFoundError(f"{folder / LIST} is missing or damaged")
    return content


def _file_name(labelled: LabelledSample) -> str:
    return f"{labelled.sample.sample_id}{labelled.sample.path.suffix.lower()}"
