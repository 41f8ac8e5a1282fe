"""Azure Resource Manager through azure-core's pipeline: one request a call, no retries, no redirects.

azure-ai-ml would do the same with 60 more packages; azure-mgmt-machinelearningservices knows neither jobs nor
endpoints. Paths, fields and the API version are those of azure-ai-ml 1.35.2's own client.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from automl_bench.errors import ResourceMissing, ServiceUnavailable
from automl_bench.toolkit.answers import json_object
from automl_bench.toolkit.setting_values import is_this_machine
from automl_bench_azure.addresses import checked_address
from automl_bench_azure.credentials import CONNECT_SECONDS, READ_SECONDS
from automl_bench_azure.failures import azure_errors, from_arm_answer

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

API_VERSION = "2025-12-01"
PUBLIC = "https://management.azure.com"
USER_AGENT = "automl-bench"
LOG_BYTES = 4096
LOG_LINES = 3
"""How much of a log's end is read, and how many of its lines are told."""


class Arm:
    """Reads, writes and deletes resources by their path. Safe to use from several threads.

    Args:
        endpoint: Address of Resource Manager; plain http only to this machine itself.
        credential: Who asks.

    Raises:
        RequestRefused: If the endpoint would send the token over plain http to another machine.
    """

    def __init__(self, endpoint: str, credential: TokenCredential) -> None:
        from azure.core import PipelineClient
        from azure.core.pipeline.policies import BearerTokenCredentialPolicy, HeadersPolicy, UserAgentPolicy
        from azure.core.pipeline.transport import RequestsTransport

        self.endpoint = checked_address("AUTOML_BENCH_AZURE_ARM_ENDPOINT", endpoint)
        parts = urlsplit(self.endpoint)
        local = is_this_machine(parts.hostname or "")
        # A server of one's own gives the rights of the public cloud's name; a sovereign cloud has its own.
        self.scope = f"{PUBLIC if local else self.endpoint}/.default"
        self._deleted: set[str] = set()
        self._client: Any = PipelineClient(
            self.endpoint,
            policies=[
                HeadersPolicy({"Accept": "application/json"}),
                UserAgentPolicy(base_user_agent=USER_AGENT),
                BearerTokenCredentialPolicy(credential, self.scope),
            ],
            transport=RequestsTransport(
                connection_timeout=CONNECT_SECONDS,
                read_timeout=READ_SECONDS,
                use_env_settings=not (local and parts.scheme == "http"),  # no proxy between this machine and itself
            ),
        )

    def __repr__(self) -> str:
        return f"<Azure Resource Manager at {self.endpoint}>"

    def get(self, path: str) -> dict[str, Any]:
        """Return a resource.

        Raises:
            ResourceMissing: If it is not there.
        """
        return self.ask("GET", f"{self.endpoint}{path}", {"api-version": API_VERSION})

    def look(self, path: str) -> dict[str, Any] | None:
        """Return a resource, or None if it is not there."""
        try:
            return self.get(path)
        except ResourceMissing:
            return None

    def put(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Create or change a resource under the name in its path."""
        self._deleted.discard(path)
        return self.ask("PUT", f"{self.endpoint}{path}", {"api-version": API_VERSION}, body)

    def post(self, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Do something with a resource."""
        return self.ask("POST", f"{self.endpoint}{path}", {"api-version": API_VERSION}, body, empty=True)

    def delete(self, path: str, **query: str) -> None:
        """Begin the deletion of a resource; one that is not there counts as deleted."""
        self._deleted.add(path)
        try:
            self.ask("DELETE", f"{self.endpoint}{path}", {"api-version": API_VERSION, **query}, empty=True)
        except ResourceMissing:
            return

    def has_deleted(self, path: str) -> bool:
        """Whether this process has deleted a resource, or what it lies in: then it is no new one that does not show."""
        return any(path == gone or path.startswith(f"{gone}/") for gone in tuple(self._deleted))

    def pages(self, path: str, **query: str) -> Iterator[dict[str, Any]]:
        """Yield what a list holds, over all of its pages."""
        answer = self.ask("GET", f"{self.endpoint}{path}", {"api-version": API_VERSION, **query})
        while True:
            found = answer.get("value")
            if not isinstance(found, list):
                raise ServiceUnavailable("Azure's answer cannot be read: it has no list.", resource=path)
            yield from found
            following = answer.get("nextLink")
            if not following:
                return
            if urlsplit(following)[:2] != urlsplit(self.endpoint)[:2]:
                raise ServiceUnavailable("Azure's list goes on at another address.", resource=path)
            answer = self.ask("GET", following, {})

    def last_lines(self, url: str) -> str:
        """Return the last lines of a log at an address that carries its own right to be read; no token goes along."""
        import requests

        parts = urlsplit(url)
        if parts.scheme != "https" and not is_this_machine(parts.hostname or ""):
            return ""
        try:
            answer = requests.get(
                url, headers={"Range": f"bytes=-{LOG_BYTES}"}, timeout=(CONNECT_SECONDS, READ_SECONDS)
            )
        except requests.RequestException:
            return ""
        if answer.status_code not in (200, 206):
            return ""
        lines = [line.strip() for line in answer.text[-LOG_BYTES:].splitlines() if line.strip()]
        return " / ".join(lines[-LOG_LINES:])

    def read_text(self, url: str) -> str:
        """Return a file at an address that carries its own right to be read; no token goes along.

        Raises:
            ServiceUnavailable: If it cannot be read.
        """
        import requests

        parts = urlsplit(url)
        failure = ServiceUnavailable(f"{parts.path.rsplit('/', 1)[-1] or 'A file'} cannot be read at Azure.")
        if parts.scheme != "https" and not is_this_machine(parts.hostname or ""):
            raise failure
        try:
            answer = requests.get(url, timeout=(CONNECT_SECONDS, READ_SECONDS))
        except requests.RequestException:
            raise failure from None
        if answer.status_code != 200:
            raise failure
        return answer.text

    def ask(
        self,
        method: str,
        url: str,
        query: Mapping[str, str],
        body: Mapping[str, Any] | None = None,
        *,
        empty: bool = False,
    ) -> dict[str, Any]:
        """Send one request and return the answer's object.

        Args:
            method: HTTP method.
            url: Absolute address.
            query: Query parameters.
            body: JSON to send, or None.
            empty: Whether an answer without a body is one; then {} is returned.

        Raises:
            ProviderError: The class that fits.
        """
        from azure.core.rest import HttpRequest

        parts = urlsplit(url)
        resource = parts.path
        plain = parts.scheme == "http" and is_this_machine(parts.hostname or "")
        with azure_errors(resource):
            request = HttpRequest(method, url, params=dict(query), json=body)
            response = self._client.send_request(request, enforce_https=not plain)
            content = response.read()
        if response.status_code >= 300:
            headers = {name.lower(): value for name, value in response.headers.items()}
            raise from_arm_answer(response.status_code, headers, content, resource)
        if empty and not content.strip():
            return {}
        found = json_object(content)
        if found is None:
            raise ServiceUnavailable("Azure's answer cannot be read: it is no JSON object.", resource=resource)
        return found
