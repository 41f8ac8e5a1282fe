"""Names of everything that is made at Google Cloud, so that each is found again from its name alone.

    <stem>-samples          gs://<bucket>/automl-bench/<stem>-samples/…
    <stem>-dataset          dataset of that display name
    <stem>-model            model of that display name and id; the training makes it
    <stem>-training         training pipeline of that display name
    <stem>-endpoint         endpoint of that display name and id
    <stem>-deployed-model   the model while it is deployed there, which is what costs money

where the stem is automl-bench-<workspace>-<trial>, or automl-bench-<trial> in names made before workspaces had ids. All
but the objects carry the label `automl-bench-trial: <trial>`, by which a bill can be split, and labels that say whose
they are.
"""

from __future__ import annotations

import re

from automl_bench.contract import NAME_PREFIX, Owner, owner_tags, parse_name, resource_name
from automl_bench.errors import RequestRefused

SAMPLES = "samples"
DATASET = "dataset"
MODEL = "model"
TRAINING = "training"
ENDPOINT = "endpoint"
DEPLOYED_MODEL = "deployed-model"

TRIAL_LABEL = f"{NAME_PREFIX}-trial"

ROOT = f"{NAME_PREFIX}/"
IMPORT_FILE = "import.csv"
ENDINGS = {"image/jpeg": "jpg", "image/png": "png", "image/gif": "gif", "image/bmp": "bmp"}

ENDPOINT_ID = re.compile(r"[a-z0-9-]{1,63}")
ENDPOINT_NAME = re.compile(r"projects/(?P<project>[^/]+)/locations/(?P<region>[^/]+)/endpoints/(?P<id>[a-z0-9-]{1,63})")


def folder(samples_name: str) -> str:
    """Return the prefix of a trial's objects."""
    return f"{ROOT}{samples_name}/"


def import_file(samples_name: str) -> str:
    """Return the name of the object that lists a trial's images for the import."""
    return f"{folder(samples_name)}{IMPORT_FILE}"


def images_folder(samples_name: str) -> str:
    """Return the prefix of a trial's images."""
    return f"{folder(samples_name)}images/"


def image_object(samples_name: str, digest: str, media_type: str) -> str:
    """Return where an image of a trial lies: named by its content.

    Raises:
        RequestRefused: If the service does not take such a file.
    """
    return f"{images_folder(samples_name)}{digest}.{ending(media_type)}"


def ending(media_type: str) -> str:
    """Return the ending of a file's name.

    Raises:
        RequestRefused: If the service does not take such a file.
    """
    if media_type not in ENDINGS:
        raise RequestRefused(
            f"Vertex AI takes JPEG, PNG, GIF and BMP, not {media_type}.", remedy="Set images.format in the experiment."
        )
    return ENDINGS[media_type]


def labels_of(name: str, owner: Owner | None) -> dict[str, str]:
    """Return the service's own labels for a resource of a trial."""
    parts = parse_name(name)
    trial = {} if parts is None else {TRIAL_LABEL: parts.trial_id}
    return trial if owner is None else {**trial, **owner_tags(owner)}


def sibling(name: str, kind: str) -> str:
    """Return the name of another resource of the trial that a name belongs to; a foreign name gets a suffix."""
    parts = parse_name(name)
    return f"{name}-{kind}" if parts is None else resource_name(parts.workspace, parts.trial_id, kind)


def stem(prefix: str) -> str:
    """Return the longest name prefix that all resources of a trial share with the prefix asked for."""
    return prefix if parse_name(prefix) is None else sibling(prefix, "")
