"""The service's rules beyond the shape of a body: names, sizes, what a job may ask for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import arm_models
from azure_workspace import Refusal, Thing

API_VERSION = "2025-12-01"
COMPUTE_NAME = re.compile(r"[a-zA-Z](?![a-zA-Z0-9-]*-\d+$)[a-zA-Z0-9-]{1,22}[a-zA-Z0-9]")
ENDPOINT_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9-]{1,30}[a-zA-Z0-9]")
ASSET_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{0,254}")
VM_SIZES = re.compile(r"Standard_[A-Z]+\d+[a-z]*(_[A-Za-z0-9]+)*")
GPU_SIZES = re.compile(r"Standard_N[CD].*")
NETWORKS = [
    *("mobilenetv2", "resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "resnest50", "resnest101"),
    *("seresnext", "vits16r224", "vitb16r224", "vitl16r224"),
]


Json = dict[str, Any]


def require_name(rule: re.Pattern[str], name: str) -> None:
    """Refuse a name that breaks a rule."""
    if not rule.fullmatch(name):
        raise Refusal(400, "ValidationError", f"{name!r} is not a valid name")


def require_fit(model: str, body: Json) -> None:
    """Refuse a body that is not what the definition says."""
    try:
        arm_models.check(model, body, "create")
    except arm_models.Mismatch as error:
        raise Refusal(400, "InvalidRequestContent", str(error)) from error


def check_job(body: Json, workspace_path: str, computes: Mapping[str, Thing]) -> None:
    """Refuse a job that the service would not run."""
    properties = body["properties"]
    details, compute = properties["taskDetails"], properties.get("computeId", "")
    limits = details["limitSettings"]
    cluster = computes.get(compute.rsplit("/", 1)[-1])
    task = details.get("taskType")
    of_images = task == "ImageClassification"
    trials = limits.get("maxTrials", 1)
    faults = [
        (task not in ("ImageClassification", "TextClassification", "Classification"), "taskType"),
        (of_images and details.get("targetColumnName") != "label", "targetColumnName"),
        (task == "TextClassification" and trials != 1, "maxTrials: a text job trains one model"),
        (details.get("primaryMetric", "Accuracy") != "Accuracy", "primaryMetric"),
        (not compute.startswith(f"{workspace_path}/computes/") or cluster is None, "computeId"),
        (cluster is not None and cluster.state != "Succeeded", "computeId: the cluster is not ready"),
        (
            cluster is not None and task != "Classification" and not _has_gpu(cluster),
            f"computeId: {'image' if of_images else 'text'} jobs need a GPU",
        ),
        (not 1 <= trials <= 1000, "maxTrials"),
        (limits.get("maxConcurrentTrials", 1) > trials, "maxConcurrentTrials"),
        (of_images and details.get("modelSettings", {}).get("modelName", NETWORKS[0]) not in NETWORKS, "modelName"),
        ("validationData" not in details, "validationData: this stand-in does not split"),
    ]
    for wrong, what in faults:
        if wrong:
            raise Refusal(400, "UserError", f"{what} is not right")


def _has_gpu(cluster: Thing) -> bool:
    return bool(GPU_SIZES.fullmatch(cluster.body["properties"]["properties"].get("vmSize", "")))
