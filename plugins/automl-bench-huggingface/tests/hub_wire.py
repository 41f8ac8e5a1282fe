"""The sockets of the stand-in: routes, what was asked, faults on demand, and refusals in the service's own form."""

from __future__ import annotations

import json
import re
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qsl, unquote, urlsplit


class ApiError(Exception):
    """An error answer. `code` becomes the Hub's X-Error-Code."""

    def __init__(self, status: int, message: str, code: str = "", headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.headers = dict(headers or {})


class NotYet(ApiError):
    """An answer that a caller with patience may wait for: the request is held and looked at again so long."""

    def __init__(self, message: str, patience: float) -> None:
        super().__init__(503, message)
        self.patience = patience


class Hangup(Exception):
    """The connection is to be reset without an answer."""


@dataclass(slots=True)
class Request:
    """One request as it came; `operation` is the route's name once it is known."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    headers: dict[str, str]
    body: bytes
    operation: str = ""
    target: str = ""

    def json(self) -> Any:
        if "json" not in self.headers.get("content-type", ""):
            raise ApiError(415, f"content type {self.headers.get('content-type')!r} is not JSON")
        try:
            return json.loads(self.body)
        except ValueError as error:
            raise ApiError(400, "the body is not JSON") from error

    def values(self, name: str) -> list[str]:
        return [value for key, value in self.query if key == name]

    @property
    def bearer(self) -> str:
        kind, _, token = self.headers.get("authorization", "").partition(" ")
        return token if kind == "Bearer" else ""


@dataclass(slots=True)
class Reply:
    """One answer."""

    content: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    raw: bytes | None = None

    def body(self) -> bytes:
        return self.raw if self.raw is not None else json.dumps(self.content).encode()


Handling = Callable[..., Reply]


@dataclass(frozen=True, slots=True)
class Route:
    """A method and a pattern of paths; its groups become the arguments of the handling."""

    method: str
    pattern: re.Pattern[str]
    operation: str
    handling: Handling
    needs_token: bool = True


@dataclass(slots=True)
class Trouble:
    """A fault that was ordered."""

    applies: Callable[[str], bool]
    answer: ApiError | bytes | type[Hangup]
    left: float
    after: bool = False
    """Whether the request is carried out before the connection is reset."""


def check_object(
    value: Any, required: Mapping[str, Any], optional: Mapping[str, Any] | None = None, where: str = "the body"
) -> dict[str, Any]:
    """Hold a JSON object to its keys and types: each type is a class, a tuple of them, a pattern, a set or a function.

    Raises:
        ApiError: 400, as for a key that is missing, unknown or of another type.
    """
    if not isinstance(value, dict):
        raise ApiError(400, f"{where} is no object")
    shapes = {**required, **(optional or {})}
    for key in required:
        if key not in value:
            raise ApiError(400, f'"{where}.{key}" is required')
    for key, inner in value.items():
        if key not in shapes:
            raise ApiError(400, f'"{where}.{key}" is not allowed')
        _check_value(inner, shapes[key], f"{where}.{key}")
    return value


def _check_value(value: Any, shape: Any, where: str) -> None:
    if isinstance(shape, re.Pattern):
        fits = isinstance(value, str) and shape.fullmatch(value) is not None
    elif isinstance(shape, (set, frozenset)):
        fits = value in shape
    elif isinstance(shape, (type, tuple)):
        kinds = shape if isinstance(shape, tuple) else (shape,)
        fits = isinstance(value, kinds) and not (isinstance(value, bool) and bool not in kinds)
    else:
        shape(value, where)
        return
    if not fits:
        raise ApiError(400, f'"{where}" is {value!r}')


def list_of(shape: Any) -> Callable[[Any, str], None]:
    """Return the check of a list."""

    def check(value: Any, where: str) -> None:
        if not isinstance(value, list):
            raise ApiError(400, f'"{where}" is no list')
        for index, each in enumerate(value):
            _check_value(each, shape, f"{where}[{index}]")

    return check


def texts(value: Any, where: str) -> None:
    """Check an object of text by name."""
    if not isinstance(value, dict) or not all(isinstance(each, str) for pair in value.items() for each in pair):
        raise ApiError(400, f'"{where}" is no object of texts')


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256  # a full queue costs whoever connects a second


class Wire:
    """An HTTP server on this machine that finds the route, keeps the record and makes the faults.

    Args:
        authorize: Refuses a request without a good token.
        beside: Another server of the same service, with which record, faults and lock are shared.
    """

    def __init__(self, authorize: Callable[[Request], None], beside: Wire | None = None) -> None:
        self.lock = beside.lock if beside else threading.RLock()
        self.seen: list[Request] = beside.seen if beside else []
        self.routes: list[Route] = []
        self._troubles: list[Trouble] = beside._troubles if beside else []
        self._authorize = authorize
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self.standing_headers: Callable[[Request], dict[str, str]] = lambda request: {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def add(self, routes: Iterable[tuple[str, str, str, Handling, bool]]) -> None:
        """Add routes: method, pattern, name, handling, whether a token is needed."""
        self.routes.extend(
            Route(method, re.compile(pattern), name, handling, needs_token)
            for method, pattern, name, handling, needs_token in routes
        )

    def fail(
        self,
        applies: Callable[[str], bool],
        answer: ApiError | bytes | type[Hangup],
        times: float = 1,
        *,
        after: bool = False,
    ) -> None:
        """Answer the next so many requests of these operations so."""
        with self.lock:
            self._troubles.append(Trouble(applies, answer, times, after))

    def heal(self) -> None:
        with self.lock:
            self._troubles.clear()

    def operations(self) -> list[str]:
        with self.lock:
            return [request.operation for request in self.seen]

    def answer(self, request: Request) -> Reply:
        """Answer one request.

        Raises:
            Hangup: If there is to be no answer.
        """
        route, arguments = self._route(request)
        request.operation = route.operation if route else "unknown"
        with self.lock:
            self.seen.append(request)
            trouble = self._trouble(request.operation)
        reply = self._carried_out(route, arguments, request, trouble)
        reply.headers = {**self.standing_headers(request), **reply.headers}
        return reply

    def _carried_out(
        self, route: Route | None, arguments: tuple[str, ...], request: Request, trouble: Trouble | None
    ) -> Reply:
        try:
            if trouble is not None and not trouble.after:
                if isinstance(trouble.answer, bytes):
                    return Reply(raw=trouble.answer, headers={"Content-Type": "text/html"})
                raise trouble.answer
            if route is None:
                return Reply({"error": f"no route {request.method} {request.path}"}, 404)
            if route.needs_token:
                self._authorize(request)
            reply = self._handled(route, request, [unquote(argument) for argument in arguments])
        except ApiError as error:
            headers = {"X-Error-Message": str(error).encode("ascii", "replace").decode(), **error.headers}
            if error.code:
                headers["X-Error-Code"] = error.code
            return Reply({"error": str(error)}, error.status, headers)
        if trouble is not None:
            raise Hangup
        return reply

    def _handled(self, route: Route, request: Request, arguments: list[str]) -> Reply:
        began = time.monotonic()
        while True:
            try:
                with self.lock:
                    return route.handling(request, *arguments)
            except NotYet as error:
                if time.monotonic() - began >= error.patience:
                    raise
            time.sleep(0.01)

    def _route(self, request: Request) -> tuple[Route | None, tuple[str, ...]]:
        for route in self.routes:
            found = route.pattern.fullmatch(request.path)
            if found and route.method in (request.method, "GET" if request.method == "HEAD" else ""):
                return route, found.groups()
        return None, ()

    def _trouble(self, operation: str) -> Trouble | None:
        for trouble in self._troubles:
            if trouble.applies(operation):
                trouble.left -= 1
                if trouble.left <= 0:
                    self._troubles.remove(trouble)
                return trouble
        return None


def _handler(wire: Wire) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            query = tuple(parse_qsl(parts.query, keep_blank_values=True))
            request = Request(self.command, parts.path, query, headers, body, target=self.path)
            try:
                reply = wire.answer(request)
            except Hangup:
                self.close_connection = True
                linger = struct.pack("ii", 1, 0)
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                self.connection.close()
                return
            content = reply.body()
            self.send_response(reply.status)
            for name, value in {"Content-Type": "application/json", **reply.headers}.items():
                self.send_header(name, value)
            if "Content-Length" not in reply.headers:
                self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            with suppress(OSError):
                if self.command != "HEAD":
                    self.wfile.write(content)
                self.wfile.flush()

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_POST(self) -> None:
            self.do_GET()

        def do_PUT(self) -> None:
            self.do_GET()

        def do_DELETE(self) -> None:
            self.do_GET()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    return Handler
