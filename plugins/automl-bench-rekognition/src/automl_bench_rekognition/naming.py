"""Names of everything that is made at AWS, so that each is found again from its name alone.

    <stem>-samples          s3://<bucket>/automl-bench/trials/<stem>-samples/…
    <stem>-project          project of that name
    <stem>-train-dataset    the project's TRAIN dataset: the service gives it no name of its own
    <stem>-test-dataset     the project's TEST dataset
    <stem>-model            model version of that name in the project
    <stem>-running-model    that version while it is started, which is what costs money

where the stem is automl-bench-<workspace>-<trial>, or automl-bench-<trial> in names made before workspaces had ids.
Projects and model versions carry tags that say whose they are.

Images are shared by trials and therefore lie beside them: s3://<bucket>/automl-bench/images/<dataset>/<SHA-256>.png
"""

from __future__ import annotations

import re

from automl_bench.contract import NAME_PREFIX, parse_name, resource_name
from automl_bench.errors import RequestRefused

SAMPLES = "samples"
UNCLAIMED = "unclaimed"
PROJECT = "project"
TRAIN_DATASET = "train-dataset"
TEST_DATASET = "test-dataset"
MODEL = "model"
RUNNING_MODEL = "running-model"

DATASETS = {"TRAIN": TRAIN_DATASET, "TEST": TEST_DATASET}
"""Our kind by the service's type."""

UNCLAIMED_NAME = f"{NAME_PREFIX}-unclaimed-images"

ROOT = f"{NAME_PREFIX}/"
IMAGES = f"{ROOT}images/"
TRIALS = f"{ROOT}trials/"
ENDINGS = {"image/png": "png", "image/jpeg": "jpg"}

VERSION_ARN = re.compile(
    r"arn:[a-z\d-]+:rekognition:(?P<region>[a-z\d-]+):\d{12}:"
    r"project/(?P<project>[a-zA-Z0-9_.\-]{1,255})/version/(?P<version>[a-zA-Z0-9_.\-]{1,255})/[0-9]+"
)
"""As in the service model; the project's own number does not stand in it."""


def image_key(dataset: str, digest: str, media_type: str) -> str:
    """Return where an image lies: named by its content, so that trials can share it.

    Raises:
        RequestRefused: If the service does not take such a file.
    """
    if media_type not in ENDINGS:
        raise RequestRefused(
            f"Rekognition takes PNG and JPEG, not {media_type}.", remedy="Set images.format in the experiment."
        )
    return f"{IMAGES}{dataset}/{digest}.{ENDINGS[media_type]}"


def trial_folder(samples_name: str) -> str:
    """Return the key prefix of a trial's own files: manifests, and what the training writes."""
    return f"{TRIALS}{samples_name}/"


def sibling(name: str, kind: str) -> str:
    """Return the name of another resource of the trial that a name belongs to; a foreign name gets a suffix."""
    parts = parse_name(name)
    return f"{name}-{kind}" if parts is None else resource_name(parts.workspace, parts.trial_id, kind)


def stem(prefix: str) -> str:
    """Return the longest name prefix that all resources of a trial share with the prefix asked for."""
    return prefix if parse_name(prefix) is None else sibling(prefix, "")
