"""The proxy does exactly what it is told, and relays faithfully otherwise."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator

import pytest
from echo_service import EchoService

from automl_bench.testing import FaultProxy


@pytest.fixture
def service() -> Iterator[EchoService]:
    with EchoService() as running:
        yield running


@pytest.fixture
def proxy(service: EchoService) -> Iterator[FaultProxy]:
    with FaultProxy(service.url) as running:
        yield running


def ask(proxy: FaultProxy, body: bytes = b"", path: str = "/") -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=10)
    try:
        connection.request("POST", path, body)
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        connection.close()


def test_it_relays_requests_and_answers_on_one_kept_connection(proxy: FaultProxy, service: EchoService) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=10)
    for number in range(5):
        content = bytes([number]) * 100_000
        connection.request("POST", "/", content)
        assert connection.getresponse().read() == content
    connection.close()
    assert proxy.connections == 1
    assert proxy.requests == service.requests == 5


def test_chunked_bodies_pass_in_both_directions(proxy: FaultProxy) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=10)
    connection.request("POST", "/chunked", iter([b"one", b"two" * 10_000]), encode_chunked=True)
    assert connection.getresponse().read() == b"one" + b"two" * 10_000
    connection.request("POST", "/", b"the connection goes on")
    assert connection.getresponse().read() == b"the connection goes on"
    connection.close()


def test_an_answer_lost_after_the_server_has_acted(proxy: FaultProxy, service: EchoService) -> None:
    proxy.lose_answers()
    with pytest.raises(ConnectionResetError):
        ask(proxy, b"create")
    assert service.requests == 1, "the server has acted"
    assert ask(proxy, b"again")[2] == b"again"


def test_a_request_reset_before_the_server_hears_of_it(proxy: FaultProxy, service: EchoService) -> None:
    proxy.reset_requests(2)
    for _ in range(2):
        with pytest.raises((ConnectionResetError, http.client.RemoteDisconnected)):
            ask(proxy, b"create")
    assert service.requests == 0
    assert ask(proxy)[0] == 200


def test_canned_answers_come_in_order_and_only_where_they_are_wanted(proxy: FaultProxy, service: EchoService) -> None:
    proxy.only(lambda head: head.startswith(b"POST /control"))
    proxy.answer(429, retry_after=0.5)
    proxy.answer(503)
    assert ask(proxy, path="/predict")[0] == 200
    status, headers, body = ask(proxy, b"x" * 50_000, path="/control")
    assert (status, headers["Retry-After"], json.loads(body)) == (429, "0.5", {})
    assert ask(proxy, path="/control")[0] == 503
    assert ask(proxy, path="/control")[0] == 200
    assert service.requests == 2


def test_latency_holds_a_request_and_a_stall_holds_everything(proxy: FaultProxy) -> None:
    proxy.latency(0.2)
    begun = time.monotonic()
    ask(proxy)
    assert time.monotonic() - begun >= 0.2
    proxy.heal()
    proxy.stall(0.3)
    begun = time.monotonic()
    ask(proxy)
    assert time.monotonic() - begun >= 0.28


def test_bandwidth_limits_a_body(proxy: FaultProxy) -> None:
    proxy.bandwidth(500_000)
    begun = time.monotonic()
    ask(proxy, b"x" * 100_000)
    assert time.monotonic() - begun >= 0.3, "100 KB each way at 500 KB/s are 0.4 s"


def test_healing_takes_every_fault_back(proxy: FaultProxy) -> None:
    proxy.answer(500, times=10)
    proxy.reset_requests(10)
    proxy.heal()
    assert ask(proxy, b"well")[2] == b"well"


def test_a_server_that_is_not_there_resets_the_connection() -> None:
    with FaultProxy("127.0.0.1:1") as proxy, pytest.raises((ConnectionError, http.client.RemoteDisconnected)):
        ask(proxy)


def test_an_address_without_a_port_is_refused() -> None:
    with pytest.raises(ValueError, match="no host and port"):
        FaultProxy("http://127.0.0.1")
