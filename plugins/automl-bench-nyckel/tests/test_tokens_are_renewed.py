"""A token is fetched once, renewed before it ends, shared by threads, and its secret is in no message."""

from __future__ import annotations

import json
import time
import traceback
from concurrent.futures import ThreadPoolExecutor

import nyckel_wire
import pytest
import requests
from automl_bench_nyckel import plugin
from automl_bench_nyckel.tokens import Tokens, read_grant, tokens_for
from nyckel_fake import NyckelFake
from nyckel_trial import NyckelTrial

from automl_bench.contract import TrainingSet
from automl_bench.errors import (
    BillingRequired,
    ConnectionLost,
    PermissionDenied,
    ProviderError,
    RateLimited,
    RequestTimedOut,
    ResourceMissing,
    ServiceUnavailable,
    Unauthenticated,
)


def tokens_of(fake: NyckelFake) -> Tokens:
    return Tokens(fake.url, lambda: fake.client_id, lambda: fake.client_secret)


def test_a_token_is_fetched_once_and_shared_by_threads(fake: NyckelFake) -> None:
    tokens = tokens_of(fake)
    with ThreadPoolExecutor(16) as pool:
        values = set(pool.map(lambda _: tokens.value(), range(64)))
    assert len(values) == 1
    assert fake.count("token") == 1


def test_the_host_is_told_of_each_new_token(fake: NyckelFake) -> None:
    tokens, told = tokens_of(fake), list[str]()
    tokens.hide = told.append
    first = tokens.value()
    tokens.drop()
    assert told == [first]
    second = tokens.value()
    assert told == [first, second]


def test_all_hooks_of_a_process_share_the_tokens_of_an_account(trial: NyckelTrial) -> None:
    plugin.check_access(trial.context)
    plugin.check_access(trial.context)
    assert trial.fake.count("token") == 1
    assert tokens_for(trial.context) is tokens_for(trial.context)


def test_a_token_is_renewed_before_it_ends(fake: NyckelFake) -> None:
    fake.expires_in = 1.0
    tokens = tokens_of(fake)
    first = tokens.value()
    assert 0.5 < tokens.seconds_left() <= 1.0
    until = time.monotonic() + 5
    while tokens.value() == first:
        assert time.monotonic() < until
        assert tokens.seconds_left() > 0.2, "a token was handed out with less than its last part to live"
        time.sleep(0.01)
    assert fake.count("token") == 2


def test_an_upload_outlives_several_tokens_without_one_refused_sample(
    trial: NyckelTrial, training_set: TrainingSet
) -> None:
    trial.fake.expires_in = 0.4  # the upload keeps to 24 a second and takes longer
    trial.upload(training_set)
    assert trial.fake.count("token") >= 3
    assert trial.fake.count("create_sample", 401) == 0
    assert trial.fake.count("create_sample", 200) == 15


def test_tokens_that_end_early_in_the_middle_of_an_upload_lose_no_sample(
    trial: NyckelTrial, training_set: TrainingSet
) -> None:
    def revoke_in_the_middle() -> None:
        while trial.fake.count("create_sample", 200) < 5:
            time.sleep(0.005)
        trial.fake.revoke_tokens()

    with ThreadPoolExecutor(1) as pool:
        revoking = pool.submit(revoke_in_the_middle)
        operation = trial.upload(training_set)
        revoking.result()
    assert operation.result["distinct_samples"] == 15
    assert trial.fake.count("create_sample", 401) >= 1
    assert trial.fake.count("create_sample", 200) == 15
    assert trial.fake.count("token") == 2


def test_a_token_that_never_works_ends_an_upload_at_once(trial: NyckelTrial, training_set: TrainingSet) -> None:
    trial.fake.fail("create_sample", 401, times=10**6)
    with pytest.raises(Unauthenticated, match="401"):
        trial.upload(training_set)
    assert trial.fake.count("create_sample") <= 3 * 15, "it went round in circles"


def test_after_a_401_the_next_request_has_a_new_token(trial: NyckelTrial) -> None:
    plugin.check_access(trial.context)
    trial.fake.revoke_tokens()
    with pytest.raises(Unauthenticated):
        plugin.check_access(trial.context)
    assert plugin.check_access(trial.context).ok


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        (400, Unauthenticated),
        (401, Unauthenticated),
        (402, BillingRequired),
        (403, PermissionDenied),
        (404, ResourceMissing),
        (429, RateLimited),
        (500, ServiceUnavailable),
        (503, ServiceUnavailable),
        (504, RequestTimedOut),
        (302, ServiceUnavailable),
        (nyckel_wire.GARBAGE, ServiceUnavailable),
        (nyckel_wire.LOSE, ConnectionLost),
        (nyckel_wire.CUT, ConnectionLost),
    ],
)
def test_every_failure_of_the_token_call_has_its_class_and_one_request(
    fake: NyckelFake, what: int | str, expected: type[ProviderError]
) -> None:
    fake.fail("token", what)
    with pytest.raises(ProviderError) as caught:
        tokens_of(fake).value()
    assert type(caught.value) is expected
    assert fake.count("token") == 1, "a hidden retry"


def test_the_wait_that_a_throttled_token_call_names_is_kept(fake: NyckelFake) -> None:
    fake.fail("token", 429, headers={"Retry-After": "7"})
    with pytest.raises(RateLimited) as caught:
        tokens_of(fake).value()
    assert caught.value.retry_after == 7


def test_a_server_that_repeats_the_secret_does_not_make_it_known(fake: NyckelFake) -> None:
    tokens = Tokens(fake.url, lambda: "my-client-id", lambda: "wrong-secret-4711")
    with pytest.raises(Unauthenticated) as caught:
        tokens.value()
    whole = "".join(traceback.format_exception(caught.value)) + repr(caught.value) + repr(tokens)
    assert "wrong-secret-4711" not in whole
    assert "invalid_client" in caught.value.message
    assert "NYCKEL_CLIENT_SECRET" in caught.value.remedy


def test_a_lost_token_call_does_not_carry_its_form_along(fake: NyckelFake) -> None:
    fake.fail("token", nyckel_wire.LOSE)
    with pytest.raises(ConnectionLost) as caught:
        tokens_of(fake).value()
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"access_token": "abc"},
        {"access_token": "", "expires_in": 10},
        {"access_token": "a b", "expires_in": 10},
        {"access_token": "abc\r\nX: y", "expires_in": 10},
        {"access_token": 7, "expires_in": 10},
        {"access_token": "abc", "expires_in": 0},
        {"access_token": "abc", "expires_in": "soon"},
        {"access_token": "abc", "expires_in": None},
        [],
        "abc",
    ],
)
def test_a_grant_that_cannot_be_used_is_refused(content: object) -> None:
    response = requests.Response()
    response.status_code = 200
    response._content = json.dumps(content).encode()
    with pytest.raises(ProviderError, match="no usable access_token"):
        read_grant(response)


def test_a_netrc_file_does_not_replace_the_token(trial: NyckelTrial, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = trial.folder / "netrc"
    netrc.write_text("machine 127.0.0.1 login stranger password stranger-password\n")
    monkeypatch.setenv("NETRC", str(netrc))
    plugin.check_access(trial.context)
    assert all(not entry.headers.get("authorization", "").startswith("Basic") for entry in trial.fake.recorded)
