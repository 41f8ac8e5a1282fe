"""A strict stand-in for a service over HTTP, to be filled with a plugin's own routes.

    class AcmeStandIn(StandIn):
        address_variable = "ACME_URL"
        key_variable = "ACME_API_KEY"

        @route("POST", "/projects")
        def create_project(self, request: Request) -> Json:
            return self.create("project", request.json()["name"]).shown()

It is the conformance kit's `LoopbackService`: it records requests, makes every fault, loses answers, lets lists lag,
and refuses unknown paths, other bodies than JSON and requests without the key. What else a route raises fails the test.
"""

from __future__ import annotations

import inspect
import json
import re
import secrets
import socket
import struct
import threading
import time
import traceback
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, ClassVar, Self
from urllib.parse import parse_qs, unquote, urlsplit

from automl_bench.contract import Json
from automl_bench.simulation.loopback_service import Fault, SeenRequest, Target

STATUS = {
    Fault.THROTTLED: 429,
    Fault.SERVER_ERROR: 500,
    Fault.UNAVAILABLE: 503,
    Fault.UNAUTHENTICATED: 401,
    Fault.FORBIDDEN: 403,
    Fault.NOT_FOUND: 404,
    Fault.BILLING: 402,
    Fault.QUOTA: 403,
}
"""Statuses of the faults that are an answer."""
SINGLE = frozenset({*STATUS, Fault.BAD_ANSWER, Fault.RESET})
"""Faults of one request; the others last until `heal`."""

Handler = Callable[..., Json]


class Refusal(Exception):  # an answer, not an error of the stand-in
    """What a route raises to refuse a request.

    Args:
        status: HTTP status.
        content: JSON of the answer.
    """

    def __init__(self, status: int, content: Json = None) -> None:
        super().__init__(status)
        self.status = status
        self.content = {} if content is None else content


@dataclass(frozen=True, slots=True)
class Request:
    """A request as a route gets it.

    Attributes:
        query: First value of each query parameter.
        headers: By lower-case name.
        body: Bytes of the body.
    """

    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """Return the body's content.

        Raises:
            Refusal: 400 if it is no JSON.
        """
        try:
            return json.loads(self.body)
        except ValueError:
            raise Refusal(400, {"message": "the body is not JSON"}) from None


@dataclass(slots=True)
class Thing:
    """Something that the service holds.

    Attributes:
        kind: The service's word for it.
        name: The name it was created with.
        key: The service's own id.
        state: The service's word for how far it is.
        content: Whatever else the stand-in keeps with it.
        foreign: Whether a stranger owns it.
        born: `time.monotonic()` of its creation.
    """

    kind: str
    name: str
    key: str
    state: str = "ready"
    content: dict[str, Any] = field(default_factory=dict)
    foreign: bool = False
    born: float = field(default_factory=time.monotonic)

    def shown(self) -> dict[str, Json]:
        """Return it as an answer shows it."""
        return {"kind": self.kind, "name": self.name, "id": self.key, "state": self.state}


def route(method: str, path: str, *, predicts: bool = False) -> Callable[[Handler], Handler]:
    """Mark a method of a stand-in as the answer to a request.

    Args:
        method: HTTP method.
        path: Path; `{name}` stands for one part of it, which the method gets as an argument.
        predicts: Whether it is a prediction.
    """
    pattern = re.compile("".join(_part(text) for text in re.split(r"(\{\w+\})", path)))

    def mark(handler: Handler) -> Handler:
        handler.__stand_in_route__ = (method, pattern, predicts)  # type: ignore[attr-defined]
        return handler

    return mark


def _part(text: str) -> str:
    return f"(?P<{text[1:-1]}>[^/]+)" if text.startswith("{") else re.escape(text)


class StandIn:
    """The stand-in; use it as a context manager.

    Attributes:
        address_variable: Environment variable that gives the plugin its address.
        key_variable: Environment variable that gives the plugin its key.
        costly: Kinds that cost money while they exist.
        lag_seconds: How long `listed` does not show what was just created.
    """

    address_variable: ClassVar[str] = ""
    key_variable: ClassVar[str] = ""
    costly: ClassVar[Collection[str]] = ("endpoint",)
    lag_seconds: ClassVar[float] = 0.0

    def __init__(self) -> None:
        self.key = f"key-{secrets.token_hex(12)}"
        self.lock = threading.RLock()
        self.things: dict[str, Thing] = {}
        self.lasting: set[Fault] = set()
        self.broken: list[str] = []
        """Tracebacks of routes that failed, and requests that no route has."""
        self._numbers = 0
        self._seen: list[SeenRequest] = []
        self._made: list[str] = []
        self._planned: dict[Target, tuple[Fault, int | None]] = {}
        self._routes = [
            (*value.__stand_in_route__, name)
            for name, value in inspect.getmembers(type(self))
            if hasattr(value, "__stand_in_route__")
        ]
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        if error is None and self.broken:
            raise AssertionError(f"the stand-in was asked for what it does not have, or failed:\n{self.broken[0]}")

    @property
    def address(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    # --- for the routes -----------------------------------------------------------------------------------------

    def is_authorised(self, headers: Mapping[str, str]) -> bool:
        """Whether a request carries the key; override it for another header than a bearer token."""
        return headers.get("authorization") == f"Bearer {self.key}"

    def create(self, kind: str, name: str, *, state: str = "ready", **content: Any) -> Thing:
        """Hold a new thing, and count its creation.

        Raises:
            Refusal: 409 if there is one of that kind and name.
        """
        if self.named(kind, name) is not None:
            raise Refusal(409, {"message": f"there is a {kind} {name} already"})
        self._numbers += 1
        thing = Thing(kind, name, f"{kind}-{self._numbers}", state, dict(content))
        self.things[thing.key] = thing
        self._made.append(f"{kind} {name}")
        return thing

    def get(self, kind: str, key: str) -> Thing:
        """Return a thing by its id.

        Raises:
            Refusal: 404 if there is none.
        """
        thing = self.things.get(key)
        if thing is None or thing.kind != kind:
            raise Refusal(404, {"message": f"there is no {kind} {key}"})
        return thing

    def named(self, kind: str, name: str) -> Thing | None:
        """Return a thing by its name, or None."""
        return next((one for one in self.things.values() if (one.kind, one.name) == (kind, name)), None)

    def listed(self, prefix: str) -> list[Thing]:
        """Return what is shown under a name prefix: not yet what was created a moment ago, if lists lag."""
        before = time.monotonic() - self.lag_seconds
        return [one for one in self.things.values() if one.name.startswith(prefix) and one.born <= before]

    def remove(self, thing: Thing) -> None:
        """Delete a thing.

        Raises:
            Refusal: 403 while deletions fail.
        """
        if Fault.DELETION_FAILS in self.lasting:
            raise Refusal(403, {"message": "deletions fail"})
        del self.things[thing.key]

    def end_of(self, fault: Fault) -> str:
        """Return how work ends now: "failed" while this fault is asked for, else "ready"."""
        return "failed" if fault in self.lasting else "ready"

    # --- LoopbackService ----------------------------------------------------------------------------------------

    def environment(self) -> Mapping[str, str]:
        """Return what makes the plugin use it."""
        return {self.address_variable: self.address, self.key_variable: self.key}

    def requests(self) -> Sequence[SeenRequest]:
        """Return every request so far."""
        return list(self._seen)

    def predictions(self) -> int:
        """Return how many predictions were asked for."""
        return sum(request.predicts for request in list(self._seen))

    def resources(self) -> Sequence[str]:
        """Return what exists."""
        with self.lock:
            return [f"{thing.kind} {thing.name}" for thing in self.things.values() if not thing.foreign]

    def billing(self) -> Sequence[str]:
        """Return what of it costs."""
        return [name for name in self.resources() if name.partition(" ")[0] in self.costly]

    def creations(self) -> Sequence[str]:
        """Return every creation."""
        return list(self._made)

    def training_samples(self) -> Sequence[tuple[str, str]]:
        """Return what is held for training; override it."""
        raise NotImplementedError("say which samples the stand-in holds: (identifier, label) each")

    def stranger(self) -> str | None:
        """Create something as another user would."""
        thing = Thing("foreign", "somebody-elses", "foreign-1", foreign=True)
        self.things[thing.key] = thing
        return thing.name

    def strangers(self) -> Sequence[str]:
        """Return what of that still exists."""
        return [thing.name for thing in self.things.values() if thing.foreign]

    def faults(self, target: Target) -> Collection[Fault]:
        """Return the faults it can make: all."""
        return frozenset(Fault) if target is Target.CONTROL else SINGLE

    def inject(self, fault: Fault, *, target: Target = Target.CONTROL, times: int | None = 1) -> None:
        """Make a fault."""
        with self.lock:
            if fault in SINGLE:
                self._planned[target] = (fault, times)
            else:
                self.lasting.add(fault)

    def heal(self) -> None:
        """Make no more faults."""
        with self.lock:
            self._planned.clear()
            self.lasting.clear()

    # --- serving ------------------------------------------------------------------------------------------------

    def answer(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes] | None:
        """Answer one request with a status and bytes, or with None: the connection is reset."""
        parts = urlsplit(target)
        found = self._found(method, unquote(parts.path))
        predicts = found is not None and found[0]
        self._seen.append(SeenRequest(f"{method} {target}", body, headers, predicts))
        fault = self._fault_of(Target.PREDICTION if predicts else Target.CONTROL)
        if fault is Fault.RESET:
            return None
        if fault is Fault.BAD_ANSWER:
            return 200, b"<html>not what was asked for"
        if fault is not None:
            return STATUS[fault], json.dumps({"message": fault.value}).encode()
        if not self.is_authorised(headers):
            return 401, b'{"message": "the key is missing or wrong"}'
        if found is None:
            self.broken.append(f"no route for {method} {parts.path}")
            return 404, b'{"message": "no such path"}'
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        with self.lock:
            made = len(self._made)
            try:
                content = getattr(self, found[1])(Request(query, headers, body), **found[2])
                status = 200
            except Refusal as refusal:
                status, content = refusal.status, refusal.content
            except Exception:  # noqa: BLE001  # told at the end of the test
                self.broken.append(traceback.format_exc())
                status, content = 500, {"message": "the stand-in failed"}
            if len(self._made) > made and Fault.LOST_ANSWER in self.lasting:
                self.lasting.discard(Fault.LOST_ANSWER)
                return None
        return status, json.dumps(content).encode()

    def _found(self, method: str, path: str) -> tuple[bool, str, dict[str, str]] | None:
        for own_method, pattern, predicts, name in self._routes:
            if own_method == method and (match := pattern.fullmatch(path)):
                return predicts, name, match.groupdict()
        return None

    def _fault_of(self, target: Target) -> Fault | None:
        with self.lock:
            if target not in self._planned:
                return None
            fault, times = self._planned[target]
            if times is not None and times <= 1:
                del self._planned[target]
            elif times is not None:
                self._planned[target] = (fault, times - 1)
            return fault


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, stand_in: StandIn) -> None:
        self.stand_in = stand_in
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Stay quiet where a client went away: the kit kills clients."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # one packet an answer
    disable_nagle_algorithm = True
    server: _Server

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        answer = self.server.stand_in.answer(self.command, self.path, headers, body)
        if answer is None:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            self.connection.close()
            return
        status, data = answer
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        if status == 429:
            self.send_header("Retry-After", "0")
        self.end_headers()
        self.wfile.write(data)
        self.wfile.flush()

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815  # names of http.server

    def log_message(self, *arguments: Any) -> None:
        """Print nothing: the kit reads what commands print."""
