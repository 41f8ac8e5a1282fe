"""The guard lets nothing but the loopback interface be reached, and forgets no attempt."""

from __future__ import annotations

import socket
import urllib.request

import pytest
from echo_service import EchoService

from automl_bench.testing import only_loopback
from automl_bench.testing.network_guard import OutsideConnection, is_loopback


def test_this_machine_can_be_reached() -> None:
    with EchoService() as service, only_loopback() as refused:
        with urllib.request.urlopen(service.url, b"here") as answer:
            assert answer.read() == b"here"
        assert refused == []


@pytest.mark.parametrize("address", ["192.0.2.1", "example.invalid", "2001:db8::1"])
def test_another_machine_is_refused_before_any_packet(address: str) -> None:
    with only_loopback() as refused, pytest.raises(OutsideConnection, match="only the loopback"):
        socket.create_connection((address, 443), timeout=0.1)
    assert refused == [address]


def test_an_attempt_that_is_swallowed_is_remembered() -> None:
    with only_loopback() as refused:
        try:
            with socket.socket() as sock:
                sock.connect_ex(("192.0.2.1", 443))
        except AssertionError:
            pass
    assert refused == ["192.0.2.1"]


def test_afterwards_sockets_are_as_before() -> None:
    before = (socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo)
    with pytest.raises(ZeroDivisionError), only_loopback():
        raise ZeroDivisionError
    assert (socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo) == before


@pytest.mark.parametrize(
    ("host", "here"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("localhost", True), (b"localhost", True), (None, True),
     ("10.0.0.1", False), ("localhost.example.com", False)],
)  # fmt: skip
def test_what_counts_as_this_machine(host: object, here: bool) -> None:
    assert is_loopback(host) is here


def test_the_fixture_fails_a_test_that_swallows_the_refusal(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import socket

        def test_it(loopback_only):
            try:
                socket.getaddrinfo("192.0.2.1", 443)
            except AssertionError:
                pass
        """
    )
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider")
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*reached for other machines: 192.0.2.1*"])


pytest_plugins = ["pytester"]
