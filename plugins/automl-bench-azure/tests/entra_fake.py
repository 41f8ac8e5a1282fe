"""The authority that gives tokens, over TLS as azure-identity demands: OAuth client credentials, and discovery.

Tokens are JSON Web Tokens with issuer, audience and times, as azurite reads them. They are signed with nothing that
anybody could check: whoever takes a token asks `EntraFake.audience`.
"""

from __future__ import annotations

import base64
import json
import secrets
import threading
import time
from collections.abc import Callable
from typing import Self
from urllib.parse import parse_qsl

from azure_http import Answer, HttpServer, Request

TENANT = "11111111-2222-3333-4444-555555555555"
CLIENT = "66666666-7777-8888-9999-000000000000"


class EntraFake:
    """Gives tokens to one service principal.

    Attributes:
        expires_in: Life of a token in seconds.
        granted: Audience of every token given, in order.
        answer_token: Answers requests for a token instead, or None.
    """

    def __init__(self) -> None:
        self.client_secret = f"fake~{secrets.token_urlsafe(24)}"
        self.expires_in = 3600
        self.granted: list[str] = []
        self.answer_token: Callable[[Request], Answer] | None = None
        self._tokens: dict[str, tuple[str, float]] = {}
        self._lock = threading.Lock()
        self._server = HttpServer(self._answer, tls=True)
        self.url = self._server.url

    def __enter__(self) -> Self:
        self._server.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.__exit__()

    def audience(self, header: str) -> str | None:
        """Return whom a bearer token is for, or None if it is unknown or has expired."""
        with self._lock:
            audience, end = self._tokens.get(header.removeprefix("Bearer "), ("", 0.0))
        return audience if header.startswith("Bearer ") and time.time() < end else None

    def revoke(self) -> None:
        """End every token now."""
        with self._lock:
            self._tokens.clear()

    def _answer(self, request: Request) -> Answer:
        if request.path == f"/{TENANT}/v2.0/.well-known/openid-configuration":
            return _json(
                200,
                {
                    "token_endpoint": f"{self.url}/{TENANT}/oauth2/v2.0/token",
                    "authorization_endpoint": f"{self.url}/{TENANT}/oauth2/v2.0/authorize",
                    "issuer": f"{self.url}/{TENANT}/v2.0",
                    "jwks_uri": f"{self.url}/{TENANT}/discovery/v2.0/keys",
                },
            )
        if (request.method, request.path) == ("POST", f"/{TENANT}/oauth2/v2.0/token"):
            if self.answer_token is not None:
                return self.answer_token(request)
            return self._token(dict(parse_qsl(request.body.decode())))
        return _json(404, {"error": "not_found"})

    def _token(self, form: dict[str, str]) -> Answer:
        if form.get("grant_type") != "client_credentials" or not form.get("scope", "").endswith("/.default"):
            return _json(400, {"error": "invalid_request", "error_description": "AADSTS900144: malformed request"})
        if (form.get("client_id"), form.get("client_secret")) != (CLIENT, self.client_secret):
            # A careless server repeats what it was sent: the client must not pass that on.
            words = f"AADSTS7000215: Invalid client secret {form.get('client_secret')!r} provided."
            return _json(401, {"error": "invalid_client", "error_description": words, "error_codes": [7000215]})
        # Times in a token are whole seconds: one more, so that none lives shorter than was said.
        audience, now = form["scope"].removesuffix("/.default"), int(time.time())
        claims = {
            "aud": audience,
            "iss": f"https://sts.windows.net/{TENANT}/",
            "iat": now,
            "nbf": now,
            "exp": now + 1 + self.expires_in,
            "appid": CLIENT,
            "tid": TENANT,
            "jti": secrets.token_hex(8),
        }
        token = ".".join((_part({"typ": "JWT", "alg": "HS256"}), _part(claims), secrets.token_urlsafe(32)))
        with self._lock:
            self._tokens[token] = (audience, now + 1 + self.expires_in)
            self.granted.append(audience)
        return _json(200, {"token_type": "Bearer", "expires_in": self.expires_in, "access_token": token})


def _part(content: dict[str, object]) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")


def _json(status: int, content: dict[str, object]) -> Answer:
    return Answer(status, json.dumps(content).encode(), {"Content-Type": "application/json"})
