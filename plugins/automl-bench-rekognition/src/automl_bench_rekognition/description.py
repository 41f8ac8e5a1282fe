"""What the provider says of itself. Static: no I/O beyond the package's own price table, and no SDK."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files

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
from automl_bench_rekognition.policy import POLICY
from automl_bench_rekognition.reported_times import REPORTED

NAME = "rekognition"

INFERENCE_UNITS = "inference_units"
"""Key of a variant: inference units that the deployed model gets; each is billed by the hour."""

VARIANT_SETTINGS = (
    Setting(
        INFERENCE_UNITS,
        "Inference units of the deployed model, up to the service's default quota; each is billed by the hour.",
        default="1",
        kind=SettingKind.INTEGER,
        minimum=1,
        maximum=5,
    ),
)

SMALLEST_SIDE_PX = 64
LARGEST_SIDE_PX = 4096
MOST_UNEQUAL_SIDES = 20
"""Largest allowed ratio of an image's longer side to its shorter one."""

MOST_IMAGES = 250_000
FEWER_IMAGES = 28_000
REGIONS_WITH_FEWER_IMAGES = frozenset({"ap-south-1", "eu-west-2"})
"""Mumbai and London take smaller datasets than the other regions."""

STALE_SECONDS = 10.0
"""How long the service may still show a model in the state that it had before it was started."""

MAX_PREDICT_BYTES = 4_000_000
"""Largest image in a DetectCustomLabels request, before base64. The service's model allows 5 MiB, its guide 4 MB."""

SETTINGS = (
    Setting(
        "bucket",
        "S3 bucket, in the same region, for the training images. It must exist.",
        env="AWS_STORAGE_BUCKET_NAME",
        required=True,
    ),
    Setting("region", "AWS region; without it the AWS profile's region.", env="AWS_DEFAULT_REGION"),
    Setting("s3_url", "Address of S3, if it is not AWS's own.", env="AWS_ENDPOINT_URL_S3", kind=SettingKind.ADDRESS),
    Setting(
        "rekognition_url",
        "Address of Rekognition, if it is not AWS's own.",
        env="AWS_ENDPOINT_URL_REKOGNITION",
        kind=SettingKind.ADDRESS,
    ),
    Setting(
        "manage_bucket_policy",
        "Whether to let Rekognition into the bucket while it is needed (true), or leave the bucket's policy to you.",
        default="true",
        kind=SettingKind.FLAG,
    ),
    # boto3 reads these itself, or a profile or role instead. They are declared so that the host scrubs their values.
    Setting(
        "secret_access_key", "Secret key, if not from a profile or role.", env="AWS_SECRET_ACCESS_KEY", secret=True
    ),
    Setting("session_token", "Token of temporary credentials.", env="AWS_SESSION_TOKEN", secret=True),
)

DESCRIPTION = ProviderDescription(
    name=NAME,
    title="Amazon Rekognition Custom Labels (images only)",
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
    modalities=frozenset({Modality.IMAGE}),
    not_taken=dict.fromkeys((Modality.TEXT, Modality.TABULAR), "Custom Labels is a service for images only"),
    limits=Limits(
        min_samples_per_class=1,
        max_samples=MOST_IMAGES,
        min_classes=2,
        max_classes=250,
        min_side_px=SMALLEST_SIDE_PX,
        max_side_px=LARGEST_SIDE_PX,
        max_train_bytes=15_000_000,
        max_request_bytes=MAX_PREDICT_BYTES * 4 // 3,
        media_types=("image/png", "image/jpeg"),
        requests_per_second=50.0,
        concurrent_trials=2,
    ),
    settings=SETTINGS,
    variant_settings=VARIANT_SETTINGS,
    variants={"default": {INFERENCE_UNITS: 1}},
    requires="automl-bench[rekognition]",
    settle_seconds=3.0,
    reported_times=REPORTED,
    split_policy=(
        "Trains on the training half; the validation half is the service's test dataset, with which it chooses and "
        "rates the model. Below 5 shots there is no validation half, and the training half serves as both."
    ),
    docs_url="https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/what-is.html",
    policy=POLICY,
    imports=("boto3",),
)


@cache
def prices(inference_units: int = 1) -> tuple[Price, ...]:
    """Return the dated price table.

    A stopped model is not billed, so the host's deadlines bound what serving costs. They do not bound the training: it
    cannot be cancelled, and the hours that are billed may be more than those that pass.

    Args:
        inference_units: Units that the variant's model runs on.
    """
    table = tomllib.loads(files("automl_bench_rekognition").joinpath("prices.toml").read_text(encoding="utf-8"))
    return tuple(
        Price(
            item,
            line.get("usd"),
            line["unit"],
            table["as_of"],
            line["source"],
            counted=Counted.SERVING_HOURS if item == "endpoint_hour" else None,
            units_each=float(inference_units) if item == "endpoint_hour" else 1.0,
        )
        for item, line in table.items()
        if item != "as_of"
    )


def unit_hour_usd() -> float:
    """Return what one running inference unit costs per hour."""
    return _usd("endpoint_hour")


def training_hour_usd() -> float:
    """Return what a training costs per hour while it goes on."""
    return _usd("train_hour")


def _usd(item: str) -> float:
    return next(price.usd for price in prices() if price.item == item and price.usd is not None)


def most_images(region: str) -> int:
    """Return how many images a dataset may have in a region."""
    return FEWER_IMAGES if region in REGIONS_WITH_FEWER_IMAGES else MOST_IMAGES
