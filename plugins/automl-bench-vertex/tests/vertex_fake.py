"""A stand-in for Vertex AI over REST: its server, its tokens, its faults, its record of what was asked.

    with VertexFake(storage_url="http://127.0.0.1:4443", tokens=TokenIssuer()) as fake:
        fake.url                                  # for AUTOML_BENCH_VERTEX_API_ENDPOINT
        fake.fail("ListDatasets", "INTERNAL")     # the next answer of a method is an error

Routes and messages are the SDK's own (`vertex_routes`); what the methods do is in `vertex_project`.
"""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import urlsplit

import vertex_routes
from google_tokens import TokenIssuer
from vertex_project import Pace, Project
from vertex_routes import Refusal

CREATING = ("CreateDataset", "CreateTrainingPipeline", "CreateEndpoint", "DeployModel")
DELETING = ("DeleteDataset", "DeleteTrainingPipeline", "DeleteEndpoint", "DeleteModel", "UndeployModel")
STATUS = {
    "CANCELLED": 499, "UNKNOWN": 500, "INVALID_ARGUMENT": 400, "DEADLINE_EXCEEDED": 504, "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409, "PERMISSION_DENIED": 403, "UNAUTHENTICATED": 401, "RESOURCE_EXHAUSTED": 429,
    "FAILED_PRECONDITION": 400, "ABORTED": 409, "OUT_OF_RANGE": 400, "UNIMPLEMENTED": 501, "INTERNAL": 500,
    "UNAVAILABLE": 503, "DATA_LOSS": 500,
}  # fmt: skip
"""HTTP status by code, as google.rpc.Code says."""

GARBAGE = b"<html>not what was asked for"
TOKEN = "token"


class Hangup(Exception):
    """The connection is to be reset without an answer, before anything was done."""


Answer = Refusal | bytes | type[Hangup] | int


@dataclass(frozen=True, slots=True)
class Seen:
    """One request as it came: the method's name, or "token", and how it was answered; 0 for not at all."""

    method: str
    target: str
    body: bytes
    headers: dict[str, str]
    status: int


@dataclass(slots=True)
class _Fault:
    matches: Callable[[str], bool]
    answer: Answer
    left: float
    after: int


class VertexFake:
    """The service of one project in one region.

    Args:
        storage_url: Where the images are.
        tokens: Whose tokens are accepted; None accepts everybody.
        pace: How long things take.
    """

    def __init__(self, storage_url: str, tokens: TokenIssuer | None = None, pace: Pace | None = None) -> None:
        self.tokens = tokens
        self.project = Project(storage_url, pace or Pace())
        self.seen: list[Seen] = []
        self.before: Callable[[str], None] = lambda method: None
        self.lose_when: Callable[[str], bool] = lambda method: False
        self._faults: list[_Fault] = []
        self._lock = threading.Lock()
        self._server = _Server(self)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def token_uri(self) -> str:
        """Where a service account's key file sends requests for tokens."""
        return f"{self.url}/token"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    # --- faults -------------------------------------------------------------------------------------------------

    def fail(self, matches: str | Callable[[str], bool], answer: Answer, times: float = 1, after: int = 0) -> None:
        """Answer the next so many requests of a method otherwise: with an error, other bytes, or not at all."""
        test = matches if callable(matches) else lambda name: name == matches
        self._faults.append(_Fault(test, answer, times, after))

    def heal(self) -> None:
        """Make no more faults."""
        self._faults.clear()
        self.lose_when = lambda method: False
        self.before = lambda method: None
        self.project.heal()

    def count(self, method: str, status: int | None = None) -> int:
        """Return how many requests of a method there were, or how many that were answered so."""
        return sum(each.method == method and status in (None, each.status) for each in self.seen)

    def _fault(self, method: str) -> Answer | None:
        with self._lock:
            for entry in list(self._faults):
                if not entry.matches(method):
                    continue
                if entry.after > 0:
                    entry.after -= 1
                    continue
                entry.left -= 1
                if entry.left <= 0:
                    self._faults.remove(entry)
                return entry.answer
        return None

    # --- one request --------------------------------------------------------------------------------------------

    def serve(self, verb: str, target: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes, dict[str, str]]:
        """Answer one request: status, content, headers.

        Raises:
            Hangup: If the connection is to be reset.
        """
        parts = urlsplit(target)
        method, more = "unknown", {"Content-Type": "application/json; charset=UTF-8"}
        lost = False
        try:
            if (verb, parts.path) == ("POST", "/token"):
                method = TOKEN
                status, content = self._grant(body)
            else:
                self._authorize(headers)
                method, request = vertex_routes.read(verb, parts.path, parts.query, body)
                lost = method in CREATING and self.lose_when(method)
                status, content = self._carry_out(method, request, len(body))
        except Hangup:
            status, content, lost = 0, b"", True
        except Refusal as refusal:
            status = STATUS[refusal.code]
            about = {"code": status, "message": str(refusal), "status": refusal.code, "details": refusal.details}
            content, more = json.dumps({"error": about}).encode(), {**more, **refusal.headers}
        with self._lock:
            self.seen.append(Seen(method, target, body, headers, status))
        if lost:
            raise Hangup
        return status, content, more

    def _authorize(self, headers: dict[str, str]) -> None:
        if self.tokens is not None and not self.tokens.holds(headers.get("authorization", "")):
            raise Refusal("UNAUTHENTICATED", "Request had invalid authentication credentials.")

    def _carry_out(self, method: str, request: Any, size: int) -> tuple[int, bytes]:
        self.before(method)
        fault = self._fault(method)
        if isinstance(fault, bytes):
            return 200, fault
        if isinstance(fault, int):
            return fault, b""
        if fault is not None:
            raise fault
        return 200, vertex_routes.answer(self.project.call(method, request, size))

    def _grant(self, body: bytes) -> tuple[int, bytes]:
        fault = self._fault(TOKEN)
        if isinstance(fault, int):
            return fault, b"{}"
        if isinstance(fault, bytes):
            return 200, fault
        if isinstance(fault, Refusal):
            words = {"error": str(fault), "error_description": f"told to; you sent {body.decode()}"}
            return STATUS[fault.code], json.dumps(words).encode()
        if fault is not None:
            raise fault
        assert self.tokens is not None, "nobody should ask for a token"
        status, content = self.tokens.grant(body)
        return status, json.dumps(content).encode()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, fake: VertexFake) -> None:
        self.fake = fake
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, *_: Any) -> None:
        """Say nothing of clients that went away."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True
    server: _Server

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        try:
            status, content, more = self.server.fake.serve(self.command, self.path, headers, body)
        except Hangup:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            with suppress(OSError):
                self.connection.close()
            self.close_connection = True
            return
        self.send_response(status)
        for name, value in more.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
        self.wfile.flush()

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815  # the names that http.server asks for

    def log_message(self, *_: Any) -> None:
        """Say nothing."""
