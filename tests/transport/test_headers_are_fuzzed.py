"""Any header lines, and any bytes at all from a server: an exchange comes, never an exception."""

from __future__ import annotations

import socket

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from servers.scripted_server import HangUp, Received, ScriptedServer

from automl_bench.contract import HttpRequest
from automl_bench.transport import ResponseHeaders, Transport

LINE = st.one_of(
    st.binary(max_size=40),
    st.sampled_from(
        [
            b"HTTP/1.1 200 OK\r\n",
            b"HTTP/1.1 100 Continue\r\n",
            b"\r\n",
            b" folded\r\n",
            b":\r\n",
            b"A: b\r\n",
            b"a:\xff\r\n",
        ]
    ),
)


@settings(deadline=None)
@given(st.lists(LINE, max_size=12))
@example([b" folded first\r\n"])
@example([])
def test_any_header_lines_are_read(lines: list[bytes]) -> None:
    headers = ResponseHeaders(lines)
    assert len(dict(headers)) == len(headers)
    assert all(name == name.strip().lower() and isinstance(value, str) for name, value in headers.items())
    assert headers.get("retry-after", "") is not None


ANSWER = st.one_of(
    st.binary(max_size=300),
    st.builds(
        lambda status, headers, body: b"HTTP/1.1 " + status + b"\r\n" + headers + b"\r\n\r\n" + body,
        st.sampled_from([b"200 OK", b"204 No", b"429 \xff", b"99999", b"-1", b"301 Gone", b"100 Continue", b""]),
        st.lists(
            st.one_of(
                st.sampled_from(
                    [b"Content-Length: 5", b"Content-Length: -1", b"Content-Length: 99999999999999999999",
                     b"Transfer-Encoding: chunked", b"Content-Encoding: gzip", b"Content-Encoding: nonsense",
                     b"Retry-After: \xb2", b"Connection: close", b"Location: file:///etc/passwd"]
                ),
                st.binary(max_size=30),
            ),
            max_size=4,
        ).map(b"\r\n".join),
        st.one_of(
            st.binary(max_size=60),
            st.sampled_from([b"5\r\nhello\r\n0\r\n\r\n", b"FFFFFFFFFFFFFFFFF\r\n", b"-5\r\n"]),
        ),
    ),
)  # fmt: skip


def test_any_bytes_of_a_server_end_in_an_exchange() -> None:
    sent = b""

    def script(connection: socket.socket, _: Received) -> None:
        connection.sendall(sent)
        raise HangUp

    with ScriptedServer(script) as server, Transport() as transport:

        @settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
        @given(ANSWER)
        def check(answer: bytes) -> None:
            nonlocal sent
            sent = answer
            exchange = transport.send(HttpRequest(server.url, timeout_seconds=0.3))
            assert (exchange.response is None) == bool(exchange.error)
            assert exchange.timing.service_ns >= 0

        check()
