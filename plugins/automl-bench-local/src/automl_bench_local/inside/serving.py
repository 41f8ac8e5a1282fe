"""The server inside an environment: the HTTP contract of `automl_bench_local.serving`, by the standard library alone.

One thread a connection reads and writes; as many predictions as asked for are computed at once, otherwise one by one.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socketserver
import threading
import time
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from automl_bench_local.inside import records
from automl_bench_local.inside.hosts import names_this_machine

HOST = "127.0.0.1"
LARGEST_BODY = 64 * 1024 * 1024
KEEP_ALIVE_SECONDS = 300
"""Longer than any pause inside a measurement, so that a kept connection is not closed under the client."""
GRACE_SECONDS = 1.0
"""What predictions under way may take once the server is asked to end."""
IDLE_LOOKS = 20
"""How often in one idle time-out the server looks whether it is over."""


class Model:
    """The trained model.

    Args:
        folder: Where it is.

    Raises:
        OSError: If there is none.
        ValueError: If another version wrote it.
    """

    def __init__(self, folder: Path) -> None:
        import joblib
        import numpy  # noqa: F401 - imported before the first request
        import PIL.Image
        import sklearn

        from automl_bench.datasets.decoding import be_silent, decode
        from automl_bench_local.inside.heads import ESTIMATOR, EstimatorHead
        from automl_bench_local.inside.pixels import Pixels, vector

        be_silent()
        PIL.Image.init()
        sklearn.set_config(assume_finite=True)  # an image's vector is finite
        card = records.read(folder / records.CARD)
        self.labels: list[str] = card["labels"]
        self.features: dict[str, Any] = card["features"]
        self._pixels = Pixels(**{name: self.features[name] for name in Pixels._fields})
        self._head = EstimatorHead(joblib.load(folder / ESTIMATOR), card["label_from_scores"])
        self._decode = decode
        self._vector = vector

    def answer(self, content: bytes) -> tuple[int, dict[str, Any]]:
        """Return status and answer for the bytes of an image."""
        try:
            image = self._decode(content)
        except ValueError as error:
            return 400, {"detail": f"not a readable image: it {error}"}
        position, found = self._head.answer(self._vector(image, self._pixels))
        scores = [float(score) for score in found]
        named = dict(zip(self.labels, scores))
        return 200, {"label": self.labels[position], "confidence": scores[position], "scores": named}


class Server(ThreadingHTTPServer):
    """A server of one model.

    Args:
        address: Where it listens.
        name: Its name.
        model: What answers.
        workers: Predictions computed at once.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], name: str, model: Model, workers: int) -> None:
        super().__init__(address, Handler)
        self.name = name
        self.model = model
        self.turn = threading.BoundedSemaphore(max(1, workers))
        self.last = time.monotonic()
        self.under_way = 0
        self.answered = 0
        self._count = threading.Lock()

    def server_bind(self) -> None:
        """Bind, without the look-up of this machine's full name that the library would do."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = HOST, int(self.server_address[1])

    def predict(self, content: bytes) -> tuple[int, dict[str, Any]]:
        """Answer one request for a prediction."""
        with self._count:
            self.under_way += 1
        try:
            with self.turn:
                return self.model.answer(content)
        finally:
            with self._count:
                self.under_way -= 1
                self.answered += 1
                self.last = time.monotonic()

    def idle_seconds(self) -> float:
        """Return the seconds since anything was asked; 0 while something is under way."""
        return 0.0 if self.under_way else time.monotonic() - self.last

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a client that goes away."""


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True  # or every answer waits 40 ms for the client's acknowledgement
    timeout = KEEP_ALIVE_SECONDS
    server: Server

    def do_GET(self) -> None:  # the library's name
        """Say who serves."""
        if not self._is_ours():
            return
        if self.path != "/health":
            self._send(404, {"detail": "Not Found"})
            return
        server = self.server
        health = {"status": "ok", "name": server.name, "labels": server.model.labels}
        self._send(200, {**health, "features": server.model.features, "answered": server.answered})

    def do_POST(self) -> None:
        """Predict."""
        length = self.headers.get("Content-Length", "")
        if not length.isdigit():
            self._refuse(411, "a request needs a Content-Length")
        elif int(length[:20]) > LARGEST_BODY:
            self._refuse(413, f"a body may have at most {LARGEST_BODY} bytes")
        else:
            content = self.rfile.read(int(length))  # also of what is refused, so that the client gets to read why
            if not self._is_ours():
                return
            if self.path == "/predict":
                self._send(*self.server.predict(content))
            else:
                self._send(404, {"detail": "Not Found"})

    def _is_ours(self) -> bool:
        """Refuse a request that names another host: a page in a browser here may let its own name point to us."""
        ours = names_this_machine(self.headers.get("Host", ""))
        if not ours:
            self._refuse(
                421, "this server answers requests to 127.0.0.1 or localhost only: use that name in the address"
            )
        return ours

    def _refuse(self, status: int, detail: str) -> None:
        self.close_connection = True  # what is left of the request is not read
        self._send(status, {"detail": detail})

    def _send(self, status: int, answer: dict[str, Any]) -> None:
        body = json.dumps(answer, ensure_ascii=False, separators=(",", ":")).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def version_string(self) -> str:
        """Name no version."""
        return "automl-bench"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the library's name
        """Write no line for each request."""


def main(arguments: Sequence[str]) -> int:
    """Serve one model until asked to end or idle for too long."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--name", required=True)
    parser.add_argument("--home", required=True, type=Path)
    parser.add_argument("--asked-ns", required=True, type=int)
    parser.add_argument("--model", required=True, type=Path)
    parser.add_argument("--idle-timeout", required=True, type=float)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--listen", default=HOST)
    parser.add_argument("--url", default="")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--workers", type=int, default=0)
    options = parser.parse_args(arguments)
    records.keep_lock_to_ourselves()
    try:
        model = Model(options.model)
    except Exception as error:  # noqa: BLE001  # other versions raise other errors; the host wants one sentence
        print(f"the model cannot be loaded: {' '.join(str(error).split())}", flush=True)
        return 1
    try:
        server = Server((options.listen, options.port), options.name, model, options.workers)
    except OSError as error:
        print(f"port {options.port} of {options.listen} cannot be used: {error.strerror}", flush=True)
        return 1
    state = {"url": options.url or f"http://{HOST}:{server.server_port}"}
    # in a container this process has another number than out there: none is told
    state_file = options.home / options.name / records.STATE
    told = state if options.url else {**state, "pid": os.getpid()}
    _serve(server, state_file, told, options.asked_ns / 1e9, options.idle_timeout)
    return 0


def _serve(server: Server, state: Path, told: dict[str, Any], asked: float, idle_timeout: float) -> None:
    ending = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ending.set())
    signal.signal(signal.SIGINT, lambda *_: ending.set())
    threading.Thread(target=server.serve_forever, daemon=True).start()
    records.write(state, {**told, "start_seconds": round(time.monotonic() - asked, 3)})
    while not ending.wait(min(30.0, idle_timeout / IDLE_LOOKS)):
        if server.idle_seconds() > idle_timeout:
            print(f"idle for {idle_timeout:g} s: ended", flush=True)
            return
    until = time.monotonic() + GRACE_SECONDS
    while server.under_way and time.monotonic() < until:
        time.sleep(0.01)
