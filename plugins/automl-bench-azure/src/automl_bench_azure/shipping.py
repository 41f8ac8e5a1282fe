"""Packing a training set for the container, and sending what is not there yet through the host's transport."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from automl_bench.contract import HttpRequest, HttpResponse, LabelledSample, TrainingSet, TrialContext
from automl_bench.errors import RequestRefused
from automl_bench_azure import tables
from automl_bench_azure.failures import from_blob_answer
from automl_bench_azure.naming import image_file, trial_folder

if TYPE_CHECKING:
    from automl_bench_azure.storage import Storage

TRAIN = "train"
VALIDATION = "validation"

MEDIA_TYPES = {"MLTable": "text/plain", "jsonl": "application/json", "parquet": "application/octet-stream"}
"""By a file's ending, or its name where it has none."""

IN_FLIGHT = 64
"""Most uploads under way at once: enough to hide 40 ms of latency, far below what a storage account takes."""

IN_FLIGHT_BYTES = 256 * 1024 * 1024
"""Most bytes under way at once."""

SIGNED_FOR_SECONDS = 600.0
"""How long an upload's signature holds for certain: the service allows 15 minutes."""


@dataclass(frozen=True, slots=True)
class Image:
    """One file to send."""

    path: Path
    media_type: str


@dataclass(frozen=True, slots=True)
class Shipment:
    """A packed training set.

    Attributes:
        images: By blob name; samples of equal content are one image.
        files: Content of tables and descriptions by blob name.
        folders: Address of each MLTable folder by half.
        validation_is_training: Whether there was no validation half, so that the training half serves as both.
    """

    images: Mapping[str, Image]
    files: Mapping[str, bytes]
    folders: Mapping[str, str]
    validation_is_training: bool


def pack(datastore_uri: str, name: str, training_set: TrainingSet) -> Shipment:
    """Read and hash every sample once, and write the tables. No request.

    Raises:
        RequestRefused: If a file is of another type, or cannot be read.
    """
    folder = trial_folder(name)
    images: dict[str, Image] = {}

    def table(labelled: Sequence[LabelledSample]) -> bytes:
        rows = []
        for item in labelled:
            sample = item.sample
            blob = f"{folder}images/{image_file(_digest(sample.path), sample.media_type)}"
            images[blob] = Image(sample.path, sample.media_type)
            rows.append(tables.row(f"{datastore_uri}{blob}", sample, item.label))
        return tables.encode(rows)

    halves = {TRAIN: training_set.train, VALIDATION: training_set.validation or training_set.train}
    files: dict[str, bytes] = {}
    for half, labelled in halves.items():
        files[f"{folder}{half}/{tables.LINES}"] = table(labelled)
        files[f"{folder}{half}/MLTable"] = tables.MLTABLE.encode()
    return Shipment(
        images=images,
        files=files,
        folders={half: f"{datastore_uri}{folder}{half}/" for half in halves},
        validation_is_training=not training_set.validation,
    )


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise RequestRefused(f"{path}: {error.strerror or error}.") from error


def send(storage: Storage, name: str, shipment: Shipment, context: TrialContext) -> int:
    """Send the images that are not in the folder, then the tables, and return how many images that were.

    Raises:
        ProviderError: If an image was refused, or could not be sent in all attempts. Asking again sends the rest only.
    """
    present = {blob.name for blob in storage.listed(trial_folder(name))}
    missing = {blob: image for blob, image in shipment.images.items() if blob not in present}
    known, total = len(shipment.images) - len(missing), len(shipment.images)
    if total:
        context.log(f"{known} of {total} images are in the container already")

    def report(done: int) -> None:
        context.progress(known + done, total, "images")

    if missing:
        context.send(_requests(storage, missing), in_flight=in_flight(missing), progress=report, judge=judge)
    for blob, content in shipment.files.items():
        storage.write(blob, content, MEDIA_TYPES[blob.rsplit("/", 1)[-1].rpartition(".")[2]])
    return len(missing)


def in_flight(images: Mapping[str, Image]) -> int:
    """Return how many uploads may be under way at once, by the largest image."""
    largest = max(image.path.stat().st_size for image in images.values())
    return max(1, min(IN_FLIGHT, IN_FLIGHT_BYTES // max(1, largest)))


def _requests(storage: Storage, images: Mapping[str, Image]) -> Iterator[tuple[str, Callable[[], HttpRequest]]]:
    def maker(blob: str, image: Image) -> Callable[[], HttpRequest]:
        return lambda: put_request(storage, blob, image)

    return ((blob, maker(blob, image)) for blob, image in images.items())


def put_request(storage: Storage, blob: str, image: Image) -> HttpRequest:
    """Return the request that stores an image."""
    content = image.path.read_bytes()
    url, headers = storage.put_headers(blob, content, image.media_type)
    return HttpRequest(url, method="PUT", headers=headers, body=content, valid_for_seconds=SIGNED_FOR_SECONDS)


def judge(blob: str, response: HttpResponse) -> None:
    """Accept a stored image, or raise what the answer means; the host sends again what failed in passing.

    Raises:
        ProviderError: The class that fits the answer.
    """
    if response.status >= 300:
        raise from_blob_answer(response.status, response.headers, response.body, blob)
