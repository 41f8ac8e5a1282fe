"""The AWS account as this process reaches it: one session, two clients, one bucket."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from automl_bench.contract import ProviderContext
from automl_bench.errors import RequestRefused, ServiceUnavailable, Unauthenticated
from automl_bench.toolkit.answers import json_object
from automl_bench.toolkit.setting_values import settings_of
from automl_bench_rekognition.description import NAME, SETTINGS
from automl_bench_rekognition.failures import aws_errors

if TYPE_CHECKING:
    from botocore.credentials import Credentials, ReadOnlyCredentials
    from mypy_boto3_rekognition import RekognitionClient
    from mypy_boto3_s3 import S3Client

CONNECT_SECONDS = 10
READ_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Reach:
    """How an account is reached; equal ones share their clients.

    Attributes:
        bucket: Where the training images go.
        region: Region asked for, or empty for the profile's.
        s3_url: Address of S3, or empty for AWS's own.
        rekognition_url: Address of Rekognition, or empty for AWS's own.
        manages_policy: Whether the bucket's policy is ours to extend.
        identity: Profile and access key id of the environment: another identity gets other clients.
    """

    bucket: str
    region: str
    s3_url: str
    rekognition_url: str
    manages_policy: bool
    identity: tuple[str, str]


class Account:
    """Clients of one account. Safe to use from several threads; a plugin's retries are the host's, so they are off."""

    def __init__(self, reach: Reach) -> None:
        import boto3
        from botocore.config import Config
        from botocore.session import Session

        # At DEBUG botocore writes headers and signatures, among them the token of a role that no setting names.
        for name in ("boto3", "botocore"):
            logging.getLogger(name).setLevel(logging.INFO)
        logging.getLogger("botocore.credentials").setLevel(logging.WARNING)  # else each command tells where they are
        self.bucket = reach.bucket
        self.manages_policy = reach.manages_policy
        with aws_errors():
            core = Session()
            core.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=_moment)
            session = boto3.session.Session(region_name=reach.region or None, botocore_session=core)
            if not session.region_name:
                raise RequestRefused(
                    "No AWS region is set.",
                    remedy="export AWS_DEFAULT_REGION=… or set region in configs/providers/rekognition.toml.",
                )
            self.region: str = session.region_name
            found = session.get_credentials()
            common = Config(
                retries={"total_max_attempts": 1}, connect_timeout=CONNECT_SECONDS, read_timeout=READ_SECONDS
            )
            # A server of one's own has no name for each bucket, so the bucket stands in the path there.
            style = Config(
                signature_version="s3v4",
                s3={
                    "addressing_style": "path" if reach.s3_url else "auto",
                    "us_east_1_regional_endpoint": "regional",
                },
            )
            self.s3: S3Client = session.client("s3", endpoint_url=reach.s3_url or None, config=common.merge(style))
            self.rekognition: RekognitionClient = session.client(
                "rekognition", endpoint_url=reach.rekognition_url or None, config=common
            )
            self.rekognition.meta.events.register("before-parse.rekognition", _require_json)
            self._sts: Any = session.client("sts", config=common)
        if found is None:
            raise Unauthenticated(
                "No AWS credentials are found.",
                remedy="export AWS_ACCESS_KEY_ID=… and AWS_SECRET_ACCESS_KEY=…, or AWS_PROFILE=….",
            )
        self._credentials: Credentials = found
        self.objects = _place(self.s3.meta.endpoint_url, self.bucket)
        self.rekognition_url: str = self.rekognition.meta.endpoint_url
        self.stopped: set[str] = set()
        """Models that this process has stopped or seen stopping: a look that shows them off is no stale one."""
        self.deleted: set[str] = set()
        """What this process has deleted or seen going: a look that does not show it is no stale one."""

    @cached_property
    def scope(self) -> Mapping[str, str]:
        """Where everything of this account lies. Asks AWS once whose credentials these are, which needs no permission.

        Raises:
            ProviderError: If AWS does not say.
        """
        with aws_errors():
            number = self._sts.get_caller_identity()["Account"]
        return {"account": number, "region": self.region, "host": urlsplit(self.rekognition_url).netloc}

    def known_secrets(self) -> list[str]:
        """Return what was signed with last, without asking for anything new."""
        # The public names of credentials that are renewed would renew them.
        lead = "_" if hasattr(self._credentials, "_token") else ""
        found = (getattr(self._credentials, f"{lead}{name}", None) for name in ("secret_key", "token"))
        return [value for value in found if isinstance(value, str) and value]

    def credentials(self) -> ReadOnlyCredentials:
        """Return credentials that hold now; those of a role or profile are renewed when they are about to expire."""
        with aws_errors():
            return self._credentials.get_frozen_credentials()


@dataclass(frozen=True, slots=True)
class ObjectPlace:
    """Where a bucket's objects are addressed: in its own region, and without a redirect.

    Attributes:
        scheme: http or https.
        host: Host, with its port if it is not the scheme's own.
        path: What stands before an object's key: nothing, or the bucket.
    """

    scheme: str
    host: str
    path: str


def _place(endpoint: str, bucket: str) -> ObjectPlace:
    base = urlsplit(endpoint)
    if ".amazonaws.com" in base.netloc and "." not in bucket:  # a dot breaks the certificate's wildcard
        return ObjectPlace(base.scheme, f"{bucket}.{base.netloc}", "")
    return ObjectPlace(base.scheme, base.netloc, f"{base.path.rstrip('/')}/{bucket}")


_accounts: dict[Reach, Account] = {}
_lock = threading.Lock()  # making a boto3 session is not safe in threads; using its clients is


def account_of(context: ProviderContext) -> Account:
    """Return the account that the settings name, made once per process.

    Raises:
        Unauthenticated: If there are no credentials.
        RequestRefused: If no region is set.
    """
    settings = settings_of(SETTINGS, context.settings, NAME)
    reach = Reach(
        bucket=settings["bucket"],
        region=settings.get("region", ""),
        s3_url=settings.get("s3_url", ""),
        rekognition_url=settings.get("rekognition_url", ""),
        manages_policy=settings["manage_bucket_policy"],
        identity=(os.environ.get("AWS_PROFILE", ""), os.environ.get("AWS_ACCESS_KEY_ID", "")),
    )
    with _lock:
        if reach not in _accounts:
            _accounts[reach] = Account(reach)
        account = _accounts[reach]
    # Some answers quote what was signed, the token of a role among it.
    for secret in account.known_secrets():
        context.hide(secret)
    return account


def _require_json(response_dict: Mapping[str, Any], **_: object) -> None:
    """Refuse a good answer that is no JSON object: botocore would read it as one without content, "nothing exists".

    Raises:
        ServiceUnavailable: In the call that got it.
    """
    if response_dict["status_code"] == 200 and json_object(response_dict["body"]) is None:
        raise ServiceUnavailable("AWS's answer cannot be read.")


def _moment(value: Any) -> datetime:
    """Read a time in an answer. botocore asks dateutil: 40 µs, two thirds of what an object in a listing costs."""
    from botocore.utils import parse_timestamp

    if isinstance(value, str):
        with suppress(ValueError):
            moment = datetime.fromisoformat(value)
            if moment.tzinfo is not None:
                return moment
    return parse_timestamp(value)
