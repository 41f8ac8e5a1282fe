"""A stand-in for Azure on this machine: Resource Manager, the workspace's MLflow server, and scoring endpoints."""

from __future__ import annotations

import base64
import binascii
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

from azure_http import Answer, Hangup, HttpServer, Request
from azure_learning import BadData, Datastore, pixels
from azure_routes import Routes
from azure_rows import PACKAGES, Container, RowModel
from azure_workspace import Pace, Refusal, Workspace
from entra_fake import EntraFake

SUBSCRIPTION = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"
GROUP = "bench-group"
WORKSPACE = "bench-workspace"
PATH = (
    f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}"
    f"/providers/Microsoft.MachineLearningServices/workspaces/{WORKSPACE}"
)
DATASTORE = "workspaceblobstore"
DATASTORE_URI = (
    f"azureml://subscriptions/{SUBSCRIPTION}/resourcegroups/{GROUP}/workspaces/{WORKSPACE}"
    f"/datastores/{DATASTORE}/paths/"
)
LOCATION = "westeurope"
PLACE = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.MachineLearningServices/locations/{LOCATION}"
MANAGEMENT = "https://management.azure.com"
SCORE = "POST score"
CREATING = frozenset(
    {"PUT computes", "PUT jobs", "PUT onlineEndpoints", "PUT data/versions", "PUT models/versions"}
) | {"PUT onlineEndpoints/deployments", "PUT codes/versions", "PUT environments/versions"}


@dataclass(frozen=True)
class Seen:
    """One request as it came in: the operation, and the request itself."""

    operation: str
    request: Request


class AzureFake:
    """The service.

    Args:
        entra: Who gives tokens.
        store: The container, as the service reaches it.
        account: Name of the storage account.
        container: Name of its container.
        pace: How long things take.

    Attributes:
        seen: Every request so far.
        hook: Called before each request with its operation, or None.
    """

    def __init__(self, entra: EntraFake, store: Datastore, account: str, container: str, pace: Pace) -> None:
        self.entra = entra
        self.seen: list[Seen] = []
        self.hook: Callable[[str], None] | None = None
        self._faults: list[tuple[Callable[[str], bool], Answer | type[Hangup], list[float]]] = []
        self._lose = 0
        self._lock = threading.Lock()
        self._server = HttpServer(self._answer)
        self.url = self._server.url
        self.workspace = Workspace(store, pace)
        self.routes = Routes(
            self.workspace,
            PATH,
            location=LOCATION,
            datastores={
                DATASTORE: {
                    "datastoreType": "AzureBlob",
                    "accountName": account,
                    "containerName": container,
                    "endpoint": "core.windows.net",
                    "protocol": "https",
                    "credentials": {"credentialsType": "AccountKey"},
                },
                "files": {
                    "datastoreType": "AzureFile",
                    "accountName": account,
                    "fileShareName": "share",
                    "credentials": {"credentialsType": "AccountKey"},
                },
            },
            tracking_url=f"{self.url}/mlflow/v1.0{PATH}",
            scoring_url=f"{self.url}/score",
        )

    def __enter__(self) -> Self:
        self._server.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.__exit__()

    # --- for tests ----------------------------------------------------------------------------------------------

    def operations(self) -> list[str]:
        """Return the operations so far, such as "PUT computes"."""
        return [each.operation for each in self.seen]

    def fail(self, which: str | Callable[[str], bool], answer: Answer | type[Hangup], times: float = 1) -> None:
        """Give another answer to the next so many requests of an operation."""
        applies = which if callable(which) else lambda operation: operation == which
        self._faults.append((applies, answer, [times]))

    def lose_answer(self) -> None:
        """Carry the next request out that creates something, and reset its connection."""
        self._lose = 1

    def heal(self) -> None:
        """Make no more faults."""
        self._faults.clear()
        self._lose = 0
        self.workspace.training_fails = self.workspace.deployment_fails = False
        self.routes.delete_fails = False

    # --- requests -----------------------------------------------------------------------------------------------

    def _answer(self, request: Request) -> Answer:
        operation = self._operation(request)
        if self.hook is not None:
            self.hook(operation)
        with self._lock:
            self.seen.append(Seen(operation, request))
            for entry in list(self._faults):
                applies, answer, left = entry
                if applies(operation):
                    left[0] -= 1
                    if left[0] <= 0:
                        self._faults.remove(entry)
                    if isinstance(answer, Answer):
                        return answer
                    raise answer
        if operation == SCORE:
            return self._score(request)
        if operation == "GET file":  # its address is its right to be read
            return Answer(200, PACKAGES.encode()) if request.path in self._files() else Answer(404, b"")
        before = len(self.workspace.created)
        answer = self._control(request, operation)
        with self._lock:
            if self._lose and operation in CREATING and len(self.workspace.created) > before:
                self._lose = 0
                raise Hangup
        return answer

    @staticmethod
    def _operation(request: Request) -> str:
        if request.path.startswith(f"{PLACE}/"):
            return f"{request.method} {request.path.removeprefix(f'{PLACE}/')}"
        if request.path.startswith("/history/"):
            return f"{request.method} history"
        if request.path.startswith("/files/"):
            return f"{request.method} file"
        if request.path.startswith("/logs/"):
            return f"{request.method} log"
        if request.path.startswith("/score/"):
            return SCORE
        if request.path.startswith("/mlflow/"):
            return f"{request.method} mlflow"
        return Routes.operation(request.method, request.path[len(PATH) :].strip("/"))

    def _control(self, request: Request, operation: str) -> Answer:
        if self.entra.audience(request.headers.get("authorization", "")) != MANAGEMENT:
            return error(401, "InvalidAuthenticationToken", "The access token is missing, expired or for another.")
        try:
            others = {
                "GET mlflow": self._run,
                "GET history": self._history,
                "GET vmSizes": self._sizes,
                "GET usages": self._usages,
            }
            status, content = others.get(operation, self.routes.answer)(request)
        except Refusal as refusal:
            return error(refusal.status, refusal.code, refusal.message, refusal.headers)
        body = b"" if content is None else json.dumps(content).encode()
        return Answer(status, body, {"Content-Type": "application/json", "x-ms-request-id": f"r-{len(self.seen)}"})

    def _run(self, request: Request) -> tuple[int, dict[str, Any]]:
        """Answer MLflow's `runs/get`."""
        if request.path != f"/mlflow/v1.0{PATH}/api/2.0/mlflow/runs/get" or set(request.query) != {"run_id"}:
            raise Refusal(404, "NotFound", request.path)
        with self.workspace.lock:
            job = self.workspace.jobs.get(request.query["run_id"])
            if job is None:
                raise Refusal(404, "RESOURCE_DOES_NOT_EXIST", "no such run")
            info = {"run_id": job.name, "start_time": int(job.made * 1000)}
            if job.done is not None:
                info["end_time"] = int(job.done * 1000)
            tags = {"automl_best_child_run_id": job.child} if job.model is not None else {}
        return 200, {"run": {"info": info, "data": {"tags": [{"key": k, "value": v} for k, v in tags.items()]}}}

    def _history(self, request: Request) -> tuple[int, dict[str, Any]]:
        """Answer the run history's details of a job: its error, and where its log can be read."""
        if request.path.endswith("/artifacts/contentinfo"):
            return self._content_info(request)
        front, back = f"/history/v1.0{PATH}/runs/", "/details"
        if not request.path.startswith(front) or not request.path.endswith(back):
            raise Refusal(404, "NotFound", request.path)
        with self.workspace.lock:
            job = self.workspace.jobs.get(request.path[len(front) : -len(back)])
            if job is None:
                raise Refusal(404, "NotFound", "no such run")
            said = {"error": {"error": {"code": "UserError", "message": job.error}}} if job.error else {}
        return 200, {**said, "logFiles": {"user_logs/std_log.txt": f"{self.url}/logs/{job.name}"}}

    def _files(self) -> dict[str, str]:
        """Return the children that have written files, by the path of the one that can be read."""
        with self.workspace.lock:
            return {f"/files/{job.child}": job.child for job in self.workspace.jobs.values() if job.model is not None}

    def _content_info(self, request: Request) -> tuple[int, dict[str, Any]]:
        """Answer where a file that a child has written can be read."""
        front = f"/history/v1.0{PATH}/experiments/automl-bench/runs/"
        child = request.path.removeprefix(front).removesuffix("/artifacts/contentinfo")
        if f"/files/{child}" not in self._files() or request.query != {"path": "outputs/conda_env_v_1_0_0.yml"}:
            raise Refusal(404, "NotFound", f"{request.path} {request.query}")
        return 200, {"path": "outputs/conda_env_v_1_0_0.yml", "contentUri": f"{self.url}/files/{child}?sig=secret"}

    def _sizes(self, request: Request) -> tuple[int, dict[str, Any]]:
        sizes = [("Standard_NC4as_T4_v3", "standardNCASv3_T4Family", 4), ("Standard_DS3_v2", "standardDSv2Family", 4)]
        return 200, {"value": [{"name": name, "family": family, "vCPUs": count} for name, family, count in sizes]}

    def _usages(self, request: Request) -> tuple[int, dict[str, Any]]:
        return 200, {
            "value": [
                {"name": {"value": family}, "unit": "Count", "currentValue": used, "limit": most}
                for family, (used, most) in self.workspace.cores.items()
            ]
        }

    def _score(self, request: Request) -> Answer:
        name = request.path.removeprefix("/score/")
        with self.workspace.lock:
            self.workspace.settle()
            if name not in self.workspace.endpoints:
                return Answer(404, b"no such endpoint")
            if request.headers.get("authorization") != f"Bearer {self.workspace.keys[name]}":
                return Answer(401, b"key_auth_bad_header_auth")
            try:
                model = self.workspace.model_of(name)
            except Refusal as refusal:
                return Answer(refusal.status, refusal.message.encode())
        try:
            if isinstance(model, (Container, RowModel)):
                content = (
                    model.answer(request.body) if isinstance(model, Container) else model.labels_alone(request.body)
                )
                return Answer(200, json.dumps(content).encode(), {"Content-Type": "application/json"})
            image = _image(request)
        except (ValueError, KeyError, TypeError, BadData, binascii.Error) as fault:
            inner = {"ms-azureml-model-error-statuscode": "400", "ms-azureml-model-error-reason": "user_error"}
            return Answer(424, f"the model failed: {fault}".encode(), inner)
        answer = [{"probs": model.probabilities(image), "labels": list(model.labels)}]
        return Answer(200, json.dumps(answer).encode(), {"Content-Type": "application/json"})


def _image(request: Request) -> Any:
    """Read the one image of a scoring request.

    Raises:
        ValueError: If the request is not the documented one.
    """
    content = json.loads(request.body)
    data = content["input_data"]
    right = set(content) == {"input_data"} and set(data) == {"columns", "data"} and data["columns"] == ["image"]
    if not right or request.headers.get("content-type") != "application/json" or request.method != "POST":
        raise ValueError("the request is malformed")
    (encoded,) = data["data"]
    return pixels(base64.b64decode(encoded, validate=True))


def error(status: int, code: str, message: str = "told to", headers: dict[str, str] | None = None) -> Answer:
    """Return an error of Resource Manager's."""
    content = {"error": {"code": code, "message": message, "details": []}}
    given = {"Content-Type": "application/json", "x-ms-request-id": "r-error", **(headers or {})}
    return Answer(status, json.dumps(content).encode(), given)
