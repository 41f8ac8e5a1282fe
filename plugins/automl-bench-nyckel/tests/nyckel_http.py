"""The stand-in of Nyckel as an HTTP server: checks of each request before its operation, and faults."""

from __future__ import annotations

import json
import socket
import struct
import time
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import parse_qs, urlsplit

from nyckel_wire import (
    CUT,
    GARBAGE,
    HANG,
    LOSE,
    RESET,
    Paged,
    PlannedFault,
    Recorded,
    Refusal,
    allow,
    no_constant,
    route,
)

if TYPE_CHECKING:
    from nyckel_fake import NyckelFake


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], fake: NyckelFake) -> None:
        self.fake = fake
        super().__init__(address, Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True
    server: Server
    without_json: ClassVar[set[str]] = {"GET", "DELETE"}

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the base class's name
        """Say nothing."""

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def do_PUT(self) -> None:
        self._serve()

    def do_DELETE(self) -> None:
        self._serve()

    def _serve(self) -> None:
        fake = self.server.fake
        content = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        parts = urlsplit(self.path)
        if parts.path.startswith("/_fake/"):
            self._answer(200, fake.bill())
            return
        operation, groups = route(self.command, parts.path)
        query = {key: values[-1] for key, values in parse_qs(parts.query, keep_blank_values=True).items()}
        moment = time.monotonic()
        fault = fake.planned_fault(operation)
        fake.closing.wait(fake.latency)
        body: Any = None
        link = None
        try:
            allowed = fake.enter() if operation != "token" else True
            try:
                if fault is not None and (isinstance(fault.what, int) or fault.what in (GARBAGE, RESET)):
                    status, answer = self._planned(fault)
                elif not allowed:
                    raise Refusal(429, "Too many requests")
                else:
                    body = self._body(content, operation)
                    status, answer = 200, self._dispatch(fake, operation, groups, query, body)
            finally:
                if operation != "token":
                    fake.leave()
        except Refusal as refusal:
            status, answer = refusal.status, refusal.body
        if isinstance(answer, Paged):
            link, answer = answer.link, answer.items
        with fake.lock:
            fake.recorded.append(
                Recorded(
                    operation,
                    self.command,
                    parts.path,
                    query,
                    body,
                    status,
                    moment,
                    content,
                    {name.lower(): value for name, value in self.headers.items()},
                    self.path,
                )
            )
        if fault is not None and fault.what in (LOSE, HANG, RESET):
            if fault.what == HANG:
                fake.closing.wait()
            self._reset()
            return
        headers = dict(fault.headers) if fault is not None else {}
        if link:
            headers["Link"] = link
        self._answer(status, answer, headers, cut=fault is not None and fault.what == CUT)

    def _planned(self, fault: PlannedFault) -> tuple[int, Any]:
        if fault.what in (GARBAGE, RESET):
            return 200, b"<html>a proxy's page</html>"
        assert isinstance(fault.what, int)
        return fault.what, fault.body if fault.body is not None else {"message": f"injected {fault.what}"}

    def _body(self, content: bytes, operation: str) -> Any:
        kind = self.headers.get("Content-Type", "").partition(";")[0]
        if operation == "token":
            if kind != "application/x-www-form-urlencoded":
                raise Refusal(400, "", error="invalid_request")
            return {key: values[-1] for key, values in parse_qs(content.decode(), keep_blank_values=True).items()}
        self.server.fake.authorise(self.headers.get("Authorization", ""))
        if self.command in self.without_json:
            if content:
                raise Refusal(400, "this request takes no body")
            return None
        if kind != "application/json":
            raise Refusal(400, "the content type must be application/json")
        try:
            return json.loads(content, parse_constant=no_constant)
        except ValueError:
            raise Refusal(400, "the body is not JSON") from None

    def _dispatch(
        self, fake: NyckelFake, operation: str, groups: tuple[str, ...], query: dict[str, str], body: Any
    ) -> Any:
        if operation == "unknown":
            raise Refusal(404, "no such path")
        work: Callable[..., Any] = getattr(fake, operation)
        if operation == "token":
            return work(body)
        if operation in ("create_function", "list_functions"):
            return work(*([body] if body is not None else []), query)
        arguments: list[Any] = [fake.visible(groups[0]), *groups[1:]]
        if body is not None:
            arguments.append(body)
        if operation in ("list_labels", "list_fields", "list_samples", "get_sample", "invoke"):
            arguments.append(query)
        else:
            allow(query, set())
        return work(*arguments)

    def _answer(self, status: int, answer: Any, headers: Mapping[str, str] | None = None, *, cut: bool = False) -> None:
        content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content) + (100 if cut else 0)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)
        if cut:
            self.wfile.flush()
            self.close_connection = True

    def _reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.rfile.close()
        self.wfile.close()
        self.connection.close()
