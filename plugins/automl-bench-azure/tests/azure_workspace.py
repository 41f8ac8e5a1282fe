"""A workspace as the stand-in for Azure keeps it: what exists, in which state, and what it has cost."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from azure_learning import BadData, Datastore, Model
from azure_rows import PACKAGES, Container, RowModel

Json = dict[str, Any]


class Refusal(Exception):
    """An error of Resource Manager's."""

    def __init__(self, status: int, code: str, message: str = "", *, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message or code)
        self.status, self.code, self.message = status, code, message or code
        self.headers = dict(headers or {})


@dataclass
class Pace:
    """How long things take, in seconds."""

    lag: float = 0.2
    cluster: float = 0.1
    queue: float = 0.05
    training: float = 0.2
    endpoint: float = 0.1
    deployment: float = 0.2
    traffic: float = 0.1
    deleting: float = 0.1

    @classmethod
    def quick(cls) -> Pace:
        """Return the pace of a service where most ends at once: it saves half of the host's waits."""
        return cls(
            lag=0.1, queue=0.0, training=0.0, cluster=0.0, endpoint=0.0, deployment=0.0, traffic=0.0, deleting=0.0
        )


@dataclass
class Thing:
    """A resource with a life: made, ready, going.

    Attributes:
        name: Its name.
        body: What it was made with.
        state: Creating, Updating, Succeeded, Failed, Deleting.
        until: When the state ends.
        then: The state after that; "" for gone.
        made: When it was made.
        shown: When lists show it.
    """

    name: str
    body: Json
    state: str
    until: float
    then: str
    made: float = field(default_factory=time.time)
    shown: float = 0.0

    def settle(self) -> bool:
        """Bring the state up to date; returns whether it still exists."""
        if self.state in ("Creating", "Updating", "Deleting") and time.time() >= self.until:
            self.state = self.then
        return bool(self.state)

    def change(self, state: str, seconds: float, then: str) -> None:
        """Begin a change."""
        self.state, self.until, self.then = state, time.time() + seconds, then


@dataclass
class Job:
    """A training: its states follow from the clock and from what its thread has found."""

    name: str
    body: Json
    child: str
    made: float = field(default_factory=time.time)
    model: Model | RowModel | None = None
    error: str = ""
    done: float | None = None
    cancelled: float | None = None
    going: float | None = None
    shown: float = 0.0


@dataclass
class Bill:
    """What has been used."""

    training_seconds: float = 0.0
    deployed_seconds: float = 0.0


class Workspace:
    """Everything in one workspace, behind one lock.

    Args:
        store: The container, as the service reaches it.
        pace: How long things take.
    """

    def __init__(self, store: Datastore, pace: Pace) -> None:
        self.store, self.pace = store, pace
        self.lock = threading.RLock()
        self.assets: dict[str, dict[str, dict[str, Thing]]] = {
            "data": {},
            "models": {},
            "codes": {},
            "environments": {},
        }
        self.computes: dict[str, Thing] = {}
        self.jobs: dict[str, Job] = {}
        self.endpoints: dict[str, Thing] = {}
        self.deployments: dict[tuple[str, str], Thing] = {}
        self.keys: dict[str, str] = {}
        self.created: list[str] = []
        self.bill = Bill()
        self.training_fails = self.deployment_fails = False
        self.most_endpoints = 100
        self.used_job_names: set[str] = set()
        self.cores = {"standardNCASv3_T4Family": (4, 100), "standardDSv2Family": (0, 100)}
        """Cores in use and cores allowed, by family."""

    # --- what is there now --------------------------------------------------------------------------------------

    def settle(self) -> None:
        """Bring everything up to date; what has gone is gone, and billed."""
        for table in (self.computes, self.endpoints):
            for name in [name for name, thing in table.items() if not thing.settle()]:
                del table[name]
        for key, thing in list(self.deployments.items()):
            if not thing.settle() or key[0] not in self.endpoints:
                self.bill.deployed_seconds += time.time() - thing.made
                del self.deployments[key]
        for name, job in list(self.jobs.items()):
            if job.going is not None and time.time() >= job.going:
                del self.jobs[name]

    def status(self, job: Job) -> str:
        """Return a job's status."""
        now = time.time()
        if job.cancelled is not None and (job.done is None or job.done > job.cancelled):
            return "Canceled" if now >= job.cancelled + self.pace.deleting else "CancelRequested"
        if now < job.made + self.pace.queue:
            return "Queued"
        if job.done is None or now < max(job.done, job.made + self.pace.queue + self.pace.training):
            return "Running"
        if self.training_fails:
            job.error = job.error or "Training was told to fail."
        return "Failed" if job.error else "Completed"

    def running_on(self, compute: str) -> bool:
        """Whether a cluster has a node now."""
        return any(
            job.body["properties"]["computeId"].endswith(f"/computes/{compute}") and self._holds_node(job)
            for job in self.jobs.values()
        )

    def _holds_node(self, job: Job) -> bool:
        return self.status(job) in ("Running", "CancelRequested")

    def model_of(self, endpoint: str) -> Model | RowModel | Container:
        """Return the model that an endpoint's traffic goes to.

        Raises:
            Refusal: If no deployment takes requests.
        """
        traffic = self.endpoints[endpoint].body["properties"].get("traffic") or {}
        for name, share in traffic.items():
            deployment = self.deployments.get((endpoint, name))
            if share and deployment is not None and deployment.state == "Succeeded":
                model: Model | RowModel | Container = deployment.body["learnt"]
                return model
        raise Refusal(404, "NotFound", "no deployment takes traffic")

    def billing(self) -> list[str]:
        """Return what costs money now."""
        with self.lock:
            self.settle()
            found = [f"deployment {endpoint}/{name}" for endpoint, name in self.deployments]
            found += [f"job {job.name}" for job in self.jobs.values() if self._holds_node(job)]
            return found

    # --- making -------------------------------------------------------------------------------------------------

    def note(self, collection: str, name: str) -> float:
        """Remember a creation; returns when lists show it."""
        self.created.append(f"{collection} {name}")
        return time.time() + self.pace.lag

    def put_asset(self, collection: str, name: str, version: str, body: Json) -> Thing:
        """Register data or a model."""
        versions = self.assets[collection].setdefault(name, {})
        if version in versions:
            return versions[version]
        properties = body["properties"]
        try:
            if collection == "data":
                self.store.blob_of(properties["dataUri"])
            elif collection == "codes":
                self.store.require_blobs(self.store.folder_at(properties["codeUri"]))
            elif collection == "models":
                body["learnt"] = self._written_by(properties["modelUri"])
        except (BadData, Refusal):
            if not versions:
                del self.assets[collection][name]
            raise
        thing = Thing(name, body, "Succeeded", 0.0, "", shown=self.note(collection, name))
        versions[version] = thing
        return thing

    def _written_by(self, uri: str) -> Model | RowModel:
        for job in self.jobs.values():
            if uri == f"azureml://jobs/{job.child}/outputs/artifacts/outputs/mlflow-model/" and job.model is not None:
                return job.model
        raise Refusal(400, "UserError", f"there is no model at {uri}")

    def begin_job(self, name: str, body: Json, check: Callable[[Json], None]) -> Job:
        """Begin a training, unless there is one of that name."""
        if name in self.jobs:
            return self.jobs[name]
        if name in self.used_job_names:
            raise Refusal(409, "Conflict", f"A job with the name {name} existed, and names are never used again.")
        check(body)
        self.used_job_names.add(name)
        job = Job(name, body, f"{name}_HD_0", shown=self.note("jobs", name))
        self.jobs[name] = job
        threading.Thread(target=self._train, args=(job,), daemon=True).start()
        return job

    def _train(self, job: Job) -> None:
        details = job.body["properties"]["taskDetails"]
        try:
            if details["taskType"] == "ImageClassification":
                train, validation = details["trainingData"]["uri"], details["validationData"]["uri"]
                job.model = Model.learn(self.store, train, validation)
            else:
                job.model = RowModel.learn(self.store, details)
        except BadData as error:
            job.error = str(error)
        except Exception as error:  # noqa: BLE001  # a torn-down store, while the thread was reading
            job.error = type(error).__name__
        with self.lock:
            job.done = max(time.time(), job.made + self.pace.queue + self.pace.training)
            self.bill.training_seconds += job.done - job.made - self.pace.queue

    def make_endpoint(self, name: str, body: Json) -> Thing:
        """Make an endpoint, or change its traffic."""
        traffic = body["properties"].get("traffic") or {}
        wrong = [each for each in traffic if (name, each) not in self.deployments]
        if wrong or sum(traffic.values()) not in (0, 100):
            raise Refusal(400, "UserError", f"traffic {traffic} does not fit the deployments")
        if name in self.endpoints:
            endpoint = self.endpoints[name]
            if endpoint.state != "Succeeded":
                raise Refusal(409, "ResourceOperationInProgress", f"{name} is {endpoint.state}")
            endpoint.body = body
            endpoint.change("Updating", self.pace.traffic, "Succeeded")
            return endpoint
        if len(self.endpoints) >= self.most_endpoints:
            raise Refusal(400, "QuotaExceeded", f"the region has {self.most_endpoints} endpoints already")
        endpoint = Thing(name, body, "", 0.0, "", shown=self.note("onlineEndpoints", name))
        endpoint.change("Creating", self.pace.endpoint, "Succeeded")
        self.endpoints[name] = endpoint
        self.keys[name] = secrets.token_urlsafe(32)
        return endpoint

    def container_of(self, model: RowModel, code_id: str, script: str, environment_id: str) -> Container:
        """Return a container that serves a model by a script.

        Raises:
            Refusal: If there is no such script or environment.
            Exception: If the container cannot begin.
        """
        found = []
        for collection, asset in (("codes", code_id), ("environments", environment_id)):
            name, _, version = asset.partition(f"/{collection}/")[2].partition("/versions/")
            if version not in self.assets[collection].get(name, {}):
                raise Refusal(400, "BadArgument", f"there is no {asset}")
            found.append(self.assets[collection][name][version].body["properties"])
        code, environment = found
        if environment.get("condaFile") != PACKAGES or not environment.get("image"):
            raise ImportError("No module named 'azureml'")
        return Container(self.store, self.store.folder_at(code["codeUri"]), script, model)

    def make_deployment(self, endpoint: str, name: str, body: Json, model: Any, *, fails: bool = False) -> Thing:
        """Deploy a model; it bills from now on."""
        if (endpoint, name) in self.deployments:
            return self.deployments[endpoint, name]
        if self.endpoints[endpoint].state != "Succeeded":
            raise Refusal(409, "ResourceOperationInProgress", f"{endpoint} is {self.endpoints[endpoint].state}")
        body["learnt"] = model
        deployment = Thing(name, body, "", 0.0, "", shown=self.note("deployments", f"{endpoint}/{name}"))
        deployment.change("Creating", self.pace.deployment, "Failed" if self.deployment_fails or fails else "Succeeded")
        self.deployments[endpoint, name] = deployment
        return deployment

    # --- ending -------------------------------------------------------------------------------------------------

    def delete_asset(self, collection: str, name: str, version: str = "") -> bool:
        """Delete a version, or a name that has none left; returns whether it was there."""
        versions = self.assets[collection].get(name)
        if versions is None or (version and version not in versions):
            return False
        if version:
            del versions[version]
        elif versions:
            raise Refusal(409, "Conflict", f"{name} still has versions")
        else:
            del self.assets[collection][name]
        return True

    def delete_compute(self, name: str) -> None:
        """Begin the deletion of a cluster."""
        if self.running_on(name):
            raise Refusal(409, "Conflict", "the cluster has running jobs")
        self.computes[name].change("Deleting", self.pace.deleting, "")

    def cancel(self, name: str) -> None:
        """Call a job off."""
        job = self.jobs[name]
        if self.status(job) in ("Completed", "Failed", "Canceled"):
            raise Refusal(409, "Conflict", "the job has ended")
        job.cancelled = job.cancelled or time.time()

    def delete_job(self, name: str) -> None:
        """Begin the deletion of a job that has ended."""
        job = self.jobs[name]
        if self.status(job) not in ("Completed", "Failed", "Canceled"):
            raise Refusal(409, "Conflict", "the job has not ended")
        job.going = job.going or time.time() + self.pace.deleting

    def delete_endpoint(self, name: str) -> None:
        """Begin the deletion of an endpoint with all that is deployed there."""
        for (endpoint, _), deployment in self.deployments.items():
            if endpoint == name:
                deployment.change("Deleting", self.pace.deleting, "")
        self.endpoints[name].change("Deleting", self.pace.deleting, "")

    def delete_deployment(self, endpoint: str, name: str) -> None:
        """Begin the deletion of a deployment without traffic."""
        if (self.endpoints[endpoint].body["properties"].get("traffic") or {}).get(name):
            raise Refusal(400, "UserError", f"the deployment {name} has traffic")
        if self.deployments[endpoint, name].state == "Creating":
            raise Refusal(409, "ResourceOperationInProgress", f"{name} is Creating")
        self.deployments[endpoint, name].change("Deleting", self.pace.deleting, "")


def moment(seconds: float) -> str:
    """Return a time as Resource Manager writes it."""
    return datetime.fromtimestamp(seconds, UTC).isoformat()
