"""A loopback server that does exactly what a test writes: raw bytes, at the moment it wants, or a broken connection.

    def answer(connection, request):
        connection.sendall(whole_answer(b"hello"))

    with ScriptedServer(answer) as server: server.url

`answer` runs in a thread of the connection, once for each request. It ends the connection by raising `HangUp`. To hold
a request until the test is over it waits for `server.stopped`.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass

Script = Callable[[socket.socket, "Received"], None]


class HangUp(Exception):
    """Close the connection now."""


@dataclass(frozen=True, slots=True)
class Received:
    """One request as it arrived.

    `connection` and `number` count from 0: which connection brought it, and which request of that connection it is.
    """

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    connection: int
    number: int
    server_name: str | None = None


def whole_answer(body: bytes = b"{}", *, status: str = "200 OK", headers: str = "") -> bytes:
    """Return a plain answer with its length. Each line of `headers` ends with CRLF."""
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + body


def reset(connection: socket.socket) -> None:
    """Break the connection with RST instead of FIN."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    raise HangUp


class ScriptedServer:
    """The server, for `with`.

    Args:
        script: Called with the socket and each request; by default every request gets `{}`.
        host: "127.0.0.1" or "::1".
        tls: Context for TLS.

    Attributes:
        received: Every request, in order of arrival.
        connections: How many were opened.
        stopped: Set at the end.
    """

    def __init__(
        self, script: Script | None = None, *, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None
    ) -> None:
        self.script = script or (lambda connection, _: connection.sendall(whole_answer()))
        self.tls = tls
        self.received: list[Received] = []
        self.connections = 0
        self.stopped = threading.Event()
        self._threads: list[threading.Thread] = []
        self._sockets: list[socket.socket] = []
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, 0), family=family, backlog=64)
        self.port: int = self._listener.getsockname()[1]
        name = f"[{host}]" if ":" in host else host
        self.url = f"{'https' if tls else 'http'}://{name}:{self.port}/"

    def __enter__(self) -> ScriptedServer:
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self.stopped.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._sockets:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)

    def _start(self, work: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self.stopped.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._sockets.append(connection)
            self._start(self._converse, connection, self.connections)
            self.connections += 1

    def _converse(self, connection: socket.socket, place: int) -> None:
        try:
            if self.tls is not None:
                connection = self.tls.wrap_socket(connection, server_side=True)
                self._sockets.append(connection)
            number = 0
            while (request := self._read(connection, place, number)) is not None:
                self.received.append(request)
                self.script(connection, request)
                number += 1
        except (HangUp, OSError):
            pass
        finally:
            connection.close()

    @staticmethod
    def _read(connection: socket.socket, place: int, number: int) -> Received | None:
        data = b""
        while b"\r\n\r\n" not in data:
            chunk = connection.recv(65536)
            if not chunk:
                return None
            data += chunk
            if not data[:1].isalpha():  # a TLS greeting, for example: what servers do with it
                connection.sendall(whole_answer(b"", status="400 Bad Request", headers="Connection: close\r\n"))
                return None
        head, _, body = data.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        method, target, _ = first.split(" ", 2)
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = int(headers.get("content-length", "0"))
        while len(body) < length:
            chunk = connection.recv(65536)
            if not chunk:
                return None
            body += chunk
        return Received(method, target, headers, body, place, number)
