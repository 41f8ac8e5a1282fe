"""What the service imports: an MLTable folder, which is a description and a file of JSON lines."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from automl_bench.contract import ManifestEntry, ProviderManifest, Sample
from automl_bench_azure.naming import ENDINGS, IMAGES, image_file

LINES = "annotations.jsonl"

MLTABLE = f"""\
paths:
  - file: ./{LINES}
transformations:
  - read_json_lines:
        encoding: utf8
        invalid_lines: error
        include_path_column: false
  - convert_column_types:
      - columns: image_url
        column_type: stream_info
"""

IMAGE_COLUMN = "image_url"
LABEL_COLUMN = "label"


def row(address: str, sample: Sample, label: str) -> dict[str, Any]:
    """Return one image's line."""
    details = {"format": ENDINGS[sample.media_type]}
    if sample.width and sample.height:
        details |= {"width": f"{sample.width}px", "height": f"{sample.height}px"}
    return {IMAGE_COLUMN: address, "image_details": details, LABEL_COLUMN: label}


def encode(rows: Iterable[dict[str, Any]]) -> bytes:
    """Return a file of JSON lines, each line once."""
    lines = (json.dumps(each, ensure_ascii=False) for each in rows)
    return "".join(f"{line}\n" for line in dict.fromkeys(lines)).encode()


def describe(datastore_uri: str, dataset: str, entries: Sequence[ManifestEntry]) -> ProviderManifest:
    """Describe samples as the ancestor did: `image_url,label`.

    A trial's own images lie in its folder, whose name nobody knows before; so the addresses are those of a folder that
    all trials of a dataset could share.
    """
    names = [f"{IMAGES}{dataset}/{image_file(entry.sample.sample_id, entry.sample.media_type)}" for entry in entries]
    return ProviderManifest(
        rows=[{IMAGE_COLUMN: f"{datastore_uri}{name}", LABEL_COLUMN: ""} for name in names],
        label_at=(LABEL_COLUMN,),
        destination=datastore_uri,
        objects=names,
    )
