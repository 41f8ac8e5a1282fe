"""One prediction is one request, with the very bytes of the file, uncaptured; each answer becomes what it means."""

from __future__ import annotations

import base64
import json
import time
from urllib.parse import parse_qs, urlsplit

import pytest
from automl_bench_nyckel import plugin
from automl_bench_nyckel.invoking import NyckelInvoker
from nyckel_trial import NyckelTrial, make_sample

from automl_bench.contract import Endpoint, HttpInvoker, HttpResponse, Outcome, TrainingSet
from automl_bench.errors import (
    BillingRequired,
    PermissionDenied,
    ProviderError,
    RateLimited,
    RequestRefused,
    RequestTimedOut,
    ResourceConflict,
    ResourceMissing,
    ServiceUnavailable,
    Unauthenticated,
)
from automl_bench.measurement.call import Caller, outcome_of


@pytest.fixture
def invoker(trial: NyckelTrial) -> NyckelInvoker:
    made = plugin.invoke(trial.context, Endpoint("function_abc"))
    assert isinstance(made, NyckelInvoker)
    return made


def answer(content: object, status: int = 200, **headers: str) -> HttpResponse:
    return HttpResponse(status, headers, json.dumps(content).encode())


def test_a_request_carries_the_very_bytes_and_asks_for_all_scores(trial: NyckelTrial, invoker: NyckelInvoker) -> None:
    sample = make_sample(trial.folder / "x.png", 7, 1)
    request = invoker.prepare(sample)
    assert isinstance(invoker, HttpInvoker)
    assert request.url == f"{trial.fake.url}/v1/functions/function_abc/invoke?labelCount=3&capture=false"
    assert request.method == "POST"
    head, _, content = json.loads(request.body)["data"].partition(",")
    assert head == "data:image/png;base64"
    assert base64.b64decode(content) == sample.path.read_bytes()


def test_a_request_holds_as_long_as_its_token_and_hides_it(trial: NyckelTrial, invoker: NyckelInvoker) -> None:
    trial.fake.expires_in = 100
    request = invoker.prepare(make_sample(trial.folder / "x.png", 7, 1))
    assert request.valid_for_seconds == pytest.approx(100, abs=5)
    token = trial.tokens.value()
    assert token not in repr(request)
    assert token not in repr(invoker)


def test_an_expiring_token_is_renewed_before_the_request_is_made(trial: NyckelTrial, training_set: TrainingSet) -> None:
    trial.upload(training_set)
    trial.train()
    trial.fake.expires_in = 0.3
    trial.fake.rate = 10**6  # nobody paces here
    trial.fake.revoke_tokens()
    trial.tokens.drop()
    made = plugin.invoke(trial.context, Endpoint(str(trial.train().result["endpoint_id"])))
    assert isinstance(made, NyckelInvoker)
    until = time.monotonic() + 1.5
    calls = 0
    with Caller(made) as caller:
        while time.monotonic() < until:
            assert caller.call(training_set.train[0].sample).outcome is Outcome.OK
            calls += 1
    assert trial.fake.count("token") >= 4
    assert trial.fake.count("invoke") == trial.fake.count("invoke", 200) == calls


def test_an_answer_becomes_a_prediction_with_all_its_scores(invoker: NyckelInvoker) -> None:
    prediction = invoker.parse(
        answer(
            {
                "labelName": "cat",
                "labelId": "label_0",
                "confidence": 0.93,
                "labelConfidences": [
                    {"labelName": "cat", "labelId": "label_0", "confidence": 0.93},
                    {"labelName": "dog", "labelId": "label_1", "confidence": 0.07},
                ],
            }
        )
    )
    assert (prediction.label, prediction.confidence) == ("cat", 0.93)
    assert prediction.scores == {"cat": 0.93, "dog": 0.07}


@pytest.mark.parametrize("entries", [None, [], ["cat"], [{"name": "cat"}], [{"labelName": "cat", "confidence": "x"}]])
def test_scores_of_an_undocumented_shape_are_left_out(invoker: NyckelInvoker, entries: object) -> None:
    content = {"labelName": "cat", "confidence": 1, "labelConfidences": entries}
    assert invoker.parse(answer(content)).scores == {"cat": 1.0}


@pytest.mark.parametrize("name", [None, ""])
def test_no_label_is_an_abstention(invoker: NyckelInvoker, name: str | None) -> None:
    prediction = invoker.parse(answer({"labelName": name, "confidence": None}))
    assert (prediction.label, prediction.confidence) == (None, 0.0)


@pytest.mark.parametrize("content", [{}, [], "cat", {"labelName": "cat"}, {"labelName": "cat", "confidence": "high"}])
def test_an_answer_without_prediction_is_a_failure_that_is_not_repeated(
    invoker: NyckelInvoker, content: object
) -> None:
    with pytest.raises(ProviderError) as caught:
        invoker.parse(answer(content))
    assert outcome_of(caught.value) is Outcome.FAILED
    assert type(caught.value) is ServiceUnavailable


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (400, RequestRefused),
        (401, Unauthenticated),
        (402, BillingRequired),
        (403, PermissionDenied),
        (404, ResourceMissing),
        (408, RequestTimedOut),
        (409, ResourceConflict),
        (413, RequestRefused),
        (418, RequestRefused),
        (429, RateLimited),
        (500, ServiceUnavailable),
        (503, ServiceUnavailable),
        (504, RequestTimedOut),
        (302, ServiceUnavailable),
    ],
)
def test_every_status_has_its_class_and_keeps_the_services_words(
    invoker: NyckelInvoker, status: int, expected: type[ProviderError]
) -> None:
    with pytest.raises(ProviderError) as caught:
        invoker.parse(answer({"message": "because\nof reasons."}, status, **{"x-request-id": "r-1"}))
    assert type(caught.value) is expected
    assert f"answered {status} to classify the sample: because of reasons." in caught.value.message
    assert caught.value.request_id == "r-1"


@pytest.mark.parametrize(("value", "seconds"), [("3", 3.0), ("", None), ("soon", None), ("0.5", 0.5), ("-1", None)])
def test_a_throttle_keeps_the_wait_that_the_service_asks_for(
    invoker: NyckelInvoker, value: str, seconds: float | None
) -> None:
    with pytest.raises(RateLimited) as caught:
        invoker.parse(answer({}, 429, **{"retry-after": value}))
    assert caught.value.retry_after == seconds


def test_a_service_that_repeats_token_and_secret_does_not_make_them_known(
    trial: NyckelTrial, invoker: NyckelInvoker
) -> None:
    token = trial.tokens.value()
    said = f"bad header Bearer {token} of {trial.fake.client_secret}"
    with pytest.raises(RequestRefused) as caught:
        invoker.parse(answer({"message": said}, 400))
    assert token not in str(caught.value)
    assert trial.fake.client_secret not in str(caught.value)


def test_one_429_is_one_request(trial: NyckelTrial, training_set: TrainingSet) -> None:
    trial.upload(training_set)
    made = plugin.invoke(trial.context, Endpoint(str(trial.train().result["endpoint_id"])))
    trial.fake.fail("invoke", 429, headers={"Retry-After": "2"})
    with Caller(made) as caller:
        result = caller.call(training_set.train[0].sample)
    assert (result.outcome, result.retry_after) == (Outcome.THROTTLED, 2.0)
    assert trial.fake.count("invoke") == 1, "a hidden retry"


def test_predictions_are_not_captured_and_come_from_the_trained_model(
    trial: NyckelTrial, training_set: TrainingSet
) -> None:
    trial.upload(training_set)
    made = plugin.invoke(trial.context, Endpoint(str(trial.train().result["endpoint_id"])))
    with Caller(made) as caller:
        for item in training_set.validation:
            prediction = caller.call(item.sample).prediction
            assert prediction is not None
            assert prediction.label == item.label
            assert sum(prediction.scores.values()) == pytest.approx(1.0, abs=1e-4)
    assert trial.fake.bill()["captured_samples"] == 0
    assert trial.fake.bill()["zero_shot_invokes"] == 0
    (query,) = {entry.target.partition("?")[2] for entry in trial.fake.recorded if entry.operation == "invoke"}
    assert parse_qs(query) == {"labelCount": ["3"], "capture": ["false"]}
    assert urlsplit(trial.fake.url).hostname == "127.0.0.1"


def test_an_adopted_function_is_looked_at_first(trial: NyckelTrial, training_set: TrainingSet) -> None:
    trial.upload(training_set)
    function_id = str(trial.train().result["endpoint_id"])
    assert plugin.invoke(trial.context, Endpoint(function_id, adopted=True))
    with pytest.raises(ResourceMissing):
        plugin.invoke(trial.context, Endpoint("function_unknown", adopted=True))
    with pytest.raises(RequestRefused, match="not the id of a function"):
        plugin.invoke(trial.context, Endpoint("https://www.nyckel.com/v1/functions/x", adopted=True))
    trial.fake.fail("get_function", 200, body={"input": "Text", "output": "Search"})
    with pytest.raises(RequestRefused, match="'Text'"):
        plugin.invoke(trial.context, Endpoint(function_id, adopted=True))


def test_an_adopted_function_in_training_is_not_measured(trial: NyckelTrial, training_set: TrainingSet) -> None:
    trial.fake.train_seconds = 3600
    function_id = str(trial.upload(training_set).result["function_id"])
    with pytest.raises(ResourceConflict, match="being trained"):
        plugin.invoke(trial.context, Endpoint(function_id, adopted=True))


def test_an_adopted_function_without_the_undocumented_metrics_is_taken(
    trial: NyckelTrial, training_set: TrainingSet
) -> None:
    function_id = str(trial.upload(training_set).result["function_id"])
    trial.fake.fail("metrics", 404)
    assert plugin.invoke(trial.context, Endpoint(function_id, adopted=True))
