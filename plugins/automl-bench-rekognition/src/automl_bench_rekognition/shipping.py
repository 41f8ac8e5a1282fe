"""Packing a training set for the bucket, and sending what is not there yet through the host's transport."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from automl_bench.contract import (
    HttpRequest,
    LabelledSample,
    Outcome,
    Sample,
    SendFailure,
    TrainingSet,
    TrialContext,
)
from automl_bench.errors import (
    ConnectionLost,
    Infeasible,
    ProviderError,
    RequestRefused,
    RequestTimedOut,
    ServiceUnavailable,
)
from automl_bench_rekognition import claims, manifests, objects
from automl_bench_rekognition.description import MOST_UNEQUAL_SIDES
from automl_bench_rekognition.failures import from_xml_answer
from automl_bench_rekognition.naming import IMAGES, image_key
from automl_bench_rekognition.signing import signed_put

if TYPE_CHECKING:
    from automl_bench_rekognition.account import Account

IN_FLIGHT = 128
"""Most uploads under way at once: enough to hide 40 ms of latency, far below what S3 takes per prefix."""

IN_FLIGHT_BYTES = 256 * 1024 * 1024
"""Most bytes under way at once."""


@dataclass(frozen=True, slots=True)
class Image:
    """One file to send, and the SHA-256 of what is in it."""

    path: Path
    digest: bytes
    media_type: str


@dataclass(frozen=True, slots=True)
class Shipment:
    """A packed training set.

    Attributes:
        dataset: Name of the dataset.
        images: By key; samples of equal content are one image.
        manifests: Content by file name.
        test_is_training: Whether there was no validation half, so that the training half is the test dataset too.
    """

    dataset: str
    images: Mapping[str, Image]
    manifests: Mapping[str, bytes]
    test_is_training: bool


def pack(bucket: str, training_set: TrainingSet) -> Shipment:
    """Read and hash every sample once, and write the manifests. No request.

    Raises:
        Infeasible: If an image is longer and thinner than the service takes.
        RequestRefused: If a file is of another type, or cannot be read.
    """
    images: dict[str, Image] = {}

    def listed(labelled: Sequence[LabelledSample]) -> list[tuple[str, str]]:
        pairs = []
        for item in labelled:
            _check_shape(item.sample)
            digest = _digest(item.sample.path)
            key = image_key(training_set.dataset, digest.hex(), item.sample.media_type)
            images[key] = Image(item.sample.path, digest, item.sample.media_type)
            pairs.append((key, item.label))
        return pairs

    train = listed(training_set.train)
    validation = listed(training_set.validation)
    return Shipment(
        dataset=training_set.dataset,
        images=images,
        manifests={
            claims.TRAIN: manifests.encode(bucket, train),
            claims.TEST: manifests.encode(bucket, validation or train),
        },
        test_is_training=not validation,
    )


def _digest(path: Path) -> bytes:
    try:
        return hashlib.sha256(_content(path)).digest()
    except OSError as error:
        raise RequestRefused(f"{path}: {error.strerror or error}.") from error


def _content(path: Path) -> bytes:
    """Return what is in a file, 15 MB at the most, without the buffers of a file object: thousands are read, twice."""
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - `Path.open` takes half as long as the reading
        return file.readall()


def _check_shape(sample: Sample) -> None:
    if sample.width and sample.height:
        ratio = max(sample.width, sample.height) / min(sample.width, sample.height)
        if ratio > MOST_UNEQUAL_SIDES:
            raise Infeasible(
                f"Rekognition takes images whose sides differ at most {MOST_UNEQUAL_SIDES}-fold and "
                f"{sample.path.name} has {sample.width} × {sample.height} px.",
                remedy="Leave such images out of the dataset.",
            )


def send(account: Account, shipment: Shipment, context: TrialContext) -> int:
    """Send the images that are not in the bucket, and return how many that were.

    Raises:
        ProviderError: If an image was refused, or could not be sent in all attempts. Asking again sends the rest only.
    """
    folder = f"{IMAGES}{shipment.dataset}/"
    present = {item.key for item in objects.listed(account, folder)}
    missing = {key: image for key, image in shipment.images.items() if key not in present}
    known, total = len(shipment.images) - len(missing), len(shipment.images)
    context.log(f"{known} of {total} images are in the bucket already")

    def report(done: int) -> None:
        context.progress(known + done, total, "images")

    if missing:
        sent = context.send(_requests(account, missing), in_flight=in_flight(missing), progress=report)
        if sent.failures:
            raise _failure(sent.failures, len(missing))
    there = {item.key for item in objects.listed(account, folder)}
    lost = shipment.images.keys() - there
    if lost:
        raise ServiceUnavailable(f"{len(lost)} of {total} images left the bucket while others were sent.")
    return len(missing)


def in_flight(images: Mapping[str, Image]) -> int:
    """Return how many uploads may be under way at once, by the largest image."""
    largest = max(image.path.stat().st_size for image in images.values())
    return max(1, min(IN_FLIGHT, IN_FLIGHT_BYTES // max(1, largest)))


def _requests(account: Account, images: Mapping[str, Image]) -> Iterator[tuple[str, Callable[[], HttpRequest]]]:
    def maker(key: str, image: Image) -> Callable[[], HttpRequest]:
        return lambda: signed_put(account, key, _content(image.path), image.digest, image.media_type)

    return ((key, maker(key, image)) for key, image in images.items())


def _failure(failures: Sequence[SendFailure], total: int) -> ProviderError:
    """Return one error for all: that of the first image, with the count."""
    first = failures[0]
    cause: ProviderError
    if first.response is not None:
        cause = from_xml_answer(first.status, first.response.body, str(first.tag))
    elif first.attempts == 0:
        cause = RequestRefused(first.error)
    elif first.outcome is Outcome.TIMEOUT:
        cause = RequestTimedOut(first.error)
    else:
        cause = ConnectionLost(first.error)
    cause.message = f"{len(failures)} of {total} images were not stored: {cause.message}"
    cause.args = (cause.message,)
    return cause
