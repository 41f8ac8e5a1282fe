"""AWS on this machine: moto's S3 server and the Rekognition stand-in, as one service that tests can look into."""

from __future__ import annotations

import io
import json
import secrets
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import boto3
from botocore.config import Config
from rekognition_fake import ACCESS_KEY, REGION, SECRET_KEY, SESSION_TOKEN, Hangup, Pace, RekognitionFake, ServiceError
from service_troubles import Troubled

from automl_bench.contract import NAME_PREFIX, Stage
from automl_bench.testing import Fault, SeenRequest, Target

ANSWERS: Mapping[Fault, ServiceError | bytes | type[Hangup]] = {
    Fault.THROTTLED: ServiceError("ThrottlingException", "Rate exceeded"),
    Fault.SERVER_ERROR: ServiceError("InternalServerError", "Amazon Rekognition experienced a service issue."),
    Fault.UNAVAILABLE: ServiceError("ServiceUnavailableException", "Service unavailable", status=503),
    Fault.BAD_ANSWER: b"<html>not what was asked for",
    Fault.UNAUTHENTICATED: ServiceError("UnrecognizedClientException", "The security token is invalid."),
    Fault.FORBIDDEN: ServiceError("AccessDeniedException", "User is not authorized to perform this"),
    Fault.NOT_FOUND: ServiceError("ResourceNotFoundException", "The resource does not exist"),
    Fault.BILLING: ServiceError("SubscriptionRequiredException", "The account needs a subscription", status=403),
    Fault.QUOTA: ServiceError("LimitExceededException", "The account's limit is reached"),
    Fault.RESET: Hangup,
}


@dataclass(frozen=True, slots=True)
class S3Request:
    """One request as S3 got it."""

    method: str
    path: str
    query: str
    body: bytes
    headers: Mapping[str, str]


class S3Server:
    """moto's S3 over HTTP, with a record of what was asked."""

    def __init__(self) -> None:
        from moto.server import DomainDispatcherApplication, create_backend_app
        from werkzeug.serving import WSGIRequestHandler, make_server

        class Quiet(WSGIRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1
            disable_nagle_algorithm = True

            def handle_expect_100(self) -> bool:
                """Answer "100 Continue" at once: in the buffer it would cost the SDK's patience of a second."""
                going_on = super().handle_expect_100()
                self.wfile.flush()
                return going_on

            def log(self, *_: Any) -> None:
                """Say nothing."""

        self.seen: list[S3Request] = []
        self._application = DomainDispatcherApplication(create_backend_app)
        self._server = make_server("127.0.0.1", 0, self._record, threaded=True, request_handler=Quiet)
        self._server.daemon_threads = True  # type: ignore[attr-defined]  # a threading mixin has it
        self._refusals: list[tuple[str, bytes, list[float]]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def refuse(self, method: str, status: str, code: str, times: float = 1) -> None:
        """Answer the next so many requests of a method with an error of S3's."""
        body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>told to</Message></Error>".encode()
        self._refusals.append((f"{method} {status}", body, [times]))

    def heal(self) -> None:
        """Make no more faults."""
        self._refusals.clear()

    def puts(self, part: str = "") -> list[str]:
        """Return the keys of the objects stored so far that have this in their path."""
        return [each.path for each in self.seen if each.method == "PUT" and part in each.path and not each.query]

    def _record(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
        headers = {
            name.removeprefix("HTTP_").replace("_", "-").lower(): value
            for name, value in environ.items()
            if isinstance(value, str) and name.startswith("HTTP_")
        }
        method = environ["REQUEST_METHOD"]
        self.seen.append(S3Request(method, environ["PATH_INFO"], environ.get("QUERY_STRING", ""), body, headers))
        for entry in list(self._refusals):
            wanted, answer, left = entry
            if wanted.split(" ", 1)[0] == method:
                left[0] -= 1
                if left[0] <= 0:
                    self._refusals.remove(entry)
                kind = [("Content-Type", "application/xml"), ("Content-Length", str(len(answer)))]
                start_response(wanted.split(" ", 1)[1], kind)
                return [answer]
        return self._application(environ, start_response)


class AwsService(Troubled):
    """Both servers and an empty bucket of its own."""

    paid = ("model", "running-model")
    fails_at = (Stage.UPLOAD, Stage.TRAIN, Stage.DEPLOY)
    limited_at = (Stage.TRAIN, Stage.DEPLOY)

    def __init__(self, pace: Pace | None = None) -> None:
        self.s3_server = S3Server()
        self.fake = RekognitionFake(self.s3_server.url, pace)
        self.bucket = f"bench-{secrets.token_hex(6)}"
        self._strangers: list[str] = []

    def __enter__(self) -> Self:
        self.s3_server.__enter__()
        self.fake.__enter__()
        self.s3 = boto3.session.Session("owner", "owner-secret", region_name=REGION).client(
            "s3", endpoint_url=self.s3_server.url, config=Config(s3={"addressing_style": "path"})
        )
        self.s3.create_bucket(Bucket=self.bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
        self.s3_server.seen.clear()
        return self

    def __exit__(self, *_: object) -> None:
        self.fake.__exit__()
        self.s3_server.__exit__()

    def reset(self) -> None:
        """Begin anew: an empty bucket without a policy, a new Rekognition, no faults and nothing seen."""
        self.heal()
        self.fake.forget()
        keys = self.object_keys()
        if keys:
            self.s3.delete_objects(Bucket=self.bucket, Delete={"Objects": [{"Key": key} for key in keys]})
        self.s3.delete_bucket_policy(Bucket=self.bucket)
        self._strangers.clear()
        self.s3_server.seen.clear()

    # --- the bucket ---------------------------------------------------------------------------------------------

    def object_keys(self) -> list[str]:
        """Return the keys of all objects in the bucket."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket)
        return [item["Key"] for page in pages for item in page.get("Contents", [])]

    def policy(self) -> list[dict[str, Any]]:
        """Return the statements of the bucket's policy."""
        try:
            text = self.s3.get_bucket_policy(Bucket=self.bucket)["Policy"]
        except self.s3.exceptions.ClientError:
            return []
        return list(json.loads(text)["Statement"])

    # --- what the conformance kit asks --------------------------------------------------------------------------

    def environment(self) -> Mapping[str, str]:
        """Return what makes the plugin use these servers."""
        return {
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_SESSION_TOKEN": SESSION_TOKEN,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_STORAGE_BUCKET_NAME": self.bucket,
            "AWS_ENDPOINT_URL_S3": self.s3_server.url,
            "AWS_ENDPOINT_URL_REKOGNITION": self.fake.url,
            "AWS_ENDPOINT_URL_STS": self.s3_server.url,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        }

    def requests(self) -> Sequence[SeenRequest]:
        """Return what both servers were asked."""
        control = [
            SeenRequest(each.operation, each.body, each.headers, predicts=each.operation == "DetectCustomLabels")
            for each in self.fake.seen
        ]
        stored = [SeenRequest(f"{each.method} {each.path}", each.body, each.headers) for each in self.s3_server.seen]
        return [*control, *stored]

    def predictions(self) -> int:
        """Return how many predictions were asked for."""
        return self.fake.operations().count("DetectCustomLabels")

    def resources(self) -> Sequence[str]:
        """Return what exists, what trials left in the bucket as one line each."""
        keys = self.object_keys()
        folders = sorted({key.split("/")[2] for key in keys if key.startswith(f"{NAME_PREFIX}/trials/")})
        found = [*self.fake.resources(NAME_PREFIX), *(f"samples {folder}" for folder in folders)]
        if not folders:
            found.extend(f"image {key}" for key in keys if key.startswith(f"{NAME_PREFIX}/"))
            found.extend(f"policy {each['Sid']}" for each in self.policy() if each["Sid"].startswith("AutomlBench"))
        return found

    def billing(self) -> Sequence[str]:
        """Return the models that run."""
        return self.fake.running()

    def creations(self) -> Sequence[str]:
        """Return every creation at Rekognition; an object in S3 is written, not created."""
        return list(self.fake.created)

    def training_samples(self) -> Sequence[tuple[str, str]]:
        """Return key and label of each image in a dataset."""
        return [
            pair
            for project in self.fake.projects.values()
            for dataset in project.datasets.values()
            for pair in dataset.good
        ]

    def stranger(self) -> str | None:
        """Make a project and an object that are not ours."""
        self.fake._CreateProject(ProjectName="holiday-pictures")
        self.fake.created.pop()
        self.s3.put_object(Bucket=self.bucket, Key="holiday.jpg", Body=b"sunshine")
        self._strangers.append("holiday-pictures")
        return "holiday-pictures"

    def strangers(self) -> Sequence[str]:
        """Return those that still exist, if their object does too."""
        there = {project.name for project in self.fake.projects.values() if project.status == "CREATED"}
        return [name for name in self._strangers if name in there and "holiday.jpg" in self.object_keys()]

    def faults(self, target: Target) -> Collection[Fault]:
        """Return what it can be told to do wrong."""
        if target is Target.PREDICTION:
            return tuple(ANSWERS)
        return (*ANSWERS, Fault.TRAINING_FAILS, Fault.DEPLOYMENT_FAILS, Fault.DELETION_FAILS, Fault.LOST_ANSWER)

    def inject(self, fault: Fault, *, target: Target = Target.CONTROL, times: int | None = 1) -> None:
        """Do something wrong."""
        if fault is Fault.TRAINING_FAILS:
            self.fake.training_fails = True
        elif fault is Fault.DEPLOYMENT_FAILS:
            self.fake.start_fails = True
        elif fault is Fault.DELETION_FAILS:
            self.fake.delete_fails = True
        elif fault is Fault.LOST_ANSWER:
            self.fake.lose_answer()
        else:
            predicts = target is Target.PREDICTION
            self.fake.fail(
                lambda name: (name == "DetectCustomLabels") is predicts,
                ANSWERS[fault],
                times=float("inf") if times is None else times,
            )

    def train_for(self, seconds: float) -> None:
        self.fake.pace.training = seconds

    def throttle_for(self, seconds: float) -> None:
        wait = ServiceError("ThrottlingException", "Rate exceeded", headers={"Retry-After": f"{seconds:.0f}"})
        self.fake.fail(lambda name: True, wait, times=float("inf"))

    def refuse_for_quota(self, stage: Stage) -> None:
        operation = "CreateProjectVersion" if stage is Stage.TRAIN else "StartProjectVersion"
        self.fake.fail(operation, ANSWERS[Fault.QUOTA], times=float("inf"))

    def fail_work(self, stage: Stage) -> None:
        self.fake.import_fails = stage is Stage.UPLOAD
        self.fake.training_fails = stage is Stage.TRAIN
        self.fake.start_fails = stage is Stage.DEPLOY

    def show_late(self, seconds: float) -> None:
        self.fake.pace.listing = self.fake.pace.showing = seconds

    def destroyed(self) -> Sequence[str]:
        ending = ("StopProjectVersion", "DeleteProjectVersion", "DeleteDataset", "DeleteProject")
        return [name for name in self.fake.operations() if name in ending]

    def heal(self) -> None:
        """Do nothing wrong any more."""
        self.fake.heal()
        self.fake.pace.listing = self.fake.pace.showing = 0.0
        self.s3_server.heal()
