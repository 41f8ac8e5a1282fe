"""Packing a training set for the bucket, and sending what is not there yet through the host's transport.

A trial's folder holds its import file and its images. The import file is written first: a trial that died half-way has
left it, or images beside it, and either is enough to find and delete the whole folder with no local file.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from automl_bench.contract import Deletion, HttpRequest, HttpResponse, LabelledSample, Resource, TrainingSet
from automl_bench.errors import RequestRefused, ServiceUnavailable, TransientProviderError, Unauthenticated
from automl_bench.toolkit.answers import read_json
from automl_bench_vertex import manifests, objects
from automl_bench_vertex.failures import from_answer
from automl_bench_vertex.naming import ROOT, SAMPLES, folder, image_object, images_folder, import_file

if TYPE_CHECKING:
    from automl_bench.contract import TrialContext
    from automl_bench_vertex.account import Account
    from automl_bench_vertex.tokens import Header

IN_FLIGHT = 32
IN_FLIGHT_BYTES = 128 * 1024 * 1024
"""Large images are sent fewer at a time: each request is held in memory whole."""
TIMEOUT_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Image:
    """A file to send, and the MD5 digest of its content in base64, as the service answers with it."""

    path: Path
    md5: str
    media_type: str


@dataclass(slots=True)
class Shipment:
    """A training set as it goes up.

    Attributes:
        images: What to send, by object name; each content once.
        rows: Lines of the import file: ML use, object, label.
        collapsed: Samples left out because another one has the same content: the service would keep one of them.
        contradicting: Those of them with another label, or in the other half.
    """

    images: dict[str, Image] = field(default_factory=dict)
    rows: list[tuple[str, str, str]] = field(default_factory=list)
    collapsed: int = 0
    contradicting: int = 0


def pack(samples_name: str, training_set: TrainingSet) -> Shipment:
    """Read and hash every sample once. No request.

    Raises:
        RequestRefused: If a file is of another type, or cannot be read.
    """
    shipment = Shipment()
    kept: dict[str, tuple[str, str]] = {}
    halves = ((manifests.TRAINING, training_set.train), (manifests.VALIDATION, training_set.validation))
    for use, item in ((use, item) for use, half in halves for item in half):
        name, image = _image(samples_name, item)
        if name in kept:
            shipment.collapsed += 1
            shipment.contradicting += kept[name] != (use, item.label)
            continue
        kept[name] = (use, item.label)
        shipment.images[name] = image
        shipment.rows.append((use, name, item.label))
    return shipment


def _image(samples_name: str, item: LabelledSample) -> tuple[str, Image]:
    path = item.sample.path
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256")
            file.seek(0)
            md5 = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False))
    except OSError as error:
        raise RequestRefused(f"{path}: {error.strerror or error}.") from error
    name = image_object(samples_name, digest.hexdigest(), item.sample.media_type)
    return name, Image(path, base64.b64encode(md5.digest()).decode(), item.sample.media_type)


def find(account: Account, name: str) -> Resource | None:
    """Return a trial's folder if its import file is there."""
    since = {item.name: item.since for item in objects.listed(account, import_file(name))}
    return _resource(account, name, since[import_file(name)]) if import_file(name) in since else None


def begin(account: Account, name: str, content: bytes) -> Resource:
    """Write a trial's import file, or its table, which is the folder's beginning."""
    objects.write(account, import_file(name), content, "text/csv")
    return _resource(account, name, "")


def list_folders(account: Account, prefix: str) -> list[Resource]:
    """Return what trials left in the bucket, whole or not, in order of their first object."""
    since: dict[str, str] = {}
    for item in objects.listed(account, f"{ROOT}{prefix}"):
        name = item.name.removeprefix(ROOT).split("/", 1)[0]
        since[name] = min(since.get(name, item.since), item.since)
    return [_resource(account, name, moment) for name, moment in sorted(since.items(), key=lambda pair: pair[1])]


def delete_folder(account: Account, resource: Resource) -> Deletion:
    """Delete a trial's objects, the import file last; the host is asked whether to go on every thousand.

    They are deleted where they were written, whichever bucket is set by now.
    """
    bucket = str(resource.details.get("bucket") or account.bucket)
    last = import_file(resource.name)
    found = objects.listed(account, folder(resource.name), bucket)
    names = sorted((item.name for item in found), key=lambda each: each == last)
    if not names:
        return Deletion.ALREADY_GONE
    objects.delete(account, [each for each in names if each != last][: objects.DELETE_AT_ONCE], bucket)
    if len(names) > objects.DELETE_AT_ONCE:
        return Deletion.PENDING
    objects.delete(account, [last], bucket)
    return Deletion.DELETED


def _resource(account: Account, name: str, since: str) -> Resource:
    address = f"gs://{account.bucket}/{folder(name)}"
    return Resource(
        SAMPLES,
        name,
        resource_id=address,
        hourly_usd=0.0,
        details={"bucket": account.bucket},
        delete_by_hand=f"gcloud storage rm --recursive {address}",
        since=since,
        scope=account.scope,
    )


def send(account: Account, shipment: Shipment, samples_name: str, context: TrialContext) -> int:
    """Send the images that are not in the trial's folder, and return how many that were.

    Raises:
        ProviderError: If an image was refused, or could not be sent in all attempts. Asking again sends the rest only.
    """
    present = {item.name for item in objects.listed(account, images_folder(samples_name))}
    missing = {name: image for name, image in shipment.images.items() if name not in present}
    known, total = len(shipment.images) - len(missing), len(shipment.images)
    context.log(f"{known} of {total} images are in the bucket already")
    if missing:
        _Sending(account, missing).run(context, lambda done: context.progress(known + done, total, "images"))
    return len(missing)


def in_flight(images: Mapping[str, Image]) -> int:
    """Return how many uploads may be under way at once, by the largest image."""
    largest = max(image.path.stat().st_size for image in images.values())
    return max(1, min(IN_FLIGHT, IN_FLIGHT_BYTES // max(1, largest)))


class _Sending:
    """One bulk sending: makes the requests and reads the answers."""

    def __init__(self, account: Account, images: Mapping[str, Image]) -> None:
        self._account = account
        self._images = images
        self._authorized_with: dict[str, tuple[Header, ...]] = {}

    def run(self, context: TrialContext, progress: Callable[[int], None]) -> None:
        context.send(self._requests(), in_flight=in_flight(self._images), progress=progress, judge=self._judge)

    def _requests(self) -> Iterator[tuple[str, Callable[[], HttpRequest]]]:
        def maker(name: str, image: Image) -> Callable[[], HttpRequest]:
            return lambda: self._request(name, image)

        return ((name, maker(name, image)) for name, image in self._images.items())

    def _request(self, name: str, image: Image) -> HttpRequest:
        authorization = self._account.tokens.headers()
        self._authorized_with[name] = authorization
        return media_upload(self._account, name, image, authorization)

    def _judge(self, name: str, response: HttpResponse) -> None:
        """Accept an answer that shows the very bytes that were sent.

        Raises:
            TransientProviderError: If the token has ended early, or the content arrived damaged: it is sent again.
            ProviderError: The class that fits the answer.
        """
        authorization = self._authorized_with.pop(name, ())
        if response.status == 200:
            self._account.tokens.accepted()
            if _stored_md5(response.body) != self._images[name].md5:
                raise ServiceUnavailable(
                    f"{name} did not arrive whole.", resource=f"gs://{self._account.bucket}/{name}"
                )
            return
        failure = from_answer(response, f"gs://{self._account.bucket}/{name}")
        if isinstance(failure, Unauthenticated) and self._account.tokens.ended_early(authorization):
            raise TransientProviderError("The access token ended early; a new one is fetched.")
        raise failure


def media_upload(account: Account, name: str, image: Image, authorization: tuple[Header, ...]) -> HttpRequest:
    """Return the request that stores one image. Sent twice, it stores the same bytes under the same name.

    Raises:
        OSError: If the file cannot be read.
    """
    query = f"uploadType=media&name={quote(name, safe='')}&fields=name,md5Hash"
    return HttpRequest(
        f"{account.storage_url}/upload/storage/v1/b/{quote(account.bucket, safe='')}/o?{query}",
        headers=(*authorization, ("Content-Type", image.media_type)),
        body=image.path.read_bytes(),
        timeout_seconds=TIMEOUT_SECONDS,
        valid_for_seconds=account.tokens.seconds_left(),
    )


def _stored_md5(body: bytes) -> str:
    try:
        content = read_json(body)
        return str(content["md5Hash"])
    except (ValueError, KeyError, TypeError):
        raise ServiceUnavailable("Cloud Storage's answer cannot be read.") from None
