"""What is no label: each kind of failure is an outcome or an error class of its own, and every answer that was billed
tells its tokens."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from openai_fake import KEY, RESET, OpenaiFake, Refusal
from prompt_trial import ask, image_sample, invoker_of

from automl_bench.errors import (
    BillingRequired,
    PermissionDenied,
    ProviderError,
    RateLimited,
    RequestRefused,
    RequestTimedOut,
    ResourceMissing,
    ServiceUnavailable,
    Unauthenticated,
)

Change = Callable[[dict[str, Any]], Any]


def choice(**changes: Any) -> Change:
    """Change the first choice of an answer; keys of its message begin with `m_`."""

    def change(body: dict[str, Any]) -> Any:
        (first,) = body["choices"]
        for name, value in changes.items():
            target = first["message"] if name.startswith("m_") else first
            target[name.removeprefix("m_")] = value
        return body

    return change


OUTCOMES: dict[str, tuple[Change, str | None, str]] = {
    "off the list": (choice(m_content='{"label": "purple"}'), "purple", "stop"),
    "another case": (choice(m_content='{"label": "Green"}'), "Green", "stop"),
    "refusal": (choice(m_content=None, m_refusal="I cannot help with that."), None, "refusal"),
    "content filter": (choice(m_content=None, finish_reason="content_filter"), None, "content_filter"),
    "cut": (choice(m_content='{"lab', finish_reason="length"), None, "length"),
    "a reasoning took all": (choice(m_content="", finish_reason="length"), None, "length"),
    "empty": (choice(m_content=None), None, "empty"),
    "no choices": (lambda body: {**body, "choices": []}, None, "empty"),
    "choices are null": (lambda body: {**body, "choices": None}, None, "empty"),
    "no JSON": (choice(m_content="It is a green square."), None, "invalid_json"),
    "JSON of another shape": (choice(m_content='{"answer": 4}'), None, "invalid_json"),
    "in parts": (choice(m_content=[{"type": "text", "text": '{"label": "green"}'}]), "green", "stop"),
    "image dropped": (
        lambda body: {**body, "usage": {**body["usage"], "prompt_tokens_details": {"image_tokens": 0}}},
        None,
        "image_dropped",
    ),
}


@pytest.mark.parametrize("name", OUTCOMES)
def test_an_answer_without_a_right_label_says_why_and_what_it_took(fake: OpenaiFake, tmp_path: Path, name: str) -> None:
    change, label, ending = OUTCOMES[name]
    invoker = invoker_of(fake, tmp_path / "cache", mode="chat")
    fake.fail("predict", change)
    found = ask(invoker, image_sample(tmp_path, "green", 1))
    assert found.label == label
    assert found.usage is not None
    assert found.usage.finish_reason == ending
    assert found.usage.input_tokens
    if label is None:
        assert found.confidence is None


def error(status: int, code: str | None = None, kind: str = "told", headers: dict[str, str] | None = None) -> Any:
    return status, headers or {}, Refusal(status, "words", code, kind).body()


GEMINI = [
    {"error": {"code": 429, "message": "Quota", "status": "RESOURCE_EXHAUSTED", "details": [{"retryDelay": "12s"}]}}
]
AZURE = {
    "error": {
        "message": "filtered",
        "type": None,
        "param": "prompt",
        "code": "content_filter",
        "innererror": {"code": "ResponsibleAIPolicyViolation"},
    }
}
ERRORS: dict[str, tuple[Any, type[ProviderError], float | None]] = {
    "wait, in milliseconds": (error(429, "rate_limit_exceeded", headers={"retry-after-ms": "250"}), RateLimited, 0.25),
    "wait, in seconds": (error(429, "slow_down", headers={"retry-after": "130"}), RateLimited, 130.0),
    "wait, nobody says how long": (error(429, "rate_limit_exceeded", "tokens"), RateLimited, None),
    "wait, as Gemini says it": ((429, {}, GEMINI), RateLimited, 12.0),
    "out of credit by its type": (error(429, "credit_balance_exhausted", "insufficient_quota"), BillingRequired, None),
    "over its own limit": (error(429, "project_spend_limit_exceeded"), BillingRequired, None),
    "402": (error(402), BillingRequired, None),
    "key": (error(401, "invalid_api_key"), Unauthenticated, None),
    "forbidden": (error(403), PermissionDenied, None),
    "moderation": (
        (403, {}, {"error": {"code": 403, "message": "flagged", "metadata": {"reasons": ["violence"]}}}),
        RequestRefused,
        None,
    ),
    "model gone": (error(404, "model_not_found"), ResourceMissing, None),
    "too long": (error(400, "context_length_exceeded"), RequestRefused, None),
    "content filter of Azure": ((400, {}, AZURE), RequestRefused, None),
    "bad image": (error(400, "invalid_image"), RequestRefused, None),
    "408": (error(408), RequestTimedOut, None),
    "500": (error(500), ServiceUnavailable, None),
    "overloaded": (
        (529, {}, {"type": "error", "error": {"type": "overloaded_error", "message": "x"}}),
        ServiceUnavailable,
        None,
    ),
    "a proxy's page": ((503, {"content-type": "text/html"}, b"<html>busy</html>"), ServiceUnavailable, None),
    "200 with an error body": ((200, {}, {"error": {"code": 429, "message": "slow"}}), RateLimited, None),
    "200 with a failed upstream": (
        (200, {}, {"error": {"code": 502, "message": "bad"}, "choices": []}),
        ServiceUnavailable,
        None,
    ),
    "200, out of credit": ((200, {}, {"error": {"code": 402, "message": "credits"}}), BillingRequired, None),
    "no JSON at all": ((200, {}, b"event: done"), ServiceUnavailable, None),
    "a list": ((200, {}, b"[1, 2]"), ServiceUnavailable, None),
    "another object": ((200, {}, {"hello": "world"}), ServiceUnavailable, None),
    "FastAPI": ((422, {}, {"detail": "unknown field"}), RequestRefused, None),
}


@pytest.mark.parametrize("name", ERRORS)
def test_a_failure_has_its_class_and_tells_no_key(fake: OpenaiFake, tmp_path: Path, name: str) -> None:
    answer, kind, wait = ERRORS[name]
    invoker = invoker_of(fake, tmp_path / "cache", mode="chat")
    if isinstance(answer[2], dict) and isinstance(answer[2].get("error"), dict):
        answer[2]["error"]["message"] = f"the key {KEY} is known"
    fake.fail("predict", answer)
    with pytest.raises(ProviderError) as caught:
        ask(invoker, image_sample(tmp_path, "green", 1))
    assert type(caught.value) is kind
    assert KEY not in str(caught.value)
    assert KEY not in repr(invoker)
    if kind is RateLimited:
        assert getattr(caught.value, "retry_after", None) == wait


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (error(401, "invalid_api_key"), Unauthenticated),
        (error(429, "rate_limit_exceeded"), RateLimited),
        (error(429, "x", "insufficient_quota"), BillingRequired),
        (error(500), ServiceUnavailable),
        (RESET, ProviderError),
    ],
)
def test_the_probe_ends_with_what_it_met(
    fake: OpenaiFake, tmp_path: Path, answer: Any, kind: type[ProviderError]
) -> None:
    fake.fail("control", answer, times=9)
    with pytest.raises(kind):
        invoker_of(fake, tmp_path / "cache")
    assert not list((tmp_path / "cache").glob("probe-*")), "nothing is kept of a probe that failed"
    fake.heal()
    invoker_of(fake, tmp_path / "cache")


def test_what_a_plain_answer_may_be_wrapped_in_is_little() -> None:
    from automl_bench_openai.dialects import plain_name

    for wrapped in ("green", " green\n", "green.", '"green"', "`green`", "```\ngreen\n```", '{"label": "green"}'):
        assert plain_name(wrapped) == "green"
    for other in ("The label is green", "green or red", "Green!", "<b>green</b>", '{"label": 4}'):
        assert plain_name(other) != "green"
