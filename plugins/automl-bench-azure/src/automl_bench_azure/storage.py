"""The storage container: listing, reading, writing and deleting blobs, and the headers of an upload.

Uploads go through the host's transport as single Put Blob requests. What proves them stands in the Authorization header
alone, never in the address: an address may be logged. So a shared access signature is not used.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from automl_bench.errors import RequestRefused, ResourceMissing
from automl_bench_azure.addresses import checked_address
from automl_bench_azure.credentials import CONNECT_SECONDS, READ_SECONDS, StorageTokens
from automl_bench_azure.failures import azure_errors, failure_for

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential
    from azure.storage.blob import ContainerClient

STORAGE_VERSION = "2023-11-03"
"""Version of the Blob service that our own Put Blob requests ask for."""

DELETE_AT_ONCE = 256
"""Most blobs that one batch deletes."""

SIGNED_HEADERS = (
    "content-encoding",
    "content-language",
    "content-length",
    "content-md5",
    "content-type",
    "date",
    "if-modified-since",
    "if-match",
    "if-none-match",
    "if-unmodified-since",
    "range",
)


@dataclass(frozen=True, slots=True)
class StorageAccount:
    """A storage account with its key.

    Attributes:
        name: Its name.
        url: Address of its Blob service.
        key: Its key, in base64.
    """

    name: str
    url: str
    key: str = field(repr=False)


def account_of_connection_string(text: str) -> StorageAccount:
    """Read a connection string.

    Raises:
        RequestRefused: If it holds no account key; its content is never told.
    """
    pairs = (part.partition("=") for part in text.split(";") if part.strip())
    parts = {name.strip().lower(): value.strip() for name, _, value in pairs}
    name, key = parts.get("accountname", ""), parts.get("accountkey", "")
    try:
        base64.b64decode(key, validate=True)
    except binascii.Error:
        key = ""
    if not name or not key:
        raise RequestRefused(
            "AZURE_STORAGE_CONNECTION_STRING has no AccountName and AccountKey.",
            remedy="Copy the one that the portal shows under Access keys, or unset it to use the service principal.",
        )
    scheme, suffix = parts.get("defaultendpointsprotocol", "https"), parts.get("endpointsuffix", "core.windows.net")
    url = parts.get("blobendpoint") or f"{scheme}://{name}.blob.{suffix}"
    return StorageAccount(name, checked_address("The BlobEndpoint of AZURE_STORAGE_CONNECTION_STRING", url), key)


@dataclass(frozen=True, slots=True)
class StoredBlob:
    """A blob in the container: its name, and when it was written (ISO 8601)."""

    name: str
    since: str


class Storage(ABC):
    """A container.

    Args:
        container: Its name.
        account_url: Address of the account's Blob service.
    """

    def __init__(self, container: str, account_url: str) -> None:
        self.container = container
        self.url = f"{account_url}/{container}"

    def __repr__(self) -> str:
        return f"<container {self.url}>"

    @abstractmethod
    def _proof(self, method: str, url: str, headers: Mapping[str, str]) -> str:
        """Return the Authorization header of a request."""

    @abstractmethod
    def _credential(self) -> Any:
        """Return what the SDK's client proves itself with."""

    @cached_property
    def client(self) -> ContainerClient:
        """The SDK's client, for everything but uploads of images."""
        from azure.storage.blob import ContainerClient

        return ContainerClient(
            self.url.rsplit("/", 1)[0],
            self.container,
            credential=self._credential(),
            retry_total=0,
            connection_timeout=CONNECT_SECONDS,
            read_timeout=READ_SECONDS,
            logging_enable=False,
        )

    def put_headers(self, name: str, content: bytes, media_type: str) -> tuple[str, tuple[tuple[str, str], ...]]:
        """Return the address and headers of a request that stores a blob; an equal one may be stored again."""
        url = f"{self.url}/{quote(name)}"
        headers = {
            "content-length": str(len(content)),
            "content-md5": base64.b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode(),
            "content-type": media_type,
            "x-ms-blob-type": "BlockBlob",
            "x-ms-date": format_datetime(datetime.now(UTC), usegmt=True),
            "x-ms-version": STORAGE_VERSION,
        }
        proof = self._proof("PUT", url, headers)
        del headers["content-length"]  # the transport counts by itself
        return url, (*headers.items(), ("authorization", proof))

    def exists(self) -> bool:
        """Return whether the container is there."""
        with azure_errors(self.container):
            return bool(self.client.exists())

    def listed(self, prefix: str) -> Iterator[StoredBlob]:
        """Yield the blobs under a prefix, five thousand to a request."""
        with azure_errors(self.container):
            for blob in self.client.list_blobs(name_starts_with=prefix):
                yield StoredBlob(str(blob.name), blob.last_modified.isoformat() if blob.last_modified else "")

    def folders(self, prefix: str) -> Iterator[str]:
        """Yield what lies one level below, up to the next slash."""
        with azure_errors(self.container):
            for item in self.client.walk_blobs(name_starts_with=prefix, delimiter="/"):
                yield str(item.name)

    def write(self, name: str, content: bytes, media_type: str) -> None:
        """Store a small blob."""
        from azure.storage.blob import ContentSettings

        with azure_errors(f"{self.container}/{name}"):
            self.client.upload_blob(
                name, content, overwrite=True, content_settings=ContentSettings(content_type=media_type)
            )

    def modified(self, name: str) -> str | None:
        """Return when a blob was written, or None if it is not there."""
        try:
            with azure_errors(f"{self.container}/{name}"):
                return self.client.get_blob_client(name).get_blob_properties().last_modified.isoformat()
        except ResourceMissing as error:
            if "ContainerNotFound" in error.message:
                raise
            return None

    def delete(self, names: Iterable[str]) -> None:
        """Delete blobs; one that is not there counts as deleted.

        Raises:
            ProviderError: For the first blob that could not be deleted.
        """
        waiting = list(names)
        for start in range(0, len(waiting), DELETE_AT_ONCE):
            batch = waiting[start : start + DELETE_AT_ONCE]
            with azure_errors(self.container):
                answers = list(self.client.delete_blobs(*batch, raise_on_any_failure=False))
            for name, answer in zip(batch, answers, strict=True):
                if answer.status_code >= 300 and answer.status_code != 404:
                    code = answer.headers.get("x-ms-error-code", "")
                    raise failure_for(
                        code, str(answer.reason or ""), status=answer.status_code, resource=f"{self.container}/{name}"
                    )


class KeyStorage(Storage):
    """A container that is reached with the account's key: every request is signed."""

    def __init__(self, container: str, account: StorageAccount) -> None:
        super().__init__(container, account.url)
        self._account = account

    def _credential(self) -> Any:
        from azure.core.credentials import AzureNamedKeyCredential

        return AzureNamedKeyCredential(self._account.name, self._account.key)

    def _proof(self, method: str, url: str, headers: Mapping[str, str]) -> str:
        """Sign as "Authorize with Shared Key" lays down; a signature holds for 15 minutes."""
        own = sorted((name, value) for name, value in headers.items() if name.startswith("x-ms-"))
        said = "\n".join(
            (
                method,
                *(headers.get(name, "") for name in SIGNED_HEADERS),
                *(f"{name}:{value}" for name, value in own),
                f"/{self._account.name}{urlsplit(url).path}",
            )
        )
        digest = hmac.new(base64.b64decode(self._account.key), said.encode(), hashlib.sha256).digest()
        return f"SharedKey {self._account.name}:{base64.b64encode(digest).decode()}"


class TokenStorage(Storage):
    """A container that is reached with the service principal's token."""

    def __init__(self, container: str, account_url: str, credential: TokenCredential, tokens: StorageTokens) -> None:
        super().__init__(container, account_url)
        self._identity = credential
        self._tokens = tokens

    def _credential(self) -> Any:
        return self._identity

    def _proof(self, method: str, url: str, headers: Mapping[str, str]) -> str:
        return f"Bearer {self._tokens.value()}"
