"""What the stand-in learns with: MLTable folders in the container, and the nearest training image by its pixels."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import yaml
from PIL import Image, UnidentifiedImageError

SIDE = 16
FORMATS = {"jpg": "JPEG", "jpeg": "JPEG", "png": "PNG", "bmp": "BMP", "tif": "TIFF", "tiff": "TIFF"}

Pixels = npt.NDArray[np.float32]


class BadData(Exception):
    """Data that the service does not take."""


def pixels(content: bytes, form: str = "") -> Pixels:
    """Return a small picture as numbers.

    Raises:
        BadData: If it is no picture, or not of the form said.
    """
    try:
        image = Image.open(io.BytesIO(content))
        image.load()
    except (UnidentifiedImageError, OSError, SyntaxError) as error:
        raise BadData("cannot identify image file") from error
    if image.format not in FORMATS.values() or (form and FORMATS[form] != image.format):
        raise BadData(f"image is a {image.format}, not a {form}")
    small = image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    return np.asarray(small, dtype=np.float32).ravel() / 255.0


@dataclass(frozen=True)
class Line:
    """One line of a table: the image's blob, its form and size as said, its label."""

    blob: str
    form: str
    size: tuple[int, int] | None
    label: str


class Datastore:
    """The container as the service reaches it, with the account's own key.

    Args:
        client: The SDK's container client.
        uri: Address that stands before a blob's name.
    """

    def __init__(self, client: Any, uri: str) -> None:
        self._client = client
        self._uri = uri
        self._known: dict[str, Pixels] = {}

    def blob_of(self, address: str) -> str:
        """Return the blob that an address names."""
        if not address.startswith(self._uri):
            raise BadData(f"{address!r} does not lie in the datastore")
        return address.removeprefix(self._uri)

    def table(self, folder: str) -> list[Line]:
        """Read an MLTable folder, given by its address.

        Raises:
            BadData: If a file is missing or malformed.
        """
        place = self.blob_of(folder)
        if not place.endswith("/"):
            raise BadData(f"{folder} is no folder")
        description = yaml.safe_load(self.read(f"{place}MLTable"))
        try:
            (path,) = description["paths"]
            steps = {name: step for each in description["transformations"] for name, step in each.items()}
            right = steps["read_json_lines"]["encoding"] == "utf8" and steps["convert_column_types"] == [
                {"columns": "image_url", "column_type": "stream_info"}
            ]
            file = path["file"].removeprefix("./")
        except (KeyError, TypeError, ValueError) as error:
            raise BadData(f"{place}MLTable is malformed: {error!r}") from error
        if not right:
            raise BadData(f"{place}MLTable does not read JSON lines with image_url as a stream")
        return [self._line(text) for text in self.read(f"{place}{file}").decode().splitlines()]

    def _line(self, text: str) -> Line:
        try:
            row = json.loads(text)
            details = row.pop("image_details")
            blob, label = self.blob_of(row.pop("image_url")), row.pop("label")
            form = details.pop("format")
            sides = [int(details.pop(name).removesuffix("px")) for name in ("width", "height") if name in details]
            good = isinstance(label, str) and label and form in FORMATS and not row and not details
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise BadData(f"a line is malformed: {error!r}") from error
        if not good:
            raise BadData(f"a line is malformed: {text[:100]}")
        return Line(blob, form, (sides[0], sides[1]) if sides else None, label)

    def read(self, blob: str) -> bytes:
        """Return a blob's content.

        Raises:
            BadData: If there is none.
        """
        from azure.core.exceptions import ResourceNotFoundError

        try:
            return bytes(self._client.download_blob(blob).readall())
        except ResourceNotFoundError as error:
            raise BadData(f"{blob} does not exist") from error

    def names(self, folder: str) -> list[str]:
        """Return the blobs in a folder."""
        return [str(blob.name) for blob in self._client.list_blobs(name_starts_with=folder)]

    def require_blobs(self, folder: str) -> None:
        """Refuse a folder without blobs."""
        if not self.names(folder):
            raise BadData(f"there is nothing in {folder}")

    def folder_at(self, url: str) -> str:
        """Return the folder that an https address names."""
        front = f"/{self._client.container_name}/"
        if front not in url or not url.endswith("/"):
            raise BadData(f"{url} is no folder of the container")
        return url.split(front, 1)[1]

    def images(self, lines: Iterable[Line]) -> list[Pixels]:
        """Read images, each once."""
        lines = list(lines)

        def load(line: Line) -> Pixels:
            content = self.read(line.blob)
            name = line.blob.rsplit("/", 1)[-1].split(".", 1)[0]
            if hashlib.sha256(content).hexdigest() != name:
                raise BadData(f"{line.blob} is not named by its content")
            if line.size is not None and Image.open(io.BytesIO(content)).size != line.size:
                raise BadData(f"{line.blob} has another size than its line says")
            return pixels(content, line.form)

        wanted = {line.blob: line for line in lines if line.blob not in self._known}
        with ThreadPoolExecutor(4) as pool:
            self._known.update(zip(wanted, pool.map(load, wanted.values()), strict=True))
        return [self._known[line.blob] for line in lines]


@dataclass(frozen=True)
class Model:
    """A trained model: its labels in a fixed order, and what it remembers."""

    labels: tuple[str, ...]
    samples: Pixels
    classes: npt.NDArray[np.int64]

    @classmethod
    def learn(cls, store: Datastore, train: str, validation: str) -> Model:
        """Learn from two tables; the second is only looked at.

        Raises:
            BadData: If a table or an image cannot be read.
        """
        lines = store.table(train)
        held_out = store.table(validation)
        labels = tuple(sorted({line.label for line in lines}))
        if len(labels) < 2:
            raise BadData("fewer than two classes")
        if {line.label for line in held_out} - set(labels):
            raise BadData("the validation data have labels that the training data lack")
        store.images(held_out)
        return cls(labels, np.stack(store.images(lines)), np.asarray([labels.index(line.label) for line in lines]))

    def probabilities(self, image: Pixels) -> list[float]:
        """Return a probability for each label, by the distance to its nearest sample."""
        distances = np.linalg.norm(self.samples - image, axis=1)
        nearest = [float(distances[self.classes == index].min()) for index in range(len(self.labels))]
        weights = np.exp(-2.0 * (np.asarray(nearest) - min(nearest)))
        return [float(each) for each in weights / weights.sum()]
