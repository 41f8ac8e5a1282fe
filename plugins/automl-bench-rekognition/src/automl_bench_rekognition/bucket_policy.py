"""Letting Rekognition into the bucket: our own statements in the bucket's policy, put in and taken out by name.

Statements of other people are never touched. The document follows AWS's guide for buckets that the console did not
make (customlabels-dg, "Accessing external Amazon S3 buckets"), narrowed to our own prefix.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from automl_bench.errors import ResourceMissing
from automl_bench_rekognition.failures import aws_errors
from automl_bench_rekognition.naming import ROOT, TRIALS

if TYPE_CHECKING:
    from automl_bench_rekognition.account import Account

SID = "AutomlBenchRekognition"
"""Every statement whose Sid begins so is ours."""


def statements(bucket: str, partition: str = "aws") -> list[dict[str, Any]]:
    """Return what Rekognition needs: to find the bucket, to read our prefix, to write what a training leaves."""
    arn = f"arn:{partition}:s3:::{bucket}"
    service = {"Service": "rekognition.amazonaws.com"}
    return [
        {
            "Sid": f"{SID}Bucket",
            "Effect": "Allow",
            "Principal": service,
            "Action": ["s3:GetBucketAcl", "s3:GetBucketLocation"],
            "Resource": arn,
        },
        {
            "Sid": f"{SID}Read",
            "Effect": "Allow",
            "Principal": service,
            "Action": ["s3:GetObject", "s3:GetObjectAcl", "s3:GetObjectVersion", "s3:GetObjectTagging"],
            "Resource": f"{arn}/{ROOT}*",
        },
        {
            "Sid": f"{SID}Write",
            "Effect": "Allow",
            "Principal": service,
            "Action": "s3:PutObject",
            "Resource": f"{arn}/{TRIALS}*",
            "Condition": {"StringEquals": {"s3:x-amz-acl": "bucket-owner-full-control"}},
        },
    ]


def grant(account: Account) -> None:
    """Put our statements in, unless they are there."""
    document = _read(account)
    wanted = statements(account.bucket, account.s3.meta.partition)
    present = [statement for statement in document["Statement"] if _is_ours(statement)]
    if present == wanted:
        return
    others = [statement for statement in document["Statement"] if not _is_ours(statement)]
    _write(account, {**document, "Statement": [*others, *wanted]})


def revoke(account: Account) -> bool:
    """Take our statements out; an empty policy is deleted. Returns whether there were any."""
    document = _read(account)
    others = [statement for statement in document["Statement"] if not _is_ours(statement)]
    if len(others) == len(document["Statement"]):
        return False
    if others:
        _write(account, {**document, "Statement": others})
    else:
        with aws_errors(account.bucket):
            account.s3.delete_bucket_policy(Bucket=account.bucket)
    return True


def is_granted(account: Account) -> bool:
    """Return whether any statement of ours is in the bucket's policy."""
    return any(_is_ours(statement) for statement in _read(account)["Statement"])


def _is_ours(statement: dict[str, Any]) -> bool:
    return str(statement.get("Sid", "")).startswith(SID)


def _read(account: Account) -> dict[str, Any]:
    try:
        with aws_errors(account.bucket):
            text = account.s3.get_bucket_policy(Bucket=account.bucket)["Policy"]
    except ResourceMissing as error:
        if "NoSuchBucket:" in error.message:
            raise
        return {"Version": "2012-10-17", "Statement": []}
    document: dict[str, Any] = json.loads(text)
    statement = document.get("Statement", [])
    return {**document, "Statement": [statement] if isinstance(statement, dict) else list(statement)}


def _write(account: Account, document: dict[str, Any]) -> None:
    with aws_errors(account.bucket):
        account.s3.put_bucket_policy(Bucket=account.bucket, Policy=json.dumps(document, separators=(",", ":")))
