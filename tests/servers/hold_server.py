"""A loopback HTTP server that holds each request for a known time and says how long it really did (`X-Srv-Ns`).

The Python twin of `benchmarks/hold_server.c`, for tests: same options, plus throttling and a limited number of workers.
As a module: `with HoldServer(hold_ms=20) as server: server.url`; it runs in its own process.

The hold is counted from the moment the request's last byte was read. Waiting for a worker counts as held: it is the
server's time. A request header `X-Hold-Ns` overrides the hold of that request. `POST /reset` makes the next request the
first one again, from which `stall` is counted; `GET /stats` returns what was served, as JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import subprocess
import sys
import time
import urllib.request
from collections import Counter, deque
from dataclasses import dataclass

DEFAULT_ANSWER = '{"label": "class-0", "confidence": 1.0}'


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What the server does.

    `lognormal` is (median ms, sigma, seed) and replaces `hold_ms`. `stall` is (seconds after the first request, for how
    many seconds): the server's clock stands still once. `throttle_per_second` answers 429 above that rate, with a burst
    of one second. `workers` serves at most that many at once; the others queue in order of arrival.
    """

    hold_ms: float = 0.0
    lognormal: tuple[float, float, int] | None = None
    stall: tuple[float, float] | None = None
    throttle_per_second: float | None = None
    workers: int | None = None
    answer: str = DEFAULT_ANSWER


class Service:
    """Schedule and book-keeping, shared by all connections. Times in nanoseconds of the monotonic clock."""

    def __init__(self, behaviour: Behaviour) -> None:
        self.behaviour = behaviour
        self.loop = asyncio.get_running_loop()
        self.random = random.Random(behaviour.lognormal[2] if behaviour.lognormal else 0)
        self.first_ns: int | None = None
        self.tokens = behaviour.throttle_per_second or 0.0
        self.refilled_ns = time.monotonic_ns()
        self.busy = 0
        self.queue: deque[tuple[Connection, int, int]] = deque()
        self.stats: Counter[str] = Counter()

    def accept(self, connection: Connection, read_ns: int, own_hold_ns: int | None) -> None:
        """Hold a request that has been read; it is answered later."""
        if self.first_ns is None:
            self.first_ns = read_ns
        self.stats["requests"] += 1
        if self._too_many(read_ns):
            self.stats["throttled"] += 1
            connection.answer(read_ns, status="429 Too Many Requests", extra="Retry-After: 1\r\n")
            return
        hold_ns = self._draw() if own_hold_ns is None else own_hold_ns
        workers = self.behaviour.workers
        if workers is not None and self.busy >= workers:
            self.queue.append((connection, read_ns, hold_ns))
        else:
            self._serve(connection, read_ns, hold_ns)

    def _serve(self, connection: Connection, read_ns: int, hold_ns: int) -> None:
        self.busy += 1
        due_ns = self._real(self._virtual(time.monotonic_ns()) + hold_ns)
        if due_ns <= time.monotonic_ns():
            self._finish(connection, read_ns)
        else:
            self.loop.call_at(due_ns / 1e9, self._finish, connection, read_ns)

    def _finish(self, connection: Connection, read_ns: int) -> None:
        self.busy -= 1
        self.stats["answered"] += 1
        connection.answer(read_ns)
        if self.queue:
            self._serve(*self.queue.popleft())

    def _draw(self) -> int:
        if self.behaviour.lognormal is None:
            return int(self.behaviour.hold_ms * 1e6)
        median_ms, sigma, _ = self.behaviour.lognormal
        return int(median_ms * 1e6 * self.random.lognormvariate(0.0, sigma))

    def _too_many(self, now_ns: int) -> bool:
        rate = self.behaviour.throttle_per_second
        if rate is None:
            return False
        self.tokens = min(rate, self.tokens + (now_ns - self.refilled_ns) / 1e9 * rate)
        self.refilled_ns = now_ns
        if self.tokens < 1:
            return True
        self.tokens -= 1
        return False

    def _stall_ns(self) -> tuple[int, int] | None:
        if self.behaviour.stall is None or self.first_ns is None:
            return None
        after, lasts = self.behaviour.stall
        return self.first_ns + int(after * 1e9), int(lasts * 1e9)

    def _virtual(self, real_ns: int) -> int:
        stall = self._stall_ns()
        if stall is None or real_ns <= stall[0]:
            return real_ns
        return max(stall[0], real_ns - stall[1])

    def _real(self, virtual_ns: int) -> int:
        stall = self._stall_ns()
        return virtual_ns if stall is None or virtual_ns < stall[0] else virtual_ns + stall[1]


class Connection(asyncio.Protocol):
    """One kept-alive connection; requests come one at a time."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.buffer = bytearray()
        self.body_left: int | None = None
        self.own_hold_ns: int | None = None
        self.path = ""
        self.closing = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.service.stats["connections"] += 1

    def data_received(self, data: bytes) -> None:
        if self.body_left is None:
            self.buffer += data
            end = self.buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            self._read_head(bytes(self.buffer[:end]).decode("latin-1"))
            assert self.body_left is not None
            self.body_left -= len(self.buffer) - end - 4
            self.buffer.clear()
        else:
            self.body_left -= len(data)
        if self.body_left <= 0:
            self.body_left = None
            self._request_is_whole(time.monotonic_ns())

    def _read_head(self, head: str) -> None:
        first, *lines = head.split("\r\n")
        self.path = first.split(" ")[1]
        fields = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        self.body_left = int(fields.get("content-length", "0"))
        self.own_hold_ns = int(fields["x-hold-ns"]) if "x-hold-ns" in fields else None
        self.closing = fields.get("connection", "").lower() == "close"

    def _request_is_whole(self, read_ns: int) -> None:
        if self.path == "/stats":
            self.answer(read_ns, body=json.dumps(self.service.stats))
        elif self.path == "/reset":
            self.service.first_ns = None
            self.service.stats.clear()
            self.answer(read_ns)
        else:
            self.service.accept(self, read_ns, self.own_hold_ns)

    def answer(self, read_ns: int, *, status: str = "200 OK", extra: str = "", body: str | None = None) -> None:
        """Send the answer with the time for which the request was held."""
        text = (self.service.behaviour.answer if body is None else body).encode()
        close = "Connection: close\r\n" if self.closing else ""
        head = (
            f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(text)}\r\n{extra}{close}"
            f"X-Srv-Ns: {time.monotonic_ns() - read_ns}\r\n\r\n"
        )
        self.transport.write(head.encode() + text)
        if self.closing:
            self.transport.close()


class HoldServer:
    """The server in its own process, for `with`. `cpu` pins it to one processor.

    Attributes:
        url: Where it listens, as in "http://127.0.0.1:40000/".
    """

    def __init__(self, *, cpu: int | None = None, **behaviour: object) -> None:
        self.behaviour = Behaviour(**behaviour)  # type: ignore[arg-type]  # checked by the dataclass' own names
        self.cpu = cpu
        self.url = ""

    def __enter__(self) -> HoldServer:
        command = [sys.executable, __file__, "--behaviour", json.dumps(_fields(self.behaviour))]
        if self.cpu is not None:
            command += ["--cpu", str(self.cpu)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line.startswith("port "):
            raise RuntimeError("the hold server did not start")
        self.url = f"http://127.0.0.1:{int(line.split()[1])}/"
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def stats(self) -> dict[str, int]:
        """Counts since the start or the last reset: requests, answered, throttled, connections."""
        with urllib.request.urlopen(f"{self.url}stats", timeout=10) as answer:
            return dict(json.load(answer))

    def reset(self) -> None:
        """Make the next request the first one: its arrival is when `stall` is counted from."""
        urllib.request.urlopen(f"{self.url}reset", data=b"", timeout=10).close()


def _fields(behaviour: Behaviour) -> dict[str, object]:
    return {name: getattr(behaviour, name) for name in Behaviour.__dataclass_fields__}


async def _serve(behaviour: Behaviour, port: int) -> None:
    service = Service(behaviour)
    server = await service.loop.create_server(lambda: Connection(service), "127.0.0.1", port, backlog=1024)
    print("port", server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--cpu", type=int)
    parser.add_argument("--behaviour", type=json.loads, default={})
    arguments = parser.parse_args()
    if arguments.cpu is not None and arguments.cpu in os.sched_getaffinity(0):
        os.sched_setaffinity(0, {arguments.cpu})
    asyncio.run(_serve(Behaviour(**arguments.behaviour), arguments.port))


if __name__ == "__main__":
    main()
