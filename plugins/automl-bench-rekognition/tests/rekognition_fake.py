# ruff: noqa: N803 - the operations take the wire's own names
"""A stand-in for Rekognition Custom Labels: its state machine, its limits, its bill, and a model that really learns.

Every request and every answer is held to Amazon's own service model (`service_model`), every signature is computed
again, images come from S3 through boto3, and the bucket's policy must let the service in. Time is short and real:
states move on by the clock, as `pace` says.

    with RekognitionFake(s3_url="http://127.0.0.1:5000") as fake:
        boto3.client("rekognition", endpoint_url=fake.url, ...)
"""

from __future__ import annotations

import fnmatch
import json
import socket
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

import numpy as np
import service_model
from learned_images import BadImage, Bucketful, Model, entries, pixels

ACCESS_KEY = "AKIAPLANTEDINTESTS01"
SECRET_KEY = "planted-secret-key-8f3c1d5e7a9b2046"
SESSION_TOKEN = "planted-session-token-5d1f0b7c9e8a6243"
REGION = "eu-west-1"
ACCOUNT = "123456789012"
SIGNATURE_SECONDS = 300
MOST_TRAININGS = 2
MOST_RUNNING = 2
MAX_PREDICT_BYTES = 4 * 1024 * 1024
OWN_THRESHOLD = 50.0
"""What the model applies where a request sets no MinConfidence."""
UNIT_HOUR_USD, TRAINING_HOUR_USD = 4.0, 1.0


@dataclass(slots=True)
class Pace:
    """How long things take, in seconds."""

    importing: float = 0.02
    training: float = 0.05
    starting: float = 0.05
    stopping: float = 0.05
    deleting: float = 0.02
    listing: float = 0.0
    """How long a new project does not show in lists yet."""
    showing: float = 0.0
    """How long a model that was just started is shown as it was before."""


class ServiceError(Exception):
    """An error answer."""

    def __init__(
        self,
        code: str,
        message: str = "refused by the stand-in",
        status: int | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.status = status
        self.headers = headers or {}


class Hangup(Exception):
    """The connection is to be reset without an answer."""


@dataclass(slots=True)
class Seen:
    """One request as it came."""

    operation: str
    body: bytes
    headers: dict[str, str]


@dataclass(slots=True)
class Dataset:
    arn: str
    type: str
    manifest: bytes
    ready_at: float
    status: str = "CREATE_IN_PROGRESS"
    message: str = ""
    good: list[tuple[str, str]] = field(default_factory=list)
    bad: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Version:
    arn: str
    name: str
    output: dict[str, str]
    created: float
    status: str = "TRAINING_IN_PROGRESS"
    message: str = ""
    changed: float = 0.0
    trained_at: float | None = None
    billable: int | None = None
    units: int = 0
    model: Model | None = None
    before: str = ""
    started: float = 0.0


@dataclass(slots=True)
class Project:
    arn: str
    name: str
    created: float
    status: str = "CREATED"
    changed: float = 0.0
    tags: dict[str, str] = field(default_factory=dict)
    datasets: dict[str, Dataset] = field(default_factory=dict)
    versions: dict[str, Version] = field(default_factory=dict)


@dataclass(slots=True)
class Bill:
    """What the account would be charged."""

    training_seconds: float = 0.0
    unit_seconds: float = 0.0

    @property
    def usd(self) -> float:
        return (self.training_seconds * TRAINING_HOUR_USD + self.unit_seconds * UNIT_HOUR_USD) / 3600


class RekognitionFake:
    """The service. Attributes that tests may set: `pace`, `training_fails`, `start_fails`, `delete_fails`.

    Args:
        s3_url: Where the images are.
        pace: How long things take.
    """

    def __init__(self, s3_url: str, pace: Pace | None = None) -> None:
        self.s3_url = s3_url
        self.forget(pace)
        self._lock = threading.RLock()
        self._serial = 1_700_000_000_000
        self._caches: dict[str, Bucketful] = {}
        self._server = _Server(self)

    def forget(self, pace: Pace | None = None) -> None:
        """Begin as a new account."""
        self.pace = pace or Pace()
        self.training_fails = self.start_fails = self.delete_fails = self.stop_fails = False
        self.import_fails = False
        self.projects: dict[str, Project] = {}
        self.seen: list[Seen] = []
        self.created: list[str] = []
        self.bill = Bill()
        self.detect_hook: Callable[[], None] = lambda: None
        self._failures: list[tuple[Callable[[str], bool], ServiceError | bytes | type[Hangup], list[float]]] = []
        self._lost: list[str] = []

    # --- running it ---------------------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        host, port = self._server.server_address[:2]
        return f"http://{host!s}:{port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    # --- faults -------------------------------------------------------------------------------------------------

    def fail(
        self,
        matches: str | Callable[[str], bool],
        answer: ServiceError | bytes | type[Hangup],
        times: float = 1,
    ) -> None:
        """Answer the next so many requests of an operation with an error, with broken bytes, or not at all."""
        test = matches if callable(matches) else lambda name: name == matches
        self._failures.append((test, answer, [times]))

    def lose_answer(self, operation: str = "") -> None:
        """Carry the next creation out (of this operation, or any) and reset its connection."""
        self._lost.append(operation)

    def heal(self) -> None:
        """Make no more faults."""
        self._failures.clear()
        self._lost.clear()
        self.training_fails = self.start_fails = self.delete_fails = self.stop_fails = False
        self.import_fails = False

    # --- looking into it ----------------------------------------------------------------------------------------

    def resources(self, prefix: str = "") -> list[str]:
        """Return what exists, one "kind name" each."""
        with self._lock:
            found = []
            for project in self.projects.values():
                self._advance(project)
                if project.status == "GONE" or not project.name.startswith(prefix):
                    continue
                found.append(f"project {project.name}")
                found.extend(f"dataset {project.name} {kind}" for kind in project.datasets)
                for version in project.versions.values():
                    found.append(f"model {version.name}")
                    if version.status in ("STARTING", "RUNNING", "STOPPING"):
                        found.append(f"running-model {version.name}")
            return found

    def running(self) -> list[str]:
        """Return what is billed by the hour now."""
        return [line for line in self.resources() if line.startswith("running-model ")]

    def operations(self) -> list[str]:
        """Return the operations asked for so far, in order."""
        return [seen.operation for seen in self.seen]

    # --- one request --------------------------------------------------------------------------------------------

    def answer(self, name: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes, dict[str, str]]:
        """Carry a request out; returns status, body and more headers."""
        self.seen.append(Seen(name, body, headers))
        try:
            self._check_signature(headers, body)
            try:
                self._maybe_fail(name)
            except ServiceError as error:  # told to: tests may ask for more than the model lists
                return self._refusal(name, error)
            try:
                parameters = service_model.parse(name, json.loads(body or b"{}"))
            except ValueError as error:
                raise ServiceError("SerializationException", str(error)) from error
            except service_model.InvalidShape as error:
                raise ServiceError("InvalidParameterException", str(error)) from error
            if name == "DetectCustomLabels":
                self.detect_hook()
                answer = self._detect(**parameters)
            else:
                with self._lock:
                    answer = getattr(self, f"_{name}")(**parameters)
        except ServiceError as error:
            if error.code not in service_model.declared_errors(name):
                raise AssertionError(f"{name} never answers {error.code}") from error
            return self._refusal(name, error)
        if name.startswith("Create") or name == "StartProjectVersion":
            lost = next((wanted for wanted in self._lost if wanted in ("", name)), None)
            if lost is not None:
                self._lost.remove(lost)
                raise Hangup
        return 200, json.dumps(service_model.render(name, answer)).encode(), {}

    @staticmethod
    def _refusal(name: str, error: ServiceError) -> tuple[int, bytes, dict[str, str]]:
        status = error.status or (500 if service_model.is_fault(name, error.code) else 400)
        return status, json.dumps({"__type": error.code, "message": str(error)}).encode(), error.headers

    def _maybe_fail(self, name: str) -> None:
        for entry in list(self._failures):
            test, answer, left = entry
            if test(name):
                left[0] -= 1
                if left[0] <= 0:
                    self._failures.remove(entry)
                if isinstance(answer, bytes):
                    raise _Broken(answer)
                raise answer

    def _check_signature(self, headers: dict[str, str], body: bytes) -> None:
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest
        from botocore.credentials import Credentials

        given = headers.get("authorization", "")
        if not given.startswith("AWS4-HMAC-SHA256 "):
            raise ServiceError("MissingAuthenticationTokenException", "Missing Authentication Token")
        parts = dict(part.strip().split("=", 1) for part in given.removeprefix("AWS4-HMAC-SHA256 ").split(","))
        key, day, region, service, _ = parts["Credential"].split("/")
        stamp = headers.get("x-amz-date", "")
        moment = datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        if key != ACCESS_KEY or headers.get("x-amz-security-token", SESSION_TOKEN) != SESSION_TOKEN:
            raise ServiceError("UnrecognizedClientException", "The security token included in the request is invalid.")
        if abs((datetime.now(UTC) - moment).total_seconds()) > SIGNATURE_SECONDS or day != stamp[:8]:
            raise ServiceError("InvalidSignatureException", "Signature expired")
        signed = {name: headers[name] for name in parts["SignedHeaders"].split(";") if name != "host"}
        request = AWSRequest(method="POST", url=f"http://{headers['host']}/", data=body, headers=signed)
        request.context["timestamp"] = stamp
        signer = SigV4Auth(Credentials(ACCESS_KEY, SECRET_KEY), service, region)
        expected = signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)
        if (service, region) != ("rekognition", REGION) or expected != parts["Signature"]:
            raise ServiceError("InvalidSignatureException", "The request signature we calculated does not match")

    # --- projects -----------------------------------------------------------------------------------------------

    def _CreateProject(self, ProjectName: str, Tags: dict[str, str] | None = None, **_: Any) -> dict[str, Any]:
        if any(project.name == ProjectName for project in self._living()):
            raise ServiceError("ResourceInUseException", f"A project {ProjectName} exists")
        project = Project(self._arn(f"project/{ProjectName}"), ProjectName, time.time(), tags=dict(Tags or {}))
        self.projects[project.arn] = project
        self.created.append(f"project {ProjectName}")
        return {"ProjectArn": project.arn}

    def _DescribeProjects(
        self, ProjectNames: list[str] | None = None, MaxResults: int = 100, NextToken: str = "0", **_: Any
    ) -> dict[str, Any]:
        visible = [each for each in self._living() if time.time() - each.created >= self.pace.listing]
        # An unknown name gives nothing: the service model lists no error for it.
        wanted = [each for each in visible if not ProjectNames or each.name in ProjectNames]
        page, more = _page(wanted, MaxResults, NextToken)
        return {
            "ProjectDescriptions": [
                {
                    "ProjectArn": project.arn,
                    "CreationTimestamp": _moment(project.created),
                    "Status": project.status,
                    "Datasets": [
                        {
                            "CreationTimestamp": _moment(project.created),
                            "DatasetType": dataset.type,
                            "DatasetArn": dataset.arn,
                            "Status": dataset.status,
                        }
                        for dataset in project.datasets.values()
                    ],
                    "Feature": "CUSTOM_LABELS",
                }
                for project in page
            ],
            **more,
        }

    def _ListTagsForResource(self, ResourceArn: str) -> dict[str, Any]:
        return {"Tags": self._project(ResourceArn).tags}

    def _DeleteProject(self, ProjectArn: str) -> dict[str, Any]:
        project = self._project(ProjectArn)
        self._refuse_deletion()
        if project.datasets or project.versions:
            raise ServiceError("ResourceInUseException", "The project has datasets or models")
        project.status, project.changed = "DELETING", time.time()
        return {"Status": "DELETING"}

    # --- datasets -----------------------------------------------------------------------------------------------

    def _CreateDataset(
        self, ProjectArn: str, DatasetType: str, DatasetSource: dict[str, Any] | None = None, **_: Any
    ) -> dict[str, Any]:
        project = self._project(ProjectArn)
        if DatasetType in project.datasets:
            raise ServiceError("ResourceAlreadyExistsException", f"The project has a {DatasetType} dataset")
        source = (DatasetSource or {}).get("GroundTruthManifest", {}).get("S3Object")
        if source is None:
            raise ServiceError("InvalidParameterException", "the stand-in knows manifests only")
        self._require_policy(source["Bucket"], "s3:GetObject", source["Name"])
        s3 = self._s3
        try:
            manifest = s3.get_object(Bucket=source["Bucket"], Key=source["Name"])["Body"].read()
        except s3.exceptions.ClientError as error:
            raise ServiceError("InvalidS3ObjectException", f"Unable to get {source['Name']}") from error
        name = f"project/{project.name}/dataset/{DatasetType.lower()}"
        dataset = Dataset(self._arn(name), DatasetType, manifest, time.time() + self.pace.importing)
        project.datasets[DatasetType] = dataset
        self.created.append(f"dataset {project.name} {DatasetType}")
        self._import(dataset)
        return {"DatasetArn": dataset.arn}

    def _import(self, dataset: Dataset) -> None:
        if self.import_fails:
            dataset.status, dataset.message = "CREATE_FAILED", "The stand-in was told to fail."
            return
        try:
            rows = entries(dataset.manifest)
        except BadImage as error:
            dataset.status, dataset.message = "CREATE_FAILED", f"The manifest file is invalid: {error}"
            return
        buckets = {bucket for bucket, _, _ in rows}
        if len(buckets) > 1:
            dataset.status, dataset.message = "CREATE_FAILED", "Images must be in one bucket"
            return
        (bucket,) = buckets or {""}
        found = self._bucket(bucket).read([key for _, key, _ in rows])
        policy = self._policy(bucket)
        for line, (_, key, label) in zip(dataset.manifest.decode().splitlines(), rows, strict=True):
            if found[key] is not None and _is_allowed(policy, bucket, "s3:GetObject", key):
                dataset.good.append((key, label))
            else:
                errors = {"errors": ["ERROR_INVALID_IMAGE"]}
                dataset.bad.append(json.dumps({**json.loads(line), "class-metadata": errors}))

    def _DescribeDataset(self, DatasetArn: str) -> dict[str, Any]:
        _, dataset = self._dataset(DatasetArn)
        stats = {
            "LabeledEntries": len(dataset.good),
            "TotalEntries": len(dataset.good) + len(dataset.bad),
            "TotalLabels": len({label for _, label in dataset.good}),
            "ErrorEntries": len(dataset.bad),
        }
        description = {"Status": dataset.status, "StatusMessage": dataset.message or "ok", "DatasetStats": stats}
        return {"DatasetDescription": description}

    def _ListDatasetEntries(self, DatasetArn: str, HasErrors: bool = False, MaxResults: int = 100, **_: Any) -> Any:
        _, dataset = self._dataset(DatasetArn)
        lines = dataset.bad if HasErrors else dataset.manifest.decode().splitlines()
        return {"DatasetEntries": lines[:MaxResults]}

    def _DeleteDataset(self, DatasetArn: str) -> dict[str, Any]:
        project, dataset = self._dataset(DatasetArn)
        self._refuse_deletion()
        if any(version.status == "TRAINING_IN_PROGRESS" for version in project.versions.values()):
            raise ServiceError("ResourceInUseException", "The dataset is in use by a training")
        dataset.status, dataset.ready_at = "DELETE_IN_PROGRESS", time.time() + self.pace.deleting
        return {}

    # --- versions -----------------------------------------------------------------------------------------------

    def _CreateProjectVersion(
        self, ProjectArn: str, VersionName: str, OutputConfig: dict[str, str], **_: Any
    ) -> dict[str, Any]:
        project = self._project(ProjectArn)
        if VersionName in project.versions:
            raise ServiceError("ResourceInUseException", f"The project has a model {VersionName}")
        if not {"TRAIN", "TEST"} <= project.datasets.keys():
            raise ServiceError("InvalidParameterException", "The project needs a training and a test dataset")
        if any(dataset.status != "CREATE_COMPLETE" for dataset in project.datasets.values()):
            raise ServiceError("ResourceInUseException", "A dataset is being made")
        labels = {label for _, label in project.datasets["TRAIN"].good}
        if not 2 <= len(labels) <= 250:
            raise ServiceError("InvalidParameterException", f"{len(labels)} labels")
        training = [each for each in self._versions() if each.status == "TRAINING_IN_PROGRESS"]
        if len(training) >= MOST_TRAININGS:
            raise ServiceError("LimitExceededException", f"{MOST_TRAININGS} models are in training")
        self._require_policy(OutputConfig["S3Bucket"], "s3:PutObject", f"{OutputConfig['S3KeyPrefix']}/x")
        arn = self._arn(f"project/{project.name}/version/{VersionName}")
        version = Version(arn, VersionName, OutputConfig, time.time(), changed=time.time())
        version.model = self._learn(project.datasets["TRAIN"], OutputConfig["S3Bucket"])
        project.versions[VersionName] = version
        self.created.append(f"model {VersionName}")
        return {"ProjectVersionArn": arn}

    def _learn(self, dataset: Dataset, bucket: str) -> Model:
        found = self._bucket(bucket).read([key for key, _ in dataset.good])
        pairs = [(found[key], label) for key, label in dataset.good]
        return Model(
            np.stack([image for image, _ in pairs if image is not None]),
            tuple(label for image, label in pairs if image is not None),
        )

    def _DescribeProjectVersions(
        self, ProjectArn: str, VersionNames: list[str] | None = None, MaxResults: int = 100, NextToken: str = "0"
    ) -> dict[str, Any]:
        project = self._project(ProjectArn)
        wanted = [each for each in project.versions.values() if not VersionNames or each.name in VersionNames]
        page, more = _page(wanted, MaxResults, NextToken)
        shown = [_description(version) for version in page]
        for description, version in zip(shown, page, strict=True):
            if time.time() - version.started < self.pace.showing:
                description["Status"] = version.before
        return {"ProjectVersionDescriptions": shown, **more}

    def _StartProjectVersion(self, ProjectVersionArn: str, MinInferenceUnits: int, **_: Any) -> dict[str, Any]:
        _, version = self._version(ProjectVersionArn)
        hosting_failed = version.status == "FAILED" and version.billable is not None
        if version.status not in ("TRAINING_COMPLETED", "STOPPED") and not hosting_failed:
            raise ServiceError("ResourceInUseException", f"The model is {version.status}")
        if len(self.running()) >= MOST_RUNNING:
            raise ServiceError("LimitExceededException", f"{MOST_RUNNING} models run")
        if MinInferenceUnits > 5:
            raise ServiceError("LimitExceededException", "5 inference units a model")
        version.before, version.started = version.status, time.time()
        version.status, version.changed, version.units = "STARTING", time.time(), MinInferenceUnits
        self.created.append(f"running-model {version.name}")
        return {"Status": "STARTING"}

    def _StopProjectVersion(self, ProjectVersionArn: str) -> dict[str, Any]:
        _, version = self._version(ProjectVersionArn)
        if self.stop_fails or self.delete_fails:
            raise ServiceError("AccessDeniedException", "User is not authorized to perform this")
        if version.status != "RUNNING":
            raise ServiceError("ResourceInUseException", f"The model is {version.status}")
        version.status = "STOPPING"
        self._meter(version)
        return {"Status": "STOPPING"}

    def _DeleteProjectVersion(self, ProjectVersionArn: str) -> dict[str, Any]:
        _, version = self._version(ProjectVersionArn)
        self._refuse_deletion()
        if version.status in ("TRAINING_IN_PROGRESS", "STARTING", "RUNNING", "STOPPING"):
            raise ServiceError("ResourceInUseException", f"The model is {version.status}")
        version.status, version.changed = "DELETING", time.time()
        return {"Status": "DELETING"}

    def _detect(
        self,
        ProjectVersionArn: str,
        Image: dict[str, Any],
        MinConfidence: float = OWN_THRESHOLD,
        MaxResults: int | None = None,
    ) -> dict[str, Any]:
        with self._lock:
            _, version = self._version(ProjectVersionArn)
        if version.status != "RUNNING":
            raise ServiceError("ResourceNotReadyException", f"The model is {version.status}")
        content = Image.get("Bytes", b"")
        if len(content) > MAX_PREDICT_BYTES:
            raise ServiceError("ImageTooLargeException", "Image size is too large")
        try:
            scores = version.model.scores(pixels(content)) if version.model else {}
        except BadImage as error:
            raise ServiceError(error.code, str(error)) from error
        ranked = sorted(scores.items(), key=lambda pair: -pair[1])[:MaxResults]
        return {"CustomLabels": [{"Name": n, "Confidence": c} for n, c in ranked if c >= MinConfidence]}

    # --- time, and what it costs --------------------------------------------------------------------------------

    def _advance(self, project: Project) -> None:
        now = time.time()
        if project.status == "DELETING" and now - project.changed >= self.pace.deleting:
            project.status = "GONE"
        for kind, dataset in list(project.datasets.items()):
            if now < dataset.ready_at:
                continue
            if dataset.status == "CREATE_IN_PROGRESS":
                dataset.status = "CREATE_COMPLETE"
            elif dataset.status == "DELETE_IN_PROGRESS":
                del project.datasets[kind]
        for name, version in list(project.versions.items()):
            self._advance_version(version, now)
            if version.status == "GONE":
                del project.versions[name]

    def _advance_version(self, version: Version, now: float) -> None:
        since = now - version.changed
        if version.status == "TRAINING_IN_PROGRESS" and since >= self.pace.training:
            if self.training_fails:
                version.status, version.message = "TRAINING_FAILED", "The stand-in was told to fail."
            else:
                version.status, version.billable = "TRAINING_COMPLETED", max(1, round(since))
                self.bill.training_seconds += version.billable
                self._write_output(version)
            version.trained_at = now
        elif version.status == "STARTING" and since >= self.pace.starting:
            version.status = "FAILED" if self.start_fails else "RUNNING"
            if self.start_fails:
                version.message = "The stand-in was told to fail."
                self._meter(version)
        elif version.status == "STOPPING" and since >= self.pace.stopping:
            self._meter(version)
            version.status = "STOPPED"
        elif version.status == "DELETING" and since >= self.pace.deleting:
            version.status = "GONE"

    def _meter(self, version: Version) -> None:
        self.bill.unit_seconds += version.units * (time.time() - version.changed)
        version.changed = time.time()

    def _write_output(self, version: Version) -> None:
        key = f"{version.output['S3KeyPrefix']}/{version.name}/evaluation.json"
        self._s3.put_object(Bucket=version.output["S3Bucket"], Key=key, Body=b"{}", ACL="bucket-owner-full-control")

    # --- finding things -----------------------------------------------------------------------------------------

    def _living(self) -> list[Project]:
        for project in self.projects.values():
            self._advance(project)
        return [project for project in self.projects.values() if project.status != "GONE"]

    def _versions(self) -> list[Version]:
        return [version for project in self._living() for version in project.versions.values()]

    def _project(self, arn: str) -> Project:
        found = next((project for project in self._living() if project.arn == arn), None)
        if found is None:
            raise ServiceError("ResourceNotFoundException", f"{arn} does not exist")
        return found

    def _dataset(self, arn: str) -> tuple[Project, Dataset]:
        for project in self._living():
            for dataset in project.datasets.values():
                if dataset.arn == arn:
                    return project, dataset
        raise ServiceError("ResourceNotFoundException", f"{arn} does not exist")

    def _version(self, arn: str) -> tuple[Project, Version]:
        for project in self._living():
            for version in project.versions.values():
                if version.arn == arn:
                    return project, version
        raise ServiceError("ResourceNotFoundException", f"{arn} does not exist")

    def _refuse_deletion(self) -> None:
        if self.delete_fails:
            raise ServiceError("AccessDeniedException", "User is not authorized to perform this")

    def _arn(self, path: str) -> str:
        self._serial += 1
        return f"arn:aws:rekognition:{REGION}:{ACCOUNT}:{path}/{self._serial}"

    # --- S3 as the service reaches it ---------------------------------------------------------------------------

    @cached_property
    def _s3(self) -> Any:
        import boto3
        from botocore.config import Config

        return boto3.session.Session("service", "service", region_name=REGION).client(
            "s3", endpoint_url=self.s3_url, config=Config(s3={"addressing_style": "path"})
        )

    def _bucket(self, name: str) -> Bucketful:
        if name not in self._caches:
            self._caches[name] = Bucketful(self._s3, name)
        return self._caches[name]

    def _require_policy(self, bucket: str, action: str, key: str) -> None:
        if not _is_allowed(self._policy(bucket), bucket, action, key):
            raise ServiceError("InvalidS3ObjectException", f"Rekognition may not {action} s3://{bucket}/{key}")

    def _policy(self, bucket: str) -> list[dict[str, Any]]:
        try:
            text = self._s3.get_bucket_policy(Bucket=bucket)["Policy"]
        except self._s3.exceptions.ClientError:
            return []
        return list(json.loads(text)["Statement"])


def _is_allowed(statements: list[dict[str, Any]], bucket: str, action: str, key: str) -> bool:
    """Whether a bucket's policy lets the service principal do it; IAM's own rules, as far as a test needs."""
    for statement in statements:
        actions, places = (_listed(statement[name]) for name in ("Action", "Resource"))
        principal = statement.get("Principal", {})
        if (
            statement["Effect"] == "Allow"
            and isinstance(principal, dict)
            and principal.get("Service") == "rekognition.amazonaws.com"
            and any(fnmatch.fnmatchcase(action, each) for each in actions)
            and any(fnmatch.fnmatchcase(f"arn:aws:s3:::{bucket}/{key}", each) for each in places)
        ):
            return True
    return False


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _page(items: list[Any], size: int, token: str) -> tuple[list[Any], dict[str, str]]:
    start = int(token)
    more = {"NextToken": str(start + size)} if start + size < len(items) else {}
    return items[start : start + size], more


def _description(version: Version) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "ProjectVersionArn": version.arn,
        "CreationTimestamp": _moment(version.created),
        "Status": version.status,
        "StatusMessage": version.message or version.status.lower(),
        "OutputConfig": version.output,
        "Feature": "CUSTOM_LABELS",
    }
    if version.trained_at is not None:
        shown["TrainingEndTimestamp"] = _moment(version.trained_at)
    if version.billable is not None:
        shown |= {"BillableTrainingTimeInSeconds": version.billable, "EvaluationResult": {"F1Score": 0.5}}
    if version.units:
        shown["MinInferenceUnits"] = version.units
    return shown


class _Broken(Exception):
    """An answer that cannot be read."""

    def __init__(self, body: bytes) -> None:
        super().__init__("broken")
        self.body = body


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, fake: RekognitionFake) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.fake = fake

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news; a bug in the stand-in is printed by the base class."""
        import sys

        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # unbuffered answers with Nagle's algorithm would wait 40 ms each
    disable_nagle_algorithm = True
    server: _Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        name = headers.get("x-amz-target", "").removeprefix("RekognitionService.")
        try:
            status, answer, more = self.server.fake.answer(name, headers, body)
        except _Broken as broken:
            status, answer, more = 200, broken.body, {}
        except Hangup:
            self._reset()
            return
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("x-amzn-RequestId", f"request-{len(self.server.fake.seen)}")
        for name, value in more.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def _reset(self) -> None:
        self.close_connection = True
        with suppress(OSError):
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()

    def log_message(self, *_: object) -> None:
        """Say nothing."""
