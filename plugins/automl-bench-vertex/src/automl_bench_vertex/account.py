"""The Google Cloud project as this process reaches it: one set of tokens, five clients, one bucket."""

from __future__ import annotations

import logging
import os
import threading
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from automl_bench.contract import ProviderContext
from automl_bench.errors import RequestRefused
from automl_bench.toolkit.answers import unreadable
from automl_bench.toolkit.setting_values import settings_of
from automl_bench_vertex.description import NAME, SETTINGS
from automl_bench_vertex.failures import google_errors
from automl_bench_vertex.tokens import Tokens

if TYPE_CHECKING:
    from google.auth.credentials import Credentials
    from google.auth.transport.requests import AuthorizedSession
    from google.cloud.aiplatform_v1 import (
        DatasetServiceClient,
        EndpointServiceClient,
        ModelServiceClient,
        PipelineServiceClient,
    )
    from google.cloud.storage import Client as StorageClient

SCOPE = "https://www.googleapis.com/auth/cloud-platform"
STORAGE_URL = "https://storage.googleapis.com"
TIMEOUT_SECONDS = 60.0

ONCE: dict[str, Any] = {"retry": None, "timeout": TIMEOUT_SECONDS}
"""Options of every call of an SDK: one request, which ends in time; what may be repeated, the host repeats."""


@dataclass(frozen=True, slots=True)
class Reach:
    """How a project is reached; equal ones share their clients.

    Attributes:
        bucket: Where the training images go.
        project: Project asked for, or empty for the credentials' own.
        region: Region of everything.
        api_url: Address of Vertex AI, with its scheme.
        storage_url: Address of Cloud Storage.
        anonymous: Whether to ask without credentials.
        identity: What the environment says of the credentials: another identity gets other clients.
    """

    bucket: str
    project: str
    region: str
    api_url: str
    storage_url: str
    anonymous: bool
    identity: tuple[str, ...]


class Account:
    """Clients of one project, made when first asked for. Safe to use from several threads.

    Args:
        reach: How it is reached.

    Raises:
        Unauthenticated: If there are no credentials.
        RequestRefused: If no project is set or known.
    """

    def __init__(self, reach: Reach) -> None:
        # At DEBUG these write requests with their headers.
        for name in ("google", "urllib3"):
            logging.getLogger(name).setLevel(logging.INFO)
        self.bucket = reach.bucket
        self.region = reach.region
        self.api_url = reach.api_url
        self.storage_url = reach.storage_url
        found, project = (None, "") if reach.anonymous else _default_credentials()
        self.project = reach.project or project
        if not self.project:
            raise RequestRefused(
                "No Google Cloud project is set, and the credentials name none.",
                remedy="export GOOGLE_CLOUD_PROJECT=…",
            )
        self.tokens = Tokens(found)
        self._universe_domain = getattr(found, "universe_domain", "googleapis.com")
        self._lock = threading.RLock()
        self.deletions: dict[str, str] = {}
        """Operations of deletions that this process has begun, by what they delete."""

    def __repr__(self) -> str:
        return f"<project {self.project} in {self.region}>"

    @property
    def scope(self) -> dict[str, str]:
        """Where everything of this account lies, in the words of the settings."""
        return {"project": self.project, "region": self.region, "host": urlsplit(self.api_url).netloc}

    @property
    def parent(self) -> str:
        """The service's name of the project's region."""
        return f"projects/{self.project}/locations/{self.region}"

    @cached_property
    def credentials(self) -> Credentials:
        """The tokens as the SDKs want them."""
        from automl_bench_vertex.credentials import SharedCredentials

        return SharedCredentials(self.tokens, self._universe_domain)

    @cached_property
    def datasets(self) -> DatasetServiceClient:
        """Client of the dataset service."""
        from google.cloud.aiplatform_v1 import DatasetServiceClient

        client: DatasetServiceClient = self._client(DatasetServiceClient)
        return client

    @cached_property
    def pipelines(self) -> PipelineServiceClient:
        """Client of the training service."""
        from google.cloud.aiplatform_v1 import PipelineServiceClient

        client: PipelineServiceClient = self._client(PipelineServiceClient)
        return client

    @cached_property
    def models(self) -> ModelServiceClient:
        """Client of the model service."""
        from google.cloud.aiplatform_v1 import ModelServiceClient

        client: ModelServiceClient = self._client(ModelServiceClient)
        return client

    @cached_property
    def endpoints(self) -> EndpointServiceClient:
        """Client of the endpoint service."""
        from google.cloud.aiplatform_v1 import EndpointServiceClient

        client: EndpointServiceClient = self._client(EndpointServiceClient)
        return client

    @cached_property
    def storage(self) -> StorageClient:
        """Client of Cloud Storage."""
        from google.cloud.storage import Client

        with self._lock, google_errors():
            client = Client(
                project=self.project, credentials=self.credentials, client_options={"api_endpoint": self.storage_url}
            )
        # Else it asks for the bucket once more, in a thread of its own, to adorn traces that nobody collects.
        client._bucket_metadata_cache = None
        return client

    @cached_property
    def session(self) -> AuthorizedSession:
        """Session for the requests that no client of the SDKs makes as documented."""
        from google.auth.transport.requests import AuthorizedSession

        session = AuthorizedSession(self.credentials)  # type: ignore[no-untyped-call]
        session.hooks["response"].append(_require_object)
        return session

    def _client(self, kind: Any) -> Any:
        with self._lock, google_errors():
            client = kind(credentials=self.credentials, transport="rest", client_options={"api_endpoint": self.api_url})
        session = getattr(client.transport, "_session", None)
        if session is not None:
            session.hooks["response"].append(_require_object)
        return client


def _require_object(response: Any, **_: object) -> None:
    """Refuse a good answer that is no JSON object: the SDK would read some as one without content, "nothing exists".

    Raises:
        ServiceUnavailable: In the call that got it.
    """
    if response.status_code == 200 and not response.content.lstrip().startswith(b"{"):
        raise unreadable("Google")


def _default_credentials() -> tuple[Credentials, str]:
    """Return what google-auth finds, and the project that it names or an empty string."""
    import google.auth
    from google.auth import exceptions

    with google_errors():
        try:
            found, project = google.auth.default(scopes=[SCOPE])
        except (OSError, ValueError) as error:  # a key file that is none
            raise exceptions.DefaultCredentialsError() from error  # type: ignore[no-untyped-call]
    return found, project or ""


_accounts: dict[Reach, Account] = {}
_lock = threading.Lock()


def account_of(context: ProviderContext) -> Account:
    """Return the project that the settings name, made once per process.

    Raises:
        Unauthenticated: If there are no credentials.
        InvalidSetting: If a setting cannot be used.
    """
    settings = settings_of(SETTINGS, context.settings, NAME)
    region = settings["region"]
    reach = Reach(
        bucket=settings["bucket"],
        project=settings.get("project", ""),
        region=region,
        api_url=settings.get("api_endpoint") or f"https://{region}-aiplatform.googleapis.com",
        storage_url=settings.get("storage_url") or STORAGE_URL,
        anonymous=settings["anonymous"],
        identity=tuple(
            os.environ.get(name, "") for name in ("GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_CLOUD_QUOTA_PROJECT")
        ),
    )
    with _lock:
        if reach not in _accounts:
            _accounts[reach] = Account(reach)
            _accounts[reach].tokens.hide = context.hide
        return _accounts[reach]
