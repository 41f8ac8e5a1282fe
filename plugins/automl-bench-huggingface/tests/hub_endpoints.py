"""Inference Endpoints of the stand-in: the control plane, the served endpoints, and what both cost."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import hub_learning
from hub_repos import Repositories, moment
from hub_wire import ApiError, NotYet, Reply, Request, check_object, list_of
from huggingface_hub import InferenceEndpointStatus, InferenceEndpointType

NAME = re.compile(r"[a-z][a-z0-9-]{0,30}[a-z0-9]")
HARDWARE = {
    ("cpu", "intel-spr", "x1"): 0.033,
    ("cpu", "intel-spr", "x2"): 0.067,
    ("cpu", "intel-spr", "x4"): 0.134,
    ("cpu", "intel-spr", "x8"): 0.268,
    ("gpu", "nvidia-t4", "x1"): 0.50,
    ("gpu", "nvidia-l4", "x1"): 0.80,
}
"""Price of an hour by accelerator, instance type and size."""
REGIONS = frozenset({("aws", "us-east-1"), ("aws", "eu-west-1")})
STATES = frozenset(each.value for each in InferenceEndpointStatus)
BILLED = frozenset({"pending", "initializing", "updating", "running"})
LARGEST_BODY = 10_000_000
TEXTS = "text-classification"
FUNCTIONS = frozenset({"sigmoid", "softmax", "none"})
IMAGE = re.compile(r"image/(png|jpe?g|webp|gif|bmp|tiff)")
SECONDS_A_MINUTE = 60.0


@dataclass(slots=True)
class Served:
    """One endpoint."""

    namespace: str
    spec: dict[str, Any]
    created: float
    state: str = "pending"
    message: str = ""
    changed: float = field(default_factory=time.monotonic)
    used: float = field(default_factory=time.monotonic)
    ever_up: bool = False
    deleting: float | None = None
    classifier: hub_learning.Classifier | hub_learning.TextClassifier | None = None

    @property
    def name(self) -> str:
        return str(self.spec["name"])

    @property
    def task(self) -> str:
        return str(self.spec["model"].get("task", "image-classification"))

    @property
    def price(self) -> float:
        compute = self.spec["compute"]
        return HARDWARE[compute["accelerator"], compute["instanceType"], compute["instanceSize"]]


class Endpoints:
    """All endpoints of the account.

    Args:
        url: Address of the server.
        repositories: Where the models are.
        starting: Real seconds until a new one runs.
        waking: Real seconds until a sleeping one runs.
        deleting: Real seconds until a deleted one is gone.
        minute: Real seconds of a minute of the fuse.
    """

    def __init__(
        self,
        url: str,
        repositories: Repositories,
        *,
        starting: float,
        waking: float,
        deleting: float,
        minute: float,
    ) -> None:
        self.url = url
        self.repositories = repositories
        self.starting = starting
        self.waking = waking
        self.deleting = deleting
        self.minute = minute
        self.all: dict[tuple[str, str], Served] = {}
        self.created = repositories.created
        self.failing = False
        self.nested = False
        self.usd = 0.0
        self.now: Callable[[], float] = time.monotonic
        self._counted = self.now()

    def routes(self) -> list[Any]:
        one = r"/v2/endpoint/([\w.-]+)/([\w-]+)"
        return [
            ("POST", r"/v2/endpoint/([\w.-]+)", "create_endpoint", self._create, True),
            ("GET", r"/v2/endpoint/([\w.-]+)", "list_endpoints", self._list, True),
            ("GET", one, "get_endpoint", self._get, True),
            ("DELETE", one, "delete_endpoint", self._delete, True),
            ("POST", rf"{one}/pause", "pause_endpoint", self._pause, True),
            ("POST", rf"{one}/resume", "resume_endpoint", self._resume, True),
            ("POST", rf"{one}/scale-to-zero", "scale_endpoint", self._scale_to_zero, True),
            ("GET", r"/serve/([\w-]+)/health", "health", self._health, True),
            ("POST", r"/serve/([\w-]+)", "predict", self._predict, True),
        ]

    # --- control plane ------------------------------------------------------------------------------------------

    def _create(self, request: Request, namespace: str) -> Reply:
        self._mine(namespace)
        nothing = type(None)
        scaling = {"minReplica": int, "maxReplica": int, "scaleToZeroTimeout": (int, nothing)}
        compute = {
            "accelerator": str,
            "instanceType": str,
            "instanceSize": str,
            "scaling": lambda value, where: check_object(value, scaling, {"measure": dict}, where),
        }
        model = {
            "repository": str,
            "framework": {"pytorch", "custom"},
            "revision": (str, nothing),
            "image": lambda value, where: check_object(value, {"huggingface": dict}, None, where),
        }
        about = {"task": str, "env": dict, "secrets": dict, "command": list, "args": list}
        spec = check_object(
            request.json(),
            {
                "name": NAME,
                "type": {each.value for each in InferenceEndpointType},
                "provider": lambda value, where: check_object(value, {"vendor": str, "region": str}, None, where),
                "compute": lambda value, where: check_object(value, compute, None, where),
                "model": lambda value, where: check_object(value, model, about, where),
            },
            {"tags": list_of(str), "cacheHttpResponses": bool, "route": dict, "privateService": dict},
        )
        scale, place = spec["compute"]["scaling"], (spec["provider"]["vendor"], spec["provider"]["region"])
        hardware = tuple(spec["compute"][key] for key in ("accelerator", "instanceType", "instanceSize"))
        if place not in REGIONS or hardware not in HARDWARE:
            raise ApiError(400, f"Instance compute {hardware} in {place} not found")
        if not 0 <= scale["minReplica"] <= scale["maxReplica"] or scale["maxReplica"] < 1:
            raise ApiError(400, "replicas are out of range")
        if scale["minReplica"] == 0 and scale["scaleToZeroTimeout"] is None:
            raise ApiError(400, "without a least replica a scaleToZeroTimeout is required")
        self.advance()
        if (namespace, spec["name"]) in self.all:
            raise ApiError(409, f"endpoint {spec['name']!r} exists")
        try:
            self.repositories.repo("model", spec["model"]["repository"])
        except ApiError as error:
            raise ApiError(400, f"repository {spec['model']['repository']!r} not found") from error
        served = Served(namespace, spec, time.time())
        served.changed = served.used = self.now()
        self.all[namespace, served.name] = served
        self.created.append(f"endpoint {served.name}")
        return Reply(self._shown(served), 202)

    def _list(self, request: Request, namespace: str) -> Reply:
        self._mine(namespace)
        self.advance()
        return Reply({"items": [self._shown(each) for each in self.all.values() if each.namespace == namespace]})

    def _get(self, request: Request, namespace: str, name: str) -> Reply:
        return Reply(self._shown(self._one(namespace, name)))

    def _delete(self, request: Request, namespace: str, name: str) -> Reply:
        served = self._one(namespace, name)
        if served.deleting is not None:
            raise ApiError(409, "the endpoint is being deleted")
        served.deleting = self.now() + self.deleting
        self._turn(served, "paused")
        self.advance()
        return Reply({}, 202)

    def _pause(self, request: Request, namespace: str, name: str) -> Reply:
        served = self._one(namespace, name)
        self._turn(served, "paused")
        return Reply(self._shown(served))

    def _resume(self, request: Request, namespace: str, name: str) -> Reply:
        served = self._one(namespace, name)
        if served.state in ("running", "initializing", "pending"):
            raise ApiError(400, "the endpoint is already running")
        self._turn(served, "initializing")
        return Reply(self._shown(served))

    def _scale_to_zero(self, request: Request, namespace: str, name: str) -> Reply:
        served = self._one(namespace, name)
        self._turn(served, "scaledToZero")
        return Reply(self._shown(served))

    def _mine(self, namespace: str) -> None:
        if namespace not in self.repositories.namespaces:
            raise ApiError(403, f"no access to endpoints of {namespace}")

    def _one(self, namespace: str, name: str) -> Served:
        self._mine(namespace)
        self.advance()
        served = self.all.get((namespace, name))
        if served is None:
            raise ApiError(404, f"endpoint {name!r} not found")
        return served

    def _shown(self, served: Served) -> dict[str, Any]:
        assert served.state in STATES
        status: dict[str, Any] = {
            "state": served.state,
            "message": served.message,
            "createdAt": moment(served.created),
            "updatedAt": moment(served.created),
            "readyReplica": int(served.state == "running"),
            "targetReplica": int(served.state in BILLED),
        }
        if served.ever_up:
            status["url"] = f"{self.url}/serve/{served.name}"
        shown_model = {"task": served.task, **served.spec["model"]}
        return {**served.spec, "model": shown_model, "healthRoute": "/health", "status": status}

    # --- the clock and the bill ---------------------------------------------------------------------------------

    def _turn(self, served: Served, state: str) -> None:
        self._count()
        served.state, served.changed, served.used = state, self.now(), self.now()

    def _count(self) -> None:
        now = self.now()
        hours = (now - self._counted) / 3600
        self._counted = now
        self.usd += sum(hours * served.price for served in self.all.values() if served.state in BILLED)

    def advance(self) -> None:
        """Let each endpoint be as far as the time says."""
        self._count()
        now = self.now()
        for key, served in list(self.all.items()):
            if served.deleting is not None:
                if now >= served.deleting:
                    del self.all[key]
                continue
            if served.state == "pending":
                served.state = "initializing"
            wait = self.waking if served.ever_up else self.starting
            if served.state == "initializing" and now >= served.changed + wait:
                self._load(served)
            scaling = served.spec["compute"]["scaling"]
            fuse = scaling["scaleToZeroTimeout"]
            idle = served.state == "running" and scaling["minReplica"] == 0
            if idle and fuse is not None and now >= served.used + fuse * self.minute:
                self._turn(served, "scaledToZero")

    def _load(self, served: Served) -> None:
        """Serve the model as it was pushed, at the revision that was asked for."""
        model = served.spec["model"]
        try:
            _, files = self.repositories.repo("model", model["repository"]).at(model["revision"] or "main")
            config, weights = files["config.json"].content, files["model.safetensors"].content
            if served.task == TEXTS:
                tokenizer = files["tokenizer_config.json"].content
                served.classifier = hub_learning.TextClassifier(config, weights, tokenizer)
            else:
                served.classifier = hub_learning.Classifier(config, weights)
        except (ApiError, KeyError, ValueError) as error:
            served.message = f"the model does not load: {error!r}"
        if self.failing or served.classifier is None:
            served.message = served.message or "the container ended with exit code 1"
            self._turn(served, "failed")
            return
        served.ever_up = True
        self._turn(served, "running")

    # --- the served endpoint ------------------------------------------------------------------------------------

    def _awake(self, request: Request, name: str) -> Served:
        self.advance()
        served = next((each for each in self.all.values() if each.name == name and each.deleting is None), None)
        if served is None or served.state in ("paused", "failed"):
            raise ApiError(404 if served is None else 400, "the endpoint does not run")
        if served.state == "scaledToZero":
            self._turn(served, "initializing")
        if served.state != "running":
            raise NotYet("Service Unavailable", float(request.headers.get("x-scale-up-timeout", "0")))
        served.used = self.now()
        return served

    def _health(self, request: Request, name: str) -> Reply:
        self._awake(request, name)
        return Reply({"status": "ok"})

    def _predict(self, request: Request, name: str) -> Reply:
        served = self._awake(request, name)
        if len(request.body) > LARGEST_BODY:
            raise ApiError(413, "payload too large")
        try:
            if isinstance(served.classifier, hub_learning.TextClassifier):
                return Reply(self._classified(served.classifier, request))
            if not IMAGE.fullmatch(request.headers.get("content-type", "")):
                raise ApiError(400, f"content type {request.headers.get('content-type')!r} is not supported")
            assert served.classifier is not None
            return Reply(served.classifier.best(request.body))
        except ValueError as error:
            raise ApiError(400, str(error)) from error

    def _classified(self, classifier: hub_learning.TextClassifier, request: Request) -> list[Any]:
        """Return what a container answers to one text; an older one puts it into a list of its own."""
        parameters = {"top_k": (int, type(None)), "truncation": bool, "max_length": int, "function_to_apply": FUNCTIONS}
        told = check_object(request.json(), {"inputs": str}, {"parameters": dict})
        asked = told.get("parameters", {})
        check_object({key: asked[key] for key in asked.keys() & parameters.keys()}, {}, parameters, "parameters")
        answer = classifier.answer(told["inputs"], asked)
        return [answer] if self.nested else answer
