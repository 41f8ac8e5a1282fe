"""Endpoints of the stand-in: deployment, billed by the second, and predictions."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from google.cloud.aiplatform.v1.schema.predict import instance, params, prediction
from google.cloud.aiplatform_v1 import types
from google.protobuf import json_format
from vertex_learning import PREDICT_FORMATS, Learned, pixels
from vertex_operations import LongWork, check_described, moment, now
from vertex_routes import Refusal
from vertex_tables import LearnedTable

if TYPE_CHECKING:
    from vertex_project import Project

MAX_REQUEST_BYTES = 1_500_000
MOST_PREDICTIONS = 10
MIME_TYPES = (
    "image/jpeg", "image/gif", "image/png", "image/webp", "image/bmp", "image/tiff", "image/vnd.microsoft.icon", "",
)  # fmt: skip
MACHINES = re.compile(r"(n1-(standard|highmem)-(2|4|8|16|32)|n1-highcpu-(4|8|16|32))")
_ENDPOINT_ID = re.compile(r"[a-z][a-z0-9-]{0,61}[a-z0-9]|[1-9][0-9]{0,8}")


@dataclass(slots=True)
class Deployed:
    """A model while it is deployed, and since when it is billed."""

    model: Any
    learned: Learned | LearnedTable
    nodes: int
    since: float = field(default_factory=moment)


class Serving:
    """The endpoint and the prediction service."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.all: dict[str, Any] = {}
        self.deployed: dict[str, dict[str, Deployed]] = {}
        self._ended_node_seconds = 0.0
        self._ids: set[str] = set()

    def methods(self) -> dict[str, Callable[[Any], Any]]:
        return {
            "CreateEndpoint": self.create,
            "GetEndpoint": lambda request: self._shown(self.get(request.name)),
            "ListEndpoints": self.list,
            "DeleteEndpoint": self.delete,
            "DeployModel": self.deploy,
            "UndeployModel": self.undeploy,
        }

    def names(self) -> list[str]:
        return [
            *(f"endpoint {each.display_name}" for each in self.all.values()),
            *(f"deployed-model {each.display_name}" for end in self.all.values() for each in end.deployed_models),
        ]

    def running(self) -> list[str]:
        """Return what is billed now."""
        with self.project.lock:
            self.project.operations.advance()
            return [name for name in self.names() if name.startswith("deployed-model ")]

    def node_seconds(self) -> float:
        """Return for how long nodes have been deployed."""
        going = sum((moment() - each.since) * each.nodes for those in self.deployed.values() for each in those.values())
        return self._ended_node_seconds + going

    def places(self, model: str) -> list[tuple[str, str]]:
        """Return where a model is deployed: endpoint and id."""
        return [
            (endpoint, each_id)
            for endpoint, those in self.deployed.items()
            for each_id, each in those.items()
            if each.model.name == model
        ]

    # --- endpoints ----------------------------------------------------------------------------------------------

    def get(self, name: str) -> Any:
        name = self.project.canonical(name)
        if name not in self.all:
            raise Refusal("NOT_FOUND", f"The Endpoint {name} does not exist.")
        return self.all[name]

    def _shown(self, endpoint: Any) -> Any:
        old = moment() - self.project.pace.showing
        shown = types.Endpoint(endpoint)
        shown.deployed_models = [each for each in endpoint.deployed_models if each.create_time.timestamp() <= old]
        return shown

    def list(self, request: Any) -> Any:
        found, token = self.project.page(request, self.all.values(), lagging=False)
        return types.ListEndpointsResponse(endpoints=found, next_page_token=token)

    def create(self, request: Any) -> LongWork:
        self.project.canonical(request.parent)
        check_described(request.endpoint.display_name, request.endpoint.labels)
        if request.endpoint_id and not _ENDPOINT_ID.fullmatch(request.endpoint_id):
            raise Refusal("INVALID_ARGUMENT", f"{request.endpoint_id!r} is no id of an endpoint")
        name = f"{self.project.parent}/endpoints/{request.endpoint_id or self.project.new_id()}"
        if name in self._ids:
            raise Refusal("ALREADY_EXISTS", f"The Endpoint {name} exists already.")
        self._ids.add(name)
        self.project.record("endpoint", request.endpoint.display_name)

        def finish() -> Any:
            made = types.Endpoint(request.endpoint)
            made.name = name
            made.create_time = now()
            self.all[name] = made
            self.deployed[name] = {}
            return made

        metadata = types.CreateEndpointOperationMetadata()
        return self.project.operations.begin(name, metadata, self.project.pace.creating, finish)

    def delete(self, request: Any) -> LongWork:
        endpoint = self.get(request.name)
        if endpoint.deployed_models or self.project.operations.going(endpoint.name):
            raise Refusal("FAILED_PRECONDITION", f"The Endpoint {endpoint.name} has models or is busy.")

        def finish() -> None:
            self.all.pop(endpoint.name, None)
            self._ids.discard(endpoint.name)

        return self.project.delete_later(endpoint.name, finish)

    # --- deployment ---------------------------------------------------------------------------------------------

    def deploy(self, request: Any) -> LongWork:
        endpoint = self.get(request.endpoint)
        wanted = request.deployed_model
        model = self.project.trainings.get_model(wanted.model)
        if not model.supported_deployment_resources_types:
            raise Refusal("FAILED_PRECONDITION", f"The Model {model.name} cannot be deployed to an endpoint.")
        dedicated = types.Model.DeploymentResourcesType.DEDICATED_RESOURCES
        kind = "dedicated" if dedicated in model.supported_deployment_resources_types else "automatic"
        if f"{kind}_resources" not in wanted:
            raise Refusal("INVALID_ARGUMENT", f"The Model supports {kind}_resources only.")
        resources = getattr(wanted, f"{kind}_resources")
        if kind == "dedicated" and not MACHINES.fullmatch(resources.machine_spec.machine_type):
            raise Refusal("INVALID_ARGUMENT", f"unknown machine type {resources.machine_spec.machine_type!r}")
        nodes = resources.min_replica_count
        if nodes < 1 or resources.max_replica_count < nodes:
            raise Refusal("INVALID_ARGUMENT", "min_replica_count and max_replica_count do not fit.")
        if request.traffic_split and sum(request.traffic_split.values()) != 100:
            raise Refusal("INVALID_ARGUMENT", "traffic_split must add up to 100.")
        if self.project.operations.going(endpoint.name):
            raise Refusal("FAILED_PRECONDITION", f"The Endpoint {endpoint.name} is busy.")
        made_id = self.project.new_id()
        self.project.record("deployed-model", wanted.display_name)

        def finish() -> Any:
            if self.project.deployment_fails:
                raise Refusal("INTERNAL", "Deployment was told to fail.")
            made = types.DeployedModel(wanted)
            made.id = made_id
            made.create_time = now()
            endpoint.deployed_models.append(made)
            for key, share in request.traffic_split.items():
                endpoint.traffic_split[made_id if key == "0" else key] = share
            learned = self.project.trainings.learned[model.name]
            self.deployed[endpoint.name][made_id] = Deployed(model, learned, nodes)
            return types.DeployModelResponse(deployed_model=made)

        metadata = types.DeployModelOperationMetadata()
        return self.project.operations.begin(endpoint.name, metadata, self.project.pace.deploying, finish)

    def undeploy(self, request: Any) -> LongWork:
        endpoint = self.get(request.endpoint)
        if request.deployed_model_id not in self.deployed[endpoint.name]:
            raise Refusal("NOT_FOUND", f"The DeployedModel {request.deployed_model_id} does not exist.")
        if self.project.deletion_fails:
            raise Refusal("PERMISSION_DENIED", f"Permission denied on resource {endpoint.name}.")
        if self.project.operations.going(endpoint.name):
            raise Refusal("FAILED_PRECONDITION", f"The Endpoint {endpoint.name} is busy.")

        def finish() -> Any:
            ended = self.deployed[endpoint.name].pop(request.deployed_model_id)
            self._ended_node_seconds += (moment() - ended.since) * ended.nodes
            kept = [each for each in endpoint.deployed_models if each.id != request.deployed_model_id]
            endpoint.deployed_models = kept
            endpoint.traffic_split.pop(request.deployed_model_id, None)
            return types.UndeployModelResponse()

        metadata = types.UndeployModelOperationMetadata()
        return self.project.operations.begin(endpoint.name, metadata, self.project.pace.undeploying, finish)

    # --- predictions --------------------------------------------------------------------------------------------

    def predict(self, request: Any, size: int) -> Any:
        if size > MAX_REQUEST_BYTES:
            raise Refusal("INVALID_ARGUMENT", "Request payload size exceeds the limit: 1.5MB.")
        with self.project.lock:
            self.project.operations.advance()
            endpoint = self.get(request.endpoint)
            serving = next((key for key, share in endpoint.traffic_split.items() if share), None)
            if serving is None:
                raise Refusal("FAILED_PRECONDITION", f"The Endpoint {endpoint.name} has no model with traffic.")
            deployed = self.deployed[endpoint.name][serving]
        if not request.instances:
            raise Refusal("INVALID_ARGUMENT", "instances is empty.")
        learned = deployed.learned
        if isinstance(learned, LearnedTable):
            if request._pb.HasField("parameters"):
                raise Refusal("INVALID_ARGUMENT", "a model of tables takes no parameters.")
            answers = [_answer_row(learned, each) for each in request._pb.instances]
        else:
            options = params.ImageClassificationPredictionParams()
            _parsed(request._pb.parameters, options)
            answers = [_answer(learned, each, options) for each in request._pb.instances]
        told = types.PredictResponse(
            deployed_model_id=serving, model=deployed.model.name, model_display_name=deployed.model.display_name
        )
        for answer in answers:
            json_format.ParseDict(answer, told._pb.predictions.add())
        return told


def _parsed(value: Any, message: Any) -> None:
    content = json_format.MessageToDict(value) if value.WhichOneof("kind") else {}
    try:
        json_format.ParseDict(content or {}, message._pb)
    except json_format.ParseError as error:
        raise Refusal("INVALID_ARGUMENT", f"Invalid instance or parameters: {error}") from None


def _answer_row(learned: LearnedTable, given: Any) -> dict[str, Any]:
    scores = learned.scores(json_format.MessageToDict(given))
    result = prediction.TabularClassificationPredictionResult(
        classes=[label for label, _ in scores], scores=[score for _, score in scores]
    )
    return dict(json_format.MessageToDict(result._pb))


def _answer(learned: Learned, given: Any, options: Any) -> dict[str, Any]:
    asked = instance.ImageClassificationPredictionInstance()
    _parsed(given, asked)
    if asked.mime_type not in MIME_TYPES:
        raise Refusal("INVALID_ARGUMENT", f"The MIME type {asked.mime_type} is not supported.")
    try:
        content = base64.b64decode(asked.content, validate=True)
    except (binascii.Error, ValueError):
        raise Refusal("INVALID_ARGUMENT", "content is not base64.") from None
    picture = pixels(content, PREDICT_FORMATS)
    if picture is None:
        raise Refusal("INVALID_ARGUMENT", "Image decoding failed.")
    most = options.max_predictions or MOST_PREDICTIONS
    kept = [pair for pair in learned.scores(picture) if pair[1] >= options.confidence_threshold][:most]
    result = prediction.ClassificationPredictionResult(
        ids=[1000 + learned.labels.index(label) for label, _ in kept],
        display_names=[label for label, _ in kept],
        confidences=[confidence for _, confidence in kept],
    )
    return dict(json_format.MessageToDict(result._pb))
