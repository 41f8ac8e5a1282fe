"""A tiny forward proxy on loopback: CONNECT tunnels for https, absolute addresses for http.

It knows where each name really is, so a test can use a name that no resolver knows, as behind a company's proxy.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Mapping


class Proxy:
    """The proxy, for `with`.

    Args:
        places: Port on 127.0.0.1 of each host name; an unknown one is answered with 502.

    Attributes:
        requests: First line of each request that reached the proxy.
    """

    def __init__(self, places: Mapping[str, int]) -> None:
        self.places = dict(places)
        self.requests: list[str] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Proxy:
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        for each in (self._listener, *self._sockets):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(10)
        for each in self._sockets:
            each.close()

    def _start(self, work: object, *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)  # type: ignore[arg-type]  # any callable
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self._sockets.append(client)
            self._start(self._handle, client)

    def _handle(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            data = b""
            while b"\r\n\r\n" not in data:
                chunk = client.recv(65536)
                if not chunk:
                    return
                data += chunk
            first, _, rest = data.partition(b"\r\n")
            method, target, version = first.decode().split(" ")
            self.requests.append(first.decode())
            authority = target if method == "CONNECT" else target.split("/")[2]
            server = self._connect(authority.rpartition(":")[0] or authority)
            if server is None:
                client.sendall(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
                return
            if method == "CONNECT":
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                path = "/" + target.split("/", 3)[3]
                server.sendall(f"{method} {path} {version}\r\n".encode() + rest)
            self._start(self._relay, server, client)
            self._relay(client, server)

    def _connect(self, host: str) -> socket.socket | None:
        port = self.places.get(host)
        if port is None:
            return None
        server = socket.create_connection(("127.0.0.1", port))
        self._sockets.append(server)
        return server

    @staticmethod
    def _relay(source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while chunk := source.recv(65536):
                sink.sendall(chunk)
            sink.shutdown(socket.SHUT_WR)
