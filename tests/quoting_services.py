"""Stand-ins that quote credentials: answers repeat what the request held, as careless services and proxies do.

with quoting(secrets, when=lambda: service.predictions() > 1) as quoter:
    …                                  # from then on every answer of every stand-in in this process is an error
quoter.secrets                         # those given, and every token that a request brought
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from itertools import count
from xml.sax.saxutils import escape

from quoted_secrets import MORE_ENCODINGS, WORDS
from watched_requests import before_each_request

STATUSES = (403, 400, 401, 500)
CODES = {403: "AccessDenied", 400: "InvalidSignatureException", 401: "Unauthorized", 500: "InternalError"}
TOKEN = re.compile(r"(?:Bearer|Basic|Key) (\S+)|(\S+)")


class Quoter:
    """Makes the answers.

    Args:
        secrets: What was planted.
        when: Whether to answer so now.

    Attributes:
        secrets: What was planted, and the tokens that requests brought.
        answers: How many answers quoted something.
    """

    def __init__(self, secrets: Iterable[str], when: Callable[[], bool]) -> None:
        self._planted = set(secrets)
        self.secrets = set(self._planted)
        self.answers = 0
        self._when = when
        self._numbers = count()
        self._lock = threading.Lock()

    def brought(self, headers: Iterable[tuple[str, str]]) -> set[str]:
        """Return the credentials of a request, and remember them."""
        found = set()
        for name, value in headers:
            if name.lower() in ("authorization", "x-amz-security-token"):
                if value.startswith(("AWS4-", "SharedKey ")):
                    continue  # a signature, not a secret
                token = TOKEN.fullmatch(value)
                if token is not None:
                    found.add(token[1] or token[2])
        with self._lock:
            self.secrets |= found
        return found

    def answers_now(self, path: str) -> bool:
        """Whether a request is answered here: without a token nobody would come as far as a service that quotes it."""
        return not path.endswith(("/token", "/openid-configuration")) and self._when()

    def message(self, brought: set[str]) -> str:
        """Return the next words: each secret in one of the encodings, so long that some are cut on their way.

        Args:
            brought: The credentials of the request; nobody is told those of another command.
        """
        number = next(self._numbers)
        encodings = list(MORE_ENCODINGS.values())
        with self._lock:
            self.answers += 1
        known = sorted(self._planted | brought, key=len)
        parts = ["too many words " * (number % 19)]
        for place, secret in enumerate(known):
            said = encodings[(number + place) % len(encodings)](secret)
            parts.append(WORDS[(number + place) % len(WORDS)].replace("{}", said))
        return " ".join(parts)


def _answer(handler: BaseHTTPRequestHandler, quoter: Quoter, brought: set[str]) -> None:
    """Answer with an error in the form that the service's own would have."""
    handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
    said = quoter.message(brought)
    status = STATUSES[quoter.answers % len(STATUSES)]
    headers = {name.lower() for name in handler.headers}
    is_storage = "x-ms-version" in headers or ("X-Amz-" in handler.path) or "x-amz-content-sha256" in headers
    if is_storage and "x-amz-target" not in headers:
        kind = "application/xml"
        hexed = said.encode().hex(" ")
        body = (
            f"<?xml version='1.0'?><Error><Code>{CODES[status]}</Code><Message>{escape(_plain(said))}</Message>"
            f"<StringToSignBytes>{hexed}</StringToSignBytes></Error>"
        ).encode()
    else:
        kind = "application/json"
        body = json.dumps(_error(status, said)).encode()
    handler.send_response(status)
    one_line = _plain(said).encode("ascii", "replace").decode()[:2000]
    for name in ("X-Error-Message", "x-request-id", "x-amzn-RequestId", "x-ms-request-id"):
        handler.send_header(name, one_line)
    handler.send_header("Content-Type", kind)
    handler.send_header("Content-Length", str(len(body)))
    handler.send_header("Connection", "close")
    handler.end_headers()
    if handler.command != "HEAD":
        handler.wfile.write(body)
    handler.wfile.flush()
    handler.close_connection = True


def _plain(text: str) -> str:
    """Return the words without what neither XML nor a header can hold."""
    return re.sub(r"[\x00-\x1f\x7f]", " ", text)


def _error(status: int, said: str) -> dict[str, object]:
    inner = {"code": CODES[status], "message": said, "status": "PERMISSION_DENIED", "type": "invalid_request_error"}
    return {"error": inner, "message": said, "Message": said, "__type": CODES[status], "detail": said}


@contextmanager
def quoting(secrets: Iterable[str], when: Callable[[], bool]) -> Iterator[Quoter]:
    """Let every server of this process answer so from when on."""
    quoter = Quoter(secrets, when)

    def act(handler: BaseHTTPRequestHandler) -> bool:
        brought = quoter.brought(handler.headers.items())
        if not quoter.answers_now(handler.path):
            return True
        _answer(handler, quoter, brought)
        return False

    with before_each_request(act):
        yield quoter
