"""What the stand-in learns with: the nearest training image, by its pixels."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

SIDE = 16
SMALLEST_PX, LARGEST_PX, MOST_UNEQUAL = 64, 4096, 20
TYPES = ("PNG", "JPEG")


class BadImage(Exception):
    """An image that the service does not take; `code` is Rekognition's exception for it."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def pixels(content: bytes) -> npt.NDArray[np.float32]:
    """Return a small picture as numbers, after holding it to the published limits.

    Raises:
        BadImage: If it is no PNG or JPEG, or too small, too large or too thin.
    """
    try:
        image = Image.open(io.BytesIO(content))
        image.load()
    except (UnidentifiedImageError, OSError, SyntaxError) as error:
        raise BadImage("InvalidImageFormatException", "Request has invalid image format") from error
    if image.format not in TYPES:
        raise BadImage("InvalidImageFormatException", "Request has invalid image format")
    short, long = sorted(image.size)
    if short < SMALLEST_PX or long > LARGEST_PX or long > MOST_UNEQUAL * short:
        raise BadImage("InvalidParameterException", f"Image dimensions {image.size} are not supported")
    small = image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    return np.asarray(small, dtype=np.float32).ravel() / 255.0


@dataclass(slots=True)
class Bucketful:
    """Images of a bucket, each read once."""

    s3: Any
    bucket: str
    known: dict[str, npt.NDArray[np.float32] | None] = field(default_factory=dict)

    def read(self, keys: Sequence[str]) -> dict[str, npt.NDArray[np.float32] | None]:
        """Return the pixels by key; None for what is missing or refused."""
        present = {
            item["Key"]: item["ETag"]
            for page in self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket)
            for item in page.get("Contents", [])
        }
        wanted = sorted({key for key in keys if key in present and present[key] not in self.known})
        with ThreadPoolExecutor(4) as pool:
            for key, found in zip(wanted, pool.map(self._read, wanted), strict=True):
                self.known[present[key]] = found
        return {key: self.known.get(present.get(key, "")) for key in keys}

    def _read(self, key: str) -> npt.NDArray[np.float32] | None:
        try:
            return pixels(self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read())
        except BadImage:
            return None


def entries(manifest: bytes) -> list[tuple[str, str, str]]:
    """Return (bucket, key, label) of each line of a Ground Truth manifest.

    Raises:
        BadImage: If a line is not in the documented form.
    """
    found = []
    for number, line in enumerate(manifest.decode().splitlines(), start=1):
        try:
            row = json.loads(line)
            about = row["class-metadata"]
            bucket, _, key = row["source-ref"].removeprefix("s3://").partition("/")
            right = (
                row["source-ref"].startswith("s3://")
                and isinstance(row["class"], int)
                and 0 <= about["confidence"] <= 1
                and about["human-annotated"] in ("yes", "no")
                and about["type"] == "groundtruth/image-classification"
                and bool(about["creation-date"])
            )
            label = about["class-name"]
        except (ValueError, KeyError, TypeError) as error:
            raise BadImage("InvalidManifestException", f"line {number}: {error!r}") from error
        if not right or not label:
            raise BadImage("InvalidManifestException", f"line {number} is malformed")
        found.append((bucket, key, label))
    return found


@dataclass(frozen=True, slots=True)
class Model:
    """A trained model."""

    samples: npt.NDArray[np.float32]
    labels: tuple[str, ...]

    def scores(self, image: npt.NDArray[np.float32]) -> dict[str, float]:
        """Return a score for each label in per cent, by the distance to its nearest sample."""
        distances = np.linalg.norm(self.samples - image, axis=1)
        nearest: dict[str, float] = {}
        for label, distance in zip(self.labels, distances.tolist(), strict=True):
            nearest[label] = min(distance, nearest.get(label, np.inf))
        weights = {label: float(np.exp(-2.0 * distance)) for label, distance in nearest.items()}
        total = sum(weights.values()) or 1.0
        return {label: 100.0 * weight / total for label, weight in weights.items()}
