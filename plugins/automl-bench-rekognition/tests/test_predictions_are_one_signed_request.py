"""The invoker: one signed request a call, percent read as shares, abstention told from failure."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
import service_model
from automl_bench_rekognition import plugin
from automl_bench_rekognition.invoking import CustomLabelsInvoker
from aws_service import AwsService
from rekognition_fake import SECRET_KEY, SESSION_TOKEN
from trial_of_squares import COLOURS, Trial, sample

from automl_bench.contract import Endpoint, HttpRequest, HttpResponse
from automl_bench.errors import (
    PermissionDenied,
    QuotaExceeded,
    RateLimited,
    RequestRefused,
    ResourceMissing,
    ServiceUnavailable,
    Unauthenticated,
)
from automl_bench.transport import Transport, TransportOptions

ARN = "arn:aws:rekognition:eu-west-1:123456789012:project/p/version/v/1700000000000"


def answer(request: HttpRequest) -> HttpResponse:
    with Transport(TransportOptions()) as transport:
        response = transport.send(request).response
    assert response is not None
    return response


@pytest.fixture
def invoker(aws: AwsService, tmp_path: Path) -> Any:
    return plugin.invoke(Trial(tmp_path).context, Endpoint(ARN))


def test_the_request_is_what_the_service_model_asks_for(invoker: CustomLabelsInvoker, tmp_path: Path) -> None:
    square = sample(tmp_path, "ocean", 3).sample
    request = invoker.prepare(square)
    parameters = service_model.parse("DetectCustomLabels", json.loads(request.body))
    assert parameters == {
        "ProjectVersionArn": ARN, "MinConfidence": 0, "MaxResults": 3, "Image": {"Bytes": square.path.read_bytes()},
    }  # fmt: skip
    headers = {name.lower(): value for name, value in request.headers}
    assert headers["x-amz-target"] == "RekognitionService.DetectCustomLabels"
    assert headers["content-type"] == "application/x-amz-json-1.1"
    assert headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=")
    assert request.valid_for_seconds == 240.0


def test_a_request_shows_neither_token_nor_key(invoker: CustomLabelsInvoker, tmp_path: Path) -> None:
    request = invoker.prepare(sample(tmp_path, "ocean", 3).sample)
    for secret in (SECRET_KEY, SESSION_TOKEN):
        assert secret not in f"{request!r} {invoker!r} {vars(invoker)!r}"


def test_it_learns_and_answers_over_http(aws: AwsService, tmp_path: Path) -> None:
    trial = Trial(tmp_path)
    deployed = trial.up()
    invoker = plugin.invoke(trial.context, Endpoint(str(deployed.result["endpoint_id"])))
    assert isinstance(invoker, CustomLabelsInvoker)
    for label in COLOURS:
        prediction = invoker.parse(answer(invoker.prepare(sample(tmp_path, label, 99).sample)))
        assert prediction.label == label
        assert set(prediction.scores) == set(COLOURS), "MinConfidence 0 brings every label's score"
        assert prediction.confidence == max(prediction.scores.values()) <= 1.0
    trial.tear_down()
    assert aws.resources() == []


def test_an_empty_list_is_an_abstention(invoker: CustomLabelsInvoker) -> None:
    prediction = invoker.parse(HttpResponse(200, {}, b'{"CustomLabels": []}'))
    assert (prediction.label, prediction.confidence) == (None, 0.0)


def test_the_top_label_is_the_highest_whatever_the_order(invoker: CustomLabelsInvoker) -> None:
    body = b'{"CustomLabels": [{"Name": "a", "Confidence": 2.1}, {"Name": "b", "Confidence": 97.3}]}'
    prediction = invoker.parse(HttpResponse(200, {}, body))
    assert prediction.label == "b"
    assert prediction.confidence == pytest.approx(0.973)


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"<html>", b'{"CustomLabels": [{"Name": "a"}]}'])
def test_an_unreadable_answer_is_no_abstention(invoker: CustomLabelsInvoker, body: bytes) -> None:
    with pytest.raises(ServiceUnavailable, match="cannot be read"):
        invoker.parse(HttpResponse(200, {}, body))


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("ProvisionedThroughputExceededException", 400, RateLimited),
        ("ThrottlingException", 500, RateLimited),
        ("LimitExceededException", 400, QuotaExceeded),
        ("ResourceNotReadyException", 400, ServiceUnavailable),
        ("ResourceNotFoundException", 400, ResourceMissing),
        ("ImageTooLargeException", 400, RequestRefused),
        ("InvalidImageFormatException", 400, RequestRefused),
        ("AccessDeniedException", 400, PermissionDenied),
        ("ExpiredTokenException", 400, Unauthenticated),
        ("InternalServerError", 500, ServiceUnavailable),
    ],
)
def test_refusals_have_their_class(invoker: CustomLabelsInvoker, code: str, status: int, kind: type[Exception]) -> None:
    with pytest.raises(kind, match=code):
        invoker.parse(HttpResponse(status, {}, json.dumps({"__type": code, "message": "no"}).encode()))


def test_a_model_that_does_not_run_yet_is_not_ready(aws: AwsService, tmp_path: Path) -> None:
    trial = Trial(tmp_path)
    trial.upload()
    trained = trial.train()
    invoker = plugin.invoke(trial.context, Endpoint(str(trained.result["model_arn"])))
    assert isinstance(invoker, CustomLabelsInvoker)
    with pytest.raises(ServiceUnavailable, match="ResourceNotReadyException"):
        invoker.parse(answer(invoker.prepare(sample(tmp_path, "ocean", 1).sample)))


@pytest.mark.parametrize("small", [(63, 64), (64, 63)])
def test_the_stand_in_refuses_images_under_64_pixels(aws: AwsService, tmp_path: Path, small: tuple[int, int]) -> None:
    trial = Trial(tmp_path)
    invoker = plugin.invoke(trial.context, Endpoint(str(trial.up().result["endpoint_id"])))
    assert isinstance(invoker, CustomLabelsInvoker)
    with pytest.raises(RequestRefused, match="dimensions"):
        invoker.parse(answer(invoker.prepare(sample(tmp_path, "ocean", 1, small).sample)))


@pytest.mark.parametrize("wrong", ["my-endpoint", "arn:aws:rekognition:eu-west-1:1:project/p/version/v/1", f"{ARN}/x"])
def test_an_adopted_id_must_be_the_arn_of_a_model(aws: AwsService, tmp_path: Path, wrong: str) -> None:
    with pytest.raises(RequestRefused, match="is not the ARN of a model version"):
        plugin.invoke(Trial(tmp_path).context, Endpoint(wrong, adopted=True))


def test_an_adopted_model_of_another_region_is_refused(aws: AwsService, tmp_path: Path) -> None:
    with pytest.raises(RequestRefused, match="us-east-1 and the region set is eu-west-1"):
        plugin.invoke(Trial(tmp_path).context, Endpoint(ARN.replace("eu-west-1", "us-east-1"), adopted=True))


def test_signatures_are_computed_again_by_the_stand_in(aws: AwsService, tmp_path: Path) -> None:
    """A check of the checker: one changed byte of a signed request is refused."""
    invoker = plugin.invoke(Trial(tmp_path).context, Endpoint(ARN))
    assert isinstance(invoker, CustomLabelsInvoker)
    request = invoker.prepare(sample(tmp_path, "ocean", 1).sample)
    changed = HttpRequest(request.url, request.method, request.headers, request.body + b" ")
    with pytest.raises(Unauthenticated, match="InvalidSignatureException"):
        invoker.parse(answer(changed))
    assert base64.b64encode(sample(tmp_path, "ocean", 1).sample.path.read_bytes()) in request.body
