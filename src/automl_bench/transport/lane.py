"""One libcurl handle: set up once, loaded with a request, read out when the answer is there.

Where the clock starts and stops. libcurl starts its own clock when it begins to drive a handle and stops it when it has
read the answer's last byte; both happen in C, outside the interpreter lock, and all its marks count microseconds from
that start. `PREREQFUNCTION` is called when a connection is ready, immediately before the first byte is written: there
`time.monotonic_ns` ties libcurl's clock to ours. So

    sent_ns     = the moment at which libcurl began (reused connection: just before it writes the request)
    received_ns = sent_ns + CURLINFO_TOTAL_TIME_T

and nothing that Python does with the answer afterwards is counted.

The same callback refuses a second sending. libcurl silently repeats a request, POST included, if a reused connection
turns out to be dead (`Curl_retry_request`); inside a timing that would be a hidden retry, and the server might do the
work twice. A connection that is known to be closed by the server is refused there too, before anything is written; the
request then begins anew on another one.
"""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import urlsplit

import pycurl

from automl_bench.contract import CallTiming, HttpRequest, HttpResponse, Outcome
from automl_bench.errors import ContractViolation
from automl_bench.transport.body_budget import BodyBudget
from automl_bench.transport.exchange import Exchange, ResponseHeaders, Unseen
from automl_bench.transport.options import TransportOptions, resolve_ca_bundle, resolve_proxy

_HTTP_VERSIONS = {
    "1.1": pycurl.CURL_HTTP_VERSION_1_1,
    "2": pycurl.CURL_HTTP_VERSION_2TLS,
    "2-prior-knowledge": pycurl.CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE,
}
_UPLOAD_BUFFER_BYTES = 256 * 1024  # an image leaves in one or two writes; libcurl's own default is 64 KiB
_TRUST_REMEDY = "set SSL_CERT_FILE, or ca_bundle, to a PEM file that holds the authority which signed it"

# libcurl's error numbers, https://curl.se/libcurl/c/libcurl-errors.html, as facts about the other side.
_SENTENCES = {
    1: "{host} does not answer in HTTP: the status line is malformed",
    3: "the address is malformed",
    5: "the name of the proxy is unknown",
    6: "the name {host} is unknown (DNS)",
    7: "{host} refused the connection",
    8: "{host} does not answer in HTTP: the status line is malformed",
    16: "the HTTP/2 connection to {host} broke",
    18: "{host} broke the answer off before its end",
    35: "the TLS handshake with {host} failed",
    43: "the address or a header is malformed",
    52: "{host} closed the connection without an answer",
    55: "the connection to {host} broke while sending",
    56: "the connection to {host} broke before the whole answer was there",
    60: "the certificate of {host} is not trusted; " + _TRUST_REMEDY,
    61: "{host} sent an answer whose compression cannot be read",
    77: "the CA bundle cannot be read; " + _TRUST_REMEDY,
    92: "the HTTP/2 stream to {host} broke",
    97: "the proxy failed to connect to {host}",
}
_WITH_DETAIL = frozenset({35, 60, 77})  # messages of the TLS library: certificates and protocol, never ours
_UNSUPPORTED = 1
_TIMED_OUT = 28
_WRITE_FAILED = 23
_ABORTED = 42
_TOO_LARGE = 63
_UNREADABLE_ENCODING = 61
_OFFERED = frozenset({"gzip", "x-gzip", "deflate", "identity"})
_FINAL = frozenset({3, 43, 60, _TOO_LARGE, 77})  # sending the request again meets the same


class Lane:
    """One easy handle and the buffers around it. Not thread-safe.

    Args:
        options: What holds for every request.
        number: Number of the lane, from 0.
        closed_by_server: Local address and port of idle connections that the server has closed.
        budget: What the answers of all lanes may hold together.

    Attributes:
        tag: What the caller gave with the request under way.
        met_closed: libcurl chose a connection that the server has closed; nothing was written.
        held_up_ns: How long this process waited for a processor while it sent the request, after its clock began:
            before the request left, or after, when it adds nothing.
    """

    def __init__(
        self, options: TransportOptions, number: int, closed_by_server: set[tuple[str, int]], budget: BodyBudget
    ) -> None:
        self.number = number
        self._budget = budget
        self.met_closed = False
        self.held_up_ns = 0
        self._closed_by_server = closed_by_server
        self.tag: Any = None
        self.handle = pycurl.Curl()
        self._options = options
        self._limit = options.max_response_bytes
        self._proxies: dict[tuple[str, str], str] = {}
        self._url = self._proxy = self._method = ""
        self._headers: tuple[tuple[str, str], ...] | None = None
        self._has_body = False
        self._timeout_ms = -1
        self._fresh = False
        self._chunks: list[bytes] = []
        self._size = 0
        self._refused: str = ""
        self._lines: list[bytes] = []
        self._scheduled_ns: int | None = None
        self._started_ns = 0
        self._ready_ns = 0
        self._sendings = 0
        self._set_up()

    def _set_up(self) -> None:
        options, set_option = self._options, self.handle.setopt
        bundle = resolve_ca_bundle(options)
        set_option(pycurl.NOSIGNAL, 1)
        set_option(pycurl.TCP_NODELAY, 1)
        set_option(pycurl.TCP_KEEPALIVE, 1)
        set_option(pycurl.FOLLOWLOCATION, 0)
        set_option(pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS)
        set_option(pycurl.HTTP_VERSION, _HTTP_VERSIONS[options.http_version])
        for file_option, folder_option in ((pycurl.CAINFO, pycurl.CAPATH), (pycurl.PROXY_CAINFO, pycurl.PROXY_CAPATH)):
            set_option(folder_option if bundle.is_dir() else file_option, str(bundle))
        set_option(pycurl.SSL_VERIFYPEER, 1)
        set_option(pycurl.SSL_VERIFYHOST, 2)
        set_option(pycurl.PROXY, "")
        set_option(pycurl.NOPROXY, "")
        set_option(pycurl.CONNECTTIMEOUT_MS, max(1, int(options.connect_timeout_seconds * 1000)))
        set_option(pycurl.MAXFILESIZE_LARGE, options.max_response_bytes)
        set_option(pycurl.UPLOAD_BUFFERSIZE, _UPLOAD_BUFFER_BYTES)
        set_option(pycurl.USERAGENT, "automl-bench")
        if options.accept_compressed:
            set_option(pycurl.ACCEPT_ENCODING, "")
        set_option(pycurl.PREREQFUNCTION, self._connection_is_ready)
        set_option(pycurl.WRITEFUNCTION, self._take)
        set_option(pycurl.HEADERFUNCTION, self._lines.append)

    def _connection_is_ready(self, _server: str, local: str, _server_port: int, local_port: int) -> int:
        if self._closed_by_server and not self._sendings and (local, local_port) in self._closed_by_server:
            self._closed_by_server.discard((local, local_port))
            self.met_closed = True
            return int(pycurl.PREREQFUNC_ABORT)
        self._sendings += 1
        if self._sendings > 1:
            return int(pycurl.PREREQFUNC_ABORT)
        self._ready_ns = time.monotonic_ns()
        return int(pycurl.PREREQFUNC_OK)

    def _take(self, chunk: bytes) -> int:
        size = len(chunk)
        if self._size + size > self._limit:  # MAXFILESIZE counts what comes over the wire, this what it decompresses to
            self._refused = f"is larger than the limit of {_mebibytes(self._limit)}"
            return 0
        if not self._budget.take(self._size, size):
            limit = _mebibytes(self._budget.total_bytes)
            self._refused = f"is too large: all answers under way may hold {limit} together"
            return 0
        self._size += size
        self._chunks.append(chunk)
        return size

    def load(self, request: HttpRequest, tag: Any, scheduled_ns: int | None, *, new_connection: bool) -> None:
        """Get the handle ready; nothing is sent yet. Only what differs from the last request is set.

        Raises:
            ContractViolation: A header holds a line break or a character that HTTP cannot carry.
        """
        set_option = self.handle.setopt
        if request.url != self._url:
            self._direct(request.url)
        if request.headers is not self._headers or bool(request.body) != self._has_body:
            if request.headers != self._headers or bool(request.body) != self._has_body:
                set_option(pycurl.HTTPHEADER, _header_lines(request))
            self._headers, self._has_body = request.headers, bool(request.body)
        if request.method != self._method or request.method != "POST":
            self._choose_method(request)
        if request.body or request.method in ("POST", "PUT", "PATCH"):
            set_option(pycurl.POSTFIELDS, request.body)  # not copied: pycurl keeps a reference
        timeout_ms = max(1, int(request.timeout_seconds * 1000))
        if timeout_ms != self._timeout_ms:
            set_option(pycurl.TIMEOUT_MS, timeout_ms)
            self._timeout_ms = timeout_ms
        if new_connection != self._fresh:
            self._want_fresh(new_connection)
        self.tag = tag
        self._scheduled_ns = scheduled_ns

    def begin(self) -> int:
        """Start the clock; the handle is driven right after. Returns the moment, nanoseconds of the monotonic clock."""
        self.met_closed = False
        self._sendings = 0
        self._ready_ns = 0
        self.held_up_ns = 0
        self._started_ns = time.monotonic_ns()
        return self._started_ns

    def _direct(self, url: str) -> None:
        parts = urlsplit(url)
        destination = (parts.scheme, parts.netloc)
        if destination not in self._proxies:
            self._proxies[destination] = resolve_proxy(self._options, url)
        proxy = self._proxies[destination]
        if proxy != self._proxy:
            self.handle.setopt(pycurl.PROXY, proxy)
            self._proxy = proxy
        self.handle.setopt(pycurl.URL, url)
        self._url = url

    def _choose_method(self, request: HttpRequest) -> None:
        handle = self.handle
        handle.unsetopt(pycurl.CUSTOMREQUEST)
        if request.method == "HEAD":
            handle.setopt(pycurl.NOBODY, 1)
        else:
            handle.setopt(pycurl.HTTPGET, 1)  # takes NOBODY and the body back; POSTFIELDS makes it a POST again
            if request.method not in ("GET", "POST"):
                handle.setopt(pycurl.CUSTOMREQUEST, request.method)
            elif request.method == "GET" and request.body:
                handle.setopt(pycurl.CUSTOMREQUEST, "GET")
        self._method = request.method

    def _want_fresh(self, fresh: bool) -> None:
        """A new connection pays for everything: lookup, TCP and the whole TLS handshake, as a new process would."""
        self.handle.setopt(pycurl.FRESH_CONNECT, int(fresh))
        self.handle.setopt(pycurl.DNS_CACHE_TIMEOUT, 0 if fresh else 60)
        self.handle.setopt(pycurl.SSL_SESSIONID_CACHE, int(not fresh))
        self._fresh = fresh

    def finish(self, error_number: int, error_detail: str, unseen: Unseen) -> Exchange:
        """Read the handle out and empty it for the next request. `error_number` is libcurl's, 0 for a whole answer."""
        timing = self._timing(whole=error_number == 0)
        response = None
        failure = None
        error = ""
        if error_number:
            failure = Outcome.TIMEOUT if error_number == _TIMED_OUT else Outcome.FAILED
            error = self._sentence(error_number, error_detail)
        else:
            chunks = self._chunks
            body = chunks[0] if len(chunks) == 1 else b"".join(chunks)
            headers = ResponseHeaders(self._lines[:])
            response = HttpResponse(self.handle.getinfo(pycurl.RESPONSE_CODE), headers, body)
        dropped = error_number == _ABORTED
        final = (
            error_number in _FINAL
            or bool(self._refused)
            or (error_number == _UNSUPPORTED and not self._sendings)
            or (error_number == _UNREADABLE_ENCODING and self._encoded_otherwise())
        )
        if self.held_up_ns:
            unseen = Unseen(unseen.most_ns + self.held_up_ns, unseen.least_ns)
        self.clear()
        return Exchange(response, timing, failure, error, self.number, unseen, dropped, final)

    def _encoded_otherwise(self) -> bool:
        """Whether the answer came in an encoding that was not offered: it would come so again."""
        named = ResponseHeaders(self._lines).get("content-encoding", "").lower().replace(" ", "")
        return not set(named.split(",")) <= _OFFERED

    def clear(self) -> None:
        """Drop what was received."""
        self._chunks.clear()
        self._lines.clear()
        self._budget.give_back(self._size)
        self._size = 0
        self._refused = ""
        self.tag = None

    def _timing(self, *, whole: bool) -> CallTiming:
        info = self.handle.getinfo
        total_us = info(pycurl.TOTAL_TIME_T)
        new_connection = info(pycurl.NUM_CONNECTS) > 0
        lookup_us = connect_us = tls_us = 0
        if new_connection:
            lookup_us = info(pycurl.NAMELOOKUP_TIME_T)
            connect_us = max(lookup_us, info(pycurl.CONNECT_TIME_T))
            tls_us = max(connect_us, info(pycurl.APPCONNECT_TIME_T))
        begun_ns = self._ready_ns - tls_us * 1000
        sent_ns = begun_ns if begun_ns > self._started_ns else self._started_ns
        received_ns = sent_ns + total_us * 1000
        if not whole:
            return CallTiming(sent_ns, received_ns, self._scheduled_ns, new_connection=new_connection)
        first_us = max(tls_us, min(info(pycurl.STARTTRANSFER_TIME_T), total_us))
        # A server may answer before it has read everything; then sending ends with the first byte of the answer.
        left_us = min(max(tls_us, info(pycurl.POSTTRANSFER_TIME_T)), first_us)
        return CallTiming(
            sent_ns,
            received_ns,
            self._scheduled_ns,
            lookup_us * 1000,
            (connect_us - lookup_us) * 1000,
            (tls_us - connect_us) * 1000,
            (left_us - tls_us) * 1000,
            (first_us - left_us) * 1000,
            (total_us - first_us) * 1000,
            new_connection,
        )

    def _sentence(self, number: int, detail: str) -> str:
        host = urlsplit(self._url).netloc.rpartition("@")[2]
        if number == _TIMED_OUT:
            return self._timeout_sentence(host)
        if number == _ABORTED and self._sendings > 1:
            return f"{host} closed the kept-alive connection before it answered; the request was not sent again"
        if number == _TOO_LARGE:
            return f"the answer of {host} is larger than the limit of {_mebibytes(self._limit)}"
        if number == _WRITE_FAILED and self._refused:
            return f"the answer of {host} {self._refused}"
        tunnel_status = self.handle.getinfo(pycurl.HTTP_CONNECTCODE)
        if tunnel_status and not 200 <= tunnel_status < 300:
            return f"the proxy answered {tunnel_status} instead of connecting to {host}"
        if number == _UNSUPPORTED and not self._sendings:
            return "only http and https addresses are called"
        sentence = _SENTENCES.get(number, "the exchange with {host} failed (libcurl error {number})")
        told = sentence.format(host=host, number=number)
        return f"{told} ({detail})" if number in _WITH_DETAIL and detail else told

    def _timeout_sentence(self, host: str) -> str:
        seconds = self.handle.getinfo(pycurl.TOTAL_TIME_T) / 1e6
        if not self._sendings:
            return f"no connection to {host} within {seconds:.3g} s"
        if not self.handle.getinfo(pycurl.STARTTRANSFER_TIME_T):
            return f"{host} sent no answer within {seconds:.3g} s"
        return f"{host} did not finish its answer within {seconds:.3g} s; {self._size} bytes of it came"

    def close(self) -> None:
        """Free the handle."""
        self.handle.close()


def _mebibytes(size: int) -> str:
    return f"{size / 2**20:g} MiB" if size >= 2**20 else f"{size} bytes"


def _header_lines(request: HttpRequest) -> list[bytes]:
    """Return the lines as libcurl takes them: "Name:" suppresses a header of its own, "Name;" sends an empty one."""
    names = {name.lower() for name, _ in request.headers}
    lines = [b"Expect:"]  # no 100-continue: it would add a round trip to large bodies only
    if "content-type" not in names:
        lines.append(b"Content-Type:")
    for name, value in request.headers:
        if name.lower() in ("content-length", "expect"):
            continue  # libcurl counts the body itself
        try:
            line = (f"{name}: {value}" if value else f"{name};").encode("latin-1")
        except UnicodeEncodeError:
            line = b"\n"
        if b"\n" in line or b"\r" in line or b"\0" in line:
            raise ContractViolation(f"The request header {name!r} holds a line break or a character HTTP cannot carry.")
        lines.append(line)
    return lines
