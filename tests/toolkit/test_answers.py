"""A status means the same for every provider, unless the service's own code or reason says more."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import requests
from automl_bench_azure import failures as azure
from automl_bench_huggingface import failures as huggingface
from automl_bench_local.invoking import LocalInvoker
from automl_bench_nyckel import failures as nyckel
from automl_bench_rekognition import failures as rekognition
from automl_bench_vertex import failures as vertex

from automl_bench import errors
from automl_bench.contract import HttpResponse
from automl_bench.errors import ConnectionLost, ProviderError, RateLimited, RequestRefused, RequestTimedOut
from automl_bench.scaffold.template import write_plugin
from automl_bench.toolkit.answers import KIND_OF_STATUS, broken_request, json_object, kind_of, one_line, unreadable

STATUSES = [*range(300, 309), *range(400, 432), 451, 499, *range(500, 512), 520, 529, 599]

Failure = Callable[[int, Mapping[str, str], bytes], ProviderError]


def local_failure(status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        LocalInvoker("http://127.0.0.1:1").parse(HttpResponse(status, headers, body))
    return caught.value


def template_failure(folder: Path) -> Failure:
    """Return the error function of a freshly written package."""
    write_plugin("acme", folder)
    source = next(folder.rglob("service.py"))
    namespace: dict[str, Any] = {"__name__": "service"}
    exec(compile(source.read_text(encoding="utf-8"), str(source), "exec"), namespace)  # our own template
    failure: Failure = namespace["failure"]
    return failure


FAILURES: dict[str, Failure] = {
    "azure": lambda status, headers, body: azure.from_arm_answer(status, headers, body),
    "azure scoring": lambda status, headers, body: azure.from_scoring_answer(HttpResponse(status, headers, body)),
    "azure blob": lambda status, headers, body: azure.from_blob_answer(status, headers, body),
    "huggingface": lambda status, headers, body: huggingface.error_for(status, body, headers, what="look"),
    "local": local_failure,
    "nyckel": lambda status, headers, body: nyckel.error_for(status, body, headers, what="look"),
    "rekognition": lambda status, headers, body: rekognition.from_json_answer(HttpResponse(status, headers, body)),
    "vertex": lambda status, headers, body: vertex.failure_for(status, body, headers),
}
OWN_MEANING = {("azure scoring", 424)}
"""The model's own code failed, as Azure documents it; its second header says how."""


@pytest.fixture(scope="module")
def failures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Failure]:
    return {**FAILURES, "the template": template_failure(tmp_path_factory.mktemp("written"))}


@pytest.mark.parametrize("body", [b"", b"<html><body>Sign in to the network</body></html>"], ids=["empty", "page"])
@pytest.mark.parametrize("status", STATUSES)
def test_a_status_without_the_service_s_words_means_the_same_for_all(
    failures: dict[str, Failure], status: int, body: bytes
) -> None:
    # A missing resource is one that the service itself says is missing. Where a body is free text, it may be its own.
    for name, failure in failures.items():
        if (name, status) in OWN_MEANING:
            continue
        found = failure(status, {}, body)
        wanted = kind_of(status, is_its_own=name == "azure scoring")
        assert isinstance(found, wanted), f"{name}: {status} is {type(found).__name__}, not {wanted.__name__}"
        assert "<html" not in found.message or name == "azure scoring"


@pytest.mark.parametrize(
    ("asked", "wait"),
    [
        ("1.5", 1.5),
        ("-3", None),
        ("nan", None),
        ("inf", None),
        ("\u00b2", None),
        ("86400", 3600.0),
        ("0", 0.0),
        ("x", None),
    ],
)
def test_a_wait_is_read_the_same_by_all(failures: dict[str, Failure], asked: str, wait: float | None) -> None:
    for name, failure in failures.items():
        found = failure(429, {"retry-after": asked}, b"")
        assert isinstance(found, RateLimited), name
        assert found.retry_after == wait, name


def test_every_class_but_those_of_work_that_failed_can_come_of_a_status() -> None:
    kinds = {kind_of(status) for status in STATUSES}
    assert kinds == {*KIND_OF_STATUS.values(), errors.RequestRefused, errors.ServiceUnavailable}
    assert kind_of(None) is errors.ServiceUnavailable


@pytest.mark.parametrize(
    ("raised", "kind"),
    [
        (requests.ReadTimeout("https://h/?key=s3cret"), RequestTimedOut),
        (requests.exceptions.SSLError("s3cret"), ConnectionLost),
        (requests.ConnectionError("s3cret"), ConnectionLost),
        (requests.exceptions.ChunkedEncodingError("s3cret"), ConnectionLost),
        (requests.exceptions.InvalidURL("s3cret"), RequestRefused),
    ],
)
def test_a_broken_request_has_its_class_and_quotes_nothing(raised: requests.RequestException, kind: type) -> None:
    found = broken_request(raised, "Acme", "train", remedy="Check ACME_URL.")
    assert type(found) is kind
    assert "s3cret" not in str(found)
    assert "Acme" in str(found) or "train" in str(found)


def test_words_are_quoted_on_one_short_line_without_secrets() -> None:
    assert one_line("a\n b.\t c: s3cret...", ["s3cret", ""]) == "a b. c: •••"
    assert len(one_line("x" * 10_000)) == 300


@pytest.mark.parametrize("body", [b"", b"[1]", b'"x"', b"{", b"\xff", b"[" * 100_000, b'{"a": ' + b"9" * 100 + b"}"])
def test_what_is_no_object_is_none(body: bytes) -> None:
    assert json_object(body) is None


def test_an_unreadable_answer_says_nothing_of_the_work() -> None:
    assert isinstance(unreadable("Acme", "train"), errors.TransientProviderError)
    assert "Something else than Acme" in str(unreadable("Acme"))
