"""Plain work with the bucket's objects: list, read, write, delete."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from automl_bench_rekognition.failures import aws_errors, failure_for

if TYPE_CHECKING:
    from automl_bench_rekognition.account import Account

DELETE_AT_ONCE = 1000
"""Most keys that one DeleteObjects takes."""


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object in the bucket: its key, the tag of its content, and when it was written (ISO 8601)."""

    key: str
    etag: str
    since: str


def listed(account: Account, prefix: str) -> Iterator[StoredObject]:
    """Yield the objects under a prefix, a thousand to a request."""
    with aws_errors(account.bucket):
        for page in account.s3.get_paginator("list_objects_v2").paginate(Bucket=account.bucket, Prefix=prefix):
            for item in page.get("Contents", []):
                yield StoredObject(item["Key"], item["ETag"], item["LastModified"].isoformat())


def read(account: Account, key: str) -> bytes:
    """Return an object's content."""
    with aws_errors(f"s3://{account.bucket}/{key}"):
        return account.s3.get_object(Bucket=account.bucket, Key=key)["Body"].read()


def write(account: Account, key: str, content: bytes) -> None:
    """Store an object; the SDK adds a checksum that S3 verifies."""
    with aws_errors(f"s3://{account.bucket}/{key}"):
        account.s3.put_object(
            Bucket=account.bucket, Key=key, Body=content, ContentType="application/json", ChecksumAlgorithm="SHA256"
        )


def delete(account: Account, keys: Iterable[str]) -> int:
    """Delete objects; one that is not there counts as deleted. Returns how many were named.

    Raises:
        ProviderError: For the first object that S3 refused to delete.
    """
    waiting = list(keys)
    for start in range(0, len(waiting), DELETE_AT_ONCE):
        batch = waiting[start : start + DELETE_AT_ONCE]
        with aws_errors(account.bucket):
            answer = account.s3.delete_objects(
                Bucket=account.bucket, Delete={"Objects": [{"Key": key} for key in batch], "Quiet": True}
            )
        for refused in answer.get("Errors", []):
            raise failure_for(
                refused.get("Code", ""), refused.get("Message", ""), resource=f"s3://{account.bucket}/{refused['Key']}"
            )
    return len(waiting)
