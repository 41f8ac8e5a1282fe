"""A training set as files of a dataset repository, and the script that learns from it.

Of images, a folder with metadata; labels stand there only, so that any text can be one:

    train/<SHA-256>.png, train/metadata.csv              columns file_name, label
    validation/<SHA-256>.png, validation/metadata.csv
    training/train_image_classifier.py, training/fine_tuning.py, training/decoding.py
    README.md

Of texts, JSON lines at the root, whose file names the Hub's readers take for splits:

    train.jsonl, validation.jsonl                        keys text, label
    training/train_text_classifier.py, training/fine_tuning.py
    README.md
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path

from automl_bench.contract import LabelledSample, Modality, TrainingSet
from automl_bench.errors import RequestRefused

FOLDER = "training"
PROGRAMS: Mapping[Modality, tuple[str, ...]] = {
    Modality.IMAGE: ("train_image_classifier.py", "fine_tuning.py", "decoding.py"),
    Modality.TEXT: ("train_text_classifier.py", "fine_tuning.py"),
}
"""Files of each training: the script, then what it imports."""

SAMPLE_BYTES = 512
"""First bytes of a file by which the Hub decides how it is to be stored."""

ENDINGS = {
    "image/png": "png",
    "image/jpeg": "jpg",
    "image/webp": "webp",
    "image/gif": "gif",
    "image/bmp": "bmp",
    "image/tiff": "tiff",
}

CARD = """\
---
viewer: false
tags:
- automl-bench
---
A benchmark's training samples, brought here by automl-bench. The repository is deleted with its trial.
"""


@dataclass(frozen=True, slots=True)
class RepoFile:
    """One file to be in a repository.

    Attributes:
        path: Path in the repository.
        size: Bytes.
        sha256: Digest of the content, 64 hex digits.
        git_sha1: The content's name in git, which the Hub tells for files that are stored in the ordinary way.
        start: The first bytes.
        source: Where the content is: a file, or the bytes themselves.
    """

    path: str
    size: int
    sha256: str
    git_sha1: str
    start: bytes = field(repr=False)
    source: Path | bytes = field(repr=False)

    def content(self) -> bytes:
        """Read it.

        Raises:
            RequestRefused: If the file cannot be read.
        """
        return self.source if isinstance(self.source, bytes) else _read(self.source)


def pack(training_set: TrainingSet) -> list[RepoFile]:
    """Return all files of the repository, images first, listings last. Reads and hashes each sample once; no request.

    Raises:
        RequestRefused: If an image cannot be read or is of a kind that the training cannot take.
    """
    halves = (("train", training_set.train), ("validation", training_set.validation))
    images: list[RepoFile] = []
    listings: list[RepoFile] = []
    for half, items in halves:
        if training_set.modality is Modality.TEXT:
            if items:
                listings.append(_of_bytes(f"{half}.jsonl", _json_lines(items)))
        elif rows := _pack_half(half, items, images):
            listings.append(_of_bytes(f"{half}/metadata.csv", _csv(rows)))
    return [*images, *program(training_set.modality), _of_bytes("README.md", CARD.encode()), *listings]


def program(modality: Modality) -> list[RepoFile]:
    """Return the training script and what it imports, automl-bench's own rule of decoding images among it."""
    return [_of_bytes(f"{FOLDER}/{name}", _published(name)) for name in PROGRAMS[modality]]


def _published(name: str) -> bytes:
    place = files("automl_bench") / "datasets" if name == "decoding.py" else files("automl_bench_huggingface")
    return (place / name).read_bytes()


def text_row(text: str | None, label: str) -> dict[str, str]:
    """Return the line of a text."""
    return {"text": text or "", "label": label}


def _json_lines(items: Sequence[LabelledSample]) -> bytes:
    """Return one line a text; one text under two labels is two, a repetition is none."""
    lines = (json.dumps(text_row(item.sample.text, item.label), ensure_ascii=False) for item in items)
    return "".join(f"{line}\n" for line in dict.fromkeys(lines)).encode()


def _pack_half(half: str, items: Sequence[LabelledSample], images: list[RepoFile]) -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    label_of: dict[str, str] = {}
    for item in items:
        media_type = item.sample.media_type
        if media_type not in ENDINGS:
            raise RequestRefused(
                f"{item.sample.path.name}: the training takes {', '.join(sorted(ENDINGS))}, not {media_type}.",
                remedy="Set images.format in the experiment.",
            )
        content = _read(item.sample.path)
        digest = hashlib.sha256(content).hexdigest()
        name, number = f"{digest}.{ENDINGS[media_type]}", 2
        # One content under two labels is two samples: the metadata names each file once.
        while label_of.get(name, item.label) != item.label:
            name, number = f"{digest}-{number}.{ENDINGS[media_type]}", number + 1
        if name in label_of:
            continue
        label_of[name] = item.label
        rows.append((name, item.label))
        images.append(_of_content(f"{half}/{name}", content, item.sample.path, digest))
    return rows


def _csv(rows: Sequence[tuple[str, str]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("file_name", "label"))
    writer.writerows(rows)
    return text.getvalue().encode()


def _of_bytes(path: str, content: bytes) -> RepoFile:
    return _of_content(path, content, content, hashlib.sha256(content).hexdigest())


def _of_content(path: str, content: bytes, source: Path | bytes, digest: str) -> RepoFile:
    git = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False)
    return RepoFile(path, len(content), digest, git.hexdigest(), content[:SAMPLE_BYTES], source)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise RequestRefused(f"{path}: {error.strerror or error}.") from error
