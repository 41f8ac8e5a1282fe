"""Whatever a service answers (any status, headers, bytes, JSON), an invoker reads it or raises one of our errors."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from automl_bench.border.values import prediction_fault
from automl_bench.contract import HttpInvoker, HttpResponse, Outcome, Prediction
from automl_bench.errors import AutomlBenchError
from automl_bench.measurement.call import read_answer


def azure() -> Any:
    from automl_bench_azure.invoking import ScoringInvoker

    return ScoringInvoker("https://shop.example.com/score", "key")


def huggingface() -> Any:
    from automl_bench_huggingface.invoking import EndpointInvoker

    tokens = SimpleNamespace(hidden=lambda: ("secret",), judged=lambda error: error)
    return EndpointInvoker(SimpleNamespace(tokens=tokens), "https://x.endpoints.huggingface.cloud")  # type: ignore[arg-type]


def local() -> Any:
    from automl_bench_local.invoking import LocalInvoker

    return LocalInvoker("http://127.0.0.1:1")


def nyckel() -> Any:
    from automl_bench_nyckel.invoking import NyckelInvoker
    from automl_bench_nyckel.tokens import Tokens

    return NyckelInvoker("http://127.0.0.1:1", Tokens("http://127.0.0.1:1", lambda: "id", lambda: "secret"))


def prompted(mode: str) -> Any:
    from automl_bench_openai.invoking import PromptInvoker
    from automl_bench_openai.probe import Findings
    from automl_bench_openai.prompts import Naming

    options = SimpleNamespace(confidence="logprobs")
    context = SimpleNamespace(modality="image")
    findings, naming = Findings(mode, "decisions", logprobs=True), Naming.of(("a", "b"))
    return PromptInvoker(options, findings, (("Authorization", "Bearer k"),), "", naming, None, context)  # type: ignore[arg-type]


def openai_chat() -> Any:
    return prompted("chat")


def openai_decisions() -> Any:
    return prompted("decisions")


def rekognition() -> Any:
    from automl_bench_rekognition.invoking import CustomLabelsInvoker

    arn = "arn:aws:rekognition:us-east-1:123456789012:project/p/version/v/1"
    return CustomLabelsInvoker(SimpleNamespace(region="us-east-1"), arn, ["a", "b"])  # type: ignore[arg-type]


def vertex() -> Any:
    from automl_bench_vertex.invoking import VertexInvoker
    from automl_bench_vertex.tokens import Tokens

    return VertexInvoker("http://127.0.0.1:9/v1/e:predict", Tokens(None), ["a", "b"])


INVOKERS: list[Callable[[], Any]] = [
    azure,
    huggingface,
    local,
    nyckel,
    openai_chat,
    openai_decisions,
    rekognition,
    vertex,
]

KEYS = st.sampled_from(
    [
        *("label", "labels", "probs", "score", "scores", "confidence", "labelName", "labelConfidences"),
        *("CustomLabels", "Name", "Confidence", "predictions", "displayNames", "confidences", "error", "message"),
        *("choices", "finish_reason", "content", "refusal", "logprobs", "usage", "cost", "answers", "choice"),
        *("prompt_tokens", "total_tokens", "probabilities", "model", "type", "param", "metadata", "innererror"),
        *("detail", "details", "__type", "status", "code", "violations", "retryDelay", "@type", "reason"),
    ]
)
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20), st.integers(10**320, 10**321)
)
ANY_JSON = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.one_of(KEYS, st.text()), inner, max_size=4)
    ),
    max_leaves=12,
)
CHAT = {
    "model": "m",
    "choices": [
        {
            "finish_reason": "stop",
            "message": {"content": '{"label": "a"}', "refusal": None},
            "logprobs": {
                "content": [{"token": '{"label": "', "logprob": 0.0}, {"token": 'a"}', "logprob": -0.2876820724517809}]
            },
        }
    ],
    "usage": {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12, "cost": 0.001},
}
DECISION = {
    "model": "m",
    "answers": [
        {
            "type": "choice",
            "choice": "a",
            "probabilities": [{"value": "a", "probability": 0.75}, {"value": "b", "probability": 0.25}],
        }
    ],
    "usage": {"input_tokens": 9, "output_tokens": 0},
}
GOOD = st.sampled_from(
    [
        [{"label": "a", "score": 0.75}, {"label": "b", "score": 0.25}],
        [{"labels": ["a", "b"], "probs": [0.75, 0.25]}],
        {"label": "a", "confidence": 0.75, "scores": {"a": 0.75, "b": 0.25}},
        {"labelName": "a", "confidence": 0.75, "labelConfidences": [{"labelName": "b", "confidence": 0.25}]},
        {"CustomLabels": [{"Name": "a", "Confidence": 75.0}, {"Name": "b", "Confidence": 25.0}]},
        {"predictions": [{"displayNames": ["a", "b"], "confidences": [0.75, 0.25]}]},
        CHAT,
        DECISION,
        {"error": {"code": 429, "message": "slow down", "details": [{"@type": "x", "retryDelay": "7s"}]}},
        {"__type": "ThrottlingException", "message": "Rate exceeded"},
    ]
)


@st.composite
def nearly_good(draw: st.DrawFn) -> Any:
    """A good answer in which one place holds something else."""
    answer = json.loads(json.dumps(draw(GOOD)))
    places: list[tuple[Any, Any]] = []

    def walk(node: Any) -> None:
        for key in list(node) if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ():
            places.append((node, key))
            walk(node[key])

    walk(answer)
    node, key = draw(st.sampled_from(places))
    node[key] = draw(ANY_JSON)
    return answer


BODIES = st.one_of(
    st.binary(max_size=200),
    ANY_JSON.map(lambda value: json.dumps(value).encode()),
    nearly_good().map(lambda value: json.dumps(value).encode()),
    st.sampled_from(
        [b"[" * 100_000, b'{"error":' * 50_000, b"1" * 5000, b"1e999", b'"\\ud800"', b"\xff\xfe{}", b"NaN"]
    ),
)
STATUSES = st.one_of(
    st.sampled_from([200, 200, 200, 204, 301, 400, 401, 403, 404, 408, 413, 429, 500, 503, 504]), st.integers(100, 599)
)
HEADERS = st.dictionaries(
    st.sampled_from(
        ["retry-after", "ratelimit", "content-type", "x-request-id", "x-amzn-errortype", "www-authenticate"]
    ),
    st.one_of(st.text(max_size=30), st.sampled_from(["²", "-5", "nan", "inf", "1" * 400, '"api";r=0;t=' + "9" * 400])),
    max_size=3,
)


@pytest.mark.parametrize("make", INVOKERS, ids=lambda make: make.__name__)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(status=STATUSES, headers=HEADERS, body=BODIES)
@example(status=200, headers={}, body=b"[" * 100_000)
@example(status=429, headers={"retry-after": "²"}, body=b'{"error":' * 50_000)
@example(status=503, headers={"retry-after": "nan"}, body=b"[]")
@example(status=429, headers={"ratelimit": '"api";r=0;t=' + "9" * 400}, body=b"{}")
@example(status=200, headers={}, body=b'[{"label": "a", "score": 1' + b"0" * 320 + b"}]")
def test_an_invoker_reads_any_answer_or_raises_our_own_errors(
    make: Callable[[], HttpInvoker], status: int, headers: dict[str, str], body: bytes
) -> None:
    invoker = make()
    response = HttpResponse(status, headers, body)
    try:
        prediction = invoker.parse(response)
    except AutomlBenchError as error:
        wait = getattr(error, "retry_after", None)
        assert wait is None or (isinstance(wait, float | int) and wait >= 0), wait
    else:
        assert isinstance(prediction, Prediction)
        assert prediction_fault(prediction) == ""
    reading = read_answer(invoker, response)
    assert reading.retry_after is None or 0 <= reading.retry_after <= 3600
    assert reading.outcome is Outcome.OK or reading.error


@pytest.mark.parametrize("make", INVOKERS, ids=lambda make: make.__name__)
def test_each_reads_its_own_good_answer(make: Callable[[], HttpInvoker]) -> None:
    """The fuzz above reaches the good path, too."""
    good: dict[str, Any] = {
        "azure": [{"labels": ["a", "b"], "probs": [0.75, 0.25]}],
        "huggingface": [{"label": "a", "score": 0.75}, {"label": "b", "score": 0.25}],
        "local": {"label": "a", "confidence": 0.75, "scores": {"a": 0.75, "b": 0.25}},
        "nyckel": {"labelName": "a", "confidence": 0.75},
        "openai_chat": CHAT,
        "openai_decisions": DECISION,
        "rekognition": {"CustomLabels": [{"Name": "a", "Confidence": 75.0}]},
        "vertex": {"predictions": [{"displayNames": ["a", "b"], "confidences": [0.75, 0.25]}]},
    }
    answer = make().parse(HttpResponse(200, {}, json.dumps(good[make.__name__]).encode()))
    assert (answer.label, answer.confidence) == ("a", pytest.approx(0.75))
