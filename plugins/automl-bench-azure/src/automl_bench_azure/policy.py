"""The least-privilege permissions that the plugin needs, as an Azure custom role."""

from __future__ import annotations

import json

_WORKSPACES = "Microsoft.MachineLearningServices/workspaces"
_BLOBS = "Microsoft.Storage/storageAccounts/blobServices/containers"

_ACTIONS = [
    f"{_WORKSPACES}/read",
    f"{_WORKSPACES}/datastores/read",
    f"{_WORKSPACES}/computes/read",
    f"{_WORKSPACES}/computes/write",
    f"{_WORKSPACES}/computes/delete",
    f"{_WORKSPACES}/data/read",
    f"{_WORKSPACES}/data/write",
    f"{_WORKSPACES}/data/delete",
    f"{_WORKSPACES}/data/versions/read",
    f"{_WORKSPACES}/data/versions/write",
    f"{_WORKSPACES}/data/versions/delete",
    f"{_WORKSPACES}/jobs/read",
    f"{_WORKSPACES}/jobs/write",
    f"{_WORKSPACES}/jobs/delete",
    f"{_WORKSPACES}/jobs/cancel/action",
    f"{_WORKSPACES}/experiments/read",
    f"{_WORKSPACES}/experiments/write",
    f"{_WORKSPACES}/experiments/runs/read",
    f"{_WORKSPACES}/experiments/runs/write",
    f"{_WORKSPACES}/experiments/runs/submit/action",
    f"{_WORKSPACES}/models/read",
    f"{_WORKSPACES}/models/write",
    f"{_WORKSPACES}/models/delete",
    f"{_WORKSPACES}/models/versions/read",
    f"{_WORKSPACES}/models/versions/write",
    f"{_WORKSPACES}/models/versions/delete",
    f"{_WORKSPACES}/codes/read",
    f"{_WORKSPACES}/codes/write",
    f"{_WORKSPACES}/codes/delete",
    f"{_WORKSPACES}/codes/versions/read",
    f"{_WORKSPACES}/codes/versions/write",
    f"{_WORKSPACES}/codes/versions/delete",
    f"{_WORKSPACES}/environments/read",
    f"{_WORKSPACES}/environments/write",
    f"{_WORKSPACES}/environments/delete",
    f"{_WORKSPACES}/environments/versions/read",
    f"{_WORKSPACES}/environments/versions/write",
    f"{_WORKSPACES}/environments/versions/delete",
    f"{_WORKSPACES}/onlineEndpoints/read",
    f"{_WORKSPACES}/onlineEndpoints/write",
    f"{_WORKSPACES}/onlineEndpoints/delete",
    f"{_WORKSPACES}/onlineEndpoints/listKeys/action",
    f"{_WORKSPACES}/onlineEndpoints/deployments/read",
    f"{_WORKSPACES}/onlineEndpoints/deployments/write",
    f"{_WORKSPACES}/onlineEndpoints/deployments/delete",
    f"{_WORKSPACES}/onlineEndpoints/deployments/getLogs/action",
    "Microsoft.MachineLearningServices/locations/usages/read",
    "Microsoft.MachineLearningServices/locations/vmSizes/read",
    f"{_BLOBS}/read",
]

_DATA_ACTIONS = [
    f"{_BLOBS}/blobs/read",
    f"{_BLOBS}/blobs/write",
    f"{_BLOBS}/blobs/add/action",
    f"{_BLOBS}/blobs/delete",
]

POLICY = json.dumps(
    {
        "Name": "automl-bench",
        "IsCustom": True,
        "Description": "What automl-bench's azure plugin needs in one workspace and its storage container.",
        "Actions": _ACTIONS,
        "NotActions": [],
        "DataActions": _DATA_ACTIONS,
        "NotDataActions": [],
        "AssignableScopes": ["/subscriptions/YOUR-SUBSCRIPTION/resourceGroups/YOUR-RESOURCE-GROUP"],
    },
    indent=2,
)
