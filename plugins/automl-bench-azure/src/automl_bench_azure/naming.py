"""Names of everything that is made at Azure, so that each is found again from its name alone.

    <stem>-folder           blobs under automl-bench/trials/<that name>/ in the datastore's container
    <stem>-train-data       data asset of that name, version 1
    <stem>-validation-data  data asset of that name, version 1
    <stem>-compute          compute cluster amlb-<trial>-x<digest>
    <stem>-job              job of that name; -2, -3 … after one that failed, as Azure reserves the names of jobs
    <stem>-model            model of that name, version 1
    <stem>-code             for texts and tables: our scoring script, version 1
    <stem>-environment      likewise the packages that it runs with, version 1
    <stem>-endpoint         online endpoint amlb-<trial>-x<digest>; -2, -3 … likewise, as amlb-<trial>-x<digest>-r2
    <stem>-deployment       its deployment "main"

where the stem is automl-bench-<workspace>-<trial>, or automl-bench-<trial> in names made before workspaces had ids.
Clusters and endpoints have short names only (24 and 32 characters), and must be alone with them in a whole Azure
region: hence the short form, which ends in a digest of Azure's workspace and ours. What has tags carries the whole name
and whose it is as tags.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any

from automl_bench.contract import NAME_PREFIX, Owner, owner_from_tags, owner_tags, parse_name, resource_name
from automl_bench.errors import RequestRefused

FOLDER = "folder"
TRAIN_DATA = "train-data"
VALIDATION_DATA = "validation-data"
COMPUTE = "compute"
JOB = "job"
MODEL = "model"
CODE = "code"
ENVIRONMENT = "environment"
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

MOST_ATTEMPTS = 5
"""Names that one kind of a trial may take, one after the other."""

_NUMBERED = re.compile(rf"(?P<kind>[a-z-]+?)(?:-(?P<number>[2-{MOST_ATTEMPTS}]))?")


def _digest(workspace_path: str, ours: str | None) -> str:
    """Return five hex digits that tell workspaces apart, Azure's and ours. Azure's paths know no letter case."""
    told = workspace_path.lower() if ours is None else f"{workspace_path.lower()}#{ours}"
    return hashlib.sha256(told.encode()).hexdigest()[:5]


def short_id(name: str, workspace_path: str) -> str:
    """Return the short form of a cluster's or endpoint's name: 24 characters or 27, a letter first."""
    parts = parse_name(name)
    if parts is None:
        raise RequestRefused(f"{name!r} is not the name of a resource of automl-bench.")
    number = number_of(name)
    attempt = f"-r{number}" if number > 1 else ""
    return f"amlb-{parts.trial_id}-x{_digest(workspace_path, parts.workspace)}{attempt}"


def long_name(item: Mapping[str, Any], kind: str, workspace_path: str) -> str:
    """Return the name of a listed cluster or endpoint as its tag says, or "" if it is none of ours."""
    name = sibling(str((item.get("tags") or {}).get(TAG, "")), kind)
    is_ours = parse_name(name) is not None and short_id(name, workspace_path) == item.get("name")
    return name if is_ours else ""


def is_of_kind(name: str, kind: str) -> bool:
    """Return whether a name is one that we give to a resource of a kind."""
    parts = parse_name(name)
    found = None if parts is None else _NUMBERED.fullmatch(parts.kind)
    return found is not None and found["kind"] == kind


def number_of(name: str) -> int:
    """Return which attempt a name is of: 1, or the number at its end."""
    parts = parse_name(name)
    found = None if parts is None else _NUMBERED.fullmatch(parts.kind)
    return int((found and found["number"]) or 1)


def attempts(name: str) -> list[str]:
    """Return the names that a resource may take, one after the other, as Azure reserves names that were used."""
    return [name, *(f"{name}-{number}" for number in range(2, MOST_ATTEMPTS + 1))]


def sibling(name: str, kind: str) -> str:
    """Return the name of another resource of the same trial and attempt; a foreign name gets a suffix."""
    parts, number = parse_name(name), number_of(name)
    if parts is None:
        return f"{name}-{kind}"
    own = resource_name(parts.workspace, parts.trial_id, kind)
    return f"{own}-{number}" if number > 1 else own


def first_of(name: str, kind: str) -> str:
    """Return the name of another resource of the same trial, whatever the attempt: clusters have no second one."""
    parts = parse_name(name)
    return sibling(name, kind) if parts is None else resource_name(parts.workspace, parts.trial_id, kind)


def tags_of(name: str, owner: Owner | None) -> dict[str, str]:
    """Return the tags of a resource."""
    return {TAG: name, **({} if owner is None else owner_tags(owner))}


def owner_in(found: Mapping[str, Any]) -> Owner | None:
    """Return whose something is as its tags say; assets and jobs have theirs among the properties."""
    return owner_from_tags(found.get("tags") or found.get("properties", {}).get("tags") or {})


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
