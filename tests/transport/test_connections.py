"""Connections are kept, counted and never used to send a request twice."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time

import pytest
from servers.scripted_server import HangUp, Received, ScriptedServer, whole_answer

from automl_bench.contract import HttpRequest
from automl_bench.store.records import Outcome
from automl_bench.transport import MultiTransport, Transport, TransportOptions, probe_round_trip


def test_connection_is_reused_and_says_so() -> None:
    with ScriptedServer() as server, Transport() as transport:
        timings = [transport.send(HttpRequest(server.url, body=b"x")).timing for _ in range(4)]
        assert server.connections == 1
    assert [timing.new_connection for timing in timings] == [True, False, False, False]
    for timing in timings[1:]:
        assert (timing.lookup_ns, timing.connect_ns, timing.tls_ns) == (0, 0, 0)


def test_new_connection_on_request_pays_for_everything() -> None:
    with ScriptedServer() as server, Transport() as transport:
        wanted = [False, True, True, False]
        got = [transport.send(HttpRequest(server.url), new_connection=wish).timing for wish in wanted]
        assert server.connections == 3
    assert [timing.new_connection for timing in got] == [True, True, True, False]
    assert all(timing.connect_ns for timing in got[:3])


def test_connection_that_the_server_closed_in_between_is_replaced_and_counted() -> None:
    closed = threading.Event()

    def script(connection: socket.socket, request: Received) -> None:
        connection.sendall(whole_answer())
        if request.target == "/last":  # closes without having announced it
            connection.shutdown(socket.SHUT_RDWR)
            closed.set()
            raise HangUp

    with ScriptedServer(script) as server, Transport() as transport:
        assert transport.send(HttpRequest(f"{server.url}last", body=b"1")).outcome is Outcome.OK
        assert closed.wait(5)
        _until_closed_is_seen()
        second = transport.send(HttpRequest(f"{server.url}next", body=b"2"))
        assert second.outcome is Outcome.OK
        assert second.timing.new_connection
        assert [request.body for request in server.received] == [b"1", b"2"]


def _until_closed_is_seen() -> None:
    """Loopback delivers a FIN within the sender's own system call, but give a loaded machine a moment."""
    time.sleep(0.01)


@pytest.mark.parametrize("method", ["POST", "GET"])
def test_request_is_never_sent_twice_over_a_connection_that_dies(method: str) -> None:
    """libcurl by itself would send it again on a new connection, inside the timing."""

    def script(connection: socket.socket, request: Received) -> None:
        if request.number == 1:
            raise HangUp  # it was read, but there is no answer: the classic race with the server's idle limit
        connection.sendall(whole_answer())

    with ScriptedServer(script) as server, Transport() as transport:
        assert transport.send(HttpRequest(server.url, method=method)).outcome is Outcome.OK
        dropped = transport.send(HttpRequest(server.url, method=method, body=b"once" if method == "POST" else b""))
        assert len(server.received) == 2
        assert dropped.failure is Outcome.FAILED
        assert dropped.connection_dropped
        assert "was not sent again" in dropped.error
        again = transport.send(HttpRequest(server.url, method=method))
        assert again.outcome is Outcome.OK
        assert again.timing.new_connection


def test_announced_close_is_obeyed() -> None:
    with ScriptedServer(lambda c, _: c.sendall(whole_answer(headers="Connection: close\r\n"))) as server:
        with Transport() as transport:
            timings = [transport.send(HttpRequest(server.url)).timing for _ in range(3)]
        assert server.connections == 3
    assert all(timing.new_connection for timing in timings)


def test_answer_after_a_timeout_never_reaches_the_next_request() -> None:
    release = threading.Event()

    def script(connection: socket.socket, request: Received) -> None:
        if request.target == "/slow":
            release.wait(10)
        connection.sendall(whole_answer(request.target.encode()))

    with ScriptedServer(script) as server, Transport() as transport:
        slow = transport.send(HttpRequest(f"{server.url}slow", timeout_seconds=0.1))
        release.set()
        fast = transport.send(HttpRequest(f"{server.url}fast"))
    assert slow.failure is Outcome.TIMEOUT
    assert fast.response is not None
    assert fast.response.body == b"/fast"


def test_interrupt_ends_a_waiting_request_at_once_and_the_transport_stays_usable() -> None:
    def script(connection: socket.socket, request: Received) -> None:
        if request.target == "/slow":
            server.stopped.wait(0.2)  # let the client come to rest in its wait
            os.kill(os.getpid(), signal.SIGUSR1)
            server.stopped.wait(10)
        connection.sendall(whole_answer())

    class Stop(Exception):
        pass

    def stop(*_: object) -> None:
        raise Stop

    before = signal.signal(signal.SIGUSR1, stop)
    try:
        with ScriptedServer(script) as server, Transport() as transport:
            begun = time.monotonic()
            with pytest.raises(Stop):
                transport.send(HttpRequest(f"{server.url}slow", timeout_seconds=30))
            assert time.monotonic() - begun < 5
            assert transport.send(HttpRequest(server.url)).outcome is Outcome.OK
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_ipv6_loopback() -> None:
    with ScriptedServer(host="::1") as server, Transport() as transport:
        assert server.url.startswith("http://[::1]:")
        assert transport.send(HttpRequest(server.url, body=b"x")).outcome is Outcome.OK
        assert len(probe_round_trip(server.url)) == 5


def test_probe_tells_the_round_trip_and_sends_nothing() -> None:
    with ScriptedServer() as server:
        times = probe_round_trip(server.url, count=3)
        assert server.received == []
    assert len(times) == 3
    assert all(0 < each < 1e9 for each in times)


def test_probe_of_a_host_that_cannot_be_reached_is_empty() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
    assert probe_round_trip(url, count=2) == []
    assert probe_round_trip("https://nowhere.invalid/", count=2) == []


def test_many_requests_share_one_thread_and_keep_their_connections() -> None:
    with ScriptedServer(lambda c, r: c.sendall(whole_answer(r.body))) as server:
        with MultiTransport(TransportOptions(), connections=8) as transport:
            threads = threading.active_count() - len(server._threads)
            answers: dict[int, bytes] = {}
            new = started = 0
            while len(answers) < 400:
                while transport.free and started < 400:
                    transport.start(HttpRequest(server.url, body=f"body {started}".encode()), started)
                    started += 1
                assert threading.active_count() - len(server._threads) <= threads
                for tag, exchange in transport.wait(5):
                    assert exchange.response is not None, exchange.error
                    assert 0 <= exchange.lane < 8
                    answers[tag] = exchange.response.body
                    new += bool(exchange.timing.new_connection)
            assert transport.in_flight == 0
        assert server.connections == new <= 8
    assert answers == {number: f"body {number}".encode() for number in range(400)}


def test_lull_does_not_close_the_kept_connections() -> None:
    barrier = threading.Barrier(12)  # no answer before all twelve requests are there

    def script(connection: socket.socket, request: Received) -> None:
        if request.target == "/all":
            barrier.wait(10)
        connection.sendall(whole_answer())

    with ScriptedServer(script) as server, MultiTransport(TransportOptions(), connections=12) as transport:
        for target, count in (("all", 12), ("one", 1), ("one", 1), ("all", 12)):
            for number in range(count):
                transport.start(HttpRequest(f"{server.url}{target}"), number)
            while transport.in_flight:
                assert all(exchange.outcome is Outcome.OK for _, exchange in transport.wait(5))
        assert server.connections == 12


def test_no_free_handle_is_an_error_of_the_caller() -> None:
    server = ScriptedServer(lambda _, __: server.stopped.wait(10) and None)
    with server, MultiTransport(TransportOptions(), connections=2) as transport:
        transport.start(HttpRequest(server.url), 0)
        transport.start(HttpRequest(server.url), 1)
        assert (transport.free, transport.in_flight) == (0, 2)
        with pytest.raises(RuntimeError, match="2 connections are in use"):
            transport.start(HttpRequest(server.url), 2)
        transport.cancel()
        assert (transport.free, transport.in_flight) == (2, 0)
        assert transport.wait(0) == []


def test_wait_returns_in_time_when_nothing_ends() -> None:
    server = ScriptedServer(lambda _, __: server.stopped.wait(10) and None)
    with server, MultiTransport(TransportOptions(), connections=1) as transport:
        assert transport.wait(0.01) == []
        transport.start(HttpRequest(server.url), 0)
        begun = time.monotonic()
        assert transport.wait(0.05) == []
        assert 0.045 < time.monotonic() - begun < 2


def test_failures_come_back_beside_answers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        dead = f"http://127.0.0.1:{listener.getsockname()[1]}/"
    with ScriptedServer() as server, MultiTransport(TransportOptions(), connections=4) as transport:
        for number, url in enumerate((server.url, dead, server.url, dead)):
            transport.start(HttpRequest(url), number)
        outcomes: dict[int, Outcome] = {}
        while transport.in_flight:
            outcomes |= {tag: exchange.outcome for tag, exchange in transport.wait(5)}
    assert outcomes == {0: Outcome.OK, 1: Outcome.FAILED, 2: Outcome.OK, 3: Outcome.FAILED}
