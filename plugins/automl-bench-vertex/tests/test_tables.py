"""A table goes up, is learned from, is served and goes: every wire fact of AutoML tabular, over HTTP."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from automl_bench_vertex import columns, plugin, tables
from automl_bench_vertex.description import DESCRIPTION, node_hour_usd
from automl_bench_vertex.invoking import RowInvoker
from automl_bench_vertex.tokens import Tokens
from vertex_passengers import COLUMNS, LABELS, NAMES, passengers, sample_of, training_table
from vertex_service import VertexService
from vertex_trial import VertexTrial

from automl_bench.ablations.provider_files import labelled_rows
from automl_bench.contract import (
    Capability,
    Column,
    ColumnKind,
    Endpoint,
    HttpResponse,
    LabelledSample,
    ManifestEntry,
    Modality,
    OperationState,
    Stage,
    TrainingSet,
)
from automl_bench.errors import InvalidSetting, RequestRefused, ServiceUnavailable
from automl_bench.providers.feasibility import training_obstacles
from automl_bench.transport import Transport, TransportOptions

KEPT = {"invalidValuesAllowed": True}


@pytest.fixture
def table_trial(vertex: VertexService, tmp_path: Path) -> VertexTrial:
    return VertexTrial(tmp_path, drawn=training_table())


@pytest.fixture
def transport() -> Iterator[Transport]:
    transport = Transport(TransportOptions())
    yield transport
    transport.close()


def uploaded_rows(vertex: VertexService) -> list[dict[str, str]]:
    (name,) = vertex.object_names()
    return list(csv.DictReader(io.StringIO(vertex.read(name), newline="")))


def asked(vertex: VertexService, method: str) -> dict[str, Any]:
    (found,) = [json.loads(each.body) for each in vertex.fake.seen if each.method == method]
    return dict(found)


def test_a_whole_trial_learns_and_leaves_nothing(
    table_trial: VertexTrial, vertex: VertexService, transport: Transport
) -> None:
    assert table_trial.up().state is OperationState.SUCCEEDED
    invoker = plugin.invoke(table_trial.context, Endpoint(table_trial.results[Stage.DEPLOY]["endpoint_id"]))
    assert isinstance(invoker, RowInvoker)
    tests = passengers(60, begin=5_000)
    right = 0
    for item in tests:
        response = transport.send(invoker.prepare(item.sample)).response
        assert response is not None
        found = invoker.parse(response)
        assert set(found.scores) == set(LABELS)
        assert found.confidence == max(found.scores.values())
        right += found.label == item.label
    assert right >= 42, f"{right} of 60 are right, and the majority has 30"
    assert vertex.billing()
    assert vertex.usd() == pytest.approx(0.6 * 21.252, rel=0.01)  # it stopped early
    table_trial.tear_down()
    assert vertex.resources() == []
    assert vertex.object_names() == []


def test_the_dataset_names_one_file_and_is_never_imported(table_trial: VertexTrial, vertex: VertexService) -> None:
    table_trial.upload()
    (name,) = vertex.object_names()
    body = asked(vertex, "CreateDataset")
    assert body["metadataSchemaUri"].endswith("/dataset/metadata/tabular_1.0.0.yaml")
    assert body["metadata"] == {"inputConfig": {"gcsSource": {"uri": [f"gs://{vertex.bucket}/{name}"]}}}
    assert vertex.fake.count("ImportData") == 0


def test_the_file_has_every_row_with_its_half_and_no_identifier(
    table_trial: VertexTrial, vertex: VertexService
) -> None:
    result = table_trial.upload().result
    rows = uploaded_rows(vertex)
    assert list(rows[0]) == [*NAMES.values(), "label", "ml_use"]
    assert [row["ml_use"] for row in rows].count("validation") == 200
    for row, item in zip(rows, [*table_trial.set.train, *table_trial.set.validation], strict=True):
        assert item.sample.row is not None
        told = {name: columns.cell(item.sample.row[column]) or "" for column, name in NAMES.items()}
        assert {name: row[name] for name in NAMES.values()} == told
        assert row["label"] == {"lost": "lost", "01": "x_01"}[item.label]
    assert result["left_out"] == ["ticket no."]
    assert result["column_names"] == {column: name for column, name in NAMES.items() if column != name}
    assert any("ticket no." in line for line in table_trial.lines)


def test_every_column_has_its_transformation_and_missing_numbers_keep_their_rows(
    table_trial: VertexTrial, vertex: VertexService
) -> None:
    table_trial.upload()
    table_trial.train()
    inputs = asked(vertex, "CreateTrainingPipeline")["trainingTaskInputs"]
    assert inputs == {
        "targetColumn": "label",
        "predictionType": "classification",
        "optimizationObjective": "minimize-log-loss",
        "transformations": [
            {"categorical": {"columnName": "class"}},
            {"numeric": {"columnName": "Age", "invalidValuesAllowed": True}},
            {"numeric": {"columnName": "column_4", "invalidValuesAllowed": True}},
            {"categorical": {"columnName": "column_5"}},
            {"categorical": {"columnName": "column_6"}},
            {"timestamp": {"columnName": "boarded", "timeFormat": "%Y-%m-%d", "invalidValuesAllowed": True}},
            {"text": {"columnName": "column_8"}},
        ],
        "trainBudgetMilliNodeHours": 1000,
        "disableEarlyStopping": False,
    }
    (sets,) = vertex.fake.project.trainings.splits.values()
    assert sets == {"training": 800, "validation": 200, "test": 0, "dropped": 0, "used": 800}


def test_the_halves_are_told_apart_by_our_column(table_trial: VertexTrial, vertex: VertexService) -> None:
    table_trial.upload()
    done = table_trial.train()
    assert asked(vertex, "CreateTrainingPipeline")["inputDataConfig"]["predefinedSplit"] == {"key": "ml_use"}
    assert done.result["node_hours_billed"] == 0.6
    assert done.billable_seconds == 0.6 * 3600


def test_it_is_served_by_a_machine_whose_price_is_unknown(table_trial: VertexTrial, vertex: VertexService) -> None:
    table_trial.up()
    deployed = asked(vertex, "DeployModel")["deployedModel"]
    assert deployed["dedicatedResources"] == {
        "machineSpec": {"machineType": "n1-standard-4"}, "minReplicaCount": 1, "maxReplicaCount": 1
    }  # fmt: skip
    assert "automaticResources" not in deployed
    (line,) = [each for each in table_trial.ledger.made if each.kind == "deployed-model"]
    assert line.hourly_usd is None
    assert node_hour_usd("n1-standard-4") is None
    (found,) = [each for each in plugin.list_resources(table_trial.context, "automl-bench") if each.kind == line.kind]
    assert found.hourly_usd is None


def test_a_row_is_sent_as_texts_and_a_missing_cell_as_null(vertex: VertexService) -> None:
    row = {"ticket no.": "007", "class": "1st", "Age": None, "age": 22.0, "_sex": "male", "label": True,
           "boarded": "1912-04-10", "remark, if any": "é\n"}  # fmt: skip
    request = alone(*LABELS).prepare(sample_of(row))
    assert json.loads(request.body) == {
        "instances": [
            {"class": "1st", "Age": None, "column_4": "22.0", "column_5": "male", "column_6": "true",
             "boarded": "1912-04-10", "column_8": "é\n"}
        ]
    }  # fmt: skip


def alone(*labels: str, columns: tuple[Column, ...] = COLUMNS) -> RowInvoker:
    """Return an invoker that no service stands behind."""
    return RowInvoker("http://127.0.0.1:9/v1/e:predict", Tokens(None), labels, columns)


def test_classes_come_in_any_order_and_get_their_own_spelling_back() -> None:
    odd = ("1", "01", "true", " a", "é", "e\u0301", "NA", "null")
    names = [tables.labels.to_service(label) for label in odd]
    scores = [0.05, 0.3, 0.05, 0.2, 0.1, 0.1, 0.1, 0.1]
    body = json.dumps({"predictions": [{"classes": names[::-1], "scores": scores[::-1]}]}).encode()
    found = alone(*odd).parse(HttpResponse(200, {}, body))
    assert (found.label, found.confidence) == ("01", 0.3)
    assert found.scores == dict(zip(odd, scores, strict=True))
    with pytest.raises(ServiceUnavailable, match="cannot be read"):
        alone(*odd).parse(HttpResponse(200, {}, b'{"predictions": [{"classes": ["a"], "scores": []}]}'))


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["a", "A", "a "], ["a", "column_2", "column_3"]),
        (["column_2", "é", "ml_use"], ["column_2", "column_2_", "column_3"]),
        (["1st", "_x", "LABEL"], ["1st", "column_2", "column_3"]),
    ],
)
def test_columns_are_spelled_in_the_service_s_alphabet_and_never_alike(names: list[str], expected: list[str]) -> None:
    assert [columns.names_of(names)[name] for name in names] == expected


@pytest.mark.parametrize(
    ("dates", "told"),
    [
        (["1912-04-10", None], {"timestamp": {"columnName": "d", "timeFormat": "%Y-%m-%d", **KEPT}}),
        (["1912-04-10T10:00:00"], {"timestamp": {"columnName": "d", "timeFormat": "%Y-%m-%dT%H:%M:%S", **KEPT}}),
        (["1985-04-12T23:20:50.52Z"], {"timestamp": {"columnName": "d", **KEPT}}),
        (["1912-04-10", "10 April 1912"], {"auto": {"columnName": "d"}}),
    ],
)  # fmt: skip
def test_dates_are_told_in_their_own_form(dates: list[str | None], told: dict[str, Any]) -> None:
    assert tables.transformation("d", ColumnKind.DATE, dates) == told


def test_a_training_that_fails_tells_why(vertex: VertexService, tmp_path: Path) -> None:
    small = VertexTrial(tmp_path, drawn=training_table(900))
    small.upload()
    failed = small.train()
    assert failed.state is OperationState.FAILED
    assert failed.message == "The dataset has 900 rows, and training requires at least 1,000"


def test_what_cannot_go_up_is_refused_before_any_request(vertex: VertexService, tmp_path: Path) -> None:
    whole = training_table(20)

    def refusal(drawn: TrainingSet, **variant: Any) -> str:
        with pytest.raises((RequestRefused, InvalidSetting)) as caught:
            VertexTrial(tmp_path, drawn=drawn, variant_settings=variant).upload()
        return caught.value.message

    assert "all of them are identifiers" in refusal(replace(whole, columns=COLUMNS[:1]))
    many = tuple(Column(f"c{number}", ColumnKind.NUMBER) for number in range(999))
    assert "at most 1,000 columns" in refusal(replace(whole, columns=many))
    assert "no validation half" in refusal(replace(whole, validation=()))
    assert "two classes only" in refusal(replace(whole, labels=("a", "b", "c")), table_objective="maximize-au-roc")
    nul = LabelledSample(sample_of({**(whole.train[0].sample.row or {}), "class": "a\0b"}), "lost")
    assert "cannot hold" in refusal(replace(whole, train=(nul, *whole.train)))
    assert vertex.fake.seen == []
    assert vertex.storage.seen == []


def test_the_manifest_is_the_file_that_a_trial_sends_but_for_identifiers(vertex: VertexService, tmp_path: Path) -> None:
    trial = VertexTrial(tmp_path, drawn=training_table())
    trial.upload()
    items = trial.set.train[:5]
    told = plugin.export_manifest(trial.context, "passengers", [ManifestEntry(item.sample, "train") for item in items])
    rows = list(labelled_rows("vertex", told, [item.label for item in items]))
    sent = uploaded_rows(vertex)[:5]
    assert [{name: str(value) for name, value in row.items() if name in sent[0]} for row in rows] == sent
    assert set(rows[0]) - set(sent[0]) == {"column_1"}
    assert told.header


def test_a_table_has_its_own_limits_and_prices_and_a_text_is_refused_in_one_sentence(
    vertex: VertexService, tmp_path: Path
) -> None:
    few = training_table(20)
    (why,) = training_obstacles(DESCRIPTION, few, Modality.TABULAR)
    assert why.startswith("it needs at least 1,000 samples in all and there are 20")
    assert training_obstacles(DESCRIPTION, training_table(), Modality.TABULAR) == []
    (no,) = training_obstacles(DESCRIPTION, replace(few, modality=Modality.TEXT), Modality.TEXT)
    assert "not from text (Google switched AutoML Text off on 2025-06-15)" in no
    table = {line.item: line for line in plugin.price(VertexTrial(tmp_path, drawn=few).context)}
    assert (table["train_hour"].usd, table["train_hour"].per_trial) == (21.252, 1.0)
    assert table["endpoint_hour"].usd is None
    images = {line.item: line for line in plugin.price(VertexTrial(tmp_path).context)}
    assert (images["train_hour"].usd, images["train_hour"].per_trial) == (3.465, 8.0)


def test_the_description_says_what_tables_need_and_why_no_texts() -> None:
    assert DESCRIPTION.modalities == {Modality.IMAGE, Modality.TABULAR}
    limits = DESCRIPTION.modality_limits[Modality.TABULAR]
    assert (limits.min_samples, limits.max_classes, limits.media_types) == (1_000, 500, ())
    assert Capability.EXPORT_MANIFEST in DESCRIPTION.capabilities
    assert "AutoML Text" in DESCRIPTION.not_taken[Modality.TEXT]
