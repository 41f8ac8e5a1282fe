"""Image lists as the service imports them: JSON lines in SageMaker Ground Truth's classification format."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from automl_bench.contract import ManifestEntry, ProviderManifest
from automl_bench.errors import RequestRefused
from automl_bench.toolkit.answers import read_json
from automl_bench_rekognition.naming import image_key

LABEL_AT = ("class-metadata", "class-name")
CREATED = "2026-01-01T00:00:00.000"
"""The format wants a date and ignores it. It is always the same one, so that equal lists are equal bytes."""


def row(address: str, label: str = "") -> dict[str, Any]:
    """Return one image's line. The integer class is required and ignored: `class-name` is what counts."""
    return {
        "source-ref": address,
        "class": 1,
        "class-metadata": {
            "confidence": 1,
            "job-name": "labeling-job/class",
            "class-name": label,
            "human-annotated": "yes",
            "creation-date": CREATED,
            "type": "groundtruth/image-classification",
        },
    }


def encode(bucket: str, labelled_keys: Iterable[tuple[str, str]]) -> bytes:
    """Return a whole manifest of (key, label) pairs, each pair once."""
    lines = (json.dumps(row(f"s3://{bucket}/{key}", label), ensure_ascii=False) for key, label in labelled_keys)
    return "".join(f"{line}\n" for line in dict.fromkeys(lines)).encode()


def keys_in(bucket: str, manifest: bytes) -> Iterator[str]:
    """Yield the keys of the images that a manifest names.

    Raises:
        RequestRefused: If the file is no manifest: then nobody knows which images it needs.
    """
    stem = f"s3://{bucket}/"
    for number, line in enumerate(manifest.splitlines(), start=1):
        try:
            content = read_json(line)
            address = str(content["source-ref"])
        except (ValueError, KeyError, TypeError) as error:
            raise RequestRefused(f"Line {number} of a manifest in the bucket is damaged.") from error
        yield address.removeprefix(stem)


def describe(bucket: str, dataset: str, entries: Sequence[ManifestEntry]) -> ProviderManifest:
    """Describe samples as they lie on disk, at the address that an upload without re-encoding gives them."""
    keys = [image_key(dataset, entry.sample.sample_id, entry.sample.media_type) for entry in entries]
    return ProviderManifest(
        rows=[row(f"s3://{bucket}/{key}") for key in keys],
        label_at=LABEL_AT,
        file_format="jsonl",
        destination=f"s3://{bucket}/",
        objects=keys,
    )
