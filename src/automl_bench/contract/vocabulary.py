"""What samples are, what a provider can do, and the stages of a trial."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

CONTRACT_VERSION = 1
"""Raised when a hook or noun gains something a plugin may rely on."""


Json = Any
"""A value that json.dumps accepts."""


class Modality(StrEnum):
    """What one sample is."""

    IMAGE = "image"
    TEXT = "text"
    TABULAR = "tabular"


class Stage(StrEnum):
    """A trial's stages, in the order they run."""

    UPLOAD = "upload"
    TRAIN = "train"
    DEPLOY = "deploy"
    INVOKE = "invoke"
    PARALLEL = "parallel"
    TEARDOWN = "teardown"


class Capability(StrEnum):
    """What a provider can do. The host refuses what is not declared before any request."""

    CHECK_ACCESS = "check_access"
    PRICE = "price"
    UPLOAD = "upload"
    TRAIN = "train"
    DEPLOY = "deploy"
    INVOKE = "invoke"
    PARALLEL = "parallel"
    EXPORT_MANIFEST = "export_manifest"
    ADOPT_ENDPOINT = "adopt_endpoint"
    LIST_RESOURCES = "list_resources"
