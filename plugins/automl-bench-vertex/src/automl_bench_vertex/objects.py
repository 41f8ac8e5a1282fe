"""Plain work with the bucket's objects: list, read, write, delete."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from automl_bench.errors import ResourceMissing
from automl_bench_vertex.account import ONCE
from automl_bench_vertex.failures import google_errors

if TYPE_CHECKING:
    from automl_bench_vertex.account import Account

DELETE_AT_ONCE = 1000
"""Most objects deleted before the host is asked whether to go on."""
LANES = 8
"""Deletions under way at once; the SDK's connection pool holds ten."""


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object in the bucket: its name, and when it was written (ISO 8601)."""

    name: str
    since: str


def listed(account: Account, prefix: str, bucket: str = "") -> Iterator[StoredObject]:
    """Yield the objects under a prefix, a thousand to a request; in the bucket that is set if none is named."""
    fields = "items(name,timeCreated),nextPageToken"
    with google_errors(f"gs://{bucket or account.bucket}"):
        for blob in account.storage.list_blobs(bucket or account.bucket, prefix=prefix, fields=fields, **ONCE):
            yield StoredObject(blob.name, blob.time_created.isoformat() if blob.time_created else "")
    account.tokens.accepted()


def write(account: Account, name: str, content: bytes, media_type: str) -> None:
    """Store an object; the SDK adds a checksum that the service verifies."""
    with google_errors(f"gs://{account.bucket}/{name}"):
        blob = account.storage.bucket(account.bucket).blob(name)
        blob.upload_from_string(content, content_type=media_type, checksum="crc32c", **ONCE)


def delete(account: Account, names: Iterable[str], bucket: str = "") -> int:
    """Delete objects, several at once; one that is not there counts as deleted. Returns how many were named.

    Raises:
        ProviderError: For the first object that the service refused to delete.
    """
    waiting = list(names)
    place = account.storage.bucket(bucket or account.bucket)

    def remove(name: str) -> None:
        try:
            with google_errors(f"gs://{place.name}/{name}"):
                place.delete_blob(name, **ONCE)
        except ResourceMissing:
            return

    if waiting:
        with ThreadPoolExecutor(min(LANES, len(waiting))) as pool:
            list(pool.map(remove, waiting))
    return len(waiting)
