"""Texts and rows from upload to teardown: what goes over the wire, what comes back, what is refused before it."""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
import requests
from automl_bench_nyckel import plugin
from nyckel_fake import NyckelFake
from nyckel_trial import NyckelTrial
from nyckel_wire import LOSE
from texts_and_rows import COLUMNS, SmallSet, row_sample, rows, text_sample, texts

from automl_bench.contract import (
    Column,
    ColumnKind,
    Deletion,
    Endpoint,
    LabelledSample,
    ManifestEntry,
    Modality,
    Resource,
    TrainingSet,
    Value,
)
from automl_bench.errors import ProviderError, RequestRefused
from automl_bench.measurement.call import Caller

SETS = {Modality.TEXT: texts, Modality.TABULAR: rows}
INPUTS = {Modality.TEXT: "Text", Modality.TABULAR: "Tabular"}


@pytest.fixture(params=SETS, ids=str)
def small(request: pytest.FixtureRequest) -> SmallSet:
    return SETS[request.param]()


def sent(fake: NyckelFake, operation: str) -> list[Any]:
    """Return the bodies of an operation's requests, as they were sent."""
    return [json.loads(entry.raw) for entry in fake.recorded if entry.operation == operation and entry.status == 200]


def test_a_whole_trial_learns_is_measured_and_leaves_nothing(trial: NyckelTrial, small: SmallSet) -> None:
    count = len(small.training.train) + len(small.training.validation)
    assert trial.upload(small.training).result["distinct_samples"] == count == 15
    made = plugin.invoke(trial.context, Endpoint(str(trial.train().result["endpoint_id"])))
    with Caller(made) as caller:
        answers = [caller.call(item.sample).prediction for item in small.test]
    right = sum(each is not None and each.label == item.label for each, item in zip(answers, small.test, strict=True))
    assert right >= 0.8 * len(small.test), "chance is a third"
    assert all(each is not None and set(each.scores) == set(small.training.labels) for each in answers)
    bill = trial.fake.bill()
    assert (bill["samples_stored"], bill["invokes"], bill["captured_samples"]) == (count, len(small.test), 0)
    assert bill["zero_shot_invokes"] == 0
    assert bill["statuses"].keys() <= {"200", "404"}, "404 only while the new function does not show"
    (function,) = plugin.list_resources(trial.context, "automl-bench-")
    assert plugin.delete_resource(trial.context, function) is Deletion.DELETED
    assert trial.fake.names() == []


def test_the_same_upload_again_sends_nothing(trial: NyckelTrial, small: SmallSet) -> None:
    trial.fake.lag = 0.0
    trial.upload(small.training)
    before = {operation: trial.fake.count(operation) for operation in ("create_sample", "create_field", "create_label")}
    again = trial.upload(small.training)
    assert again.result["found_there"] == 15
    assert {operation: trial.fake.count(operation) for operation in before} == before
    assert before["create_field"] == len(small.training.columns)


def test_texts_are_sent_as_they_are(trial: NyckelTrial) -> None:
    small = texts()
    trial.upload(small.training)
    items = [*small.training.train, *small.training.validation]
    assert sent(trial.fake, "create_function") == [
        {"input": "Text", "output": "Classification", "name": "automl-bench-0123456789ab-function"}
    ]
    assert {body["externalId"]: body for body in sent(trial.fake, "create_sample")} == {
        item.sample.sample_id: {
            "data": item.sample.text,
            "externalId": item.sample.sample_id,
            "annotation": {"labelName": item.label},
            "sampleSets": [],
        }
        for item in items
    }
    made = plugin.invoke(trial.context, Endpoint("function_x"))
    assert json.loads(made.prepare(small.test[0].sample).body) == {"data": small.test[0].sample.text}  # type: ignore[union-attr]


def test_samples_hold_cells_by_field_id_and_predictions_by_name(trial: NyckelTrial) -> None:
    small = rows(shots=7)
    trial.upload(small.training)
    types = {body["name"]: body["type"] for body in sent(trial.fake, "create_field")}
    assert types == {column.name: "Number" if column.kind is ColumnKind.NUMBER else "Text" for column in COLUMNS}
    ids = {each.name: each.field_id for each in trial.fake.only().fields.values()}
    items = [*small.training.train, *small.training.validation]
    wanted = {
        item.sample.sample_id: {ids[name]: cell for name, cell in (item.sample.row or {}).items() if cell is not None}
        for item in items
    }
    assert {body["externalId"]: body["data"] for body in sent(trial.fake, "create_sample")} == wanted
    assert any(len(data) < len(COLUMNS) for data in wanted.values()), "a missing cell is left out"
    made = plugin.invoke(trial.context, Endpoint("function_x"))
    row = small.test[0].sample.row or {}
    body = json.loads(made.prepare(small.test[0].sample).body)  # type: ignore[union-attr]
    assert body == {"data": {name: cell for name, cell in row.items() if cell is not None}}


def test_new_fields_are_waited_for_before_a_sample_holds_one(trial: NyckelTrial) -> None:
    trial.fake.lag = 0.4
    trial.fake.page_size = 2
    trial.fake.fail("create_field", LOSE)
    trial.upload(rows().training)
    assert trial.fake.count("create_field", 409) == 1, "the one whose answer was lost is there already"
    assert len(trial.fake.only().fields) == len(COLUMNS)
    assert trial.fake.count("list_fields") > 3
    assert trial.fake.count("create_sample", 400) == 0


ODD = (
    Column("n", ColumnKind.NUMBER),
    Column("c", ColumnKind.CATEGORY),
)


@pytest.mark.parametrize(
    ("row", "data"),
    [
        ({"n": math.nan, "c": None}, {}),
        ({"n": None, "c": ""}, {}),
        ({"n": "3.50", "c": True}, {"n": 3.5, "c": "true"}),
        ({"n": False, "c": 3}, {"n": 0, "c": "3"}),
        ({"n": 2**60, "c": " a "}, {"n": 2**60, "c": " a "}),
        ({"c": "01234", "other": 1}, {"c": "01234"}),
    ],
)
def test_cells_that_json_or_a_field_cannot_hold_are_left_out_or_written_as_text(
    trial: NyckelTrial, row: dict[str, Value], data: dict[str, Value]
) -> None:
    trial.set = replace(trial.set, modality=Modality.TABULAR, columns=ODD)
    made = plugin.invoke(trial.context, Endpoint("function_x"))
    sample = replace(row_sample({}), row=row)
    assert json.loads(made.prepare(sample).body) == {"data": data}  # type: ignore[union-attr]


def with_item(training: TrainingSet, item: LabelledSample) -> TrainingSet:
    return replace(training, train=(*training.train, item))


def unsendable() -> dict[str, tuple[TrainingSet, str]]:
    table, sentences = rows().training, texts().training
    odd = row_sample({**(table.train[0].sample.row or {}), "sepal length (cm)": "long"})
    return {
        "a text in a column of numbers": (
            with_item(table, LabelledSample(odd, table.labels[0])),
            "--kind sepal length",
        ),
        "an empty text": (
            with_item(sentences, LabelledSample(text_sample(" \n"), sentences.labels[0])),
            "1 text is empty",
        ),
        "labels alike": (replace(sentences, labels=("offer", "offer ")), "differ only in white space"),
    }


@pytest.mark.parametrize("case", unsendable())
def test_what_cannot_be_sent_is_refused_before_any_request(trial: NyckelTrial, case: str) -> None:
    training, words = unsendable()[case]
    with pytest.raises(RequestRefused, match=words):
        trial.upload(training)
    assert trial.fake.recorded == []


def test_one_text_under_two_labels_collapses_and_is_told(trial: NyckelTrial) -> None:
    training = texts().training
    again = LabelledSample(replace(training.train[0].sample, sample_id="f" * 64), training.train[-1].label)
    assert again.label != training.train[0].label
    result = trial.upload(with_item(training, again)).result
    assert (result["samples"], result["distinct_samples"], result["contradicting"]) == (16, 15, 1)
    assert trial.fake.count("create_sample", 409) == 1
    assert "1 of 16 samples has the same content as another one" in trial.lines[-1]


def test_an_adopted_function_is_of_the_modality_and_has_the_columns(trial: NyckelTrial) -> None:
    trial.upload(rows().training)
    function_id = str(trial.train().result["endpoint_id"])
    adopted = Endpoint(function_id, adopted=True)
    assert plugin.invoke(trial.context, adopted)
    trial.set = replace(trial.set, columns=(*COLUMNS, Column("weight", ColumnKind.NUMBER)))
    with pytest.raises(RequestRefused, match="has no field for the column 'weight', not one of type Number"):
        plugin.invoke(trial.context, adopted)
    trial.set = replace(trial.set, columns=(Column("seen", ColumnKind.NUMBER),))
    with pytest.raises(RequestRefused, match="has a field of type Text for the column 'seen'"):
        plugin.invoke(trial.context, adopted)
    trial.set = replace(trial.set, modality=Modality.TEXT, columns=())
    with pytest.raises(RequestRefused, match="input 'Tabular' and output 'Classification', not Text"):
        plugin.invoke(trial.context, adopted)


def test_manifests_are_the_lines_that_are_posted(trial: NyckelTrial, small: SmallSet) -> None:
    items = [*small.training.train, *small.training.validation]
    manifest = plugin.export_manifest([ManifestEntry(item.sample, "train") for item in items])
    assert (manifest.file_format, manifest.label_at) == ("jsonl", ("annotation", "labelName"))
    trial.upload(small.training)
    names = {each.field_id: each.name for each in trial.fake.only().fields.values()}
    posted = {body["externalId"]: body for body in sent(trial.fake, "create_sample")}
    for row, item in zip(manifest.rows, items, strict=True):
        body = posted[item.sample.sample_id]
        if names:
            body = {**body, "data": {names[key]: cell for key, cell in body["data"].items()}}
        assert {**row, "annotation": {"labelName": item.label}} == body
    assert Counter(len(row["annotation"]) for row in manifest.rows) == {0: 15}, "a plugin never sees a label"


REFUSED = {
    Modality.TEXT: (
        ("samples", '{"data": ""}'),
        ("samples", '{"data": {"a": "b"}}'),
        ("fields", '{"name": "a", "type": "Text"}'),
    ),
    Modality.TABULAR: (
        ("samples", '{"data": "a text"}'),
        ("samples", '{"data": {"sepal length (cm)": 3.5}}'),
        ("samples", '{"data": {"SEPAL": NaN}}'),
        ("samples", '{"data": {"SEPAL": "3.5"}}'),
        ("samples", '{"data": {"SEPAL": null}}'),
        ("invoke", '{"data": {"SEPAL": 3.5}}'),
        ("fields", '{"name": "a", "type": "Category"}'),
        ("fields", '{"name": "a", "type": "Text", "id": "x"}'),
    ),
}


@pytest.mark.parametrize("modality", REFUSED)
def test_the_stand_in_refuses_what_the_service_is_not_known_to_take(trial: NyckelTrial, modality: Modality) -> None:
    trial.upload(SETS[modality]().training)
    function = trial.fake.only()
    sepal = next((each.field_id for each in function.fields.values() if each.name == "sepal length (cm)"), "")
    name, value = trial.tokens.header()
    headers = {name: value, "Content-Type": "application/json"}
    for place, body in REFUSED[modality]:
        url = f"{trial.fake.url}/v1/functions/{function.function_id}/{place}"
        answer = requests.post(url, data=body.replace("SEPAL", sepal), headers=headers, timeout=10)
        assert answer.status_code == 400, (place, body)


def test_a_function_of_texts_is_not_taken_for_one_of_tables(trial: NyckelTrial) -> None:
    trial.upload(texts().training)
    with pytest.raises(ProviderError, match="input 'Text'"):
        trial.upload(rows().training)
    assert isinstance(plugin.list_resources(trial.context, "automl-bench-")[0], Resource)
