"""Signature Version 4 for the requests that the host sends itself.

Predictions are signed by botocore. Uploads come by the thousand, and botocore's signer costs more processor time than
sending does; so the one shape of request that stores an object is signed here, and a test holds it to botocore's
answer. The recipe: https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import quote

from automl_bench.contract import HttpRequest

if TYPE_CHECKING:
    from automl_bench_rekognition.account import Account

VALID_SECONDS = 240.0
"""AWS takes a signature whose time is at most five minutes off; the rest is for a clock that goes wrong."""

PUT_SECONDS = 120.0
"""Limit for sending one image of at most 15 MB."""

ALGORITHM = "AWS4-HMAC-SHA256"


def signed_put(
    account: Account, key: str, body: bytes, digest: bytes, media_type: str, *, now: datetime | None = None
) -> HttpRequest:
    """Return the request that stores an object.

    The digest stands in the signature (`x-amz-content-sha256`) and as the object's checksum: S3 refuses a body that was
    damaged on its way, and keeps the checksum with the object.

    Args:
        account: Whose bucket and credentials.
        key: Where to.
        body: The content.
        digest: Its SHA-256, 32 bytes.
        media_type: Its type.
        now: Time of the signature, in UTC; the clock's by default.
    """
    credentials = account.credentials()
    place = account.objects
    path = f"{place.path}/{quote(key)}"
    stamp = (now or datetime.now(UTC)).strftime("%Y%m%dT%H%M%SZ")
    headers = [  # in the order of the alphabet, as they are signed
        ("content-type", media_type),
        ("host", place.host),
        ("x-amz-checksum-sha256", base64.b64encode(digest).decode()),
        ("x-amz-content-sha256", digest.hex()),
        ("x-amz-date", stamp),
    ]
    if credentials.token:
        headers.append(("x-amz-security-token", credentials.token))
    names = ";".join(name for name, _ in headers)
    lines = "".join(f"{name}:{value}\n" for name, value in headers)
    canonical = f"PUT\n{path}\n\n{lines}\n{names}\n{digest.hex()}"
    scope = f"{stamp[:8]}/{account.region}/s3/aws4_request"
    to_sign = f"{ALGORITHM}\n{stamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    signing_key = _signing_key(credentials.secret_key, stamp[:8], account.region)
    signature = hmac.digest(signing_key, to_sign.encode(), "sha256").hex()
    authorization = (
        f"{ALGORITHM} Credential={credentials.access_key}/{scope}, SignedHeaders={names}, Signature={signature}"
    )
    return HttpRequest(
        url=f"{place.scheme}://{place.host}{path}",
        method="PUT",
        headers=(("Authorization", authorization), *(header for header in headers if header[0] != "host")),
        body=body,
        timeout_seconds=PUT_SECONDS,
        valid_for_seconds=VALID_SECONDS,
    )


@lru_cache(maxsize=4)
def _signing_key(secret_key: str, day: str, region: str) -> bytes:
    key = f"AWS4{secret_key}".encode()
    for part in (day, region, "s3", "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


def signed_json(account: Account, target: str, body: bytes, *, timeout_seconds: float) -> HttpRequest:
    """Return a request of Rekognition's JSON 1.1 protocol, for example for "DetectCustomLabels"."""
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest

    url = f"{account.rekognition_url.rstrip('/')}/"
    headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": f"RekognitionService.{target}"}
    request = AWSRequest(method="POST", url=url, data=body, headers=headers)
    SigV4Auth(account.credentials(), "rekognition", account.region).add_auth(request)
    return HttpRequest(
        url=url,
        headers=tuple((str(name), str(value)) for name, value in request.headers.items()),
        body=body,
        timeout_seconds=timeout_seconds,
        valid_for_seconds=VALID_SECONDS,
    )
