"""Tokens of a service account that live two seconds are renewed in the middle of everything, with no failed request."""

from __future__ import annotations

import time
import traceback
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from automl_bench_vertex import plugin, shipping
from automl_bench_vertex.account import account_of
from automl_bench_vertex.tokens import EARLY_SHARE
from google_tokens import private_key
from vertex_fake import GARBAGE, TOKEN, Answer, Hangup
from vertex_routes import Refusal
from vertex_service import VertexService
from vertex_trial import VertexTrial, enter

from automl_bench.contract import Endpoint, HttpInvoker, Stage
from automl_bench.errors import (
    ConnectionLost,
    ProviderError,
    RateLimited,
    RequestTimedOut,
    ServiceUnavailable,
    Unauthenticated,
)
from automl_bench.transport import Transport, TransportOptions

LIFETIME = 2


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> Iterator[VertexService]:
    """All servers, with tokens that hold for two seconds."""
    with VertexService(token_lifetime=LIFETIME) as service:
        enter(service, monkeypatch)
        yield service


def refused(service: VertexService) -> int:
    """Return how many requests were answered with 401, wherever."""
    return sum(each.status == 401 for each in (*service.fake.seen, *service.storage.seen))


def test_a_token_is_fetched_once_and_shared_by_threads_and_hooks(trial: VertexTrial, vertex: VertexService) -> None:
    tokens = account_of(trial.context).tokens
    with ThreadPoolExecutor(16) as pool:
        values = set(pool.map(lambda _: tokens.headers(), range(64)))
    assert len(values) == 1
    trial.up()
    trial.tear_down()
    assert vertex.fake.count(TOKEN) == 1


def test_a_token_is_renewed_before_it_ends_and_not_for_each_request(short: VertexService, tmp_path: Path) -> None:
    tokens = account_of(VertexTrial(tmp_path).context).tokens
    first = tokens.headers()
    until = time.monotonic() + 10
    asked = 0
    while tokens.headers() == first:
        left = tokens.seconds_left()
        assert left is not None
        assert left > 0.8 * EARLY_SHARE * LIFETIME, "a token was handed out with less than its last part to live"
        assert time.monotonic() < until
        asked += 1
        time.sleep(0.01)
    assert asked > 20
    assert short.fake.count(TOKEN) == 2


def test_an_upload_outlives_several_tokens_without_one_refused_image(
    short: VertexService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shipping, "IN_FLIGHT", 2)
    short.storage.latency = 0.24
    trial = VertexTrial(tmp_path, shots=12)  # 36 images, two at a time, a quarter of a second each: over four seconds
    begun = time.monotonic()
    trial.upload()
    assert time.monotonic() - begun > 2 * LIFETIME
    assert short.fake.count(TOKEN) >= 3
    assert refused(short) == 0
    assert len(short.storage.uploads(200)) == 36


def test_a_wait_outlives_several_tokens_without_one_refused_look(short: VertexService, tmp_path: Path) -> None:
    trial = VertexTrial(tmp_path)
    trial.upload()
    short.fake.project.pace.training = 2.1 * LIFETIME
    trial.train()
    assert short.fake.count("GetTrainingPipeline") > 20
    assert short.fake.count(TOKEN) >= 3
    assert refused(short) == 0


def test_predictions_outlive_several_tokens_without_one_refusal(short: VertexService, tmp_path: Path) -> None:
    trial = VertexTrial(tmp_path)
    trial.up()
    invoker = plugin.invoke(trial.context, Endpoint(trial.results[Stage.DEPLOY]["endpoint_id"]))
    assert isinstance(invoker, HttpInvoker)
    transport = Transport(TransportOptions())
    sample = trial.set.train[0].sample
    until = time.monotonic() + 2.1 * LIFETIME
    try:
        while time.monotonic() < until:
            request = invoker.prepare(sample)
            assert request.valid_for_seconds is not None
            assert 0 < request.valid_for_seconds <= LIFETIME
            response = transport.send(request).response
            assert response is not None
            assert invoker.parse(response).label == "7"
            time.sleep(0.02)
    finally:
        transport.close()
    assert short.fake.count(TOKEN) >= 3
    assert refused(short) == 0


def test_tokens_that_end_early_in_the_middle_of_an_upload_lose_no_image(
    trial: VertexTrial, vertex: VertexService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shipping, "IN_FLIGHT", 4)
    vertex.storage.latency = 0.02

    def revoke_in_the_middle() -> None:
        while len(vertex.storage.uploads(200)) < 8:
            time.sleep(0.002)
        assert vertex.tokens is not None
        vertex.tokens.revoke()

    with ThreadPoolExecutor(1) as pool:
        revoking = pool.submit(revoke_in_the_middle)
        ended = trial.upload()
        revoking.result()
    assert ended.result["data_items"] == 30
    assert len(vertex.storage.uploads(401)) >= 1
    assert len(vertex.storage.uploads(200)) == 30
    assert vertex.fake.count(TOKEN) == 2


def test_a_token_that_ends_between_a_look_and_the_first_image_is_renewed(
    trial: VertexTrial, vertex: VertexService, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = shipping.in_flight

    def revoke(images: Mapping[str, shipping.Image]) -> int:
        assert vertex.tokens is not None
        vertex.tokens.revoke()
        return real(images)

    monkeypatch.setattr(shipping, "in_flight", revoke)
    assert trial.upload().result["data_items"] == 30
    assert len(vertex.storage.uploads(401)) >= 1


def test_a_token_that_ended_early_is_replaced_also_for_the_sdk_s_clients(
    trial: VertexTrial, vertex: VertexService
) -> None:
    plugin.check_access(trial.context)
    assert vertex.tokens is not None
    vertex.tokens.revoke()
    assert plugin.check_access(trial.context).ok
    assert vertex.fake.count(TOKEN) == 2


def test_a_token_that_never_works_ends_an_upload_at_once(trial: VertexTrial, vertex: VertexService) -> None:
    vertex.storage.fail("POST", 401, reason="authError", times=10**6, part="images")
    with pytest.raises(Unauthenticated, match="401"):
        trial.upload()
    assert len(vertex.storage.uploads(401)) <= 3 * 30, "it went round in circles"


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Refusal("INVALID_ARGUMENT", "invalid_grant"), Unauthenticated),
        (Refusal("UNAUTHENTICATED", "invalid_client"), Unauthenticated),
        (Refusal("PERMISSION_DENIED", "access_denied"), Unauthenticated),
        (429, RateLimited),
        (500, ServiceUnavailable),
        (503, ServiceUnavailable),
        (Hangup, ConnectionLost),
        (GARBAGE, ServiceUnavailable),
    ],
)
def test_every_failure_of_the_token_service_has_its_class_and_one_request(
    answer: Answer, kind: type[ProviderError], trial: VertexTrial, vertex: VertexService
) -> None:
    vertex.fake.fail(TOKEN, answer)
    with pytest.raises(ProviderError) as caught:
        plugin.check_access(trial.context)
    assert type(caught.value) is kind, caught.value
    assert vertex.fake.count(TOKEN) <= 1, "a hidden retry"
    assert plugin.check_access(trial.context).ok, "and the next one works"


def test_a_token_service_that_is_silent_is_not_waited_for_for_ever(
    trial: VertexTrial, vertex: VertexService, monkeypatch: pytest.MonkeyPatch
) -> None:
    from automl_bench_vertex import tokens

    monkeypatch.setattr(tokens, "TIMEOUT_SECONDS", 0.3)

    def sleep_at_the_first(_: bytes) -> tuple[int, bytes]:
        time.sleep(1.0)
        return 500, b""

    monkeypatch.setattr(vertex.fake, "_grant", sleep_at_the_first)
    with pytest.raises(RequestTimedOut):
        plugin.check_access(trial.context)


def test_what_a_token_service_repeats_does_not_become_known(trial: VertexTrial, vertex: VertexService) -> None:
    vertex.fake.fail(TOKEN, Refusal("INVALID_ARGUMENT", "invalid_grant"), times=9)
    with pytest.raises(Unauthenticated) as caught:
        plugin.check_access(trial.context)
    told = "".join(traceback.format_exception(caught.value))
    assertion = next(each.body for each in vertex.fake.seen if each.method == TOKEN).decode().split("assertion=")[1]
    assert assertion[:40] not in told
    assert private_key()[60:100] not in told


def test_nothing_shows_a_token(trial: VertexTrial, vertex: VertexService) -> None:
    trial.up()
    account = account_of(trial.context)
    invoker = plugin.invoke(trial.context, Endpoint(trial.results[Stage.DEPLOY]["endpoint_id"]))
    assert isinstance(invoker, HttpInvoker)
    request = invoker.prepare(trial.set.train[0].sample)
    shown = [repr(each) for each in (account, account.tokens, account.credentials, invoker, request, trial.context)]
    assert vertex.tokens is not None
    assert vertex.tokens.issued
    assert not [text for text in shown for token in vertex.tokens.issued if token in text]


@pytest.mark.parametrize("content", [None, "", "no JSON", "{}", '{"type": "service_account"}'])
def test_a_key_file_that_is_none_is_named_with_the_way_out(
    content: str | None, vertex: VertexService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "other-key.json"
    if content is not None:
        path.write_text(content)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
    with pytest.raises(Unauthenticated) as caught:
        plugin.check_access(VertexTrial(tmp_path).context)
    assert "GOOGLE_APPLICATION_CREDENTIALS" in caught.value.remedy
    assert vertex.fake.seen == []
