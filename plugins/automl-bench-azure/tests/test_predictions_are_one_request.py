"""The invoker: one request a call, the key in a header only, probabilities read in the service's own order."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from automl_bench_azure import plugin
from automl_bench_azure.invoking import ScoringInvoker
from azure_service import AzureService
from azure_trial import COLOURS, AzureTrial, sample

from automl_bench.contract import Endpoint, HttpRequest, HttpResponse, Stage
from automl_bench.errors import RequestRefused, ResourceMissing, ServiceUnavailable, Unauthenticated
from automl_bench.transport import Transport, TransportOptions

KEY = "key-of-the-endpoint-4711"
URL = "https://shop.westeurope.inference.ml.azure.com/score"


def answer(request: HttpRequest) -> HttpResponse:
    with Transport(TransportOptions()) as transport:
        response = transport.send(request).response
    assert response is not None
    return response


def test_the_request_is_the_documented_one(tmp_path: Path) -> None:
    square = sample(tmp_path, "ocean", 3).sample
    request = ScoringInvoker(URL, KEY).prepare(square)
    content = json.loads(request.body)
    assert content == {
        "input_data": {"columns": ["image"], "data": [base64.b64encode(square.path.read_bytes()).decode()]}
    }
    assert dict(request.headers) == {"authorization": f"Bearer {KEY}", "content-type": "application/json"}
    assert (request.method, request.url, request.valid_for_seconds) == ("POST", URL, None)


def test_a_key_is_shown_nowhere(tmp_path: Path) -> None:
    invoker = ScoringInvoker(URL, KEY)
    assert KEY not in f"{invoker!r} {invoker.prepare(sample(tmp_path, 'ocean', 3).sample)!r}"


def test_it_learns_and_answers_over_http(azure: AzureService, tmp_path: Path) -> None:
    trial = AzureTrial(tmp_path)
    deployed = trial.up()
    endpoint = Endpoint(deployed.result["endpoint_id"], url=deployed.result["url"], details=deployed.result)
    invoker = plugin.invoke(trial.context, endpoint)
    assert isinstance(invoker, ScoringInvoker)
    for label in COLOURS:
        prediction = invoker.parse(answer(invoker.prepare(sample(tmp_path, label, 99).sample)))
        assert prediction.label == label
        assert set(prediction.scores) == set(COLOURS)
        assert prediction.confidence == max(prediction.scores.values()) <= 1.0
    key = azure.fake.workspace.keys[endpoint.endpoint_id]
    stored = json.dumps([dict(result) for result in trial.results.values()]) + repr(trial.ledger.made)
    assert key not in stored, "the key is fetched by invoke and kept nowhere"
    trial.tear_down()
    assert azure.resources() == []


def test_an_endpoint_is_adopted_by_its_name_or_its_address(
    azure: AzureService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = AzureTrial(tmp_path)
    deployed = trial.up()
    name, url = str(deployed.result["endpoint_id"]), str(deployed.result["url"])
    other = AzureTrial(tmp_path, trial_id="ffffffffffff")
    square = sample(tmp_path, "brick", 7).sample
    by_name = plugin.invoke(other.context, Endpoint(name, adopted=True))
    assert isinstance(by_name, ScoringInvoker)
    assert by_name.parse(answer(by_name.prepare(square))).label == "brick"
    with pytest.raises(Unauthenticated, match="key of the scoring address is not set"):
        plugin.invoke(other.context, Endpoint(url, url=url, adopted=True))
    monkeypatch.setenv("AUTOML_BENCH_AZURE_ENDPOINT_KEY", azure.fake.workspace.keys[name])
    by_address = plugin.invoke(other.context, Endpoint(url, url=url, adopted=True))
    assert isinstance(by_address, ScoringInvoker)
    assert by_address.parse(answer(by_address.prepare(square))).label == "brick"
    with pytest.raises(ResourceMissing):
        plugin.invoke(other.context, Endpoint("nowhere", adopted=True))


def test_a_key_never_goes_to_another_machine_in_the_clear() -> None:
    with pytest.raises(RequestRefused, match="no credentials may be sent"):
        ScoringInvoker("http://shop.example.com/score", KEY)


def test_the_top_label_is_the_most_probable_whatever_the_order() -> None:
    body = b'[{"probs": [2.1e-06, 0.999, 0.0009], "labels": ["can", "milk_bottle", "carton"]}]'
    prediction = ScoringInvoker(URL, KEY).parse(HttpResponse(200, {}, body))
    assert (prediction.label, prediction.confidence) == ("milk_bottle", 0.999)
    assert prediction.scores == {"can": 2.1e-06, "milk_bottle": 0.999, "carton": 0.0009}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b"<html>",
        b"[{}]",
        b'[{"probs": [], "labels": []}]',
        b'[{"probs": [1.0], "labels": ["a", "b"]}]',
        b'[{"probs": ["x"], "labels": ["a"]}]',
        b'[{"probs": [1], "labels": ["a"]}, {"probs": [1], "labels": ["a"]}]',
    ],
)
def test_an_unreadable_answer_is_no_abstention(body: bytes) -> None:
    with pytest.raises(ServiceUnavailable, match="cannot be read"):
        ScoringInvoker(URL, KEY).parse(HttpResponse(200, {}, body))


def test_an_endpoint_without_traffic_does_not_answer(azure: AzureService, tmp_path: Path) -> None:
    """A check of the checker: a new deployment gets no request, so the traffic has to be set."""
    trial = AzureTrial(tmp_path)
    deployed = trial.up()
    endpoint = azure.fake.workspace.endpoints[str(deployed.result["endpoint_id"])]
    endpoint.body["properties"]["traffic"] = {}
    invoker = plugin.invoke(trial.context, Endpoint(str(trial.results[Stage.DEPLOY]["endpoint_id"])))
    assert isinstance(invoker, ScoringInvoker)
    with pytest.raises(ResourceMissing, match="no deployment takes traffic"):
        invoker.parse(answer(invoker.prepare(sample(tmp_path, "ocean", 1).sample)))


def test_a_picture_that_the_model_cannot_read_is_refused(azure: AzureService, tmp_path: Path) -> None:
    trial = AzureTrial(tmp_path)
    trial.up()
    invoker = plugin.invoke(trial.context, Endpoint(str(trial.results[Stage.DEPLOY]["endpoint_id"])))
    assert isinstance(invoker, ScoringInvoker)
    square = sample(tmp_path, "ocean", 1).sample
    square.path.write_bytes(b"no picture")
    with pytest.raises(RequestRefused, match="The model answered 400"):
        invoker.parse(answer(invoker.prepare(square)))
    square.path.unlink()
    with pytest.raises(FileNotFoundError):
        invoker.prepare(square)
