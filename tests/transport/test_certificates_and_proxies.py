"""TLS is verified, authorities and proxies come from the usual settings, and HTTP/2 is spoken when asked for."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest
from servers.certificates import Authority, make_authority
from servers.http2_server import Http2Server
from servers.proxy import Proxy
from servers.scripted_server import HangUp, Received, ScriptedServer, whole_answer

from automl_bench.contract import HttpRequest
from automl_bench.errors import InvalidSetting
from automl_bench.store.records import Outcome
from automl_bench.transport import Exchange, MultiTransport, Transport, TransportOptions, resolve_ca_bundle

VARIABLES = [
    *("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy"),
]


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return make_authority(tmp_path, "127.0.0.1", "::1", "endpoint.test")


def send(url: str, options: TransportOptions | None = None) -> Exchange:
    with Transport(options) as transport:
        return transport.send(HttpRequest(url, body=b"x" * 50_000, timeout_seconds=10))


def test_tls_with_a_custom_authority(authority: Authority) -> None:
    with ScriptedServer(tls=authority.server_context) as server:
        options = TransportOptions(ca_bundle=authority.bundle)
        with Transport(options) as transport:
            first, second = (transport.send(HttpRequest(server.url, body=b"x" * 50_000)) for _ in range(2))
    assert first.outcome is second.outcome is Outcome.OK, first.error
    assert first.timing.tls_ns
    assert second.timing.tls_ns == 0
    assert second.timing.new_connection is False


def test_tls_over_ipv6(authority: Authority) -> None:
    with ScriptedServer(tls=authority.server_context, host="::1") as server:
        assert send(server.url, TransportOptions(ca_bundle=authority.bundle)).outcome is Outcome.OK


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_authority_from_the_environment(authority: Authority, variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, str(authority.bundle))
    with ScriptedServer(tls=authority.server_context) as server:
        assert send(server.url).outcome is Outcome.OK


def test_unknown_authority_is_a_failure_that_names_the_setting(authority: Authority) -> None:
    with ScriptedServer(tls=authority.server_context) as server:
        exchange = send(server.url)
        assert server.received == []
    assert exchange.failure is Outcome.FAILED
    assert "is not trusted" in exchange.error
    assert "SSL_CERT_FILE" in exchange.error


def test_certificate_for_another_name_is_a_failure(authority: Authority, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = make_authority(tmp_path / "other", "elsewhere.test")
    with ScriptedServer(tls=other.server_context) as server:
        exchange = send(server.url, TransportOptions(ca_bundle=other.bundle))
        assert server.received == []
    assert exchange.failure is Outcome.FAILED
    assert "127.0.0.1" in exchange.error


def test_server_without_tls_behind_an_https_address() -> None:
    with ScriptedServer(lambda c, _: c.sendall(whole_answer())) as server:
        exchange = send(server.url.replace("http:", "https:"), TransportOptions())
    assert exchange.failure is Outcome.FAILED
    assert "TLS handshake" in exchange.error


def test_missing_bundle_is_refused_before_any_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    missing = tmp_path / "nowhere.pem"
    with pytest.raises(InvalidSetting) as caught:
        Transport(TransportOptions(ca_bundle=missing))
    assert str(missing) in caught.value.message
    assert "ca_bundle" in caught.value.remedy
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(missing))
    with pytest.raises(InvalidSetting, match="REQUESTS_CA_BUNDLE"):
        MultiTransport(TransportOptions(), connections=2)


def test_built_in_authorities_are_used_otherwise() -> None:
    assert resolve_ca_bundle(TransportOptions()).read_text().count("BEGIN CERTIFICATE") > 50


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
def test_https_goes_through_the_proxy_of_the_environment(
    authority: Authority, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ScriptedServer(tls=authority.server_context) as server, Proxy({"endpoint.test": server.port}) as proxy:
        monkeypatch.setenv(variable, proxy.url)
        exchange = send("https://endpoint.test/predict", TransportOptions(ca_bundle=authority.bundle))
        assert exchange.outcome is Outcome.OK, exchange.error
        assert proxy.requests == ["CONNECT endpoint.test:443 HTTP/1.1"]
        assert server.received[0].target == "/predict"
    assert exchange.response is not None
    assert dict(exchange.response.headers) == {"content-length": "2"}


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy"])
def test_http_goes_through_the_proxy_of_the_environment(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with ScriptedServer() as server, Proxy({"endpoint.test": server.port}) as proxy:
        monkeypatch.setenv(variable, proxy.url)
        assert send("http://endpoint.test/predict").outcome is Outcome.OK
        assert proxy.requests == ["POST http://endpoint.test/predict HTTP/1.1"]


def test_proxy_of_the_options_wins() -> None:
    with ScriptedServer() as server, Proxy({"127.0.0.1": server.port}) as proxy:
        assert send(server.url, TransportOptions(proxy=proxy.url)).outcome is Outcome.OK
        assert len(proxy.requests) == 1


def test_no_proxy_and_this_machine_are_reached_directly(monkeypatch: pytest.MonkeyPatch) -> None:
    with ScriptedServer() as server, Proxy({}) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        assert send(server.url).outcome is Outcome.OK
        monkeypatch.setenv("NO_PROXY", "endpoint.invalid,.other")
        exchange = send("http://endpoint.invalid/")
        assert "unknown (DNS)" in exchange.error
        assert proxy.requests == []
        assert send("http://endpoint.test/").response is not None
        assert len(proxy.requests) == 1


def test_proxy_that_refuses_the_tunnel_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    with Proxy({}) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        exchange = send("https://endpoint.test/")
        assert proxy.requests
    assert exchange.failure is Outcome.FAILED
    assert "proxy" in exchange.error


def test_proxy_that_is_not_there_is_a_failure() -> None:
    with ScriptedServer() as server:
        url = server.url
    exchange = send("http://endpoint.test/", TransportOptions(proxy=url))
    assert exchange.failure is Outcome.FAILED
    assert "refused" in exchange.error


def test_http2_over_tls(authority: Authority) -> None:
    with Http2Server(tls=authority.server_context) as server:
        options = TransportOptions(http_version="2", ca_bundle=authority.bundle)
        with Transport(options) as transport:
            answers = [transport.send(HttpRequest(server.url, body=b"x" * 200_000)) for _ in range(3)]
        assert server.connections == 1
    for number, exchange in enumerate(answers):
        assert exchange.response is not None, exchange.error
        assert exchange.response.headers["x-speaks"] == "h2"
        assert json.loads(exchange.response.body) == {
            "connection": 0,
            "stream": 2 * number + 1,
            "body_bytes": 200_000,
        }
        assert exchange.timing.new_connection is (number == 0)


def test_http2_without_tls_by_prior_knowledge() -> None:
    with Http2Server() as server:
        exchange = send(server.url, TransportOptions(http_version="2-prior-knowledge"))
    assert exchange.response is not None, exchange.error
    assert json.loads(exchange.response.body)["body_bytes"] == 50_000


def test_http2_requests_in_flight_have_connections_of_their_own() -> None:
    with Http2Server() as server:
        options = TransportOptions(http_version="2-prior-knowledge")
        with MultiTransport(options, connections=3) as transport:
            seen = set()
            for _ in range(4):
                for number in range(3):
                    transport.start(HttpRequest(server.url, body=b"x" * 100_000), number)
                while transport.in_flight:
                    for _, exchange in transport.wait(5):
                        assert exchange.response is not None, exchange.error
                        seen.add(json.loads(exchange.response.body)["connection"])
        assert seen == set(range(server.connections))
        assert len(seen) == 3


def test_server_without_http2_is_spoken_to_in_http1(authority: Authority) -> None:
    with ScriptedServer(tls=authority.server_context) as server:
        exchange = send(server.url, TransportOptions(http_version="2", ca_bundle=authority.bundle))
    assert exchange.outcome is Outcome.OK


def test_http1_server_asked_in_http2_is_a_failure() -> None:
    def script(connection: socket.socket, request: Received) -> None:
        assert request.method == "PRI"
        connection.sendall(whole_answer(b"", status="400 Bad Request", headers="Connection: close\r\n"))
        raise HangUp

    with ScriptedServer(script) as server:
        exchange = send(server.url, TransportOptions(http_version="2-prior-knowledge"))
    assert exchange.failure is Outcome.FAILED
