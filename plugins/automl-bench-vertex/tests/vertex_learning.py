"""What the stand-in learns with: the nearest training image, by its pixels. It reads import files and images itself."""

from __future__ import annotations

import csv
import hashlib
import io
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from urllib.parse import quote

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

SIDE = 12
LABEL = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
ML_USES = ("training", "validation", "test")
TRAIN_FORMATS = ("JPEG", "GIF", "PNG", "BMP", "ICO")
PREDICT_FORMATS = (*TRAIN_FORMATS, "WEBP", "TIFF")
MAX_TRAIN_BYTES = 30_000_000

Pixels = npt.NDArray[np.float32]


def pixels(content: bytes, formats: tuple[str, ...]) -> Pixels | None:
    """Return a small picture as numbers, or None if the service does not take it."""
    try:
        image = Image.open(io.BytesIO(content))
        image.load()
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError):
        return None
    if image.format not in formats:
        return None
    small = image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    return np.asarray(small, dtype=np.float32).ravel() / 255.0


@dataclass(slots=True)
class DataItem:
    """One image of a dataset."""

    address: str
    label: str
    ml_use: str
    content: Pixels


@dataclass(slots=True)
class Imported:
    """What an import brought, and what it could not."""

    items: dict[str, DataItem] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)


class Bucket:
    """Reads objects from fake-gcs-server as the service's own agent would."""

    def __init__(self, url: str) -> None:
        self._url = url

    def read(self, address: str) -> bytes | None:
        """Return an object's content, or None if it is not there."""
        bucket, _, name = address.removeprefix("gs://").partition("/")
        url = f"{self._url}/storage/v1/b/{quote(bucket, safe='')}/o/{quote(name, safe='')}?alt=media"
        try:
            with urllib.request.urlopen(url, timeout=30) as answer:
                return bytes(answer.read())
        except urllib.error.HTTPError:
            return None

    def import_file(self, address: str) -> Imported:
        """Read an import file and its images. Equal content is one data item; of two labels for it, one is dropped."""
        imported = Imported()
        listing = self.read(address)
        if listing is None:
            imported.failures.append(f"{address} cannot be read")
            return imported
        rows = []
        for number, row in enumerate(csv.reader(io.StringIO(listing.decode())), start=1):
            fault = _row_fault(row)
            if fault:
                imported.failures.append(f"{address}:{number}: {fault}")
            else:
                rows.append(row)
        for row, content in zip(rows, self._contents([row[1] for row in rows]), strict=True):
            picture = None if content is None else pixels(content, TRAIN_FORMATS)
            if content is None or picture is None or len(content) > MAX_TRAIN_BYTES:
                imported.failures.append(f"{row[1]} is no image that can be imported")
                continue
            digest = hashlib.sha256(content).hexdigest()
            imported.items.setdefault(digest, DataItem(row[1], row[2], row[0].lower(), picture))
        return imported

    def _contents(self, addresses: list[str]) -> Iterator[bytes | None]:
        with ThreadPoolExecutor(4) as pool:
            yield from pool.map(self.read, addresses)


def _row_fault(row: list[str]) -> str:
    if len(row) != 3:
        return f"{len(row)} columns"
    if row[0].lower() not in ML_USES:
        return f"ML use {row[0]!r}"
    if not row[1].startswith("gs://"):
        return f"address {row[1]!r}"
    return "" if LABEL.fullmatch(row[2]) else f"label {row[2]!r} has characters that are not allowed"


class Learned:
    """A model: the nearest training image of each label decides."""

    def __init__(self, items: list[DataItem]) -> None:
        self.labels = sorted({item.label for item in items})
        self._contents = np.stack([item.content for item in items])
        self._owners = np.array([self.labels.index(item.label) for item in items])

    def scores(self, picture: Pixels) -> list[tuple[str, float]]:
        """Return labels and confidences, best first; they add up to 1."""
        distances = np.linalg.norm(self._contents - picture, axis=1)
        nearest = np.array([distances[self._owners == index].min() for index in range(len(self.labels))])
        weights = np.exp(-4.0 * (nearest - nearest.min()))
        weights /= weights.sum()
        order = np.argsort(-weights, kind="stable")
        return [(self.labels[index], float(weights[index])) for index in order]
