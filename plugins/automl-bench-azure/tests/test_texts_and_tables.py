"""Texts and tables go up, are learned from, are served by our own script and go: every wire fact, over HTTP."""

from __future__ import annotations

import io
import json
import pickle
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from automl_bench_azure import plugin, rows, score
from automl_bench_azure.description import DESCRIPTION, LEAST_ROWS, LEAST_TO_TRAIN
from automl_bench_azure.invoking import RowInvoker
from automl_bench_azure.options import Options
from automl_bench_azure.prices import all_prices
from azure_rows import BadData, RowModel, check, loaded, pipeline
from azure_samples import COLUMNS, FATES, KINDS, letters, mails, passengers, row_sample, table, text_sample
from azure_service import AzureService
from azure_trial import AzureTrial
from pyarrow import parquet

from automl_bench.ablations.provider_files import labelled_rows
from automl_bench.contract import (
    Endpoint,
    HttpResponse,
    LabelledSample,
    ManifestEntry,
    Modality,
    OperationState,
    Stage,
    TrainingSet,
    Variant,
)
from automl_bench.errors import RequestRefused, ServiceUnavailable
from automl_bench.transport import Transport, TransportOptions


@pytest.fixture
def transport() -> Iterator[Transport]:
    transport = Transport(TransportOptions())
    yield transport
    transport.close()


def bodies(azure: AzureService, operation: str) -> list[dict[str, Any]]:
    return [json.loads(each.request.body) for each in azure.fake.seen if each.operation == operation]


def right(trial: AzureTrial, transport: Transport, tests: list[LabelledSample], labels: tuple[str, ...]) -> int:
    """Ask for each test sample and return how many are right."""
    invoker = plugin.invoke(trial.context, Endpoint(trial.results[Stage.DEPLOY]["endpoint_id"]))
    assert isinstance(invoker, RowInvoker)
    count = 0
    for item in tests:
        response = transport.send(invoker.prepare(item.sample)).response
        assert response is not None
        found = invoker.parse(response)
        assert set(found.scores) == set(labels)
        assert found.confidence == max(found.scores.values())
        count += found.label == item.label
    return count


def test_a_whole_trial_of_a_table_learns_and_leaves_nothing(
    azure: AzureService, tmp_path: Path, transport: Transport
) -> None:
    trial = AzureTrial(tmp_path, drawn=table())
    assert trial.up().state is OperationState.SUCCEEDED
    assert right(trial, transport, passengers(60, begin=5_000), FATES) >= 42
    assert azure.billing()
    trial.tear_down()
    assert azure.resources() == []
    assert azure.blob_names() == []
    assert {line.split()[0] for line in azure.creations()} >= {"codes", "environments", "deployments"}


def test_a_whole_trial_of_texts_learns_and_leaves_nothing(
    azure: AzureService, tmp_path: Path, transport: Transport
) -> None:
    trial = AzureTrial(tmp_path, drawn=letters(), variant={"max_trials": 3})
    trial.up()
    assert right(trial, transport, mails(40, begin=5_000), KINDS) >= 32
    (job,) = bodies(azure, "PUT jobs")
    details = job["properties"]["taskDetails"]
    assert details["taskType"] == "TextClassification"
    assert details["featurizationSettings"] == {"datasetLanguage": "eng"}
    assert details["limitSettings"]["maxTrials"] == 1
    (compute,) = bodies(azure, "PUT computes")
    assert compute["properties"]["properties"]["vmSize"] == "Standard_NC4as_T4_v3"
    trial.tear_down()
    assert azure.resources() == []
    assert azure.blob_names() == []


def test_a_table_says_what_each_column_is_and_brings_its_own_validation_half(
    azure: AzureService, tmp_path: Path
) -> None:
    trial = AzureTrial(tmp_path, drawn=table())
    trial.upload()
    trial.train()
    (job,) = bodies(azure, "PUT jobs")
    details = job["properties"]["taskDetails"]
    assert details["taskType"] == "Classification"
    assert details["targetColumnName"] == "label_"
    assert details["featurizationSettings"] == {
        "mode": "Custom",
        "columnNameAndTypes": {
            "class": "Categorical", "age": "Numeric", "sex": "Categorical", "label": "Categorical",
            "boarded": "DateTime", "remark": "Text",
        },
    }  # fmt: skip
    assert details["validationData"]["uri"].endswith("/validation/")
    assert "nCrossValidations" not in details
    assert details["limitSettings"] == {"maxTrials": 10, "maxConcurrentTrials": 1, "timeout": "PT60M"}
    (compute,) = bodies(azure, "PUT computes")
    assert compute["properties"]["properties"]["vmSize"] == "Standard_DS3_v2"


def stored(azure: AzureService, half: str) -> tuple[dict[str, Any], pd.DataFrame]:
    """Return what lies in a half's folder: the description, and the rows."""
    blobs = {name.rsplit("/", 1)[-1]: name for name in azure.blob_names() if f"/{half}/" in name}
    described = yaml.safe_load(azure.blobs.download_blob(blobs["MLTable"]).readall())
    content = azure.blobs.download_blob(blobs["rows.parquet"]).readall()
    return described, parquet.read_table(io.BytesIO(content)).to_pandas()


def test_rows_keep_their_types_and_labels_and_no_identifier_goes(azure: AzureService, tmp_path: Path) -> None:
    trial = AzureTrial(tmp_path, drawn=table())
    result = trial.upload().result
    described, frame = stored(azure, "train")
    assert described == {
        "paths": [{"file": "./rows.parquet"}],
        "transformations": [{"read_parquet": {"include_path_column": False}}],
    }
    assert list(frame) == ["class", "age", "sex", "label", "boarded", "remark", "label_"]
    for line, item in zip(frame.to_dict("records"), trial.set.train, strict=True):
        row = item.sample.row
        assert row is not None
        assert line["label_"] == item.label
        assert line["age"] == row["age"] or (row["age"] is None and pd.isna(line["age"]))
        assert line["label"] == str(row["label"]).lower()
        assert line["remark"] == row["remark"]
    assert str(frame["age"].dtype) == "float64"
    assert result["left_out"] == ["ticket no."]
    assert result["rows"] == 120
    _, validation = stored(azure, "validation")
    assert list(validation.dtypes.items()) == list(frame.dtypes.items())


def test_texts_have_exactly_two_columns(azure: AzureService, tmp_path: Path) -> None:
    trial = AzureTrial(tmp_path, drawn=letters())
    trial.upload()
    _, frame = stored(azure, "train")
    assert list(frame) == ["text", "label"]
    assert list(frame["text"]) == [item.sample.text for item in trial.set.train]


def test_a_deployment_runs_our_script_with_the_training_s_own_packages(azure: AzureService, tmp_path: Path) -> None:
    trial = AzureTrial(tmp_path, drawn=table())
    trial.up()
    (code,), (environment,) = bodies(azure, "PUT codes/versions"), bodies(azure, "PUT environments/versions")
    folder = trial.ledger.of("folder").name
    assert code["properties"]["codeUri"].endswith(f"/{azure.container}/automl-bench/trials/{folder}/code/")
    assert code["properties"]["codeUri"].startswith("https://")
    assert "azureml-train-automl-runtime" in environment["properties"]["condaFile"]
    (deployment,) = bodies(azure, "PUT onlineEndpoints/deployments")
    about = deployment["properties"]
    assert about["codeConfiguration"] == {"codeId": trial.ledger.of("code").resource_id, "scoringScript": "score.py"}
    assert about["environmentId"] == trial.ledger.of("environment").resource_id
    assert [each.kind for each in trial.ledger.made].index("code") < [each.kind for each in trial.ledger.made].index(
        "deployment"
    )
    listed = {each.kind for each in plugin.list_resources(trial.context, "automl-bench")}
    assert {"code", "environment"} <= listed
    assert not any("sig=" in line for line in trial.lines)


def test_images_are_served_without_a_script(azure: AzureService, tmp_path: Path) -> None:
    trial = AzureTrial(tmp_path)
    trial.up()
    (deployment,) = bodies(azure, "PUT onlineEndpoints/deployments")
    assert "codeConfiguration" not in deployment["properties"]
    assert bodies(azure, "PUT codes/versions") == []


def test_the_script_gives_the_pipeline_s_own_probabilities(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = table()
    frame = parquet.read_table(io.BytesIO(rows.encode(drawn.train, rows.used(drawn.modality, COLUMNS)))).to_pandas()
    features = frame.drop(columns=["label_"])
    kinds = rows.about(drawn)["column_types"]
    details = {"taskType": "Classification", "featurizationSettings": {"columnNameAndTypes": kinds}}
    fitted = pipeline(details, list(features)).fit(features, frame["label_"])
    deep = tmp_path / "version" / "mlflow-model"
    deep.mkdir(parents=True)
    RowModel(pickle.dumps(fitted), tuple(features), frozenset({"age"})).write(deep)
    (tmp_path / "score.py").write_bytes(Path(score.__file__).read_bytes())
    (tmp_path / "columns.json").write_text(json.dumps({"numbers": ["age"]}))
    monkeypatch.setenv("AZUREML_MODEL_DIR", str(tmp_path))
    script = loaded(tmp_path / "score.py")
    script.init()
    for place, item in enumerate(drawn.train[:20]):
        answer = script.run(alone(Modality.TABULAR).prepare(item.sample).body)
        assert answer["classes"] == list(FATES)
        expected = fitted.predict_proba(features.iloc[[place]])[0]
        assert answer["probabilities"][0] == pytest.approx(list(expected))
    assert any((item.sample.row or {})["age"] is None for item in drawn.train[:20])
    with pytest.raises(FileNotFoundError, match="no MLmodel"):
        script.find(tmp_path / "nowhere")


def alone(modality: Modality) -> RowInvoker:
    """Return an invoker that no service stands behind."""
    return RowInvoker("http://127.0.0.1:9/score", "key", modality, COLUMNS if modality is Modality.TABULAR else ())


def test_a_request_has_split_orientation_and_the_types_of_training() -> None:
    row = {"ticket no.": "1", "class": "1st", "age": 29, "sex": None, "label": True, "boarded": "1912-04-10",
           "remark": "é\n"}  # fmt: skip
    assert json.loads(alone(Modality.TABULAR).prepare(row_sample(row)).body) == {
        "input_data": {
            "columns": ["class", "age", "sex", "label", "boarded", "remark"],
            "index": [0],
            "data": [["1st", 29.0, None, "true", "1912-04-10", "é\n"]],
        }
    }
    assert b'"1st",29.0,null' in alone(Modality.TABULAR).prepare(row_sample(row)).body
    assert json.loads(alone(Modality.TEXT).prepare(text_sample("hello ✓")).body) == {
        "input_data": {"columns": ["text"], "index": [0], "data": [["hello ✓"]]}
    }


def test_an_answer_of_labels_alone_has_no_confidence_and_an_unreadable_one_is_an_error() -> None:
    invoker = alone(Modality.TEXT)
    found = invoker.parse(HttpResponse(200, {}, b'["spam"]'))
    assert (found.label, found.confidence, dict(found.scores)) == ("spam", None, {})
    found = invoker.parse(HttpResponse(200, {}, b'{"classes": ["1", "01"], "probabilities": [[0.25, 0.75]]}'))
    assert (found.label, found.confidence, found.scores) == ("01", 0.75, {"1": 0.25, "01": 0.75})
    for body in (b"[]", b"{}", b'["a", "b"]', b'{"classes": ["a"], "probabilities": [[0.1, 0.9]]}', b"<html>"):
        with pytest.raises(ServiceUnavailable, match="cannot be read"):
            invoker.parse(HttpResponse(200, {}, body))


def test_a_deployment_without_a_script_answers_labels_alone_and_holds_the_signature(
    azure: AzureService, tmp_path: Path, transport: Transport
) -> None:
    trial = AzureTrial(tmp_path, drawn=table())
    trial.up()
    (job,) = azure.fake.workspace.jobs.values()
    model = job.model
    assert isinstance(model, RowModel)
    body = alone(Modality.TABULAR).prepare(passengers(1)[0].sample).body
    assert model.labels_alone(body)[0] in FATES
    asked = json.loads(body)["input_data"]
    turned = {**asked, "columns": asked["columns"][::-1]}
    whole = [[29 if name == "age" else cell for name, cell in zip(asked["columns"], asked["data"][0], strict=True)]]
    for wrong in (turned, {**asked, "data": whole}, {"columns": asked["columns"], "data": {"class": "1st"}}):
        with pytest.raises(ValueError, match="signature"):
            model.labels_alone(json.dumps({"input_data": wrong}).encode())


def test_below_five_shots_the_training_half_is_both(azure: AzureService, tmp_path: Path) -> None:
    trial = AzureTrial(tmp_path, drawn=replace(letters(), validation=()))
    assert trial.upload().result["validation_data"] == "training half"
    _, validation = stored(azure, "validation")
    assert len(validation) == len(trial.set.train)


def test_a_job_that_fails_tells_why(azure: AzureService, tmp_path: Path) -> None:
    trial = AzureTrial(tmp_path, drawn=table(60))
    trial.upload()
    failed = trial.train()
    assert failed.state is OperationState.FAILED
    assert "48 usable records, less than the minimum required training sample size of 50" in failed.message


@pytest.mark.parametrize("classes", [2, 3, 7, 9, 21, 63])
def test_the_least_number_of_rows_leaves_enough_to_train_on(classes: int) -> None:
    for shots in range(1, 200):
        if classes * shots < LEAST_ROWS:
            continue
        validation = shots // 5 * classes
        assert classes * shots - validation >= LEAST_TO_TRAIN
        assert validation >= 5 or shots < 5


def test_what_cannot_go_up_is_refused_before_any_request(azure: AzureService, tmp_path: Path) -> None:
    def refusal(drawn: TrainingSet) -> str:
        with pytest.raises(RequestRefused) as caught:
            AzureTrial(tmp_path, drawn=drawn).upload()
        return caught.value.message

    assert "all of them are identifiers" in refusal(replace(table(), columns=COLUMNS[:1]))
    nul = LabelledSample(text_sample("a\0b"), "ham")
    assert "cannot hold" in refusal(replace(letters(), train=(nul,)))
    assert azure.fake.seen == []
    assert azure.blob_names() == []


@pytest.mark.parametrize("modality", [Modality.TEXT, Modality.TABULAR])
def test_the_manifest_is_a_csv_with_the_label_s_place_left_to_the_host(
    modality: Modality, azure: AzureService, tmp_path: Path
) -> None:
    drawn = table() if modality is Modality.TABULAR else letters()
    items = drawn.train[:4]
    context = AzureTrial(tmp_path, drawn=drawn).context
    told = plugin.export_manifest(context, "d", [ManifestEntry(item.sample, "train") for item in items])
    lines = list(labelled_rows("azure", told, [item.label for item in items]))
    target = "label_" if modality is Modality.TABULAR else "label"
    assert told.file_format == "csv"
    assert [line[target] for line in lines] == [item.label for item in items]
    first = {"text": items[0].sample.text} if modality is Modality.TEXT else items[0].sample.row
    assert first is not None
    assert {**lines[0], target: ""} == {**{name: "" if v is None else v for name, v in first.items()}, target: ""}


def test_limits_and_prices_are_those_of_the_kind_of_sample() -> None:
    assert DESCRIPTION.modalities == set(Modality)
    assert {limits.min_samples for limits in DESCRIPTION.modality_limits.values()} == {LEAST_ROWS}
    variant = Variant("azure", "default")
    by_kind = {kind: {line.item: line for line in all_prices(variant, kind)} for kind in Modality}
    gpu, cpu = by_kind[Modality.TEXT]["train_hour"], by_kind[Modality.TABULAR]["train_hour"]
    assert (gpu.usd, gpu.per_trial) == (0.526, 2.25)
    assert (cpu.usd, cpu.per_trial) == (0.293, 1.25)
    together = [line.item for line in all_prices(variant, None)]
    assert len(together) == len(set(together))
    assert "tabular_train_hour" in together
    assert Options.of(Variant("azure", "v", {"max_trials": 9}), Modality.TEXT).max_trials == 1


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda train, held: (train[:49], held), "49 usable records"),
        (lambda train, held: (train, held[:4]), "too few"),
        (lambda train, held: (train, held[["b", "a", "y"]]), "different columns"),
        (lambda train, held: (train, held.astype({"a": int})), "different columns"),
        (lambda train, held: (train.assign(y="1"), held), "all the same"),
        (lambda train, held: (train.assign(y=1.0), held.assign(y=1.0)), "labels that are texts"),
    ],
)
def test_the_stand_in_refuses_what_azure_s_own_packages_refuse(change: Any, why: str) -> None:
    frame = pd.DataFrame({"a": [float(n) for n in range(60)], "b": ["x"] * 60, "y": ["no", "yes"] * 30})
    details = {"targetColumnName": "y", "taskType": "Classification"}
    check(frame, frame[:10], details)
    with pytest.raises(BadData, match=why):
        check(*change(frame, frame[:10]), details)
