"""Azure on this machine: authority, Resource Manager and Blob storage, as one service that tests can look into."""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Self

import arm_models
from azure_fake import DATASTORE_URI, GROUP, SCORE, SUBSCRIPTION, WORKSPACE, AzureFake, error
from azure_http import Answer, Hangup, ca_file
from azure_learning import Datastore
from azure_rows import is_of_rows, samples_of
from azure_workspace import Pace, Thing
from blob_server import ACCOUNT, BlobDoor, azurite, missing
from entra_fake import CLIENT, TENANT, EntraFake
from service_troubles import Troubled

from automl_bench.contract import NAME_PREFIX, Stage
from automl_bench.testing import Fault, SeenRequest, Target

CONTROL_ANSWERS: Mapping[Fault, Answer | type[Hangup]] = {
    Fault.THROTTLED: error(429, "TooManyRequests", headers={"Retry-After": "1"}),
    Fault.SERVER_ERROR: error(500, "InternalServerError"),
    Fault.UNAVAILABLE: error(503, "ServiceUnavailable"),
    Fault.BAD_ANSWER: Answer(200, b"<html>not what was asked for", {"Content-Type": "application/json"}),
    Fault.UNAUTHENTICATED: error(401, "ExpiredAuthenticationToken"),
    Fault.FORBIDDEN: error(403, "AuthorizationFailed"),
    Fault.NOT_FOUND: error(404, "ResourceNotFound"),
    Fault.BILLING: error(403, "SubscriptionDisabled"),
    Fault.QUOTA: error(400, "QuotaExceeded"),
    Fault.RESET: Hangup,
}
SCORING_ANSWERS: Mapping[Fault, Answer | type[Hangup]] = {
    Fault.THROTTLED: Answer(429, b"too many requests", {"Retry-After": "1"}),
    Fault.SERVER_ERROR: Answer(500, b"internal error"),
    Fault.UNAVAILABLE: Answer(503, b"no healthy upstream"),
    Fault.BAD_ANSWER: Answer(200, b"<html>not what was asked for"),
    Fault.UNAUTHENTICATED: Answer(401, b"key_auth_bad_header_auth"),
    Fault.FORBIDDEN: Answer(403, b"forbidden"),
    Fault.NOT_FOUND: Answer(404, b"no such endpoint"),
    Fault.RESET: Hangup,
}


class AzureService(Troubled):
    """One workspace with an empty container of its own.

    Args:
        pace: How long things take.
        by_key: Whether the plugin is to reach the storage account by its key, and not by the service principal's token.
    """

    paid = ("jobs", "deployments")
    fails_at = (Stage.TRAIN, Stage.DEPLOY)
    limited_at = (Stage.TRAIN, Stage.DEPLOY)

    def __init__(self, pace: Pace | None = None, *, by_key: bool = False) -> None:
        from azure.storage.blob import ContainerClient

        self.by_key = by_key
        self.container = f"bench-{secrets.token_hex(6)}"
        self.blobs = ContainerClient(
            f"{azurite().url}/{ACCOUNT}",
            self.container,
            credential={"account_name": ACCOUNT, "account_key": azurite().key},
            connection_verify=str(ca_file()),
        )
        self.entra = EntraFake()
        self.door = BlobDoor()
        store = Datastore(self.blobs, DATASTORE_URI)
        self.fake = AzureFake(self.entra, store, ACCOUNT, self.container, pace or Pace())
        self._strangers: list[str] = []
        self._lag = self.fake.workspace.pace.lag

    @staticmethod
    def missing() -> str:
        """Return why the service cannot run on this machine, or ""."""
        return missing() or arm_models.missing()

    @property
    def connection_string(self) -> str:
        """What a user would copy from the portal."""
        account = f"AccountName={ACCOUNT};AccountKey={azurite().key}"
        return f"DefaultEndpointsProtocol=https;{account};BlobEndpoint={self.door.url}"

    def __enter__(self) -> Self:
        self.blobs.create_container()
        for part in (self.entra, self.door, self.fake):
            part.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        for part in (self.fake, self.door, self.entra):
            part.__exit__()
        self.blobs.delete_container()
        self.blobs.close()

    def blob_names(self) -> list[str]:
        """Return the names of all blobs in the container."""
        return [str(blob.name) for blob in self.blobs.list_blobs()]

    # --- what the conformance kit asks --------------------------------------------------------------------------

    def environment(self) -> Mapping[str, str]:
        """Return what makes the plugin use these servers."""
        found = {
            "AZURE_TENANT_ID": TENANT,
            "AZURE_CLIENT_ID": CLIENT,
            "AZURE_CLIENT_SECRET": self.entra.client_secret,
            "AZURE_AUTHORITY_HOST": self.entra.url,
            "AZURE_SUBSCRIPTION_ID": SUBSCRIPTION,
            "AZURE_RESOURCE_GROUP": GROUP,
            "AZUREML_WORKSPACE_NAME": WORKSPACE,
            "AUTOML_BENCH_AZURE_ARM_ENDPOINT": self.fake.url,
            "REQUESTS_CA_BUNDLE": str(ca_file()),
            "SSL_CERT_FILE": str(ca_file()),
        }
        if self.by_key:
            return {**found, "AZURE_STORAGE_CONNECTION_STRING": self.connection_string}
        return {**found, "AUTOML_BENCH_AZURE_STORAGE_URL": self.door.url}

    def requests(self) -> Sequence[SeenRequest]:
        """Return what Resource Manager, endpoints and Blob storage were asked."""
        seen = [
            SeenRequest(each.operation, each.request.body, each.request.headers, predicts=each.operation == SCORE)
            for each in self.fake.seen
        ]
        stored = [SeenRequest(f"{each.method} {each.path}", each.body, each.headers) for each in self.door.seen]
        return [*seen, *stored]

    def predictions(self) -> int:
        """Return how many predictions were asked for."""
        return self.fake.operations().count(SCORE)

    def resources(self) -> Sequence[str]:
        """Return what exists, what a trial left in the container as one line."""
        workspace = self.fake.workspace
        with workspace.lock:
            workspace.settle()
            found = [f"{kind} {name}" for kind, names in workspace.assets.items() for name in names]
            found += [f"compute {name}" for name in workspace.computes]
            found += [f"job {name}" for name in workspace.jobs]
            found += [f"endpoint {name}" for name in workspace.endpoints]
            found += [f"deployment {endpoint}/{name}" for endpoint, name in workspace.deployments]
        prefix = f"{NAME_PREFIX}/trials/"
        folders = {name.split("/")[2] for name in self.blob_names() if name.startswith(prefix)}
        ours = [line for line in found if not any(stranger in line for stranger in self._strangers)]
        return [*ours, *(f"folder {name}" for name in sorted(folders))]

    def billing(self) -> Sequence[str]:
        """Return deployments and running jobs."""
        return self.fake.workspace.billing()

    def creations(self) -> Sequence[str]:
        """Return every creation in the workspace; a blob is written, not created."""
        return list(self.fake.workspace.created)

    def training_samples(self) -> Sequence[tuple[str, str]]:
        """Return blob and label of each image in a registered table, or digest and label of each text or row."""
        workspace, found = self.fake.workspace, []
        for versions in workspace.assets["data"].values():
            for thing in versions.values():
                if is_of_rows(workspace.store, thing.body["properties"]["dataUri"]):
                    found += samples_of(workspace.store, thing.body["properties"]["dataUri"])
                    continue
                lines = workspace.store.table(thing.body["properties"]["dataUri"])
                workspace.store.images(lines)
                found += [(line.blob, line.label) for line in lines]
        return found

    def stranger(self) -> str | None:
        """Make an endpoint and a blob that are not ours."""
        name, workspace = "holiday-pictures", self.fake.workspace
        body: dict[str, Any] = {"location": "westeurope", "properties": {"authMode": "Key"}}
        with workspace.lock:
            workspace.endpoints[name] = Thing(name, body, "Succeeded", 0.0, "")
        self.blobs.upload_blob("holiday.jpg", b"sunshine", overwrite=True)
        self._strangers.append(name)
        return name

    def strangers(self) -> Sequence[str]:
        """Return those that still exist, if their blob does too."""
        there = self.fake.workspace.endpoints
        return [name for name in self._strangers if name in there and "holiday.jpg" in self.blob_names()]

    def faults(self, target: Target) -> Collection[Fault]:
        """Return what it can be told to do wrong."""
        if target is Target.PREDICTION:
            return tuple(SCORING_ANSWERS)
        own = (Fault.TRAINING_FAILS, Fault.DEPLOYMENT_FAILS, Fault.DELETION_FAILS, Fault.LOST_ANSWER)
        return (*CONTROL_ANSWERS, *own)

    def inject(self, fault: Fault, *, target: Target = Target.CONTROL, times: int | None = 1) -> None:
        """Do something wrong."""
        count = float("inf") if times is None else times
        if target is Target.PREDICTION:
            self.fake.fail(SCORE, SCORING_ANSWERS[fault], count)
        elif fault is Fault.TRAINING_FAILS:
            self.fake.workspace.training_fails = True
        elif fault is Fault.DEPLOYMENT_FAILS:
            self.fake.workspace.deployment_fails = True
        elif fault is Fault.DELETION_FAILS:
            self.fake.routes.delete_fails = True
        elif fault is Fault.LOST_ANSWER:
            self.fake.lose_answer()
        else:
            self.fake.fail(lambda operation: operation != SCORE, CONTROL_ANSWERS[fault], count)

    def train_for(self, seconds: float) -> None:
        self.fake.workspace.pace.training = seconds

    def upload_has_begun(self) -> bool:
        return bool(self.door.puts())

    def throttle_for(self, seconds: float) -> None:
        answer = error(429, "TooManyRequests", headers={"Retry-After": f"{seconds:.0f}"})
        self.fake.fail(lambda operation: True, answer, float("inf"))

    def refuse_for_quota(self, stage: Stage) -> None:
        inner = [{"code": "InferencingClient", "message": "Not enough quota available for Standard_DS3_v2."}]
        body = {"error": {"code": "BadRequest", "message": "The request is invalid.", "details": inner}}
        answer = Answer(400, json.dumps(body).encode(), {"Content-Type": "application/json"})
        operation = "PUT computes" if stage is Stage.TRAIN else "PUT onlineEndpoints/deployments"
        self.fake.fail(operation, answer, float("inf"))

    def fail_work(self, stage: Stage) -> None:
        self.fake.workspace.training_fails = stage is Stage.TRAIN
        self.fake.workspace.deployment_fails = stage is Stage.DEPLOY

    def show_late(self, seconds: float) -> None:
        self._lag = self.fake.workspace.pace.lag
        self.fake.workspace.pace.lag = seconds

    def destroyed(self) -> Sequence[str]:
        return [name for name in self.fake.operations() if name.startswith("DELETE") or name.endswith("cancel")]

    def heal(self) -> None:
        """Do nothing wrong any more."""
        self.fake.workspace.pace.lag = self._lag
        self.fake.heal()
        self.door.heal()
        self.entra.answer_token = None
