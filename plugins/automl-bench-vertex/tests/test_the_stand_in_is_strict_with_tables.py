"""The stand-in refuses or punishes what AutoML tabular would: else the plugin's tests would prove nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from automl_bench_vertex.account import ONCE, account_of
from google.api_core.exceptions import BadRequest
from google.cloud.aiplatform.v1.schema.trainingjob import definition
from google.protobuf import json_format
from vertex_passengers import training_table
from vertex_routes import Refusal
from vertex_service import VertexService
from vertex_tables import BadTable, LearnedTable, check_table, read_table, split
from vertex_trial import VertexTrial

from automl_bench.contract import Stage

TABLE = "gs://google-cloud-aiplatform/schema/dataset/metadata/tabular_1.0.0.yaml"


def inputs(*transformations: dict[str, Any], objective: str = "minimize-log-loss") -> Any:
    message = definition.AutoMlTablesInputs()
    content = {
        "targetColumn": "y", "predictionType": "classification", "transformations": list(transformations),
        "optimizationObjective": objective,
    }  # fmt: skip
    json_format.ParseDict(content, message._pb)
    return message


AGE = {"numeric": {"column_name": "age", "invalidValuesAllowed": True}}
"""Google's own samples spell the key inside in snake case."""


def rows(count: int, **more: str) -> list[dict[str, str]]:
    return [{"age": str(number), "y": "ab"[number % 2], "use": "training", **more} for number in range(count)]


@pytest.mark.parametrize(
    "config",
    [
        {"gcsSource": {"uris": ["gs://b/t.csv"]}},
        {"gcsSource": {"uri": "gs://b/t.csv"}},
        {"gcsSource": {"uri": ["gs://b/t.csv"]}, "bigquerySource": {"uri": "bq://p.d.t"}},
        {},
    ],
)
def test_a_dataset_names_exactly_one_source_by_uri(
    config: dict[str, Any], vertex: VertexService, tmp_path: Path
) -> None:
    account = account_of(VertexTrial(tmp_path).context)
    dataset = {"display_name": "d", "metadata_schema_uri": TABLE, "metadata": {"inputConfig": config}}
    with pytest.raises(BadRequest, match="inputConfig"):
        account.datasets.create_dataset({"parent": account.parent, "dataset": dataset}, **ONCE)


def test_a_table_is_never_imported_and_a_model_of_it_has_a_machine_of_its_own(
    vertex: VertexService, tmp_path: Path
) -> None:
    trial = VertexTrial(tmp_path, drawn=training_table())
    trial.up()
    account = account_of(trial.context)
    config = {"gcs_source": {"uris": ["gs://b/t.csv"]}, "import_schema_uri": "gs://x"}
    with pytest.raises(BadRequest, match="not imported into"):
        account.datasets.import_data({"name": trial.results[Stage.UPLOAD]["dataset"], "import_configs": [config]})
    deployed = {
        "model": trial.results[Stage.TRAIN]["model"],
        "automatic_resources": {"min_replica_count": 1, "max_replica_count": 1},
    }
    request = {"endpoint": trial.results[Stage.DEPLOY]["endpoint_id"], "deployed_model": deployed}
    with pytest.raises(BadRequest, match="dedicated_resources only"):
        account.endpoints.deploy_model(request, **ONCE)


@pytest.mark.parametrize("budget", [999, 72_001])
def test_a_budget_has_its_bounds(budget: int, vertex: VertexService, tmp_path: Path) -> None:
    trial = VertexTrial(tmp_path, drawn=training_table())
    trial.upload()
    account = account_of(trial.context)
    pipeline = {
        "display_name": "t",
        "training_task_definition": "gs://google-cloud-aiplatform/schema/trainingjob/definition/automl_tabular_1.0.0.yaml",
        "training_task_inputs": {"targetColumn": "label", "predictionType": "classification",
                                 "trainBudgetMilliNodeHours": budget},
        "input_data_config": {"dataset_id": "1", "predefined_split": {"key": "ml_use"}},
        "model_to_upload": {"display_name": "m"},
    }  # fmt: skip
    with pytest.raises(BadRequest, match="between 1000 and 72000"):
        account.pipelines.create_training_pipeline({"parent": account.parent, "training_pipeline": pipeline}, **ONCE)


@pytest.mark.parametrize(
    ("table", "told", "why"),
    [
        (rows(999), inputs(AGE), "999 rows"),
        ([*rows(1_000), {"age": "1", "y": "", "use": "training"}], inputs(AGE), "null values"),
        ([{**row, "y": str(place)} for place, row in enumerate(rows(1_000))], inputs(AGE), "1000 distinct values"),
        (rows(1_000), inputs({"categorical": {"columnName": "sex"}}), "no column 'sex'"),
        (rows(1_000), inputs(AGE, {"categorical": {"columnName": "y"}}), "take no transformation"),
        ([*rows(1_000), *rows(1, y="c")], inputs(AGE, objective="maximize-au-roc"), "two classes"),
        (rows(1_000), inputs(), "No column is used"),
    ],
)  # fmt: skip
def test_a_table_on_which_nobody_can_train_fails_the_training(table: Any, told: Any, why: str) -> None:
    with pytest.raises(BadTable, match=why):
        check_table(table, told, "use")


@pytest.mark.parametrize("head", ["_a,y", "a b,y", "é,y", "a,A", "a"])
def test_column_names_have_their_alphabet(head: str) -> None:
    with pytest.raises(BadTable):
        read_table(f"{head}\n".encode())


def test_rows_of_no_half_and_of_a_missing_number_are_dropped_without_a_word() -> None:
    table = [*rows(8), *rows(2, use="validation"), *rows(3, use="Training"), *rows(1, age="")]
    sets = split(table, "use")
    assert (len(sets.rows["training"]), len(sets.rows["validation"]), sets.dropped) == (9, 2, 3)
    assert LearnedTable(sets.rows["training"], inputs(AGE)).used == 9
    assert LearnedTable(sets.rows["training"], inputs({"numeric": {"columnName": "age"}})).used == 8


@pytest.mark.parametrize("given", [{"age": 22}, {"age": True}, {}, {"age": "22", "sex": "m"}, ["22"]])
def test_a_row_is_an_object_of_texts_with_exactly_the_columns(given: Any) -> None:
    learned = LearnedTable(rows(20), inputs(AGE))
    with pytest.raises(Refusal):
        learned.scores(given)
    assert dict(learned.scores({"age": None})).keys() == {"a", "b"}
