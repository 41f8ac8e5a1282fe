"""Uploads: signed or with a token, sent once, found again half done, and deleted to the last blob."""

from __future__ import annotations

import base64
import json
import traceback
from dataclasses import replace
from pathlib import Path

import pytest
from automl_bench_azure import plugin
from automl_bench_azure.account import account_of
from automl_bench_azure.naming import FOLDER
from automl_bench_azure.shipping import Image, in_flight, pack, put_request
from automl_bench_azure.storage import account_of_connection_string
from azure_fake import DATASTORE_URI
from azure_http import Answer, Hangup, Request
from azure_service import AzureService
from azure_trial import AzureTrial, sample
from blob_server import ACCOUNT, azurite, error

from automl_bench.contract import Deletion, HttpResponse, LabelledSample
from automl_bench.errors import (
    BillingRequired,
    ConnectionLost,
    PermissionDenied,
    ProviderError,
    RequestRefused,
    ServiceUnavailable,
    Unauthenticated,
)
from automl_bench.testing.hook_trial import coloured_squares
from automl_bench.transport import Transport, TransportOptions

NAME = "automl-bench-0123456789ab-folder"


@pytest.fixture(params=["by token", "by key"])
def service(request: pytest.FixtureRequest) -> AzureService:
    """The servers, once for each way to reach the storage account."""
    found: AzureService = request.getfixturevalue("azure" if request.param == "by token" else "azure_by_key")
    return found


def test_everything_is_sent_and_the_same_again_sends_nothing(service: AzureService, tmp_path: Path) -> None:
    trial = AzureTrial(tmp_path)
    first = trial.upload()
    assert (first.result["images"], first.result["images_sent"]) == (15, 15)
    assert len(service.door.puts("/images/")) == 15
    again = trial.upload()
    assert (again.result["images"], again.result["images_sent"]) == (15, 0)
    assert len(service.door.puts("/images/")) == 15
    assert sorted(service.training_samples()) == sorted(set(service.training_samples()))
    trial.tear_down()
    assert service.blob_names() == []


def test_a_half_done_upload_is_found_and_deleted_from_the_container_alone(
    service: AzureService, tmp_path: Path
) -> None:
    trial = AzureTrial(tmp_path)
    fourth = list(pack(DATASTORE_URI, NAME, trial.set).images)[3]
    service.door.fail("PUT", error(403, "AuthorizationPermissionMismatch"), part=fourth)
    trial.send = _one_by_one(trial)
    with pytest.raises(PermissionDenied):
        trial.upload()
    assert len([each for each in service.blob_names() if "/images/" in each]) == 3
    assert f"automl-bench/trials/{NAME}/claim.json" in service.blob_names(), "it is claimed before anything is sent"
    stranger = AzureTrial(tmp_path / "nothing", trial_id="ffffffffffff", shots=0)
    found = plugin.list_resources(stranger.context, NAME)
    assert [(each.kind, each.name, each.hourly_usd) for each in found] == [(FOLDER, NAME, 0.0)]
    stranger.delete(found[0])
    assert service.blob_names() == []


def test_a_folder_in_another_container_is_not_taken_for_gone(azure: AzureService, tmp_path: Path) -> None:
    trial = AzureTrial(tmp_path)
    trial.upload()
    folder = trial.ledger.of(FOLDER)
    elsewhere = replace(folder, resource_id=folder.resource_id.replace(azure.container, "elsewhere"))
    with pytest.raises(RequestRefused, match="lies at .*elsewhere"):
        plugin.delete_resource(trial.context, elsewhere)
    assert azure.blob_names() != []


def test_an_image_that_arrives_while_its_folder_is_deleted_is_deleted_too(azure: AzureService, tmp_path: Path) -> None:
    trial = AzureTrial(tmp_path)
    trial.upload()
    folder = trial.ledger.of(FOLDER)
    late: list[str] = []

    def arrive(request: Request) -> None:
        if request.method == "POST" and len(late) < 2:  # a batch of deletions: the images, then the claim
            late.append(f"automl-bench/trials/{NAME}/images/late-{len(late)}.png")
            azure.blobs.upload_blob(late[-1], b"late")

    azure.door.hook = arrive
    assert plugin.delete_resource(trial.context, folder) is Deletion.PENDING
    assert trial.delete(folder) is Deletion.DELETED
    assert [each for each in azure.blob_names() if NAME in each] == []


def test_the_rest_is_sent_after_a_broken_upload(service: AzureService, tmp_path: Path) -> None:
    trial = AzureTrial(tmp_path)
    service.door.fail("PUT", error(403, "AuthorizationFailure"), part="/images/")
    trial.send = _one_by_one(trial)
    with pytest.raises(PermissionDenied):
        trial.upload()
    done = trial.upload()
    assert done.result["images_sent"] == 15
    assert len([each for each in service.blob_names() if "/images/" in each]) == 15


def _one_by_one(trial: AzureTrial) -> object:
    send = trial.context.send
    return lambda requests, **how: send(requests, **{**how, "in_flight": 1})


@pytest.mark.parametrize("fault", [error(503, "ServerBusy"), error(500, "InternalError"), Hangup])
def test_what_fails_in_passing_is_sent_again(service: AzureService, tmp_path: Path, fault: object) -> None:
    service.door.fail("PUT", fault, part="/images/", times=3)  # type: ignore[arg-type]
    done = AzureTrial(tmp_path).upload()
    assert done.result["images_sent"] == 15
    assert len(service.door.puts("/images/")) == 18


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (403, "AuthenticationFailed", Unauthenticated),
        (403, "AuthorizationPermissionMismatch", PermissionDenied),
        (403, "AccountIsDisabled", BillingRequired),
        (404, "ContainerNotFound", RequestRefused),
        (400, "InvalidHeaderValue", RequestRefused),
    ],
)
@pytest.mark.parametrize("part", ["/images/", "claim.json", "MLTable"])
def test_what_fails_for_good_ends_the_upload_at_once(
    azure: AzureService, tmp_path: Path, part: str, status: int, code: str, kind: type[ProviderError]
) -> None:
    azure.door.fail("PUT", error(status, code), part=part, times=99)
    with pytest.raises(ProviderError, match=code) as caught:
        AzureTrial(tmp_path).upload()
    assert type(caught.value) is kind
    assert "Time: now" not in caught.value.message


def test_listing_and_deleting_have_their_classes_too(azure: AzureService, tmp_path: Path) -> None:
    trial = AzureTrial(tmp_path)
    trial.upload()
    azure.door.fail("GET", error(503, "ServerBusy"))
    with pytest.raises(ProviderError, match="ServerBusy"):
        plugin.list_resources(trial.context, NAME)
    azure.door.fail("GET", Hangup)
    with pytest.raises(ConnectionLost):
        plugin.list_resources(trial.context, NAME)
    azure.door.fail("POST", Answer(500, b"", {"x-ms-error-code": "InternalError"}))
    with pytest.raises(ServiceUnavailable):
        plugin.delete_resource(trial.context, trial.ledger.of(FOLDER))
    azure.heal()
    trial.tear_down()


def test_a_signature_covers_the_request_and_azurite_computes_it_again(
    azure_by_key: AzureService, tmp_path: Path
) -> None:
    storage = account_of(AzureTrial(tmp_path).context).storage
    image = sample(tmp_path, "ocean", 3).sample
    request = put_request(storage, "automl-bench/a b+c%é.png", Image(image.path, image.media_type))

    def answer(headers: tuple[tuple[str, str], ...]) -> HttpResponse:
        with Transport(TransportOptions()) as transport:
            sent = type(request)(request.url, "PUT", headers, request.body)
            response = transport.send(sent).response
        assert response is not None
        return response

    assert answer(request.headers).status == 201
    assert azure_by_key.blob_names() == ["automl-bench/a b+c%é.png"]
    changed = tuple((name, "text/html" if name == "content-type" else value) for name, value in request.headers)
    refused = answer(changed)
    assert refused.status >= 400, "a check of the checker"
    assert b"InvalidAuthenticationInfo" in refused.body


def test_no_secret_is_shown(service: AzureService, tmp_path: Path) -> None:
    trial = AzureTrial(tmp_path)
    account = account_of(trial.context)
    image = sample(tmp_path, "ocean", 3).sample
    request = put_request(account.storage, "automl-bench/x.png", Image(image.path, image.media_type))
    proof = dict(request.headers)["authorization"]
    hidden = [azurite().key, service.entra.client_secret, proof.split(" ", 1)[1].split(":", 1)[-1]]
    shown = f"{request!r} {account!r} {account._reach!r} {account.storage!r} {trial.context!r} {request.url}"
    shown += repr(vars(account.storage).get("_account"))
    assert not [each for each in hidden if each in shown]
    assert "sig=" not in request.url


def test_a_wrong_key_is_unauthenticated_and_not_told(
    azure_by_key: AzureService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = base64.b64encode(b"wrong key of this test, long enough").decode()
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", azure_by_key.connection_string.replace(azurite().key, wrong))
    with pytest.raises(Unauthenticated) as caught:
        AzureTrial(tmp_path).upload()
    assert wrong not in "".join(traceback.format_exception(caught.value))
    assert wrong[:10] not in caught.value.message


@pytest.mark.parametrize(
    "text",
    [
        "",
        "AccountName=a",
        "AccountKey=QUJD",
        "AccountName=a;AccountKey=%%%",
        "BlobEndpoint=https://a.blob.core.windows.net;SharedAccessSignature=sv=1&sig=secret-signature",
    ],
)
def test_a_connection_string_without_a_key_is_refused_and_not_told(text: str) -> None:
    with pytest.raises(RequestRefused, match="no AccountName and AccountKey") as caught:
        account_of_connection_string(text)
    assert "secret-signature" not in str(caught.value)


def test_a_connection_string_is_read_as_the_portal_writes_it() -> None:
    account = account_of_connection_string(
        "DefaultEndpointsProtocol=https;AccountName=shop;AccountKey=QUJDRA==;EndpointSuffix=core.chinacloudapi.cn"
    )
    assert (account.name, account.url) == ("shop", "https://shop.blob.core.chinacloudapi.cn")
    assert "QUJD" not in repr(account)


def test_a_connection_string_of_another_account_is_refused(
    azure_by_key: AzureService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = azure_by_key.connection_string.replace(f"AccountName={ACCOUNT}", "AccountName=other")
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", other)
    with pytest.raises(RequestRefused, match="of the account other"):
        AzureTrial(tmp_path).upload()


def test_equal_images_are_one_blob_and_every_line_counts(tmp_path: Path) -> None:
    squares = coloured_squares(tmp_path, 5)
    twice = type(squares)("squares", squares.labels, (*squares.train, squares.train[0]), squares.validation)
    shipment = pack(DATASTORE_URI, NAME, twice)
    assert len(shipment.images) == 15
    lines = shipment.files[f"automl-bench/trials/{NAME}/train/annotations.jsonl"].decode().splitlines()
    assert len(lines) == 12
    first = json.loads(lines[0])
    assert first["image_url"].startswith(f"{DATASTORE_URI}automl-bench/trials/{NAME}/images/")
    assert first["image_details"] == {"format": "png", "width": "16px", "height": "12px"}
    assert first["label"] == "ash grey"


def test_a_type_that_is_not_taken_and_a_file_that_is_gone_are_named(tmp_path: Path) -> None:
    squares = coloured_squares(tmp_path, 1)
    moving = replace(squares.train[0].sample, media_type="image/gif")
    with pytest.raises(RequestRefused, match="not image/gif"):
        pack(DATASTORE_URI, NAME, replace(squares, train=(LabelledSample(moving, "brick"),)))
    squares.train[0].sample.path.unlink()
    with pytest.raises(RequestRefused, match="No such file"):
        pack(DATASTORE_URI, NAME, squares)


def test_large_images_are_sent_in_smaller_company(tmp_path: Path) -> None:
    small, large = tmp_path / "small", tmp_path / "large"
    small.write_bytes(b"x")
    with large.open("wb") as file:
        file.truncate(64 * 1024 * 1024)
    assert in_flight({"a": Image(small, "image/png")}) == 64
    assert in_flight({"a": Image(small, "image/png"), "b": Image(large, "image/png")}) == 4
