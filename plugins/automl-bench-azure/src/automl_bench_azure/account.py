"""The Azure account as this process reaches it: one workspace, its Resource Manager, its storage container."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from automl_bench.contract import ProviderContext
from automl_bench.errors import MissingSecret, RequestRefused, ServiceUnavailable
from automl_bench.toolkit.setting_values import settings_of
from automl_bench_azure.addresses import checked_address
from automl_bench_azure.arm import Arm
from automl_bench_azure.credentials import HiddenTokens, StorageTokens, credential_for
from automl_bench_azure.description import NAME, SETTINGS
from automl_bench_azure.storage import KeyStorage, Storage, TokenStorage, account_of_connection_string

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential


@dataclass(frozen=True, slots=True)
class Reach:
    """How an account is reached; equal ones share their clients.

    Attributes:
        workspace_path: Path of the workspace in Resource Manager.
        location: Region asked for, or "" for the workspace's.
        datastore: Datastore that takes the images.
        storage_url: Address of the storage account, or "" for what the workspace says.
        tenant_id: Tenant of the service principal, or "".
        client_id: Its client id, or "".
        authority: Address that gives tokens, or "".
        arm_endpoint: Address of Resource Manager.
        serving_image: Image on which models of texts and tables are served.
        secrets_digest: Digest of the secrets: another secret gets other clients, and no table holds one.
        client_secret: Secret of the service principal, or "".
        connection_string: Connection string of the storage account, or "".
    """

    workspace_path: str
    location: str
    datastore: str
    storage_url: str
    tenant_id: str
    client_id: str
    authority: str
    arm_endpoint: str
    serving_image: str
    secrets_digest: str
    client_secret: str = field(compare=False, repr=False)
    connection_string: str = field(compare=False, repr=False)


class Account:
    """Clients of one workspace, for several threads at once. Retries are the host's, so the SDKs' are off."""

    def __init__(self, reach: Reach, hide: Callable[[str], None]) -> None:
        self._reach = reach
        self._lock = threading.RLock()
        self.hide = hide
        found = credential_for(reach.tenant_id, reach.client_id, reach.client_secret, reach.authority)
        self._credential: TokenCredential = HiddenTokens(found, hide)
        self.arm = Arm(reach.arm_endpoint, self._credential)
        self.workspace_path = reach.workspace_path
        self.datastore = reach.datastore
        self.serving_image = reach.serving_image
        self.datastore_uri = datastore_uri(reach.workspace_path, reach.datastore)

    def __repr__(self) -> str:
        return f"<Azure ML {self.workspace_path}>"

    @property
    def scope(self) -> dict[str, str]:
        """Where everything of this account lies, in the words of the settings. No request."""
        _, _, subscription, _, group, _, _, _, workspace = self.workspace_path.split("/")
        where = {"subscription_id": subscription, "resource_group": group, "workspace": workspace}
        return {**where, "arm_endpoint": self.arm.endpoint}

    def path(self, *parts: str) -> str:
        """Return the Resource Manager path of something in the workspace, which is its id too."""
        return "/".join((self.workspace_path, *parts))

    @property
    def subscription_path(self) -> str:
        """Resource Manager path of the subscription."""
        return "/".join(self.workspace_path.split("/")[:3])

    @property
    def where(self) -> str:
        """The options that tell the `az ml` command the workspace."""
        _, _, subscription, _, group, _, _, _, workspace = self.workspace_path.split("/")
        return f"--workspace-name {workspace} --resource-group {group} --subscription {subscription}"

    @cached_property
    def workspace(self) -> dict[str, Any]:
        """What Resource Manager says of the workspace; asked once."""
        return self.arm.get(self.workspace_path)

    @property
    def location(self) -> str:
        """Region of clusters and endpoints."""
        return self._reach.location or str(self.workspace.get("location", ""))

    @property
    def tracking_url(self) -> str:
        """Address of the workspace's MLflow server.

        Raises:
            ServiceUnavailable: If the workspace names none.
        """
        uri = str(self.workspace.get("properties", {}).get("mlFlowTrackingUri") or "")
        if not uri:
            raise ServiceUnavailable("The workspace names no MLflow server.", resource=self.workspace_path)
        return checked_address("The workspace's MLflow server", uri.replace("azureml://", "https://", 1))

    @property
    def history_url(self) -> str:
        """Address of the workspace's run history, which stands beside its MLflow server and knows errors and logs."""
        return self.tracking_url.replace("/mlflow/", "/history/", 1)

    @property
    def storage(self) -> Storage:
        """The container behind the datastore; which one it is, is asked once."""
        with self._lock:
            return self._storage

    @cached_property
    def _storage(self) -> Storage:
        about = self.arm.get(self.path("datastores", self.datastore)).get("properties", {})
        container, name = str(about.get("containerName") or ""), str(about.get("accountName") or "")
        if about.get("datastoreType") != "AzureBlob" or not container or not name:
            raise RequestRefused(
                f"The datastore {self.datastore!r} is no Blob container.",
                remedy="Set datastore in configs/providers/azure.toml to one of type AzureBlob.",
            )
        suffix = about.get("endpoint") or "core.windows.net"
        address = self._reach.storage_url or f"{about.get('protocol') or 'https'}://{name}.blob.{suffix}"
        if self._reach.connection_string:
            given = account_of_connection_string(self._reach.connection_string)
            if given.name != name:
                raise RequestRefused(
                    f"AZURE_STORAGE_CONNECTION_STRING is of the account {given.name} and the datastore of {name}.",
                    remedy="Give the datastore's own connection string, or unset it.",
                )
            return KeyStorage(container, given)
        checked = checked_address("The storage account's address", address)
        if not checked.startswith("https:"):
            raise RequestRefused(
                "A token for Blob storage goes over https only.",
                remedy="Set AUTOML_BENCH_AZURE_STORAGE_URL to an https address, or give a connection string.",
            )
        return TokenStorage(container, checked, self._credential, StorageTokens(self._credential))


def datastore_uri(workspace_path: str, datastore: str) -> str:
    """Return the address that stands before a blob's name in data assets and JSON lines."""
    _, _, subscription, _, group, _, _, _, workspace = workspace_path.split("/")
    return (
        f"azureml://subscriptions/{subscription}/resourcegroups/{group}/workspaces/{workspace}"
        f"/datastores/{datastore}/paths/"
    )


def workspace_path_of(context: ProviderContext) -> str:
    """Return the Resource Manager path of the workspace that the settings name."""
    settings = context.settings
    return (
        f"/subscriptions/{settings['subscription_id']}/resourceGroups/{settings['resource_group']}"
        f"/providers/Microsoft.MachineLearningServices/workspaces/{settings['workspace']}"
    )


_accounts: dict[Reach, Account] = {}
_lock = threading.Lock()


def account_of(context: ProviderContext) -> Account:
    """Return the account that the settings name, made once per process.

    Raises:
        InvalidSetting: If a setting is malformed.
    """
    settings = settings_of(SETTINGS, context.settings, NAME)
    client_secret = secret_or_nothing(context, "client_secret")
    connection_string = secret_or_nothing(context, "storage_connection_string")
    # What azure-identity's own chain reads besides: another identity in the environment gets other clients.
    around = [os.environ.get(name, "") for name in ("AZURE_CLIENT_CERTIFICATE_PATH", "AZURE_FEDERATED_TOKEN_FILE")]
    reach = Reach(
        workspace_path=workspace_path_of(context),
        location=settings.get("location", ""),
        datastore=settings["datastore"],
        storage_url=settings.get("storage_url", ""),
        tenant_id=settings.get("tenant_id", ""),
        client_id=settings.get("client_id", ""),
        authority=settings.get("authority", ""),
        arm_endpoint=settings["arm_endpoint"],
        serving_image=settings["serving_image"],
        secrets_digest=hashlib.sha256("\0".join((client_secret, connection_string, *around)).encode()).hexdigest(),
        client_secret=client_secret,
        connection_string=connection_string,
    )
    with _lock:
        if reach not in _accounts:
            _accounts[reach] = Account(reach, context.hide)
        return _accounts[reach]


def secret_or_nothing(context: ProviderContext, name: str) -> str:
    """Return a secret, or "" if it is not set."""
    try:
        return context.secrets(name)
    except MissingSecret:
        return ""
