"""One request and what came of it: the answer, its clock, or why there is no whole answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from automl_bench.contract import CallTiming, HttpResponse, Outcome


class Unseen(NamedTuple):
    """How long an answer lay in the kernel before this process looked: a part of its latency that is the client's.

    Attributes:
        most_ns: Upper bound.
        least_ns: Lower bound.
    """

    most_ns: int
    least_ns: int


SEEN = Unseen(0, 0)
"""The process was waiting for it."""


@dataclass(slots=True)
class Exchange:
    """What came of one request.

    Attributes:
        response: The whole answer, whatever its status, or None.
        timing: The clock, in nanoseconds of `time.monotonic_ns`. Both ends are taken in C: see `transport.lane`.
        failure: TIMEOUT or FAILED where there is no whole answer; None otherwise (statuses are judged later, see
            `classify_status`).
        error: One sentence if there is no whole answer. Never holds the URL's path or query, a header or a body.
        lane: Number of the handle that sent it, from 0.
        unseen: How long the answer's end lay in the kernel before this process looked, and how long this process was
            kept from sending: a part of the timing that is the client's.
        connection_dropped: The server closed a kept-alive connection before it answered. The request may or may not
            have been read; it was not sent again.
        final: There is no whole answer, and sending the request again cannot bring one: an answer over the limit, a
            compression that cannot be read, an address or a certificate that is wrong.
    """

    response: HttpResponse | None
    timing: CallTiming
    failure: Outcome | None = None
    error: str = ""
    lane: int = 0
    unseen: Unseen = SEEN
    connection_dropped: bool = False
    final: bool = False

    @property
    def outcome(self) -> Outcome:
        """The outcome as the transport sees it: the failure, else the class of the status."""
        if self.response is None:
            return self.failure or Outcome.FAILED
        return classify_status(self.response.status)


def classify_status(status: int) -> Outcome:
    """Return the outcome class of an HTTP status.

    2xx is OK; 429 THROTTLED; 408 and 504 TIMEOUT; 3xx (redirects are never followed: a timed request goes to one place
    only) and the other 4xx REFUSED; the rest, 5xx above all, FAILED.
    """
    if 200 <= status < 300:
        return Outcome.OK
    if status == 429:
        return Outcome.THROTTLED
    if status in (408, 504):
        return Outcome.TIMEOUT
    if 300 <= status < 500:
        return Outcome.REFUSED
    return Outcome.FAILED


class ResponseHeaders(Mapping[str, str]):
    """The header lines of an answer, read when first asked for: reading them must not slow the next request down.

    Names are lower case; repeated ones are joined with ", ". Lines of interim answers (1xx) and trailers are left out.
    """

    __slots__ = ("_fields", "_lines")

    def __init__(self, lines: list[bytes]) -> None:
        self._lines = lines
        self._fields: dict[str, str] | None = None

    def _read(self) -> dict[str, str]:
        if self._fields is None:
            self._fields = _read_header_lines(self._lines)
        return self._fields

    def __getitem__(self, name: str) -> str:
        return self._read()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._read())

    def __len__(self) -> int:
        return len(self._read())

    def __repr__(self) -> str:
        return f"<{len(self)} response headers>"


def _read_header_lines(lines: list[bytes]) -> dict[str, str]:
    begin = max((index for index, line in enumerate(lines) if line.startswith(b"HTTP/")), default=-1) + 1
    fields: dict[str, str] = {}
    name = ""
    for raw in lines[begin:]:
        line = raw.decode("latin-1").rstrip("\r\n")
        if not line:
            break  # what follows are trailers
        if line[0] in " \t" and name:  # a folded line continues the one before (RFC 9112, 5.2)
            fields[name] += " " + line.strip()
            continue
        name, _, value = line.partition(":")
        name, value = name.strip().lower(), value.strip()
        fields[name] = f"{fields[name]}, {value}" if name in fields else value
    return fields
