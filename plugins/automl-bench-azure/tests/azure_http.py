"""A quiet HTTP server on this machine, with or without TLS; the stand-ins for Azure are built on it."""

from __future__ import annotations

import atexit
import shutil
import socket
import ssl
import struct
import tempfile
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

import trustme


@dataclass(frozen=True)
class Request:
    """One request as it came in; header names are lower case."""

    method: str
    path: str
    query: Mapping[str, str]
    target: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(frozen=True)
class Answer:
    """What to send back."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


class Hangup(Exception):
    """Reset the connection instead of an answer."""


@cache
def authority() -> trustme.CA:
    """The one certificate authority of a test process."""
    return trustme.CA()


@cache
def ca_file() -> Path:
    """Return a PEM file with our authority and the usual ones."""
    import certifi

    folder = Path(tempfile.mkdtemp(prefix="azure-tests-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path = folder / "authorities.pem"
    path.write_bytes(Path(certifi.where()).read_bytes() + b"\n" + authority().cert_pem.bytes())
    return path


@cache
def certificate_files() -> tuple[Path, Path]:
    """Return the PEM files of certificate and key for 127.0.0.1."""
    issued = authority().issue_cert("127.0.0.1", "localhost")
    certificate, key = ca_file().with_name("server.pem"), ca_file().with_name("server-key.pem")
    certificate.write_bytes(b"".join(part.bytes() for part in issued.cert_chain_pems))
    key.write_bytes(issued.private_key_pem.bytes())
    return certificate, key


class HttpServer:
    """Serves requests in threads.

    Args:
        answer: Gives the answer to a request.
        tls: Whether to speak TLS, with a certificate of `authority()`.
    """

    def __init__(self, answer: Callable[[Request], Answer], *, tls: bool = False) -> None:
        self._server = _Server(answer, tls)
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def __init__(self, answer: Callable[[Request], Answer], tls: bool) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer = answer
        self.context: ssl.SSLContext | None = None
        if tls:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(*map(str, certificate_files()))

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Shake hands in the connection's own thread, so that a slow client holds up nobody."""
        if self.context is None:
            super().finish_request(request, client_address)
            return
        with self.context.wrap_socket(request, server_side=True) as wrapped:
            super().finish_request(wrapped, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news; a bug in the stand-in is printed by the base class."""
        import sys

        if not isinstance(sys.exception(), (ConnectionError, ssl.SSLError)):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # unbuffered answers with Nagle's algorithm would wait 40 ms each
    disable_nagle_algorithm = True
    server: _Server

    def _serve(self) -> None:
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        request = Request(
            self.command,
            parts.path,
            dict(parse_qsl(parts.query, keep_blank_values=True)),
            self.path,
            {name.lower(): value for name, value in self.headers.items()},
            body,
        )
        try:
            answer = self.server.answer(request)
        except Hangup:
            self._reset()
            return
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if "content-length" not in {name.lower() for name in answer.headers}:
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):
            return self._serve
        raise AttributeError(name)

    def _reset(self) -> None:
        self.close_connection = True
        with suppress(OSError):
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            if isinstance(self.connection, ssl.SSLSocket):
                socket.socket(fileno=self.connection.detach()).close()
            else:
                self.connection.close()

    def log_message(self, *_: object) -> None:
        """Say nothing."""
