"""Tokens of the real ClientSecretCredential, from an authority over TLS: renewed before they end, never told."""

from __future__ import annotations

import logging
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from automl_bench_azure import plugin
from automl_bench_azure.account import account_of
from automl_bench_azure.credentials import STORAGE_SCOPE, HiddenTokens, StorageTokens, credential_for
from azure.identity import ClientSecretCredential, DefaultAzureCredential
from azure_fake import MANAGEMENT
from azure_http import Answer, Request
from azure_service import AzureService
from azure_trial import AzureTrial
from entra_fake import CLIENT, TENANT

from automl_bench.contract import OperationState
from automl_bench.errors import (
    ConnectionLost,
    InvalidSetting,
    ProviderError,
    RateLimited,
    RequestRefused,
    ServiceUnavailable,
    Unauthenticated,
)

STORAGE = "https://storage.azure.com"


def test_one_token_for_each_audience_serves_a_whole_trial(azure: AzureService, tmp_path: Path) -> None:
    trial = AzureTrial(tmp_path)
    trial.up()
    trial.tear_down()
    assert azure.entra.granted == [MANAGEMENT, STORAGE]


def test_an_upload_outlives_several_tokens_without_one_refused_image(azure: AzureService, tmp_path: Path) -> None:
    azure.entra.expires_in = 2  # the least that whole seconds in a JSON Web Token allow for
    azure.door.hook = lambda request: time.sleep(0.05 if "images" in request.path else 0.0)
    trial = AzureTrial(tmp_path, shots=60)
    send = trial.send
    trial.send = lambda requests, **how: send(requests, **{**how, "in_flight": 2})
    begin = time.monotonic()
    trial.upload()
    assert time.monotonic() - begin > 2 * azure.entra.expires_in, "no token could have lasted"
    assert azure.entra.granted.count(STORAGE) >= 3
    assert len(azure.door.puts("/images/")) == 180, "nothing was sent twice"


def test_a_wait_outlives_several_tokens(azure: AzureService, tmp_path: Path) -> None:
    azure.entra.expires_in = 1
    azure.fake.workspace.pace.training = 5.0
    trial = AzureTrial(tmp_path)
    trial.upload()
    done = trial.train()
    assert done.state is OperationState.SUCCEEDED
    assert azure.entra.granted.count(MANAGEMENT) >= 4
    assert trial.deploy().state is OperationState.SUCCEEDED


def test_azurite_refuses_an_expired_token(azure: AzureService, tmp_path: Path) -> None:
    """A check of the checker: were tokens not renewed, uploads would fail."""
    azure.entra.expires_in = 1
    trial = AzureTrial(tmp_path)
    tokens = account_of(trial.context).storage._tokens  # type: ignore[attr-defined]
    tokens.value()
    tokens._renew_at = time.time() + 3600
    time.sleep(2.1)
    with pytest.raises(Unauthenticated):
        trial.upload()


def test_storage_tokens_are_renewed_with_a_third_of_their_life_left(
    azure: AzureService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    azure.entra.expires_in = 90
    credential = credential_for(TENANT, CLIENT, azure.entra.client_secret, azure.entra.url)
    tokens = StorageTokens(credential)
    first = tokens.value()
    assert tokens.value() == first
    now = time.time()
    monkeypatch.setattr("automl_bench_azure.credentials.time.time", lambda: now + 61)
    assert tokens.value() != first


def test_threads_share_one_token(azure: AzureService) -> None:
    tokens = StorageTokens(credential_for(TENANT, CLIENT, azure.entra.client_secret, azure.entra.url))
    with ThreadPoolExecutor(16) as pool:
        values = set(pool.map(lambda _: tokens.value(), range(64)))
    assert len(values) == 1
    assert azure.entra.granted == [STORAGE_SCOPE.removesuffix("/.default")]


def test_the_host_is_told_of_each_token(azure: AzureService) -> None:
    told: list[str] = []
    credential = credential_for(TENANT, CLIENT, azure.entra.client_secret, azure.entra.url)
    given = StorageTokens(HiddenTokens(credential, told.append)).value()
    assert told == [given]


def test_without_a_service_principal_the_default_chain_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET"):
        monkeypatch.delenv(name, raising=False)
    assert isinstance(credential_for("", "", "", ""), DefaultAzureCredential)
    assert isinstance(credential_for(TENANT, CLIENT, "", ""), DefaultAzureCredential)
    assert isinstance(credential_for(TENANT, CLIENT, "secret", ""), ClientSecretCredential)


def test_a_wrong_secret_is_unauthenticated_and_not_told(
    azure: AzureService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    wrong = "wrong~secret-4711-and-more"
    monkeypatch.setenv("AZURE_CLIENT_SECRET", wrong)
    caplog.set_level(logging.DEBUG)
    with pytest.raises(Unauthenticated) as caught:
        plugin.check_access(AzureTrial(tmp_path).context)
    assert "AADSTS7000215" in caught.value.message
    assert "AZURE_CLIENT_SECRET" in caught.value.remedy
    whole = "".join(traceback.format_exception(caught.value)) + repr(caught.value) + caplog.text
    assert wrong not in whole, "the authority repeats what it was sent; nobody else may"


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Answer(429, b"{}", {"Retry-After": "7", "Content-Type": "application/json"}), RateLimited),
        (Answer(500, b"{}", {"Content-Type": "application/json"}), ServiceUnavailable),
        (Answer(503, b"<html>", {"Content-Type": "text/html"}), ProviderError),
        (Answer(200, b"<html>", {"Content-Type": "text/html"}), ProviderError),
        (Answer(400, b'{"error": "invalid_request"}', {"Content-Type": "application/json"}), Unauthenticated),
    ],
)
def test_every_failure_of_the_authority_has_its_class_and_one_request(
    azure: AzureService, tmp_path: Path, answer: Answer, kind: type[ProviderError]
) -> None:
    seen: list[str] = []

    def count(request: Request) -> Answer:
        seen.append(request.path)
        return answer

    azure.entra.answer_token = count
    with pytest.raises(kind):
        plugin.check_access(AzureTrial(tmp_path).context)
    assert len(seen) == 1, "a hidden retry"


def test_an_authority_that_does_not_listen_is_a_lost_connection(
    azure: AzureService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_AUTHORITY_HOST", "https://127.0.0.1:9")
    with pytest.raises(ConnectionLost):
        plugin.check_access(AzureTrial(tmp_path).context)


def test_an_authority_without_tls_is_refused(
    azure: AzureService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_AUTHORITY_HOST", "http://127.0.0.1:9")
    with pytest.raises(RequestRefused, match="no https address"):
        plugin.check_access(AzureTrial(tmp_path).context)


@pytest.mark.parametrize("endpoint", ["http://management.example.com", "ftp://127.0.0.1"])
def test_a_token_never_goes_to_another_machine_in_the_clear(
    azure: AzureService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, endpoint: str
) -> None:
    monkeypatch.setenv("AUTOML_BENCH_AZURE_ARM_ENDPOINT", endpoint)
    with pytest.raises(InvalidSetting, match="not an https address"):
        plugin.check_access(AzureTrial(tmp_path).context)
    assert azure.entra.granted == []


def test_no_proxy_stands_between_this_machine_and_itself(
    azure: AzureService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert plugin.check_access(AzureTrial(tmp_path).context).ok


def test_a_revoked_token_is_unauthenticated_and_the_next_command_goes_on(azure: AzureService, tmp_path: Path) -> None:
    trial = AzureTrial(tmp_path)
    plugin.check_access(trial.context)
    azure.entra.revoke()
    with pytest.raises(Unauthenticated):
        plugin.check_access(trial.context)
