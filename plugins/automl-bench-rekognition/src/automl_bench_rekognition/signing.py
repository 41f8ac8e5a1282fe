"""Signature Version 4 through botocore, for the requests that the host sends itself."""

from __future__ import annotations

import base64
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from automl_bench.contract import HttpRequest

if TYPE_CHECKING:
    from automl_bench_rekognition.account import Account

VALID_SECONDS = 240.0
"""AWS takes a signature whose time is at most five minutes off; the rest is for a clock that goes wrong."""

PUT_SECONDS = 120.0
"""Limit for sending one image of at most 15 MB."""


def signed_put(account: Account, key: str, body: bytes, digest: bytes, media_type: str) -> HttpRequest:
    """Return the request that stores an object.

    The digest stands in the signature (`x-amz-content-sha256`) and as the object's checksum: S3 refuses a body that was
    damaged on its way, and keeps the checksum with the object.

    Args:
        account: Whose bucket and credentials.
        key: Where to.
        body: The content.
        digest: Its SHA-256, 32 bytes.
        media_type: Its type.
    """
    headers = {"Content-Type": media_type, "x-amz-checksum-sha256": base64.b64encode(digest).decode()}
    url = account.object_url(key)
    return HttpRequest(
        url=url,
        method="PUT",
        headers=_signed(account, "s3", "PUT", url, headers, body, digest.hex()),
        body=body,
        timeout_seconds=PUT_SECONDS,
        valid_for_seconds=VALID_SECONDS,
    )


def signed_json(account: Account, target: str, body: bytes, *, timeout_seconds: float) -> HttpRequest:
    """Return a request of Rekognition's JSON 1.1 protocol, for example for "DetectCustomLabels"."""
    url = f"{account.rekognition_url.rstrip('/')}/"
    headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": f"RekognitionService.{target}"}
    return HttpRequest(
        url=url,
        headers=_signed(account, "rekognition", "POST", url, headers, body, ""),
        body=body,
        timeout_seconds=timeout_seconds,
        valid_for_seconds=VALID_SECONDS,
    )


def _signed(
    account: Account, service: str, method: str, url: str, headers: dict[str, str], body: bytes, digest: str
) -> tuple[tuple[str, str], ...]:
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest

    request = AWSRequest(method=method, url=url, data=body, headers=headers)
    credentials = account.credentials()
    signer = _object_signer()(credentials, service, account.region) if digest else None
    if signer is not None:
        request.context["digest"] = digest
        signer.add_auth(request)
    else:
        SigV4Auth(credentials, service, account.region).add_auth(request)
    return tuple((str(name), str(value)) for name, value in request.headers.items())


@lru_cache(maxsize=1)
def _object_signer() -> Any:
    """Return botocore's signer for S3, told the digest that is known already instead of computing it again."""
    from botocore.auth import S3SigV4Auth

    class ObjectSigner(S3SigV4Auth):
        def payload(self, request: Any) -> str:
            return str(request.context["digest"])

    return ObjectSigner
