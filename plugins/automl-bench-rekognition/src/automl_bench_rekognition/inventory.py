"""What exists at AWS under a name prefix, found with no local file to help."""

from __future__ import annotations

from typing import TYPE_CHECKING

from automl_bench.contract import Resource
from automl_bench_rekognition import claims, projects
from automl_bench_rekognition.description import unit_hour_usd
from automl_bench_rekognition.naming import DATASETS, RUNNING_MODEL, sibling, stem

if TYPE_CHECKING:
    from automl_bench_rekognition.account import Account


def list_everything(account: Account, prefix: str) -> list[Resource]:
    """List our resources in order of creation, so that the reverse order can be deleted.

    A project costs two requests, for its tags and its versions; its datasets come with it.
    """
    found = claims.list_claims(account, prefix)
    for project in projects.iterate(account):
        if not project.name.startswith(stem(prefix)) and not stem(prefix).startswith(f"{project.name}-"):
            continue
        owner = projects.owner_of(account, project.arn)
        found.append(projects.project_resource(account, project, owner))
        for type_, arn in sorted(project.datasets.items(), reverse=True):  # TRAIN before TEST
            kind = DATASETS[type_]
            found.append(projects.dataset_resource(account, kind, sibling(project.name, kind), arn, owner))
        for version in projects.iterate_versions(account, project.arn):
            name = str(version["ProjectVersionArn"]).split("/version/", 1)[1].split("/", 1)[0]
            model = projects.version_resource(account, name, project.arn, version, owner)
            found.append(model)
            if version.get("Status") in projects.BILLED:
                units = version.get("MinInferenceUnits") or 1
                found.append(projects.running_resource(sibling(name, RUNNING_MODEL), model, units * unit_hour_usd()))
    return [resource for resource in found if resource.name.startswith(prefix)]
