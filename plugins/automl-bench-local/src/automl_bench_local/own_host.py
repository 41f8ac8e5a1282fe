"""Keeps a server on the loopback interface to the programs of its own machine, web pages excluded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import Response

from automl_bench_local.inside.hosts import names_this_machine

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

REFUSAL = b'{"detail":"this server answers requests to 127.0.0.1 or localhost only: use that name in the address"}'


class OwnHostOnly:
    """Answers only requests that name this machine as their host.

    The server listens on the loopback interface only, but a page in this machine's browser can reach it under a name of
    its own that it has let point to 127.0.0.1 (DNS rebinding). Such a request names that host.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        app = self._app
        if scope["type"] == "http" and not names_this_machine(_host_of(scope)):
            app = Response(REFUSAL, 421, media_type="application/json")
        await app(scope, receive, send)


def _host_of(scope: Scope) -> str:
    hosts = [value for name, value in scope["headers"] if name == b"host"]
    return hosts[0].decode("latin-1") if len(hosts) == 1 else ""
