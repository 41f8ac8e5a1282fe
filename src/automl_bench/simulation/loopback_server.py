"""A fast, exact server on the loopback interface: what the stopwatch is checked against.

It answers each request at once, or holds it for a drawn time. The header `X-Hold-Ns` says how long the request really
lay here, from its last byte read to its answer written; `X-Drawn-Ns` is the hold that was drawn for it. It can freeze
its clock once (a stall), throttle, or serve with a limited number of workers, so that a measurement can be compared
with what is known to be true.

Only the standard library, one thread, one epoll set; timers in microseconds. Run as a process of its own:
`python -m automl_bench.simulation.loopback_server '{"hold_ms": 20}'` prints its port and serves until it is told to
stop (`POST /stop`), its standard input closes, or nothing has come for `idle_seconds`.
"""

from __future__ import annotations

import heapq
import json
import math
import os
import random
import select
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

HOLD_HEADER = "x-hold-ns"
DRAWN_HEADER = "x-drawn-ns"
BUFFER_BYTES = 512 * 1024
NS_PER_SECOND = 1_000_000_000
START_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What the server does with a request.

    Attributes:
        hold_ms: How long each request is held; the median where `sigma` is above 0.
        sigma: Standard deviation of the logarithm of the hold: lognormal holds.
        seed: Seed of the holds: request number i is held for `holds(behaviour)[i]`.
        stall_at_seconds: When, from the first request, the server's clock freezes; None for never.
        stall_seconds: For how long.
        throttle_above: Requests per second above which the answer is 429, with `Retry-After`; None for no limit.
        burst: Requests that may come at once before the throttle counts.
        workers: Requests that are served at a time, the others queue; None for all at once.
        answer: Text of the answer's body.
        idle_seconds: The server ends when nothing has come for so long.
        cpu: Processor to run on, or None.
    """

    hold_ms: float = 0.0
    sigma: float = 0.0
    seed: int = 0
    stall_at_seconds: float | None = None
    stall_seconds: float = 0.0
    throttle_above: float | None = None
    burst: float = 2.0
    workers: int | None = None
    answer: str = "{}"
    idle_seconds: float = 600.0
    cpu: int | None = None


def holds(behaviour: Behaviour) -> Iterator[float]:
    """Return the hold of each request in seconds, without end, in the order in which requests come."""
    chance = random.Random(behaviour.seed)
    median = behaviour.hold_ms / 1000
    if behaviour.sigma <= 0 or median <= 0:
        while True:
            yield median
    centre = math.log(median)
    while True:
        yield chance.lognormvariate(centre, behaviour.sigma)


@dataclass(frozen=True, slots=True)
class Running:
    """A server that runs.

    Attributes:
        url: Where predictions are asked for.
        pid: Its process.
        behaviour: What it does.
    """

    url: str
    pid: int
    behaviour: Behaviour

    def facts(self) -> dict[str, Any]:
        """Ask the server for what it has seen: "requests" and "first_ns", when the first one came.

        The clock is CLOCK_MONOTONIC, which all processes of a machine share.
        """
        with urllib.request.urlopen(self.url.replace("/predict", "/facts"), timeout=START_SECONDS) as answer:
            return dict(json.load(answer))


@contextmanager
def loopback_server(behaviour: Behaviour | None = None) -> Iterator[Running]:
    """Run a server in a process of its own for the length of a `with` block."""
    behaviour = behaviour or Behaviour()
    process = subprocess.Popen(
        [sys.executable, "-m", __name__, json.dumps(asdict(behaviour))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        port = int(process.stdout.readline())
        yield Running(f"http://127.0.0.1:{port}/predict", process.pid, behaviour)
    finally:
        process.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            process.wait(START_SECONDS)
        if process.poll() is None:
            process.kill()
            process.wait()
        process.stdout.close()


class _Connection:
    """One client's connection and how much of its request has come."""

    __slots__ = ("fileno", "head", "missing", "sock")

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.fileno = sock.fileno()
        self.head = b""
        self.missing = 0


class LoopbackServer:
    """The server itself; `serve` returns when it has been told to stop."""

    def __init__(self, behaviour: Behaviour, *, port: int = 0) -> None:
        self._behaviour = behaviour
        self._listener = socket.create_server(("127.0.0.1", port), backlog=4096)
        self._listener.setblocking(False)
        self.port: int = self._listener.getsockname()[1]
        self._poll = select.epoll()
        self._poll.register(self._listener, select.EPOLLIN)
        self._connections: dict[int, _Connection] = {}
        self._due: list[tuple[int, int, int, int, int]] = []
        self._buffer = bytearray(BUFFER_BYTES)
        self._view = memoryview(self._buffer)
        self._heads: dict[bytes, tuple[bytes, int, bool]] = {}
        self._holds = holds(behaviour)
        self._instant = behaviour.hold_ms <= 0 and behaviour.workers is None and behaviour.stall_at_seconds is None
        self._free_at: list[int] = [0] * (behaviour.workers or 0)
        self._tokens = behaviour.burst
        self._tokens_ns = 0
        self._first_ns: int | None = None
        self._requests = 0
        self._stopped = False
        body = behaviour.answer.encode()
        kind, stamps = "Content-Type: application/json", f"{DRAWN_HEADER}: %d\r\n{HOLD_HEADER}: %d"
        self._ok = (
            f"HTTP/1.1 200 OK\r\n{kind}\r\nContent-Length: {len(body)}\r\n{stamps}".encode(),
            b"\r\n\r\n" + body,
        )
        self._busy = (
            f"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nContent-Length: 0\r\n{stamps}".encode(),
            b"\r\n\r\n",
        )

    def serve(self, *, watch_stdin: bool) -> None:
        """Answer requests until told to stop.

        Args:
            watch_stdin: Whether to stop when standard input closes: the parent has ended.
        """
        stdin = sys.stdin.fileno() if watch_stdin else -1
        if watch_stdin:
            self._poll.register(stdin, select.EPOLLIN | select.EPOLLHUP)
        listener, poll = self._listener.fileno(), self._poll
        last = time.monotonic()
        while not self._stopped:
            self._answer_due()
            if self._due:
                # epoll counts in milliseconds, select in microseconds: an epoll set can itself be selected on.
                wait = (self._due[0][0] - time.monotonic_ns()) / NS_PER_SECOND
                ready = select.select([poll.fileno()], [], [], max(0.0, wait))[0]
                events = poll.poll(0) if ready else []
            else:
                events = poll.poll(self._behaviour.idle_seconds)
                if not events and time.monotonic() - last >= self._behaviour.idle_seconds:
                    return
                last = time.monotonic()
            for fileno, _ in events:
                if fileno == listener:
                    self._accept()
                elif fileno == stdin:
                    return
                else:
                    self._read(self._connections[fileno])

    def close(self) -> None:
        """Close all connections."""
        for connection in list(self._connections.values()):
            self._drop(connection)
        self._poll.close()
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection = _Connection(sock)
            self._connections[connection.fileno] = connection
            self._poll.register(connection.fileno, select.EPOLLIN)

    def _read(self, connection: _Connection) -> None:
        try:
            size = connection.sock.recv_into(self._view)
        except BlockingIOError:
            return
        except OSError:
            size = 0
        if not size:
            self._drop(connection)
            return
        if connection.missing:
            connection.missing -= size
            if connection.missing <= 0:
                self._take(connection, b"POST /predict")
            return
        end = self._buffer.find(b"\r\n\r\n", 0, size)
        if connection.head or end < 0:
            connection.head += bytes(self._view[:size])
            end = connection.head.find(b"\r\n\r\n")
            if end < 0:
                return
            head, size = connection.head[:end], len(connection.head)
            connection.head = b""
        else:
            head = bytes(self._view[:end])
        line, length, expects = self._heads.get(head) or self._parse(head)
        connection.missing = max(0, length - (size - end - 4))
        if expects:
            connection.sock.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        if not connection.missing:
            self._take(connection, line)

    def _parse(self, head: bytes) -> tuple[bytes, int, bool]:
        line, *fields = head.split(b"\r\n")
        values = {name.strip().lower(): value.strip() for name, _, value in (field.partition(b":") for field in fields)}
        parsed = line, int(values.get(b"content-length", b"0")), values.get(b"expect", b"").lower() == b"100-continue"
        if len(self._heads) < 1000:
            self._heads[head] = parsed
        return parsed

    def _take(self, connection: _Connection, line: bytes) -> None:
        """Take one whole request."""
        now = time.monotonic_ns()
        connection.missing = 0
        if line.startswith((b"GET ", b"POST /stop")):
            self._stopped = line.startswith(b"POST /stop")
            facts = {"requests": self._requests, "pid": os.getpid(), "first_ns": self._first_ns}
            body = json.dumps(facts).encode()
            connection.sock.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
            return
        self._requests += 1
        if self._behaviour.throttle_above is not None and not self._admitted(now):
            self._answer(connection, now, self._busy)
        elif self._instant:
            self._answer(connection, now, self._ok)
        else:
            hold = int(next(self._holds) * NS_PER_SECOND)
            heapq.heappush(self._due, (self._moment(now, hold), self._requests, connection.fileno, now, hold))

    def _admitted(self, now: int) -> bool:
        """Token bucket: tokens come at the throttle's rate, each request takes one."""
        rate = self._behaviour.throttle_above or 0.0
        self._tokens = min(self._behaviour.burst, self._tokens + (now - self._tokens_ns) / NS_PER_SECOND * rate)
        self._tokens_ns = now
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True

    def _moment(self, now: int, hold: int) -> int:
        """Return when the request that came `now` is to be answered."""
        self._first_ns = now if self._first_ns is None else self._first_ns
        if self._free_at:
            done = max(now, heapq.heappop(self._free_at)) + hold
            heapq.heappush(self._free_at, done)
            return done
        if self._behaviour.stall_at_seconds is None:
            return now + hold
        frozen = self._first_ns + int(self._behaviour.stall_at_seconds * NS_PER_SECOND)
        return answer_moment(now, hold, frozen, int(self._behaviour.stall_seconds * NS_PER_SECOND))

    def _answer_due(self) -> None:
        due = self._due
        while due and due[0][0] <= time.monotonic_ns():
            _, _, fileno, received, hold = heapq.heappop(due)
            connection = self._connections.get(fileno)
            if connection is not None:
                self._answer(connection, received, self._ok, hold)

    def _answer(self, connection: _Connection, received_ns: int, parts: tuple[bytes, bytes], drawn_ns: int = 0) -> None:
        with suppress(OSError):
            connection.sock.send(parts[0] % (drawn_ns, time.monotonic_ns() - received_ns) + parts[1])

    def _drop(self, connection: _Connection) -> None:
        self._connections.pop(connection.fileno, None)
        with suppress(OSError):
            self._poll.unregister(connection.fileno)
        connection.sock.close()


def answer_moment(received: int, hold: int, frozen: int, length: int) -> int:
    """Return when a request is answered by a server whose clock stands still from `frozen` for `length`.

    The hold passes only while the clock goes. All in nanoseconds of one clock; the simulation of the stall test uses
    this very function.
    """
    if received >= frozen + length:
        return received + hold
    if received >= frozen:
        return frozen + length + hold
    return received + hold if received + hold <= frozen else received + hold + length


def main(arguments: list[str]) -> None:
    """Serve as the JSON object in the first argument says.

    With a second argument the server outlives its parent: the file of that name then tells its port and process.
    """
    behaviour = Behaviour(**json.loads(arguments[0]))
    if behaviour.cpu is not None and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {behaviour.cpu})
    state = Path(arguments[1]) if len(arguments) > 1 else None
    server = LoopbackServer(behaviour)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    try:
        if state is None:
            print(server.port, flush=True)
        else:
            draft = state.with_suffix(".part")
            draft.write_text(json.dumps({"port": server.port, "pid": os.getpid()}))
            draft.replace(state)
        server.serve(watch_stdin=state is None)
    finally:
        if state is not None:
            state.unlink(missing_ok=True)
        server.close()


if __name__ == "__main__":
    main(sys.argv[1:])
