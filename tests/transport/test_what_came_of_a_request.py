"""Every way an exchange can end has its outcome class and a sentence, and none of them raises."""

from __future__ import annotations

import gzip
import socket

import pytest
from servers.scripted_server import HangUp, Received, ScriptedServer, reset, whole_answer

from automl_bench.contract import HttpRequest, HttpResponse, Prediction, Sample
from automl_bench.errors import ContractViolation
from automl_bench.measurement.call import read_exchange
from automl_bench.store.records import Outcome
from automl_bench.transport import Exchange, Transport, TransportOptions, classify_status

SECRET = "hush-hush"  # stands in URL, header and body of every request; may stand in no error


def request(url: str, **settings: object) -> HttpRequest:
    defaults: dict[str, object] = {
        "url": f"{url}predict?key={SECRET}",
        "headers": (("Authorization", f"Bearer {SECRET}"), ("Content-Type", "image/png")),
        "body": SECRET.encode() * 100,
        "timeout_seconds": 5.0,
    }
    return HttpRequest(**{**defaults, **settings})  # type: ignore[arg-type]  # a test's shorthand


def send(url: str, options: TransportOptions | None = None, **settings: object) -> Exchange:
    with Transport(options) as transport:
        exchange = transport.send(request(url, **settings))
    assert SECRET not in exchange.error
    assert SECRET not in repr(exchange)
    return exchange


def answering(data: bytes, *, then_hang_up: bool = False) -> ScriptedServer:
    def script(connection: socket.socket, _: Received) -> None:
        connection.sendall(data)
        if then_hang_up:
            raise HangUp

    return ScriptedServer(script)


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (200, Outcome.OK),
        (201, Outcome.OK),
        (302, Outcome.REFUSED),
        (400, Outcome.REFUSED),
        (403, Outcome.REFUSED),
        (408, Outcome.TIMEOUT),
        (413, Outcome.REFUSED),
        (429, Outcome.THROTTLED),
        (500, Outcome.FAILED),
        (503, Outcome.FAILED),
        (504, Outcome.TIMEOUT),
    ],
)
def test_status_has_one_outcome_class(status: int, outcome: Outcome) -> None:
    assert classify_status(status) is outcome
    with answering(whole_answer(b"why", status=f"{status} Words", headers="Retry-After: 7\r\n")) as server:
        exchange = send(server.url)
    assert exchange.failure is None
    assert exchange.outcome is outcome
    assert exchange.response is not None
    assert (exchange.response.status, exchange.response.body) == (status, b"why")
    assert exchange.response.headers["retry-after"] == "7"


def test_request_arrives_as_it_was_prepared() -> None:
    with ScriptedServer() as server:
        send(
            server.url, headers=(("Content-Type", "image/png"), ("X-Two", "a"), ("X-Empty", "")), body=b"\0\r\n\xff" * 9
        )
        got = server.received[0]
    assert (got.method, got.target, got.body) == ("POST", f"/predict?key={SECRET}", b"\0\r\n\xff" * 9)
    assert got.headers["content-type"] == "image/png"
    assert got.headers["x-two"] == "a"
    assert got.headers["x-empty"] == ""
    assert got.headers["user-agent"] == "automl-bench"
    assert "expect" not in got.headers


@pytest.mark.parametrize("body", [b"", b"x" * 3_000_000])
def test_empty_and_large_bodies_are_sent_at_once(body: bytes) -> None:
    with ScriptedServer() as server:
        exchange = send(server.url, body=body, headers=())
        assert exchange.outcome is Outcome.OK
        assert server.received[0].body == body
        assert "expect" not in server.received[0].headers
        assert "content-type" not in server.received[0].headers


def test_one_transport_changes_methods_and_addresses() -> None:
    methods = ["POST", "GET", "PUT", "HEAD", "DELETE", "PATCH", "GET", "POST", "PUT", "DELETE", "POST"]
    with ScriptedServer() as server, Transport() as transport:
        for number, method in enumerate(methods):
            body = b"" if method in ("GET", "HEAD", "DELETE") else f"body {number}".encode()
            if method == "HEAD":
                server.script = lambda connection, _: connection.sendall(
                    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"
                )
            else:
                server.script = lambda connection, _: connection.sendall(whole_answer())
            exchange = transport.send(HttpRequest(f"{server.url}{number}", method=method, body=body))
            assert exchange.outcome is Outcome.OK, exchange.error
        got = [(each.method, each.target, each.body) for each in server.received]
    assert [method for method, _, _ in got] == methods
    assert [target for _, target, _ in got] == [f"/{number}" for number in range(len(methods))]
    assert got[0][2] == b"body 0"
    assert got[4][2] == b""
    assert got[8][2] == b"body 8"


def test_chunked_answer_is_put_together() -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Late\r\n\r\n"
    chunked += b"5\r\nhello\r\n6\r\n world\r\n0\r\nX-Late: 1\r\n\r\n"
    with answering(chunked) as server:
        exchange = send(server.url)
    assert exchange.response is not None
    assert exchange.response.body == b"hello world"
    assert "x-late" not in exchange.response.headers


def test_compressed_answer_is_opened() -> None:
    body = b'{"label": "cat"}' * 500
    with answering(whole_answer(gzip.compress(body), headers="Content-Encoding: gzip\r\n")) as server:
        exchange = send(server.url)
        assert "gzip" in server.received[0].headers["accept-encoding"]
        plain = send(server.url, TransportOptions(accept_compressed=False))
        assert "accept-encoding" not in server.received[1].headers
    assert exchange.response is not None
    assert exchange.response.body == body
    assert plain.response is not None
    assert plain.response.body == gzip.compress(body, mtime=0) or plain.response.body[:2] == b"\x1f\x8b"


def test_garbled_compression_is_a_failure() -> None:
    with answering(whole_answer(b"not gzip at all, far from it", headers="Content-Encoding: gzip\r\n")) as server:
        exchange = send(server.url)
    assert exchange.failure is Outcome.FAILED
    assert "compression" in exchange.error
    assert not exchange.final


def test_an_encoding_that_was_never_offered_is_not_asked_for_again() -> None:
    with answering(whole_answer(b"something", headers="Content-Encoding: x-own\r\n")) as server:
        exchange = send(server.url)
    assert exchange.failure is Outcome.FAILED
    assert exchange.final
    assert not read_exchange(NoAnswer(), exchange).passing


class NoAnswer:
    """An invoker that is never asked."""

    def prepare(self, sample: Sample) -> HttpRequest:
        raise NotImplementedError

    def parse(self, response: HttpResponse) -> Prediction:
        raise NotImplementedError


def test_interim_answers_and_repeated_headers_are_read() -> None:
    interim = b"HTTP/1.1 103 Early Hints\r\nX-Early: 1\r\n\r\n"
    with answering(interim + whole_answer(headers="X-Twice: a\r\nX-Twice: b\r\nX-None:\r\n")) as server:
        exchange = send(server.url)
    assert exchange.response is not None
    assert dict(exchange.response.headers) == {"content-length": "2", "x-twice": "a, b", "x-none": ""}


def test_redirect_is_not_followed() -> None:
    with ScriptedServer() as elsewhere:
        moved = whole_answer(b"", status="307 Temporary Redirect", headers=f"Location: {elsewhere.url}\r\n")
        with answering(moved) as server:
            exchange = send(server.url)
        assert elsewhere.received == []
    assert exchange.outcome is Outcome.REFUSED


def test_slow_body_is_timed_whole() -> None:
    def script(connection: socket.socket, _: Received) -> None:
        answer = whole_answer(b"0123456789")
        for cut in (answer[:-10], answer[-10:-5], answer[-5:]):
            connection.sendall(cut)
            if cut != answer[-5:]:
                server.stopped.wait(0.05)

    with ScriptedServer(script) as server:
        exchange = send(server.url)
    assert exchange.outcome is Outcome.OK
    assert exchange.timing.receive_ns is not None
    assert exchange.timing.receive_ns >= 95_000_000


def test_timeout_before_the_first_byte() -> None:
    with ScriptedServer(lambda _, __: server.stopped.wait(10) and None) as server:
        exchange = send(server.url, timeout_seconds=0.2)
        assert exchange.failure is Outcome.TIMEOUT
        assert exchange.response is None
        assert "sent no answer within 0.2" in exchange.error
        assert 190e6 < exchange.timing.service_ns < 2e9


def test_timeout_in_the_middle_of_the_body() -> None:
    def script(connection: socket.socket, _: Received) -> None:
        connection.sendall(whole_answer(b"0123456789")[:-6])
        server.stopped.wait(10)

    with ScriptedServer(script) as server:
        exchange = send(server.url, timeout_seconds=0.2)
    assert exchange.failure is Outcome.TIMEOUT
    assert "4 bytes of it came" in exchange.error


def test_connection_that_is_never_accepted_times_out() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        address = listener.getsockname()
        crowd = [socket.socket() for _ in range(4)]  # fill the backlog: the next SYN is dropped
        for each in crowd:
            each.setblocking(False)
            each.connect_ex(address)
        exchange = send(f"http://127.0.0.1:{address[1]}/", TransportOptions(connect_timeout_seconds=0.2))
        for each in crowd:
            each.close()
    assert exchange.failure is Outcome.TIMEOUT
    assert "no connection" in exchange.error


def test_truncated_body_is_a_failure() -> None:
    with answering(whole_answer(b"0123456789")[:-3], then_hang_up=True) as server:
        exchange = send(server.url)
    assert exchange.failure is Outcome.FAILED
    assert "before its end" in exchange.error


def test_truncated_chunks_are_a_failure() -> None:
    data = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel"
    with answering(data, then_hang_up=True) as server:
        exchange = send(server.url)
    assert exchange.failure is Outcome.FAILED


def test_connection_closed_without_an_answer() -> None:
    def script(_: socket.socket, __: Received) -> None:
        raise HangUp

    with ScriptedServer(script) as server:
        exchange = send(server.url)
        assert len(server.received) == 1
    assert exchange.failure is Outcome.FAILED
    assert "without an answer" in exchange.error


def test_reset_connection_is_a_failure() -> None:
    with ScriptedServer(lambda connection, _: reset(connection)) as server:
        exchange = send(server.url)
    assert exchange.failure is Outcome.FAILED
    assert "broke" in exchange.error


def test_refused_connection_is_a_failure() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
    exchange = send(url)
    assert exchange.failure is Outcome.FAILED
    assert "refused the connection" in exchange.error


def test_unknown_name_is_a_failure() -> None:
    exchange = send("http://nowhere.invalid/", timeout_seconds=20.0)
    assert exchange.failure is Outcome.FAILED
    assert "nowhere.invalid is unknown" in exchange.error


@pytest.mark.parametrize("line", [b"nonsense\r\n\r\n", b"HTTP/1.1 abc OK\r\n\r\n", b"SSH-2.0-OpenSSH_9.2\r\n"])
def test_malformed_status_line_is_a_failure(line: bytes) -> None:
    with answering(line, then_hang_up=True) as server:
        exchange = send(server.url)
    assert exchange.failure is Outcome.FAILED
    assert "HTTP" in exchange.error


def test_answer_above_the_limit_is_a_failure() -> None:
    options = TransportOptions(max_response_bytes=1000)
    with answering(whole_answer(b"x" * 1001)) as server:
        exchange = send(server.url, options)
    assert exchange.failure is Outcome.FAILED
    assert "larger than the limit of 1000 bytes" in exchange.error
    with answering(whole_answer(b"x" * 1000)) as server:
        assert send(server.url, options).outcome is Outcome.OK


def test_unannounced_and_compressed_answers_are_limited_too() -> None:
    options = TransportOptions(max_response_bytes=1000)
    endless = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + b"x" * 50_000
    with answering(endless, then_hang_up=True) as server:
        assert "larger than the limit" in send(server.url, options).error
    bomb = whole_answer(gzip.compress(b"\0" * 100_000), headers="Content-Encoding: gzip\r\n")
    assert len(bomb) < 1000
    with answering(bomb) as server:
        assert "larger than the limit" in send(server.url, options).error


def test_server_that_answers_before_it_has_read_all() -> None:
    def script(connection: socket.socket, _: Received) -> None:
        raise AssertionError("the body never ends")

    class Early(ScriptedServer):
        @staticmethod
        def _read(connection: socket.socket, place: int, number: int) -> Received | None:
            connection.recv(1000)
            connection.sendall(
                whole_answer(b"too large", status="413 Content Too Large", headers="Connection: close\r\n")
            )
            while connection.recv(1 << 20):
                pass
            return None

    with Early(script) as server:
        exchange = send(server.url, body=b"x" * 20_000_000)
    assert exchange.response is not None
    assert exchange.response.status == 413
    assert exchange.outcome is Outcome.REFUSED


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nb", "snow ☃", "nul \0"])
def test_header_that_would_break_the_request_is_never_sent(value: str) -> None:
    with ScriptedServer() as server, Transport() as transport:
        with pytest.raises(ContractViolation) as caught:
            transport.send(HttpRequest(server.url, headers=(("X-Label", value),)))
        assert value not in str(caught.value)
        assert transport.send(HttpRequest(server.url)).outcome is Outcome.OK, "the transport is still usable"
        assert len(server.received) == 1


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/", "file:///etc/passwd", "http://", "not an address"])
def test_only_http_addresses_are_called(url: str) -> None:
    with Transport() as transport:
        exchange = transport.send(HttpRequest(url, body=b"x"))
    assert exchange.failure is Outcome.FAILED
    assert exchange.error in ("only http and https addresses are called", "the address is malformed")


def test_transport_goes_on_after_every_kind_of_failure() -> None:
    endings = [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", b"garbage\r\n\r\n"]

    def script(connection: socket.socket, got: Received) -> None:
        place = int(got.target[1:])
        if place % 2:
            connection.sendall(whole_answer(got.target.encode()))
        else:
            connection.sendall(endings[place // 2])
            raise HangUp

    with ScriptedServer(script) as server, Transport() as transport:
        for place in range(6):
            exchange = transport.send(HttpRequest(f"{server.url}{place}"))
            if place % 2:
                assert exchange.response is not None
                assert exchange.response.body == f"/{place}".encode()
            else:
                assert exchange.failure is Outcome.FAILED
