"""What the provider says of itself. Static: no I/O and no import of what trains or serves."""

from __future__ import annotations

from automl_bench.contract import Capability, Limits, Modality, Price, ProviderDescription
from automl_bench_local.options import DECLARED
from automl_bench_local.recipes import BUILT_IN, VARIANT_SETTINGS
from automl_bench_local.reported_times import REPORTED

NAME = "local"

DESCRIPTION = ProviderDescription(
    name=NAME,
    title="scikit-learn on this machine",
    capabilities=frozenset(
        {
            Capability.CHECK_ACCESS,
            Capability.PRICE,
            Capability.UPLOAD,
            Capability.TRAIN,
            Capability.DEPLOY,
            Capability.INVOKE,
            Capability.ADOPT_ENDPOINT,
            Capability.EXPORT_MANIFEST,
            Capability.LIST_RESOURCES,
        }
    ),
    modalities=frozenset({Modality.IMAGE, Modality.TEXT, Modality.TABULAR}),
    limits=Limits(min_classes=2, max_request_bytes=64 * 1024 * 1024),
    settings=DECLARED,
    variant_settings=VARIANT_SETTINGS,
    variants=BUILT_IN,
    default_variant="auto",
    on_this_machine=True,
    requires="automl-bench[local]",
    reported_times=REPORTED,
    split_policy="Trains on both halves and selects by stratified cross-validation over them.",
    docs_url="https://scikit-learn.org/stable/",
    imports=("PIL.Image", "sklearn.pipeline", "sklearn.linear_model"),
)

PRICES = tuple(
    Price(item, 0.0, unit, "2026-11-21", "your own machine: nobody bills it; electricity and wear are not counted")
    for item, unit in (("train_hour", "hour of training"), ("endpoint_hour", "hour of serving"), ("call", "1 call"))
)
"""Zero is the known price here: no provider sends a bill."""
