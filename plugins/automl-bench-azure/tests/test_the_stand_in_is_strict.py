"""A check of the checker: what the definition does not know, the stand-in refuses, as the service would."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import arm_models
import pytest
from automl_bench_azure import arm as arm_module
from automl_bench_azure.account import account_of
from automl_bench_azure.arm import Arm
from azure_fake import PATH
from azure_service import AzureService
from azure_trial import AzureTrial

from automl_bench.errors import RequestRefused, ResourceConflict, Unauthenticated

CLUSTER: dict[str, Any] = {
    "location": "westeurope",
    "properties": {
        "computeType": "AmlCompute",
        "properties": {"vmSize": "Standard_NC4as_T4_v3", "scaleSettings": {"maxNodeCount": 1}},
    },
}
ENDPOINT: dict[str, Any] = {
    "location": "westeurope",
    "identity": {"type": "SystemAssigned"},
    "properties": {"authMode": "Key"},
}


@pytest.fixture
def arm(azure: AzureService, tmp_path: Path) -> Arm:
    return account_of(AzureTrial(tmp_path).context).arm


def changed(body: dict[str, Any], *path: str, to: Any) -> dict[str, Any]:
    """Return a body with another value at a place."""
    first, *rest = path
    return {**body, first: changed(body[first], *rest, to=to) if rest else to}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (changed(CLUSTER, "colour", to="red"), "ComputeResource.colour is not known"),
        (changed(CLUSTER, "properties", "computeType", to="Toaster"), "computeType is 'Toaster'"),
        (changed(CLUSTER, "properties", "properties", "scaleSettings", to={}), "maxNodeCount is missing"),
        (
            changed(CLUSTER, "properties", "properties", "scaleSettings", "maxNodeCount", to="1"),
            "maxNodeCount is '1', not int",
        ),
        (changed(CLUSTER, "properties", "provisioningState", to="Succeeded"), "provisioningState is read-only"),
        (changed(CLUSTER, "properties", "properties", "vmPriority", to="Cheap"), "vmPriority is 'Cheap'"),
        (changed(CLUSTER, "properties", "properties", "vmSize", to="big"), "vmSize is not offered"),
        (changed(CLUSTER, "location", to="moon"), "location or vmSize"),
    ],
)
def test_a_wrong_body_is_refused(arm: Arm, body: dict[str, Any], words: str) -> None:
    with pytest.raises(RequestRefused, match=words):
        arm.put(f"{PATH}/computes/some-cluster", body)


@pytest.mark.parametrize("name", ["a", "1cluster", "cluster-", "cluster-123", "c" * 25, "my_cluster"])
def test_a_name_that_breaks_the_rules_is_refused(arm: Arm, name: str) -> None:
    with pytest.raises(RequestRefused, match="not a valid name"):
        arm.put(f"{PATH}/computes/{name}", CLUSTER)


def test_another_api_version_is_refused(arm: Arm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arm_module, "API_VERSION", "2024-01-01")
    with pytest.raises(RequestRefused, match="InvalidApiVersionParameter"):
        arm.get(PATH)


def test_a_cluster_is_not_deleted_without_saying_what_becomes_of_its_machines(arm: Arm) -> None:
    arm.put(f"{PATH}/computes/some-cluster", CLUSTER)
    with pytest.raises(RequestRefused, match="underlyingResourceAction"):
        arm.delete(f"{PATH}/computes/some-cluster")


def test_patch_cannot_change_the_traffic(arm: Arm) -> None:
    path = f"{PATH}/onlineEndpoints/some-endpoint"
    arm.put(path, ENDPOINT)
    with pytest.raises(RequestRefused, match="properties is not known"):
        arm.ask("PATCH", f"{arm.endpoint}{path}", {"api-version": "2025-12-01"}, {"properties": {"traffic": {}}})


def test_traffic_goes_to_what_exists_only_and_nothing_is_changed_while_it_changes(arm: Arm) -> None:
    path = f"{PATH}/onlineEndpoints/some-endpoint"
    arm.put(path, ENDPOINT)
    with pytest.raises(RequestRefused, match="does not fit the deployments"):
        arm.put(path, changed(ENDPOINT, "properties", "traffic", to={"main": 100}))
    with pytest.raises(ResourceConflict, match="is Creating"):
        arm.put(path, ENDPOINT)


def test_a_token_for_another_audience_is_refused(
    azure: AzureService, arm: Arm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arm_module, "PUBLIC", "https://vault.azure.net")
    other = Arm(azure.fake.url, account_credential(azure))
    with pytest.raises(Unauthenticated, match="for another"):
        other.get(PATH)


def account_credential(azure: AzureService) -> Any:
    """Return a credential of the authority's."""
    from automl_bench_azure.credentials import credential_for
    from entra_fake import CLIENT, TENANT

    return credential_for(TENANT, CLIENT, azure.entra.client_secret, azure.entra.url)


@pytest.mark.skipif(bool(arm_models.missing()), reason=arm_models.missing())
def test_answers_are_held_to_the_definition_too() -> None:
    with pytest.raises(arm_models.Mismatch, match=r"provisioningState is 'Odd'"):
        arm_models.check("OnlineEndpoint", changed(ENDPOINT, "properties", "provisioningState", to="Odd"), "read")
    with pytest.raises(arm_models.Mismatch, match="location is missing"):
        arm_models.check("OnlineEndpoint", {"properties": {"authMode": "Key"}}, "read")
