"""Rekognition's control plane: projects, datasets, model versions. Every look is one request; nothing waits here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from automl_bench.contract import Owner, Resource, owner_from_tags, owner_tags
from automl_bench.errors import PermissionDenied, ResourceConflict, ResourceMissing, ServiceUnavailable
from automl_bench_rekognition.description import training_hour_usd
from automl_bench_rekognition.failures import aws_errors
from automl_bench_rekognition.naming import (
    DATASETS,
    MODEL,
    PROJECT,
    RUNNING_MODEL,
    sibling,
    trial_folder,
)

if TYPE_CHECKING:
    from automl_bench_rekognition.account import Account

TYPES: Mapping[str, Any] = {kind: name for name, kind in DATASETS.items()}
"""The service's word for each of our kinds of dataset."""

BILLED = frozenset({"STARTING", "RUNNING", "STOPPING"})
"""States in which a version holds inference units. Whether AWS bills while it starts and stops is not published."""

LEAVING = "DELETE_IN_PROGRESS"
IN_TRAINING = "TRAINING_IN_PROGRESS"

UNTRAINED = frozenset({"TRAINING_FAILED", "COPYING_FAILED", "DEPRECATED", "EXPIRED"})
"""States of a version that holds no model which could be started."""


@dataclass(frozen=True, slots=True)
class Project:
    """A project with the datasets it has.

    Attributes:
        name: Its name.
        arn: Its id.
        status: CREATING, CREATED or DELETING.
        since: When it was made, ISO 8601.
        datasets: Id by type, TRAIN or TEST.
        leaving: Types of the datasets that are being deleted.
    """

    name: str
    arn: str
    status: str
    since: str
    datasets: Mapping[str, str]
    leaving: frozenset[str] = frozenset()


def iterate(account: Account, names: list[str] | None = None) -> Iterator[Project]:
    """Yield projects in order of creation: those of the names given, or all of the account."""
    with aws_errors():
        paginator = account.rekognition.get_paginator("describe_projects")
        pages = paginator.paginate(ProjectNames=names) if names else paginator.paginate()
        found = [_project(item) for page in pages for item in page.get("ProjectDescriptions", [])]
    yield from sorted(found, key=lambda project: project.since)


def _project(item: Mapping[str, Any]) -> Project:
    arn = str(item["ProjectArn"])
    created = item.get("CreationTimestamp")
    return Project(
        name=arn.split(":project/", 1)[1].split("/", 1)[0],
        arn=arn,
        status=str(item.get("Status", "")),
        since=created.isoformat() if created else "",
        datasets={
            str(dataset["DatasetType"]): str(dataset["DatasetArn"])
            for dataset in item.get("Datasets", [])
            if dataset.get("Status") != LEAVING
        },
        leaving=frozenset(
            str(dataset["DatasetType"]) for dataset in item.get("Datasets", []) if dataset.get("Status") == LEAVING
        ),
    )


def look_up(account: Account, name: str) -> Project | None:
    """Return a project by name, or None. The service model lists no error for an unknown name, so none is expected."""
    return next((project for project in iterate(account, [name]) if project.name == name), None)


def find_project(account: Account, name: str) -> Resource | None:
    """Return a project as a resource.

    Raises:
        ServiceUnavailable: If one of that name is just being deleted.
    """
    project = look_up(account, name)
    if project is not None and project.status == "DELETING":
        raise ServiceUnavailable(f"The project {name} is still being deleted.")
    return None if project is None else project_resource(account, project)


def create_project(account: Account, name: str, owner: Owner | None) -> Resource:
    """Create a project."""
    with aws_errors(name):
        arn = account.rekognition.create_project(ProjectName=name, Tags=_tags(owner))["ProjectArn"]
    return project_resource(account, Project(name, arn, "CREATED", "", {}), owner)


def _tags(owner: Owner | None) -> dict[str, str]:
    return {} if owner is None else owner_tags(owner)


def owner_of(account: Account, project_arn: str) -> Owner | None:
    """Return whose a project is as its tags say; None also where these credentials may not read tags."""
    try:
        with aws_errors(project_arn):
            tags = account.rekognition.list_tags_for_resource(ResourceArn=project_arn).get("Tags", {})
    except (PermissionDenied, ResourceMissing):
        return None
    return owner_from_tags(tags)


def find_dataset(account: Account, kind: str, name: str) -> Resource | None:
    """Return a project's dataset of a kind as a resource. One that could not be imported whole is deleted.

    Raises:
        ServiceUnavailable: While one is being deleted: a project has one of each type.
    """
    project = look_up(account, sibling(name, PROJECT))
    arn = None if project is None else project.datasets.get(TYPES[kind])
    if project is not None and TYPES[kind] in project.leaving:
        raise ServiceUnavailable(f"The {kind} {name} is still being deleted.")
    if arn is None:
        return None
    try:
        description = describe_dataset(account, arn)
    except ResourceMissing:
        return None
    if _is_spoiled(description):
        with suppress(ResourceConflict, ResourceMissing), aws_errors(arn):
            account.rekognition.delete_dataset(DatasetArn=arn)
        raise ServiceUnavailable(f"The {kind} {name}, whose import failed, is being deleted.")
    return dataset_resource(account, kind, name, arn)


def _is_spoiled(description: Mapping[str, Any]) -> bool:
    status = str(description["Status"])
    refused = description.get("DatasetStats", {}).get("ErrorEntries", 0)
    return status.endswith("_FAILED") or (status.endswith("_COMPLETE") and bool(refused))


def create_dataset(
    account: Account, kind: str, name: str, *, project_arn: str, manifest: str, owner: Owner | None
) -> Resource:
    """Begin the import of a manifest, given by its key."""
    with aws_errors(name):
        answer = account.rekognition.create_dataset(
            ProjectArn=project_arn,
            DatasetType=TYPES[kind],
            DatasetSource={"GroundTruthManifest": {"S3Object": {"Bucket": account.bucket, "Name": manifest}}},
            Tags=_tags(owner),
        )
    return dataset_resource(account, kind, name, answer["DatasetArn"], owner)


def describe_dataset(account: Account, arn: str) -> Mapping[str, Any]:
    """Return what the service says of a dataset."""
    with aws_errors(arn):
        description: Any = account.rekognition.describe_dataset(DatasetArn=arn)["DatasetDescription"]
    return dict(description)


def refused_entries(account: Account, arn: str) -> list[str]:
    """Return some of the manifest lines that the service refused, each with its error codes."""
    with aws_errors(arn):
        answer = account.rekognition.list_dataset_entries(DatasetArn=arn, HasErrors=True, MaxResults=5)
    return list(answer.get("DatasetEntries", []))


def find_version(account: Account, name: str) -> Resource | None:
    """Return a trial's model version as a resource, in training or trained. One whose training failed is deleted.

    Raises:
        ServiceUnavailable: While it is being deleted.
    """
    project = look_up(account, sibling(name, PROJECT))
    version = None if project is None else describe_version(account, project.arn, name)
    if project is None or version is None:
        return None
    if version["Status"] == "DELETING":
        raise ServiceUnavailable(f"The model {name} is still being deleted.")
    if not is_usable(version):
        arn = str(version["ProjectVersionArn"])
        with suppress(ResourceConflict, ResourceMissing), aws_errors(arn):
            account.rekognition.delete_project_version(ProjectVersionArn=arn)
        raise ServiceUnavailable(f"The model {name}, whose training failed, is being deleted.")
    return version_resource(account, name, project.arn, version)


def is_usable(version: Mapping[str, Any]) -> bool:
    """Return whether a version is in training or trained. FAILED alone may mean that a trained one did not start."""
    status = str(version["Status"])
    return status not in UNTRAINED and (status != "FAILED" or version.get("BillableTrainingTimeInSeconds") is not None)


def create_version(
    account: Account, name: str, *, project_arn: str, samples_name: str, owner: Owner | None
) -> Resource:
    """Begin the training. What it writes goes into the trial's own folder, so that it leaves with the trial."""
    with aws_errors(name):
        arn = account.rekognition.create_project_version(
            ProjectArn=project_arn,
            VersionName=name,
            OutputConfig={"S3Bucket": account.bucket, "S3KeyPrefix": f"{trial_folder(samples_name)}output"},
            Tags=_tags(owner),
        )["ProjectVersionArn"]
    begun = {"ProjectVersionArn": arn, "Status": IN_TRAINING}
    return version_resource(account, name, project_arn, begun, owner)


def describe_version(account: Account, project_arn: str, name: str) -> Mapping[str, Any] | None:
    """Return what the service says of a model version, or None if it or its project is not there."""
    try:
        with aws_errors(name):
            answer = account.rekognition.describe_project_versions(ProjectArn=project_arn, VersionNames=[name])
    except ResourceMissing:
        return None
    found: Any = answer.get("ProjectVersionDescriptions", [])
    return dict(found[0]) if found else None


def iterate_versions(account: Account, project_arn: str) -> Iterator[Mapping[str, Any]]:
    """Yield all versions of a project; none if it has just gone."""
    try:
        with aws_errors(project_arn):
            paginator = account.rekognition.get_paginator("describe_project_versions")
            pages: list[Any] = list(paginator.paginate(ProjectArn=project_arn))
    except ResourceMissing:
        return
    for page in pages:
        yield from page.get("ProjectVersionDescriptions", [])


def project_resource(account: Account, project: Project, owner: Owner | None = None) -> Resource:
    """Return a project as the ledger knows it."""
    return Resource(
        PROJECT,
        project.name,
        resource_id=project.arn,
        hourly_usd=0.0,
        details={"arn": project.arn},
        delete_by_hand=f"aws rekognition delete-project --project-arn {project.arn}",
        since=project.since,
        owner=owner,
        scope=account.scope,
    )


def dataset_resource(account: Account, kind: str, name: str, arn: str, owner: Owner | None = None) -> Resource:
    """Return a dataset as the ledger knows it."""
    return Resource(
        kind,
        name,
        resource_id=arn,
        hourly_usd=0.0,
        details={"arn": arn},
        delete_by_hand=f"aws rekognition delete-dataset --dataset-arn {arn}",
        owner=owner,
        scope=account.scope,
    )


def version_resource(
    account: Account, name: str, project_arn: str, version: Mapping[str, Any], owner: Owner | None = None
) -> Resource:
    """Return a model version as the ledger knows it: in training it costs, and trained it costs nothing."""
    arn = str(version["ProjectVersionArn"])
    in_training = version.get("Status") == IN_TRAINING
    # The service can neither cancel a training nor delete what is in training: its end is awaited first.
    wait = (
        f"aws rekognition wait project-version-training-completed --project-arn {project_arn} --version-names {name}; "
    )
    created = version.get("CreationTimestamp")
    return Resource(
        MODEL,
        name,
        resource_id=arn,
        hourly_usd=training_hour_usd() if in_training else 0.0,
        details={"arn": arn, "project_arn": project_arn, "version": name},
        delete_by_hand=(
            f"{wait if in_training else ''}aws rekognition delete-project-version --project-version-arn {arn}"
        ),
        since=created.isoformat() if created else "",
        owner=owner,
        scope=account.scope,
    )


def running_resource(name: str, model: Resource, hourly_usd: float) -> Resource:
    """Return a started model as the ledger knows it: this is what costs money while idle."""
    return Resource(
        RUNNING_MODEL,
        name,
        resource_id=model.resource_id,
        hourly_usd=hourly_usd,
        details=model.details,
        delete_by_hand=f"aws rekognition stop-project-version --project-version-arn {model.resource_id}",
        since=model.since,
        owner=model.owner,
        scope=model.scope,
    )
