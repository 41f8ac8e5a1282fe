"""The clock: where it starts and stops, and that its phases add up."""

from __future__ import annotations

import socket
import time

from servers.hold_server import HoldServer
from servers.scripted_server import Received, ScriptedServer, whole_answer

from automl_bench.contract import HttpRequest
from automl_bench.store.records import CallTiming
from automl_bench.transport import MultiTransport, Transport, TransportOptions

MICROSECOND = 1_000


def phases(timing: CallTiming) -> list[int]:
    parts = [timing.lookup_ns, timing.connect_ns, timing.tls_ns, timing.send_ns, timing.wait_ns, timing.receive_ns]
    assert all(part is not None and part >= 0 for part in parts)
    return [part for part in parts if part is not None]


def test_phases_add_up_to_the_service_time() -> None:
    with HoldServer(hold_ms=5) as server, Transport() as transport:
        for _ in range(5):
            timing = transport.send(HttpRequest(server.url, body=b"x" * 50_000)).timing
            assert sum(phases(timing)) == timing.service_ns


def test_held_time_is_in_the_waiting_phase() -> None:
    waits = []
    with HoldServer(hold_ms=30) as server, Transport() as transport:
        for _ in range(5):
            exchange = transport.send(HttpRequest(server.url, body=b"x" * 50_000))
            timing = exchange.timing
            assert exchange.response is not None
            assert timing.send_ns is not None
            assert timing.wait_ns is not None
            held_ns = int(exchange.response.headers["x-srv-ns"])
            assert held_ns <= timing.send_ns + timing.wait_ns <= timing.service_ns
            waits.append(timing.wait_ns)
    assert max(waits) >= 29_000 * MICROSECOND  # one that was not held up between its last write and libcurl's mark


def test_clock_lies_inside_what_python_sees() -> None:
    with HoldServer(hold_ms=2) as server, Transport() as transport:
        for fresh in (True, False, True, False):
            before_ns = time.monotonic_ns()
            timing = transport.send(HttpRequest(server.url, body=b"x"), new_connection=fresh).timing
            after_ns = time.monotonic_ns()
            assert before_ns <= timing.sent_ns < timing.received_ns <= after_ns + 200 * MICROSECOND
            assert timing.new_connection is fresh


def test_response_time_counts_from_the_schedule() -> None:
    with HoldServer(hold_ms=1) as server, Transport() as transport:
        scheduled_ns = time.monotonic_ns() - 500_000_000
        timing = transport.send(HttpRequest(server.url), scheduled_ns=scheduled_ns).timing
    assert timing.scheduled_ns == scheduled_ns
    assert timing.response_ns >= 500_000_000 + timing.service_ns


def test_answer_that_waits_for_python_after_it_was_read_is_not_slower_for_it() -> None:
    """Two answers end in one round; the time until the second exchange is built is not in its clock."""
    with HoldServer(hold_ms=5) as server, MultiTransport(TransportOptions(), connections=2) as transport:
        for number in range(2):
            transport.start(HttpRequest(server.url), number)
        ended: list[CallTiming] = []
        while transport.in_flight:
            ended += [exchange.timing for _, exchange in transport.wait(5)]
            time.sleep(0.05)
        assert min(timing.service_ns for timing in ended) < 45_000_000


def test_answer_that_lay_unseen_because_the_caller_was_busy_says_so() -> None:
    with HoldServer(hold_ms=5) as server, MultiTransport(TransportOptions(), connections=1) as transport:
        transport.start(HttpRequest(server.url), 0)
        ((_, prompt),) = transport.wait(5)
        assert prompt.unseen.most_ns < 5_000_000
        transport.start(HttpRequest(server.url), 1)
        time.sleep(0.08)  # the caller does something else: nobody reads the socket
        ((_, late),) = transport.wait(5)
    assert late.response is not None
    overhead_ns = late.timing.service_ns - int(late.response.headers["x-srv-ns"])
    assert late.unseen.most_ns >= 70_000_000
    assert overhead_ns - late.unseen.most_ns < 20_000_000


def test_request_leaves_within_start() -> None:
    arrived_ns: list[int] = []

    def script(connection: socket.socket, _: Received) -> None:
        arrived_ns.append(time.monotonic_ns())
        connection.sendall(whole_answer())

    with ScriptedServer(script) as server, MultiTransport(TransportOptions(), connections=1) as transport:
        transport.start(HttpRequest(server.url), "warm up")
        transport.wait(5)
        transport.start(HttpRequest(server.url, body=b"x" * 50_000), "measured")
        deadline = time.monotonic() + 5
        while len(arrived_ns) < 2 and time.monotonic() < deadline:
            time.sleep(0.001)  # nobody drives libcurl meanwhile
        assert len(arrived_ns) == 2
        ((_, exchange),) = transport.wait(5)
    assert exchange.timing.sent_ns <= arrived_ns[1]


def test_failures_have_a_clock_too_but_no_phases() -> None:
    with ScriptedServer(lambda _, __: server.stopped.wait(10) and None) as server, Transport() as transport:
        timing = transport.send(HttpRequest(server.url, timeout_seconds=0.1)).timing
    assert timing.service_ns >= 99_000_000
    assert timing.new_connection
    assert timing.wait_ns is None
    assert timing.receive_ns is None
