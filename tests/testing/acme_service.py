"""The stand-in for Acme Vision: an HTTP server in a thread that learns mean colours and counts everything."""

from __future__ import annotations

import base64
import io
import json
import socket
import struct
import threading
from collections.abc import Collection, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from PIL import Image, ImageStat

from automl_bench.testing import Fault, SeenRequest, Target

KEY = "acme-key-3f9c1b7d2e"
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
SINGLE = {*STATUS, Fault.BAD_ANSWER, Fault.RESET}


class Thing:
    def __init__(self, kind: str, name: str, number: int) -> None:
        self.kind, self.name, self.id = kind, name, f"{kind}-{number}"
        self.state = "ready"
        self.samples: dict[str, tuple[str, tuple[float, ...]]] = {}
        self.project = ""

    def as_json(self) -> dict[str, str]:
        return {"kind": self.kind, "name": self.name, "id": self.id, "state": self.state}


class AcmeService:
    def __init__(self) -> None:
        self.things: dict[str, Thing] = {}
        self.lock = threading.RLock()
        self.seen: list[SeenRequest] = []
        self.made: list[str] = []
        self.planned: dict[Target, tuple[Fault, int | None]] = {}
        self.lasting: set[Fault] = set()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.acme = self  # type: ignore[attr-defined]
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

    # --- LoopbackService ---

    def environment(self) -> Mapping[str, str]:
        return {"ACME_URL": f"http://127.0.0.1:{self._server.server_address[1]}", "ACME_KEY": KEY}

    def requests(self) -> Sequence[SeenRequest]:
        return list(self.seen)

    def predictions(self) -> int:
        return sum(request.predicts for request in list(self.seen))

    def resources(self) -> Sequence[str]:
        return [f"{thing.kind} {thing.name}" for thing in self.things.values() if thing.kind != "foreign"]

    def billing(self) -> Sequence[str]:
        return [name for name in self.resources() if name.startswith("endpoint ")]

    def creations(self) -> Sequence[str]:
        return list(self.made)

    def training_samples(self) -> Sequence[tuple[str, str]]:
        return [(key, label) for thing in self.things.values() for key, (label, _) in thing.samples.items()]

    def stranger(self) -> str | None:
        self.things["foreign-1"] = Thing("foreign", "somebody-elses", 1)
        return "somebody-elses"

    def strangers(self) -> Sequence[str]:
        return [thing.name for thing in self.things.values() if thing.kind == "foreign"]

    def faults(self, target: Target) -> Collection[Fault]:
        return set(Fault) if target is Target.CONTROL else SINGLE

    def inject(self, fault: Fault, *, target: Target = Target.CONTROL, times: int | None = 1) -> None:
        if fault in SINGLE:
            self.planned[target] = (fault, times)
        else:
            self.lasting.add(fault)

    def heal(self) -> None:
        self.planned.clear()
        self.lasting.clear()

    # --- the service ---

    def fault_of(self, target: Target) -> Fault | None:
        with self.lock:
            if target not in self.planned:
                return None
            fault, times = self.planned[target]
            if times is not None and times <= 1:
                del self.planned[target]
            elif times is not None:
                self.planned[target] = (fault, times - 1)
            return fault

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, Any, bool]:
        """Return status, content, and whether the answer is lost."""
        parts = urlsplit(path)
        words = parts.path.strip("/").split("/")
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        with self.lock:
            if words == ["account"]:
                return 200, {"account": "acme-42"}, False
            if words == ["things"]:
                prefix = query.get("prefix", "")
                found = [thing.as_json() for thing in self.things.values() if thing.name.startswith(prefix)]
                return 200, {"things": found}, False
            if method == "POST" and len(words) == 1:
                return self.create(words[0], json.loads(body))
            if method == "DELETE":
                return self.delete(words[0], query["name"])
            thing = self.things.get(words[1])
            if thing is None:
                return 404, {}, False
            if words[2:3] == ["samples"]:
                item = json.loads(body)
                thing.samples[words[3]] = (item["label"], colour(base64.b64decode(item["data"])))
                return 200, {}, False
            if words[2:] == ["train"]:
                thing.state = "failed" if Fault.TRAINING_FAILS in self.lasting else "ready"
                return 200, {}, False
            if words[2:] == ["predict"]:
                return 200, self.predict(thing, body), False
            return 200, thing.as_json(), False

    def create(self, kind: str, content: dict[str, Any]) -> tuple[int, Any, bool]:
        thing = Thing(kind, content["name"], len(self.made) + 1)
        thing.project = content.get("project", "")
        if kind == "endpoint" and Fault.DEPLOYMENT_FAILS in self.lasting:
            thing.state = "failed"
        self.things[thing.id] = thing
        self.made.append(f"{kind} {thing.name}")
        lost = Fault.LOST_ANSWER in self.lasting
        self.lasting.discard(Fault.LOST_ANSWER)
        return 200, thing.as_json(), lost

    def delete(self, kind: str, name: str) -> tuple[int, Any, bool]:
        if Fault.DELETION_FAILS in self.lasting:
            return 403, {}, False
        found = [key for key, thing in self.things.items() if (thing.kind, thing.name) == (kind, name)]
        if not found:
            return 404, {}, False
        del self.things[found[0]]
        return 200, {}, False

    def predict(self, thing: Thing, body: bytes) -> dict[str, Any]:
        mine = colour(body)
        distances = {
            label: sum((a - b) ** 2 for a, b in zip(mine, other, strict=True))
            for label, other in self.things[thing.project].samples.values()
        }
        label = min(distances, key=lambda key: distances[key])
        return {"label": label, "score": 1 / (1 + distances[label])}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self.serve()

    def do_POST(self) -> None:
        self.serve()

    def do_PUT(self) -> None:
        self.serve()

    def do_DELETE(self) -> None:
        self.serve()

    def serve(self) -> None:
        acme: AcmeService = self.server.acme  # type: ignore[attr-defined]
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        predicts = self.path.endswith("/predict")
        headers = {name.lower(): value for name, value in self.headers.items()}
        acme.seen.append(SeenRequest(f"{self.command} {self.path}", body, headers, predicts))
        fault = acme.fault_of(Target.PREDICTION if predicts else Target.CONTROL)
        lost = fault is Fault.RESET
        if fault in STATUS:
            status, content = STATUS[fault], {"why": "quota" if fault is Fault.QUOTA else ""}
        elif fault is Fault.BAD_ANSWER:
            status, content = 200, None
        elif lost:
            status, content = 0, {}
        elif headers.get("x-key") != KEY:
            status, content = 401, {}
        else:
            status, content, lost = acme.answer(self.command, self.path, body)
        if lost:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            self.connection.close()
            return
        data = b"<html>" if content is None else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        if status == 429:
            self.send_header("Retry-After", "0")
        self.end_headers()
        self.wfile.write(data)
        self.wfile.flush()

    def log_message(self, *arguments: Any) -> None:
        pass


def colour(data: bytes) -> tuple[float, ...]:
    with Image.open(io.BytesIO(data)) as image:
        return tuple(ImageStat.Stat(image.convert("RGB")).mean)
