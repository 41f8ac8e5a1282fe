"""A provider for an invented HTTP service that does everything right; the mutants are made from this file."""

from __future__ import annotations

import base64
import http.client
import json
import socket  # noqa: F401  # a mutant needs it
import time  # noqa: F401  # some mutants need it
from urllib.parse import quote, urlsplit

from automl_bench.contract import (
    AccessReport,
    Capability,
    Deletion,
    HttpRequest,
    Limits,
    Operation,
    OperationState,
    Prediction,
    Price,
    ProviderDescription,
    ProviderManifest,
    Resource,
    Setting,
    Stage,
)
from automl_bench.errors import (
    BillingRequired,
    ConnectionLost,
    PermissionDenied,
    QuotaExceeded,
    RateLimited,
    RequestRefused,
    ResourceConflict,
    ResourceMissing,
    ServiceUnavailable,
    Unauthenticated,
)
from automl_bench.hookspecs import hookimpl

PROJECT, ENDPOINT = "project", "endpoint"
HOURLY = {PROJECT: 0.0, ENDPOINT: 2.5}


@hookimpl
def describe_provider():
    return ProviderDescription(
        name="acme",
        title="Acme Vision",
        capabilities=frozenset(
            {
                Capability.CHECK_ACCESS,
                Capability.PRICE,
                Capability.UPLOAD,
                Capability.TRAIN,
                Capability.DEPLOY,
                Capability.INVOKE,
                Capability.EXPORT_MANIFEST,
                Capability.ADOPT_ENDPOINT,
                Capability.LIST_RESOURCES,
            }
        ),
        limits=Limits(min_samples_per_class=2),
        settings=(
            Setting("url", "Address of the service.", env="ACME_URL", required=True),
            Setting("key", "The key of the account.", env="ACME_KEY", secret=True, required=True),
        ),
        requires="acme-sdk>=1",
        settle_seconds=0.0,
    )


def ask(context, method, path, content=None):
    import acme_sdk

    assert acme_sdk.VERSION
    parts = urlsplit(context.settings["url"])
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=10)
    headers = {"X-Key": context.secrets("key"), "Content-Type": "application/json"}
    try:
        connection.request(method, path, json.dumps(content) if content is not None else None, headers)
        answer = connection.getresponse()
        body = answer.read()
    except OSError as error:
        raise ConnectionLost(f"the connection to Acme broke: {type(error).__name__}.") from None
    finally:
        connection.close()
    return read(answer.status, dict(answer.getheaders()), body)


def read(status, headers, body):
    words = "Acme says so."
    if status == 401:
        raise Unauthenticated(words, remedy="Check ACME_KEY.")
    if status == 402:
        raise BillingRequired(words)
    if status == 403:
        if b"quota" in body:
            raise QuotaExceeded(words)
        raise PermissionDenied(words)
    if status == 404:
        raise ResourceMissing(words)
    if status == 409:
        raise ResourceConflict(words)
    if status == 429:
        raise RateLimited(words, retry_after=float(headers.get("retry-after") or headers.get("Retry-After") or 0.1))
    if status >= 500:
        raise ServiceUnavailable(words)
    if status >= 400:
        raise RequestRefused(words)
    try:
        return json.loads(body)
    except ValueError:
        raise ServiceUnavailable("Acme's answer cannot be read.") from None


def resource(item):
    kind, name = item["kind"], item["name"]
    return Resource(
        kind,
        name,
        resource_id=item["id"],
        hourly_usd=HOURLY[kind],
        delete_by_hand=f"acme delete {kind} {name}",
    )


def listed(context, prefix):
    things = ask(context, "GET", f"/things?prefix={quote(prefix)}")["things"]
    return [resource(item) for item in things]


def ensure(context, kind, content):
    def find(name):
        return next((item for item in listed(context, name) if (item.kind, item.name) == (kind, name)), None)

    def create(name):
        return resource(ask(context, "POST", f"/{kind}", {"name": name, **content}))

    return context.resources.ensure(kind, find=find, create=create, hourly_usd=HOURLY[kind])


@hookimpl
def check_access(context):
    return AccessReport(True, account=ask(context, "GET", "/account")["account"])


@hookimpl
def price(context):
    return [
        Price("train_hour", 3.0, "hour", "2026-11-01", "https://acme.invalid/prices"),
        Price("call", None, "1 call", "2026-11-01", "https://acme.invalid/prices"),
    ]


@hookimpl
def upload(context, training_set):
    project = ensure(context, PROJECT, {})
    for item in (*training_set.train, *training_set.validation):
        data = base64.b64encode(item.sample.path.read_bytes()).decode()
        key = item.sample.sample_id
        ask(context, "PUT", f"/project/{project.resource_id}/samples/{key}", {"label": item.label, "data": data})
    return Operation(OperationState.SUCCEEDED, result={"project": project.resource_id})


@hookimpl
def train(context):
    project = context.results[Stage.UPLOAD]["project"]
    ask(context, "POST", f"/project/{project}/train", {})
    return Operation(OperationState.RUNNING, token=json.dumps(["project", project]), poll_after=0.01)


@hookimpl
def deploy(context):
    endpoint = ensure(context, ENDPOINT, {"project": context.results[Stage.UPLOAD]["project"]})
    return Operation(OperationState.RUNNING, token=json.dumps(["endpoint", endpoint.resource_id]), poll_after=0.01)


@hookimpl
def poll(context, operation):
    kind, key = json.loads(operation.token)
    state = ask(context, "GET", f"/{kind}/{key}")["state"]
    if state == "failed":
        return Operation(OperationState.FAILED, message="Acme is out of order")
    if state != "ready":
        return Operation(OperationState.RUNNING, token=operation.token, poll_after=0.01)
    return Operation(OperationState.SUCCEEDED, result={"endpoint_id": key}, work_seconds=1.0)


class Invoker:
    def __init__(self, url, key):
        self.url = url
        self._headers = (("X-Key", key), ("Content-Type", "application/octet-stream"))

    def prepare(self, sample):
        return HttpRequest(self.url, headers=self._headers, body=sample.path.read_bytes(), timeout_seconds=10)

    def parse(self, response):
        answer = read(response.status, response.headers, response.body)
        return Prediction(answer["label"], answer["score"])


@hookimpl
def invoke(context, endpoint):
    return Invoker(f"{context.settings['url']}/endpoint/{endpoint.endpoint_id}/predict", context.secrets("key"))


@hookimpl
def export_manifest(context, dataset, entries):
    rows = [{"file": entry.sample.path.name, "split": entry.split, "label": ""} for entry in entries]
    return ProviderManifest(rows=rows, label_at=("label",))


@hookimpl
def list_resources(context, prefix):
    return listed(context, prefix)


@hookimpl
def delete_resource(context, resource):
    try:
        ask(context, "DELETE", f"/{resource.kind}?name={quote(resource.name)}")
    except ResourceMissing:
        return Deletion.ALREADY_GONE
    return Deletion.DELETED
