"""The few requests that are no predictions: the list of models and the start-up probe. One at a time, no retries."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Protocol

from automl_bench.errors import ProviderError
from automl_bench_openai.failures import error_for, fault_of, no_answer, read_json

if TYPE_CHECKING:
    from automl_bench.contract import ProviderContext
    from automl_bench_openai.options import Options


class Address(Protocol):
    """Where requests go, and how long they may take."""

    @property
    def base_url(self) -> str:
        """The address, without a slash at its end."""
        ...

    @property
    def timeout_seconds(self) -> float:
        """Longest wait for an answer."""
        ...

    @property
    def is_here(self) -> bool:
        """Whether it is on this machine."""
        ...


CONNECT_SECONDS = 10.0


class Client:
    """Asks one address.

    Args:
        options: The address.
        headers: Headers with the key.
    """

    def __init__(self, options: Address, headers: tuple[tuple[str, str], ...]) -> None:
        import requests

        self.options = options
        self._headers = dict(headers)
        self._hidden = [value.removeprefix("Bearer ") for name, value in headers if name.lower() != "content-type"]
        self._session = requests.Session()
        self._session.trust_env = not options.is_here

    @classmethod
    def of(cls, context: ProviderContext, options: Options) -> Client:
        """Return the client of a context's address."""
        return cls(options, options.headers(context))

    def ask(self, path: str, body: Any = None, *, what: str) -> Any:
        """Return the JSON of an answer; GET without a body, POST with one.

        Raises:
            Refused: With the error that fits the status or the error body.
            ProviderError: If there was no whole answer.
        """
        import requests

        data = None if body is None else json.dumps(body).encode()
        try:
            answer = self._session.request(
                "GET" if body is None else "POST",
                f"{self.options.base_url}{path}",
                data=data,
                headers=self._headers,
                timeout=(CONNECT_SECONDS, self.options.timeout_seconds),
                allow_redirects=False,
            )
        except requests.RequestException as error:
            raise no_answer(error, what=what) from None
        content = read_json(answer.content)
        if 200 <= answer.status_code < 300 and isinstance(content, dict) and not content.get("error"):
            return content
        headers = {name.lower(): value for name, value in answer.headers.items()}
        refusal = error_for(answer.status_code, content, headers, what=what, hidden=self._hidden)
        raise Refused.of(refusal, answer.status_code, content)

    def close(self) -> None:
        """Close the connection."""
        self._session.close()


class Refused(Exception):
    """A refusal with what is needed to see whether another request would be taken.

    Attributes:
        error: What it means.
        status: HTTP status.
        param: Field of the request that the refusal names, or empty.
    """

    def __init__(self, error: ProviderError, status: int, param: str) -> None:
        super().__init__(str(error))
        self.error = error
        self.status = status
        self.param = param

    @classmethod
    def of(cls, error: ProviderError, status: int, content: Any) -> Refused:
        """Return a refusal."""
        fault = fault_of(content)
        return cls(error, status, fault.param if fault else "")
