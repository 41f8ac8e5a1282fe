"""What `automl-bench serve` answers: one sample and batches of each modality, and one sentence for all it refuses."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from automl_bench_local.model import load_model
from automl_bench_local.service_app import MOST_WAITING, WHY
from small_services import service, small_set, trained
from starlette.testclient import TestClient

from automl_bench.contract import TrainingSet

MODALITIES = ("image", "text", "tabular")
JSON = {"content-type": "application/json"}
HUGE = '{"age": 1' + "0" * 400 + "}"


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory, squares: Callable[[int], TrainingSet]) -> dict[str, Path]:
    home = tmp_path_factory.mktemp("models")
    return {modality: trained(home, modality, squares(10)) for modality in MODALITIES}


@pytest.fixture
def client(models: dict[str, Path]) -> Callable[..., TestClient]:
    def make(modality: str, **limits: Any) -> TestClient:
        return TestClient(service(models[modality], **limits), base_url="http://127.0.0.1:8000")

    return make


def in_json(content: bytes, modality: str) -> Any:
    if modality == "tabular":
        return json.loads(content)
    return {modality: content.decode() if modality == "text" else base64.b64encode(content).decode()}


@pytest.mark.parametrize("modality", MODALITIES)
def test_one_sample_and_a_batch_get_the_models_own_answers_in_order(
    modality: str, client: Callable[..., TestClient], models: dict[str, Path], squares: Callable[[int], TrainingSet]
) -> None:
    asked, model = client(modality), load_model(models[modality], graph_folder=models[modality].parent, threads=1)
    halves = small_set(modality, squares(10)).train
    samples = [next(one for one in halves if one.label == label).sample for label in model.labels]
    expected = [model.predict(sample.content()) for sample in samples]
    assert len({one.label for one in expected}) == 2, "else a wrong order would not show"
    words = [{"label": one.label, "confidence": one.confidence, "scores": one.scores} for one in expected]

    for sample, answer in zip(samples, words, strict=True):
        raw = asked.post("/predict", content=sample.content(), headers={"content-type": sample.media_type})
        assert (raw.status_code, raw.json()) == (200, answer)
        assert asked.post("/predict", json=in_json(sample.content(), modality)).json() == answer
    batch = [in_json(sample.content(), modality) for sample in samples]
    assert asked.post("/predict", json=batch).json() == words
    health = asked.get("/health").json()
    assert health["labels"] == list(model.labels)
    assert (health["modality"], health["trial"]) == (modality, "0123456789ab")


@pytest.mark.parametrize(
    ("modality", "media_type", "body", "status", "words"),
    [
        ("image", "image/png", b"no image", 400, "not a readable image"),
        ("image", "application/json", b'{"image": "?"}', 422, "the body is not base64"),
        ("image", "application/json", b'[{"image": "aGk="}]', 400, "sample 0: not a readable image"),
        ("image", "text/plain", b"hello", 415, "the content type is text/plain; send application/json or"),
        ("image", "image/png", b"x" * 20_001, 413, "at most 20000 bytes"),
        ("text", "text/plain", b"\xff", 400, "not UTF-8"),
        ("text", "application/json", b"{", 400, "not JSON"),
        ("text", "application/json", b"[" * 9000, 400, "not JSON"),
        ("text", "application/json", b'{"text": 1}', 422, "the body is not an object"),
        ("text", "application/json", b'{"text": "a", "txet": "b"}', 422, "the body is not an object"),
        ("text", "application/json", b'[{"text": "a"}, "b"]', 422, "sample 1 is not an object"),
        ("text", "application/json", b'{"text": "\\ud800"}', 422, "half of a surrogate pair"),
        ("text", "application/json", b"[]", 422, "a batch has 1 to 3 samples, this one has 0"),
        ("text", "application/json", b"[1,2,3,4]", 422, "a batch has 1 to 3 samples, this one has 4"),
        ("text", "", b"hello", 415, "the content type is missing"),
        ("tabular", "application/json", b'{"agee": 1}', 422, "the column 'agee'; columns are age, town, since"),
        ("tabular", "application/json", b'{"age": [1]}', 422, "the cell of age is no text"),
        ("tabular", "application/json", b'{"age": NaN}', 422, "the cell of age is no finite number"),
        ("tabular", "application/json", HUGE.encode(), 422, "the cell of age is no finite number"),
        ("tabular", "application/json", b"3", 422, "the body is not a row"),
        ("tabular", "text/plain", b"{}", 415, "send application/json"),
    ],
)
def test_what_is_refused_is_told_in_a_sentence_and_in_the_document(
    modality: str, media_type: str, body: bytes, status: int, words: str, client: Callable[..., TestClient]
) -> None:
    asked = client(modality)
    refused = asked.post("/predict", content=body, headers={"content-type": media_type})
    assert refused.status_code == status
    assert list(refused.json()) == ["detail"]
    assert words in refused.json()["detail"]
    documented = asked.get("/openapi.json").json()["paths"]["/predict"]["post"]["responses"]
    assert documented[str(status)]["description"] == WHY[status]


def test_a_body_is_counted_as_it_comes_whatever_was_announced(client: Callable[..., TestClient]) -> None:
    pieces = (b"x" * 1000 for _ in range(1000))
    assert client("text").post("/predict", content=pieces, headers={"content-type": "text/plain"}).status_code == 413


def test_more_requests_than_can_wait_are_asked_to_come_back(
    client: Callable[..., TestClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert MOST_WAITING > 0
    monkeypatch.setattr("automl_bench_local.service_app.MOST_WAITING", 0)
    refused = client("text").post("/predict", json={"text": "a"})
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")


def test_every_request_and_prediction_is_counted_once(client: Callable[..., TestClient]) -> None:
    asked = client("text")
    asked.post("/predict", json=[{"text": "spam number 1"}, {"text": "spam number 2"}])
    asked.post("/predict", json={"text": "ham number 1"})
    asked.post("/predict", json={})
    asked.get("/no/such/path")
    counts = asked.get("/metrics")
    assert counts.headers["content-type"].startswith("text/plain; version=")
    lines = counts.text.splitlines()
    for line in (
        'automl_bench_requests_total{path="/predict",status="200"} 2.0',
        'automl_bench_requests_total{path="/predict",status="422"} 1.0',
        'automl_bench_requests_total{path="other",status="404"} 1.0',
        'automl_bench_predictions_total{label="spam"} 2.0',
        'automl_bench_predictions_total{label="ham"} 1.0',
        'automl_bench_request_seconds_count{path="/predict"} 3.0',
        "automl_bench_requests_under_way 1.0",
    ):
        assert line in lines


def test_on_the_loopback_interface_only_its_own_names_are_answered(client: Callable[..., TestClient]) -> None:
    assert client("text", loopback=True).get("/health").status_code == 200
    assert client("text", loopback=True).get("/health", headers={"host": "evil.example"}).status_code == 421
    assert client("text").get("/health", headers={"host": "models.example"}).status_code == 200


@pytest.mark.integrations
@pytest.mark.timeout(300)
@pytest.mark.filterwarnings("default")  # warnings of schemathesis itself, which we cannot fix
@pytest.mark.parametrize("modality", MODALITIES)
def test_schemathesis_finds_no_server_error_and_no_undocumented_answer(modality: str, models: dict[str, Path]) -> None:
    import hypothesis
    import schemathesis
    from schemathesis import GenerationMode, checks
    from schemathesis.specs.openapi import checks as of_openapi

    schema = schemathesis.openapi.from_asgi("/openapi.json", service(models[modality]))
    held = [
        checks.not_a_server_error,
        of_openapi.status_code_conformance,
        of_openapi.content_type_conformance,
        of_openapi.response_schema_conformance,
        of_openapi.response_headers_conformance,
    ]
    seen: dict[str, set[int]] = {}
    for found in schema.get_all_operations():
        operation = found.ok()
        takes_body = operation.method == "post"
        for mode in GenerationMode if takes_body else (GenerationMode.POSITIVE,):

            @hypothesis.settings(
                max_examples=100, deadline=None, derandomize=True, suppress_health_check=list(hypothesis.HealthCheck)
            )
            @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
            def ask(case: Any) -> None:
                answer = case.call_and_validate(checks=held)
                seen.setdefault(case.path, set()).add(answer.status_code)

            ask()
    assert seen["/health"] == seen["/metrics"] == {200}
    assert seen["/predict"] > ({400} if modality == "image" else {200, 422})
