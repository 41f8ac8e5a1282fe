"""Our signature of an upload is botocore's, to the letter, at AWS's own addresses and at a server of one's own."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

import pytest
from automl_bench_rekognition.account import Account, Reach
from automl_bench_rekognition.signing import signed_put
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest

NOW = datetime(2026, 11, 21, 8, 30, 5, tzinfo=UTC)


@pytest.fixture(params=["", "a-session-token-of-some-length"])
def token(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
    monkeypatch.setenv("AWS_SESSION_TOKEN", request.param)
    return str(request.param)


@pytest.mark.parametrize(
    ("bucket", "region", "s3_url", "place"),
    [
        ("pictures", "us-east-1", "", "https://pictures.s3.us-east-1.amazonaws.com/"),
        ("pictures", "eu-central-1", "", "https://pictures.s3.eu-central-1.amazonaws.com/"),
        ("pictures", "cn-north-1", "", "https://pictures.s3.cn-north-1.amazonaws.com.cn/"),
        ("pictures.example", "eu-west-1", "", "https://s3.eu-west-1.amazonaws.com/pictures.example/"),
        ("pictures", "eu-west-1", "http://127.0.0.1:8333", "http://127.0.0.1:8333/pictures/"),
        ("pictures", "eu-west-1", "http://127.0.0.1:8333/under/", "http://127.0.0.1:8333/under/pictures/"),
    ],
)
@pytest.mark.parametrize("key", ["automl-bench/images/pets/0f.png", "automl-bench/images/a b+c~ü/0f.jpg"])
def test_a_signature_is_botocore_s(
    token: str, bucket: str, region: str, s3_url: str, place: str, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = Account(Reach(bucket, region, s3_url, "http://127.0.0.1:9", True, ("", token)))
    body = b"not really a picture"
    ours = signed_put(account, key, body, hashlib.sha256(body).digest(), "image/png", now=NOW)
    assert ours.url.startswith(place)
    given = dict(ours.headers)
    theirs = AWSRequest("PUT", ours.url, data=body)
    for name in ("content-type", "x-amz-checksum-sha256"):
        theirs.headers[name] = given[name]
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda *_, **__: NOW.replace(tzinfo=None))
    S3SigV4Auth(account.credentials(), "s3", region).add_auth(theirs)
    expected = {name.lower(): value for name, value in theirs.headers.items()}
    assert {name.lower(): value for name, value in given.items()} == expected
