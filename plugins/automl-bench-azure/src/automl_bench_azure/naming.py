"""Names of everything that is made at Azure, so that each is found again from its name alone.

    automl-bench-<trial>-folder           blobs under automl-bench/trials/<that name>/ in the datastore's container
    automl-bench-<trial>-train-data       data asset of that name, version 1
    automl-bench-<trial>-validation-data  data asset of that name, version 1
    automl-bench-<trial>-compute          compute cluster amlb-<trial>-x<workspace>
    automl-bench-<trial>-job              job of that name
    automl-bench-<trial>-model            model of that name, version 1
    automl-bench-<trial>-endpoint         online endpoint amlb-<trial>-x<workspace>
    automl-bench-<trial>-deployment       its deployment "main"

Clusters and endpoints have short names only (24 and 32 characters), and must be alone with them in a whole Azure
region: hence the short form, which ends in a digest of the workspace. Two workspaces can run the same trial.
"""

from __future__ import annotations

import hashlib
import re

from automl_bench.contract import NAME_PREFIX
from automl_bench.errors import RequestRefused

FOLDER = "folder"
TRAIN_DATA = "train-data"
VALIDATION_DATA = "validation-data"
COMPUTE = "compute"
JOB = "job"
MODEL = "model"
ENDPOINT = "endpoint"
DEPLOYMENT = "deployment"

VERSION = "1"
"""Version of our data assets and models: one trial, one version."""

DEPLOYMENT_ID = "main"
"""Name of the one deployment of an endpoint."""

TAG = NAME_PREFIX
"""Key of the tag that every resource carries; its value is the resource's name."""

ROOT = f"{NAME_PREFIX}/"
TRIALS = f"{ROOT}trials/"
IMAGES = f"{ROOT}images/"

ENDINGS = {"image/png": "png", "image/jpeg": "jpg", "image/bmp": "bmp", "image/tiff": "tiff"}
"""File name endings of the types that the service documents."""

_NAME = re.compile(rf"{re.escape(NAME_PREFIX)}-([0-9a-f]{{12}})-")
_SHORT = re.compile(r"amlb-([0-9a-f]{12})-x([0-9a-f]{5})")


def workspace_digest(workspace_path: str) -> str:
    """Return five hex digits that tell workspaces apart. Azure's paths know no upper and lower case."""
    return hashlib.sha256(workspace_path.lower().encode()).hexdigest()[:5]


def short_id(name: str, workspace_path: str) -> str:
    """Return the short form of a cluster's or endpoint's name: 24 characters, a letter first."""
    found = _NAME.match(name)
    if found is None:
        raise RequestRefused(f"{name!r} is not the name of a resource of automl-bench.")
    return f"amlb-{found.group(1)}-x{workspace_digest(workspace_path)}"


def long_name(short: str, kind: str, workspace_path: str) -> str:
    """Return the name that a short form stands for, or "" if it is not one of this workspace's."""
    found = _SHORT.fullmatch(short)
    if found is None or found.group(2) != workspace_digest(workspace_path):
        return ""
    return f"{NAME_PREFIX}-{found.group(1)}-{kind}"


def sibling(name: str, kind: str) -> str:
    """Return the name of another resource of the same trial; a foreign name gets a suffix."""
    found = _NAME.match(name)
    return f"{found.group(0)}{kind}" if found else f"{name}-{kind}"


def trial_folder(name: str) -> str:
    """Return where a trial's blobs lie."""
    return f"{TRIALS}{name}/"


def image_file(digest: str, media_type: str) -> str:
    """Return an image's file name: its content's SHA-256.

    Raises:
        RequestRefused: If the service does not take such a file.
    """
    if media_type not in ENDINGS:
        raise RequestRefused(
            f"Azure ML takes PNG, JPEG, BMP and TIFF, not {media_type}.", remedy="Set images.format in the experiment."
        )
    return f"{digest}.{ENDINGS[media_type]}"
