"""What the provider says of itself. Static: no I/O beyond the package's own price table, and no SDK."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from importlib.resources import files
from typing import Any

from automl_bench.contract import (
    Capability,
    Counted,
    Limits,
    Modality,
    Price,
    ProviderDescription,
    Setting,
    SettingKind,
)
from automl_bench_vertex.naming import ENDINGS
from automl_bench_vertex.options import VARIANT_SETTINGS, VARIANTS, TrainingOptions
from automl_bench_vertex.policy import POLICY
from automl_bench_vertex.reported_times import REPORTED

NAME = "vertex"

LEAST_PER_LABEL = 10
"""Images of each label without which the service does not train."""

MAX_TRAIN_BYTES = 30_000_000
MAX_REQUEST_BYTES = 1_500_000
"""Largest body of a prediction request. Whether the published 1.5 MB mean the body or the image is not said."""
ENVELOPE_BYTES = 500
"""Room for what stands around the image in a request's JSON."""

LEAST_ROWS = 1_000
"""Rows of a table, both halves together, without which the service does not train."""
MOST_ROWS = 100_000_000
MOST_CLASSES_OF_TABLES = 500

TRAINING_NODES = 8
"""Nodes that work on a training of images at a time: the schema calls its default budget, 192,000 thousandths of a node
hour, one day's wall-clock time. One works on a table, by Google's own example."""

AT_STAKE = ("train_hour", "endpoint_hour")
"""Items that differ between images and tables."""

COUNTED = {"endpoint_hour": Counted.SERVING_HOURS}
"""One node serves, and it is billed until it is undeployed, so the host's deadlines bound its hours."""

SETTINGS = (
    Setting(
        "bucket",
        "Cloud Storage bucket, in the same region, for the training images and tables. It must exist.",
        env="AUTOML_BENCH_VERTEX_BUCKET",
        required=True,
    ),
    Setting(
        "project",
        "Google Cloud project; without it the one of the application-default credentials.",
        env="GOOGLE_CLOUD_PROJECT",
    ),
    Setting("region", "Region of everything that is made.", env="GOOGLE_CLOUD_REGION", default="us-central1"),
    Setting(
        "api_endpoint",
        "Address of Vertex AI, if it is not Google's own.",
        env="AUTOML_BENCH_VERTEX_API_ENDPOINT",
        kind=SettingKind.ADDRESS,
    ),
    Setting(
        "storage_url",
        "Address of Cloud Storage, if it is not Google's own.",
        env="STORAGE_EMULATOR_HOST",
        kind=SettingKind.ADDRESS,
    ),
    Setting(
        "anonymous",
        "Whether to ask without credentials, which only a server of your own answers.",
        env="AUTOML_BENCH_VERTEX_ANONYMOUS",
        default="false",
        kind=SettingKind.FLAG,
    ),
)

DESCRIPTION = ProviderDescription(
    name=NAME,
    title="Google Vertex AI AutoML classification of images and tables",
    capabilities=frozenset(
        {
            Capability.CHECK_ACCESS,
            Capability.PRICE,
            Capability.UPLOAD,
            Capability.TRAIN,
            Capability.DEPLOY,
            Capability.INVOKE,
            Capability.EXPORT_MANIFEST,
            Capability.ADOPT_ENDPOINT,
            Capability.LIST_RESOURCES,
        }
    ),
    modalities=frozenset({Modality.IMAGE, Modality.TABULAR}),
    limits=Limits(
        min_samples_per_class=LEAST_PER_LABEL,
        min_classes=2,
        max_train_bytes=MAX_TRAIN_BYTES,
        max_request_bytes=MAX_REQUEST_BYTES - ENVELOPE_BYTES,
        media_types=tuple(ENDINGS),
    ),
    modality_limits={
        Modality.TABULAR: Limits(
            min_samples=LEAST_ROWS,
            max_samples=MOST_ROWS,
            min_classes=2,
            max_classes=MOST_CLASSES_OF_TABLES,
            max_request_bytes=MAX_REQUEST_BYTES - ENVELOPE_BYTES,
        )
    },
    not_taken={Modality.TEXT: "Google switched AutoML Text off on 2025-06-15"},
    settings=SETTINGS,
    variant_settings=VARIANT_SETTINGS,
    variants=VARIANTS,
    requires="automl-bench[vertex]",
    settle_seconds=3.0,
    reported_times=REPORTED,
    split_policy=(
        "Trains on the training half and selects on the validation half, as the import file or the table says; the "
        "service's own test set is empty, so that it splits nothing itself."
    ),
    docs_url="https://cloud.google.com/vertex-ai/docs/image-data/classification/prepare-data",
    policy=POLICY,
    imports=("google.cloud.aiplatform_v1", "google.cloud.storage"),
)


@cache
def _table() -> Mapping[str, Any]:
    return tomllib.loads(files("automl_bench_vertex").joinpath("prices.toml").read_text(encoding="utf-8"))


def prices(options: TrainingOptions, modality: Modality | None = None) -> tuple[Price, ...]:
    """Return the dated price table of a variant, for samples of a kind; without one, all lines.

    Then the items of tables say so in their names: one trial is of one kind, and both together would be none.
    """
    if modality is None:
        tables = (line for line in _lines(options, Modality.TABULAR) if line.item in AT_STAKE)
        return (*_lines(options, Modality.IMAGE), *(replace(line, item=f"tabular_{line.item}") for line in tables))
    return _lines(options, modality)


def _lines(options: TrainingOptions, modality: Modality) -> tuple[Price, ...]:
    table = dict(_table()[modality])
    as_of = table.pop("as_of")
    at_most = {
        "train_hour": options.table_node_hours if modality is Modality.TABULAR else options.node_hours,
    }
    return tuple(
        Price(
            item,
            line.get("usd"),
            line["unit"],
            as_of,
            line["source"],
            per_trial=at_most.get(item),
            counted=COUNTED.get(item),
        )
        for item, line in table.items()
    )


def node_hour_usd(machine: str = "") -> float | None:
    """Return what one deployed node costs per hour: of a machine that is named, or else of the service's own."""
    usd = _table()[Modality.TABULAR if machine else Modality.IMAGE]["endpoint_hour"].get("usd")
    return None if usd is None else float(usd)


def training_hour_usd(*, of_table: bool = False) -> float:
    """Return what a training costs per hour while it runs: a node hour for each of its nodes. Its budget bounds it."""
    if of_table:
        return float(_table()[Modality.TABULAR]["train_hour"]["usd"])
    return TRAINING_NODES * float(_table()[Modality.IMAGE]["train_hour"]["usd"])
