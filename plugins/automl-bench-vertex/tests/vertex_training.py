"""Training pipelines and models of the stand-in. A training really learns, and is billed by its budget."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from google.cloud.aiplatform.v1.schema.trainingjob import definition
from google.cloud.aiplatform_v1 import types
from google.protobuf import empty_pb2, json_format, struct_pb2
from vertex_learning import DataItem, Learned
from vertex_operations import LongWork, check_described, moment, now
from vertex_routes import Refusal
from vertex_tables import BINARY, BadTable, LearnedTable, check_table, detail_of, read_table, split

if TYPE_CHECKING:
    from vertex_project import Project

TASK = "gs://google-cloud-aiplatform/schema/trainingjob/definition/automl_image_classification_1.0.0.yaml"
TABLE_TASK = "gs://google-cloud-aiplatform/schema/trainingjob/definition/automl_tabular_1.0.0.yaml"
TABLE_BUDGET = (1_000, 72_000)
LOG_LOSS = "minimize-log-loss"
LEAST_PER_LABEL = 10
BUDGETS = {"CLOUD": (8_000, 800_000), "CLOUD_1": (8_000, 800_000)}
MOBILE_BUDGET = (1_000, 100_000)
LATER_TYPES = ("CLOUD_1",)
"""Model types that the SDK's high-level class documents and its schema class does not know yet."""
CONVERGED_SHARE = 0.6
"""How much of its budget a training takes that may stop early."""
_MODEL_ID = re.compile(r"[a-z_][a-z0-9_-]{0,62}")
_ML_USE = re.compile(r"labels\.aiplatform\.googleapis\.com/ml_use=(training|validation|test)")

State = types.PipelineState
ENDED = (State.PIPELINE_STATE_SUCCEEDED, State.PIPELINE_STATE_FAILED, State.PIPELINE_STATE_CANCELLED)


class Trainings:
    """The pipeline and the model service."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.all: dict[str, Any] = {}
        self.models: dict[str, Any] = {}
        self.learned: dict[str, Learned | LearnedTable] = {}
        self.splits: dict[str, dict[str, int]] = {}
        self.billed_milli_hours = 0
        self.billed_milli_hours_of_tables = 0
        self._due: dict[str, float] = {}

    def methods(self) -> dict[str, Callable[[Any], Any]]:
        return {
            "CreateTrainingPipeline": self.create,
            "GetTrainingPipeline": lambda request: self.get(request.name),
            "ListTrainingPipelines": self.list,
            "CancelTrainingPipeline": self.cancel,
            "DeleteTrainingPipeline": self.delete,
            "GetModel": lambda request: self.get_model(request.name),
            "ListModels": self.list_models,
            "DeleteModel": self.delete_model,
        }

    def names(self) -> list[str]:
        self._advance()
        return [
            *(f"training {each.display_name}" for each in self.all.values()),
            *(f"model {each.display_name}" for each in self.models.values()),
        ]

    # --- pipelines ----------------------------------------------------------------------------------------------

    def get(self, name: str) -> Any:
        self._advance()
        name = self.project.canonical(name)
        if name not in self.all:
            raise Refusal("NOT_FOUND", f"The TrainingPipeline {name} does not exist.")
        return self.all[name]

    def list(self, request: Any) -> Any:
        self._advance()
        found, token = self.project.page(request, self.all.values(), lagging=True)
        return types.ListTrainingPipelinesResponse(training_pipelines=found, next_page_token=token)

    def create(self, request: Any) -> Any:
        self.project.canonical(request.parent)
        wanted = request.training_pipeline
        check_described(wanted.display_name, wanted.labels)
        check_described(wanted.model_to_upload.display_name, wanted.model_to_upload.labels)
        if wanted.training_task_definition not in (TASK, TABLE_TASK):
            raise Refusal("INVALID_ARGUMENT", f"unknown task {wanted.training_task_definition!r}")
        if wanted.model_id and not _MODEL_ID.fullmatch(wanted.model_id):
            raise Refusal("INVALID_ARGUMENT", f"{wanted.model_id!r} is no id of a model")
        if f"{self.project.parent}/models/{wanted.model_id}" in self.models:
            raise Refusal("ALREADY_EXISTS", f"The Model {wanted.model_id} exists already.")
        self._inputs(wanted)
        dataset = f"{self.project.parent}/datasets/{wanted.input_data_config.dataset_id}"
        found = self.project.datasets.get(dataset).name
        if (wanted.training_task_definition == TABLE_TASK) != (found in self.project.datasets.tables):
            raise Refusal("INVALID_ARGUMENT", "The dataset is not of the kind that the task trains on.")
        if wanted.training_task_definition == TABLE_TASK:
            _check_table_split(wanted.input_data_config)
        else:
            items = list(self.project.datasets.items[found].values())
            _check_counts(items)
            _split(items, wanted.input_data_config)
        made = types.TrainingPipeline(wanted)
        made.name = f"{self.project.parent}/trainingPipelines/{self.project.new_id()}"
        made.state = State.PIPELINE_STATE_PENDING
        made.create_time = now()
        self.all[made.name] = made
        self._due[made.name] = moment() + self.project.pace.training
        self.project.record("training", made.display_name)
        return made

    def _inputs(self, pipeline: Any) -> Any:
        """Read the task's inputs by the SDK's own schema class, and hold the budget to its limits."""
        content = json_format.MessageToDict(pipeline._pb.training_task_inputs)
        if pipeline.training_task_definition == TABLE_TASK:
            return _table_inputs(content)
        model_type = content.get("modelType")
        known = {**content, "modelType": "CLOUD"} if model_type in LATER_TYPES else content
        inputs = definition.AutoMlImageClassificationInputs()
        try:
            json_format.ParseDict(known, inputs._pb)
        except json_format.ParseError as error:
            raise Refusal("INVALID_ARGUMENT", f"training_task_inputs: {error}") from None
        least, most = BUDGETS.get(str(model_type), MOBILE_BUDGET)
        if not least <= inputs.budget_milli_node_hours <= most:
            raise Refusal("INVALID_ARGUMENT", f"budget_milli_node_hours must be between {least} and {most}")
        return inputs

    def cancel(self, request: Any) -> Any:
        pipeline = self.get(request.name)
        if pipeline.state in ENDED:
            raise Refusal("FAILED_PRECONDITION", f"{pipeline.name} has ended.")
        pipeline.state = State.PIPELINE_STATE_CANCELLING
        self._due[pipeline.name] = moment() + self.project.pace.cancelling
        return empty_pb2.Empty()

    def delete(self, request: Any) -> LongWork:
        pipeline = self.get(request.name)
        if pipeline.state not in ENDED:
            raise Refusal("FAILED_PRECONDITION", f"{pipeline.name} has not ended.")
        return self.project.delete_later(pipeline.name, lambda: _drop(self.all, pipeline.name))

    def _advance(self) -> None:
        for pipeline in self.all.values():
            if pipeline.state in ENDED:
                continue
            if moment() < self._due[pipeline.name]:
                if pipeline.state == State.PIPELINE_STATE_PENDING:
                    pipeline.state = State.PIPELINE_STATE_RUNNING
                    pipeline.start_time = now()
                continue
            pipeline.start_time = pipeline.start_time or now()
            pipeline.end_time = now()
            if pipeline.state == State.PIPELINE_STATE_CANCELLING:
                pipeline.state = State.PIPELINE_STATE_CANCELLED
            elif self.project.training_fails:
                pipeline.state = State.PIPELINE_STATE_FAILED
                pipeline.error = {"code": 13, "message": "Training was told to fail."}
            else:
                self._succeed(pipeline)

    def _learn_table(self, pipeline: Any) -> None:
        """Learn from a table; what is wrong with it is the state of the pipeline, as no request looked at it."""
        inputs, config = self._inputs(pipeline), pipeline.input_data_config
        address = self.project.datasets.tables[f"{self.project.parent}/datasets/{config.dataset_id}"]
        key = config.predefined_split.key
        try:
            rows = read_table(self.project.bucket.read(address) or b"")
            check_table(rows, inputs, key)
            sets = split(rows, key)
            learned = LearnedTable(sets.rows["training"], inputs)
        except BadTable as error:
            pipeline.state = State.PIPELINE_STATE_FAILED
            pipeline.error = {"code": 3, "message": str(error)}
            return
        cost = inputs.train_budget_milli_node_hours
        cost = cost if inputs.disable_early_stopping else int(cost * CONVERGED_SHARE)
        self.billed_milli_hours_of_tables += cost
        self.splits[pipeline.display_name] = {
            **{use: len(found) for use, found in sets.rows.items()},
            "dropped": sets.dropped,
            "used": learned.used,
        }
        metadata = definition.AutoMlTablesMetadata(train_cost_milli_node_hours=cost)
        self._finish(pipeline, learned, metadata, [types.Model.DeploymentResourcesType.DEDICATED_RESOURCES])

    def _finish(self, pipeline: Any, learned: Learned | LearnedTable, metadata: Any, deployable: list[Any]) -> None:
        name = f"{self.project.parent}/models/{pipeline.model_id or self.project.new_id()}"
        self.models[name] = types.Model(
            name=name,
            display_name=pipeline.model_to_upload.display_name,
            labels=pipeline.model_to_upload.labels,
            training_pipeline=pipeline.name,
            create_time=now(),
            supported_deployment_resources_types=deployable,
        )
        self.learned[name] = learned
        told = json_format.MessageToDict(metadata._pb)
        pipeline.training_task_metadata = json_format.ParseDict(told, struct_pb2.Value())
        pipeline.model_to_upload.name = name
        pipeline.state = State.PIPELINE_STATE_SUCCEEDED

    def _succeed(self, pipeline: Any) -> None:
        if pipeline.training_task_definition == TABLE_TASK:
            self._learn_table(pipeline)
            return
        inputs = self._inputs(pipeline)
        dataset = f"{self.project.parent}/datasets/{pipeline.input_data_config.dataset_id}"
        sets = _split(list(self.project.datasets.items[dataset].values()), pipeline.input_data_config)
        resources = types.Model.DeploymentResourcesType
        # Google's page on Edge models: they are exported, and cannot be deployed to an endpoint.
        is_edge = json_format.MessageToDict(pipeline._pb.training_task_inputs)["modelType"].startswith("MOBILE")
        self.splits[pipeline.display_name] = {use: len(found) for use, found in sets.items()}
        cost = inputs.budget_milli_node_hours
        reason = "BUDGET_REACHED"
        if not inputs.disable_early_stopping:
            cost, reason = int(cost * CONVERGED_SHARE), "MODEL_CONVERGED"
        self.billed_milli_hours += cost
        metadata = definition.AutoMlImageClassificationMetadata(
            cost_milli_node_hours=cost, successful_stop_reason=reason
        )
        deployable = [] if is_edge else [resources.AUTOMATIC_RESOURCES]
        self._finish(pipeline, Learned(sets["training"]), metadata, deployable)

    # --- models -------------------------------------------------------------------------------------------------

    def get_model(self, name: str) -> Any:
        self._advance()
        name = self.project.canonical(name)
        if name not in self.models:
            raise Refusal("NOT_FOUND", f"The Model {name} does not exist.")
        model = self.models[name]
        model.deployed_models = [
            {"endpoint": endpoint, "deployed_model_id": each} for endpoint, each in self.project.serving.places(name)
        ]
        return model

    def list_models(self, request: Any) -> Any:
        self._advance()
        found, token = self.project.page(request, self.models.values(), lagging=False)
        return types.ListModelsResponse(models=found, next_page_token=token)

    def delete_model(self, request: Any) -> LongWork:
        model = self.get_model(request.name)
        if model.deployed_models:
            raise Refusal("FAILED_PRECONDITION", f"The Model {model.name} is deployed.")
        return self.project.delete_later(model.name, lambda: _drop(self.models, model.name))


def _drop(where: dict[str, Any], name: str) -> None:
    where.pop(name, None)


def _table_inputs(content: dict[str, Any]) -> Any:
    inputs = definition.AutoMlTablesInputs()
    try:
        json_format.ParseDict(content, inputs._pb)
    except json_format.ParseError as error:
        raise Refusal("INVALID_ARGUMENT", f"training_task_inputs: {error}") from None
    least, most = TABLE_BUDGET
    if not least <= inputs.train_budget_milli_node_hours <= most:
        raise Refusal("INVALID_ARGUMENT", f"train_budget_milli_node_hours must be between {least} and {most}")
    if inputs.prediction_type != "classification" or not inputs.target_column:
        raise Refusal("INVALID_ARGUMENT", "prediction_type or target_column is not right")
    if inputs.optimization_objective not in ("", LOG_LOSS, *BINARY):
        raise Refusal("INVALID_ARGUMENT", f"unknown optimization_objective {inputs.optimization_objective!r}")
    for each in inputs.transformations:
        detail_of(each)
    return inputs


def _check_table_split(config: Any) -> None:
    if "predefined_split" not in config or not config.predefined_split.key:
        raise Refusal("INVALID_ARGUMENT", "this stand-in draws no split of a table")


def _check_counts(items: list[DataItem]) -> None:
    counts = Counter(item.label for item in items)
    if len(counts) < 2:
        raise Refusal("FAILED_PRECONDITION", "The dataset must have at least 2 labels.")
    label, fewest = min(counts.items(), key=lambda pair: pair[1])
    if fewest < LEAST_PER_LABEL:
        raise Refusal(
            "FAILED_PRECONDITION",
            f"Image training requires at least {LEAST_PER_LABEL} images per label; {label} has {fewest}.",
        )


def _split(items: list[DataItem], config: Any) -> dict[str, list[DataItem]]:
    """Return the three sets. Without filters the service draws its own, whatever the import file says: the trap."""
    sets: dict[str, list[DataItem]] = {"training": [], "validation": [], "test": []}
    if "filter_split" not in config:
        drawn = random.Random(0)
        for item in items:
            sets[drawn.choices(list(sets), (80, 10, 10))[0]].append(item)
        sets["drawn by the service"] = items
        return sets
    filters = config.filter_split
    wanted = (filters.training_filter, filters.validation_filter, filters.test_filter)
    if not all(wanted):
        raise Refusal("INVALID_ARGUMENT", "filter_split needs all three filters.")
    uses = {}
    for name, text in zip(sets, wanted, strict=True):
        match = _ML_USE.fullmatch(text)
        if match is None and text != "-":
            raise Refusal("INVALID_ARGUMENT", f"Invalid filter: {text}")
        uses[name] = match[1] if match else None
    for item in items:
        first = next((name for name, use in uses.items() if use == item.ml_use), None)
        if first is not None:
            sets[first].append(item)
    if not sets["training"]:
        raise Refusal("FAILED_PRECONDITION", "The training set is empty.")
    return sets
