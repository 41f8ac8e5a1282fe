"""A loopback HTTP/2 server: over TLS with ALPN, or without TLS for clients that know ("prior knowledge").

Every request is answered with JSON that says which connection and stream brought it and how long its body was.
"""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading

import h2.config
import h2.connection
import h2.events
import h2.exceptions


class Http2Server:
    """The server, for `with`. `connections` counts those that were opened."""

    def __init__(self, *, tls: ssl.SSLContext | None = None) -> None:
        self.tls = tls
        if tls is not None:
            tls.set_alpn_protocols(["h2"])
        self.connections = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}/"
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Http2Server:
        self._threads.append(threading.Thread(target=self._accept, daemon=True))
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        for each in (self._listener, *self._sockets):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)
        for each in (self._listener, *self._sockets):
            each.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self._sockets.append(client)
            thread = threading.Thread(target=self._converse, args=(client, self.connections), daemon=True)
            self._threads.append(thread)
            self.connections += 1
            thread.start()

    def _converse(self, client: socket.socket, place: int) -> None:
        with contextlib.suppress(OSError, h2.exceptions.ProtocolError):
            if self.tls is not None:
                client = self.tls.wrap_socket(client, server_side=True)
                self._sockets.append(client)
            speech = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
            speech.initiate_connection()
            client.sendall(speech.data_to_send())
            sizes: dict[int, int] = {}
            while data := client.recv(65536):
                for event in speech.receive_data(data):
                    if isinstance(event, h2.events.DataReceived):
                        sizes[event.stream_id] = sizes.get(event.stream_id, 0) + len(event.data)
                        speech.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                    elif isinstance(event, h2.events.StreamEnded):
                        self._answer(speech, event.stream_id, place, sizes.get(event.stream_id, 0))
                client.sendall(speech.data_to_send())

    @staticmethod
    def _answer(speech: h2.connection.H2Connection, stream: int, place: int, size: int) -> None:
        body = json.dumps({"connection": place, "stream": stream, "body_bytes": size}).encode()
        speech.send_headers(stream, [(":status", "200"), ("content-length", str(len(body))), ("x-speaks", "h2")])
        speech.send_data(stream, body, end_stream=True)
