"""A prediction is one request with the image as it is, and its answer is read whole."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from automl_bench_vertex import plugin
from automl_bench_vertex.description import DESCRIPTION, MAX_REQUEST_BYTES
from automl_bench_vertex.invoking import VertexInvoker
from automl_bench_vertex.tokens import Tokens
from PIL import Image
from vertex_service import VertexService
from vertex_trial import COLOURS, VertexTrial, noise

from automl_bench.contract import Endpoint, HttpRequest, HttpResponse, Sample, Stage
from automl_bench.errors import PermissionDenied, RequestRefused, ResourceMissing, ServiceUnavailable
from automl_bench.transport import Transport, TransportOptions


@pytest.fixture
def invoker(trial: VertexTrial) -> VertexInvoker:
    trial.up()
    made = plugin.invoke(trial.context, Endpoint(trial.results[Stage.DEPLOY]["endpoint_id"]))
    assert isinstance(made, VertexInvoker)
    return made


@pytest.fixture
def transport() -> Iterator[Transport]:
    transport = Transport(TransportOptions())
    yield transport
    transport.close()


def alone(*labels: str) -> VertexInvoker:
    """Return an invoker that no service stands behind."""
    return VertexInvoker("http://127.0.0.1:9/v1/e:predict", Tokens(None), labels)


def answer(transport: Transport, request: HttpRequest) -> HttpResponse:
    response = transport.send(request).response
    assert response is not None
    return response


def test_each_sample_gets_its_label_with_all_scores(
    trial: VertexTrial, vertex: VertexService, invoker: VertexInvoker, transport: Transport
) -> None:
    before = vertex.predictions()
    for item in trial.set.validation:
        found = invoker.parse(answer(transport, invoker.prepare(item.sample)))
        assert found.label == item.label
        assert set(found.scores) == set(COLOURS)
        assert found.confidence == max(found.scores.values())
        assert sum(found.scores.values()) == pytest.approx(1.0, abs=1e-5)
    assert vertex.predictions() - before == len(trial.set.validation)


def test_the_request_holds_the_file_s_own_bytes_and_nothing_of_the_label(
    trial: VertexTrial, invoker: VertexInvoker
) -> None:
    sample = trial.set.train[0].sample
    request = invoker.prepare(sample)
    body = json.loads(request.body)
    content = base64.b64encode(sample.path.read_bytes()).decode()
    assert body == {
        "instances": [{"mimeType": "image/png", "content": content}],
        "parameters": {"confidenceThreshold": 0.0, "maxPredictions": 3},
    }
    assert dict(request.headers)["authorization"].startswith("Bearer ya29.")


def test_more_than_ten_labels_are_all_asked_for() -> None:
    body = json.loads(alone(*(f"label{number}" for number in range(40))).prepare(_tiny()).body)
    assert body["parameters"]["maxPredictions"] == 40


def _tiny() -> Sample:
    return Sample("0" * 64, Path(__file__), 1, "image/png")


def test_the_largest_image_that_feasibility_admits_is_accepted(
    tmp_path: Path, trial: VertexTrial, invoker: VertexInvoker, transport: Transport
) -> None:
    limit = DESCRIPTION.limits.max_request_bytes
    assert limit is not None
    sample = noise(tmp_path, 600)
    padded = sample.path.read_bytes() + b"\0" * (int(limit / (4 / 3)) - sample.size_bytes)  # PNG readers ignore a tail
    sample.path.write_bytes(padded)
    request = invoker.prepare(sample)
    assert MAX_REQUEST_BYTES - 500 <= len(request.body) <= MAX_REQUEST_BYTES
    assert invoker.parse(answer(transport, request)).label in COLOURS


def test_an_image_that_is_too_large_is_refused_and_never_re_encoded(tmp_path: Path, trial: VertexTrial) -> None:
    sample = noise(tmp_path, 640)
    assert sample.size_bytes > 1_125_000
    before = sample.path.read_bytes()
    with pytest.raises(RequestRefused, match="at most 1,500,000 bytes") as caught:
        alone("a").prepare(sample)
    assert "images.max_side" in caught.value.remedy
    assert sample.path.read_bytes() == before


@pytest.mark.parametrize("kind", ["JPEG", "GIF", "BMP"])
def test_other_formats_go_out_as_they_are(
    kind: str, tmp_path: Path, invoker: VertexInvoker, transport: Transport
) -> None:
    path = tmp_path / f"square.{kind.lower()}"
    Image.new("RGB", (16, 16), COLOURS["brick"]).save(path)
    media_type = {"JPEG": "image/jpeg", "GIF": "image/gif", "BMP": "image/bmp"}[kind]
    sample = Sample("1" * 64, path, path.stat().st_size, media_type, 16, 16)
    assert invoker.parse(answer(transport, invoker.prepare(sample))).label == "brick"


def test_a_file_that_is_gone_is_named() -> None:
    with pytest.raises(FileNotFoundError, match=r"gone\.png"):
        alone("a").prepare(Sample("0" * 64, Path("/nowhere/gone.png"), 1, "image/png"))


def told(**content: Any) -> HttpResponse:
    return HttpResponse(200, {}, json.dumps({"predictions": [content]}).encode())


def test_the_best_of_parallel_lists_in_any_order_is_taken() -> None:
    found = alone("7", "brick").parse(told(ids=["1", "2"], displayNames=["brick", "x_7"], confidences=[0.25, 0.75]))
    assert (found.label, found.confidence, found.scores) == ("7", 0.75, {"brick": 0.25, "7": 0.75})


def test_a_model_made_by_hand_may_answer_with_labels_of_its_own() -> None:
    found = alone("cat").parse(told(displayNames=["Some Cat", "x_caf_c3_a9"], confidences=[0.9, 0.1]))
    assert found.scores == {"Some Cat": 0.9, "café": 0.1}


def test_no_label_is_an_abstention() -> None:
    for content in ({"displayNames": [], "confidences": []}, {}):
        found = alone("cat").parse(told(**content))
        assert (found.label, found.confidence) == (None, 0.0)


@pytest.mark.parametrize(
    "body",
    [
        b"<html>", b"{}", b"[]", b'{"predictions": []}', b'{"predictions": [7]}', b'{"predictions": [null]}',
        b'{"predictions": [{"displayNames": ["a"], "confidences": []}]}',
        b'{"predictions": [{"displayNames": ["a"], "confidences": ["high"]}]}',
        b'{"predictions": [{"displayNames": ["a"], "confidences": [NaN]}]}',
        b'{"predictions": [{"displayNames": 7, "confidences": 7}]}',
    ],
)  # fmt: skip
def test_an_answer_that_cannot_be_read_is_an_error_and_no_prediction(body: bytes) -> None:
    with pytest.raises(ServiceUnavailable, match="cannot be read"):
        alone("a").parse(HttpResponse(200, {}, body))


def test_a_refused_request_has_its_class_on_the_wire(
    trial: VertexTrial, invoker: VertexInvoker, transport: Transport, tmp_path: Path
) -> None:
    junk = tmp_path / "junk.png"
    junk.write_bytes(b"no image")
    with pytest.raises(RequestRefused, match="Image decoding failed"):
        invoker.parse(answer(transport, invoker.prepare(Sample("0" * 64, junk, 8, "image/png"))))
    gone: Any = plugin.invoke(trial.context, Endpoint("projects/bench-project/locations/europe-west4/endpoints/77"))
    with pytest.raises(ResourceMissing):
        gone.parse(answer(transport, gone.prepare(trial.set.train[0].sample)))
    other: Any = plugin.invoke(trial.context, Endpoint("projects/strange/locations/europe-west4/endpoints/77"))
    with pytest.raises(PermissionDenied):
        other.parse(answer(transport, other.prepare(trial.set.train[0].sample)))
