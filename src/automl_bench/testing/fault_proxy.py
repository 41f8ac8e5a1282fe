"""A TCP proxy on the loopback interface that does to a connection what networks and services do.

It relays bytes and knows HTTP only as far as it must: where a request ends is judged by its declared length, so that
an answer can be lost *after* the service has acted. It runs in a thread of its own.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit, urlunsplit

CHUNK = 16 * 1024
START_SECONDS = 10.0
HEAD_LIMIT = 64 * 1024
NO_LINGER = struct.pack("ii", 1, 0)
"""SO_LINGER with a time of 0: closing sends RST instead of FIN."""


@dataclass(slots=True)
class _Plan:
    """What happens to requests from now on; counts go down to 0, None means for ever."""

    latency_seconds: float = 0.0
    bytes_per_second: float | None = None
    stall_until: float = 0.0
    answers: list[tuple[int, bytes]] = field(default_factory=list)
    lose_answers: int = 0
    reset_requests: int = 0
    only: Callable[[bytes], bool] = field(default=lambda head: True)


class FaultProxy:
    """A proxy in front of one server, as a context manager.

    Faults that count apply to the next requests whose head matches `only(...)`, in the order in which they come.

    Args:
        upstream: Address of the server, "http://127.0.0.1:9000" or "127.0.0.1:9000".
    """

    def __init__(self, upstream: str) -> None:
        self._parts = urlsplit(upstream if "://" in upstream else f"http://{upstream}")
        if self._parts.hostname is None or self._parts.port is None:
            raise ValueError(f"{upstream!r} has no host and port")
        self._plan = _Plan()
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.connections = 0
        """Connections accepted so far."""
        self.requests = 0
        """Requests whose head was read so far."""
        self.port = 0

    @property
    def url(self) -> str:
        """The upstream address with the proxy's host and port in it."""
        return urlunsplit(self._parts._replace(netloc=f"127.0.0.1:{self.port}"))

    def __enter__(self) -> Self:
        ready: Future[int] = Future()
        self._thread = threading.Thread(target=self._serve, args=(ready,), name="fault-proxy", daemon=True)
        self._thread.start()
        self.port = ready.result(START_SECONDS)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._loop is not None and self._thread is not None:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(START_SECONDS)

    # --- what it shall do ---------------------------------------------------------------------------------------

    def latency(self, seconds: float) -> None:
        """Hold every request so long before it goes on."""
        with self._lock:
            self._plan.latency_seconds = seconds

    def bandwidth(self, bytes_per_second: float | None) -> None:
        """Relay no faster, in each direction of each connection; None for no limit."""
        with self._lock:
            self._plan.bytes_per_second = bytes_per_second

    def stall(self, seconds: float) -> None:
        """Relay nothing at all for so long, from now."""
        with self._lock:
            self._plan.stall_until = time.monotonic() + seconds

    def answer(self, status: int, *, times: int = 1, retry_after: float | None = None, body: bytes = b"{}") -> None:
        """Answer the next requests in the server's place, for example with 429 or 503."""
        waiting = "" if retry_after is None else f"Retry-After: {retry_after:g}\r\n"
        head = (
            f"HTTP/1.1 {status} Injected\r\nContent-Type: application/json\r\n{waiting}"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        with self._lock:
            self._plan.answers.extend([(status, head.encode() + body)] * times)

    def lose_answers(self, times: int = 1) -> None:
        """Let the server carry the next requests out, wait for its answer, and reset the connection instead."""
        with self._lock:
            self._plan.lose_answers = times

    def reset_requests(self, times: int = 1) -> None:
        """Reset the connection of the next requests before the server hears of them."""
        with self._lock:
            self._plan.reset_requests = times

    def only(self, matches: Callable[[bytes], bool] | None) -> None:
        """Let counted faults hit only requests whose head (request line and headers) matches; None for all."""
        with self._lock:
            self._plan.only = matches or (lambda head: True)

    def heal(self) -> None:
        """Relay faithfully from now on."""
        with self._lock:
            self._plan = _Plan()

    # --- how it does it -----------------------------------------------------------------------------------------

    def _serve(self, ready: Future[int]) -> None:
        loop = asyncio.new_event_loop()
        self._loop = loop
        try:
            server = loop.run_until_complete(asyncio.start_server(self._accept, "127.0.0.1", 0, limit=HEAD_LIMIT))
            ready.set_result(server.sockets[0].getsockname()[1])
            loop.run_forever()
            server.close()
            for task in asyncio.all_tasks(loop):
                task.cancel()
            loop.run_until_complete(_settled(loop))
        except OSError as error:
            if not ready.done():
                ready.set_exception(error)
        finally:
            loop.close()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        upstream: asyncio.StreamWriter | None = None
        try:
            from_server, upstream = await asyncio.open_connection(
                self._parts.hostname, self._parts.port, limit=HEAD_LIMIT
            )
            while await self._exchange(reader, writer, from_server, upstream):
                pass
        except (OSError, EOFError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
            _reset(writer)
        except asyncio.CancelledError:
            _reset(writer)
        finally:
            for each in (writer, upstream):
                if each is not None:
                    each.close()

    async def _exchange(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        from_server: asyncio.StreamReader,
        upstream: asyncio.StreamWriter,
    ) -> bool:
        """Relay one request and its answer; False once the connection has ended."""
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError as error:
            if error.partial:
                raise
            return False
        self.requests += 1
        fault, canned, latency = self._next_fault(head)
        if fault == "reset":
            _reset(writer)
            return False
        if latency:
            await asyncio.sleep(latency)
        if canned is not None:
            await _swallow(reader, head)
            await self._relay(canned, writer)
            return False
        await self._relay(head, upstream)
        if b"100-continue" in head.lower():
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            await writer.drain()
        await _body(reader, head, lambda piece: self._relay(piece, upstream))
        return await self._answer(head, from_server, writer, lose=fault == "lose")

    async def _answer(
        self, asked: bytes, from_server: asyncio.StreamReader, writer: asyncio.StreamWriter, *, lose: bool
    ) -> bool:
        head = await from_server.readuntil(b"\r\n\r\n")
        while head.split(None, 2)[1:2] == [b"100"]:
            head = await from_server.readuntil(b"\r\n\r\n")
        if lose:
            _reset(writer)
            return False
        await self._relay(head, writer)
        status = int(head.split(None, 2)[1])
        if asked.startswith(b"HEAD ") or status in (204, 304):
            return True
        if _header(head, b"content-length") is None and b"chunked" not in (_header(head, b"transfer-encoding") or b""):
            while piece := await from_server.read(CHUNK):
                await self._relay(piece, writer)
            return False
        await _body(from_server, head, lambda piece: self._relay(piece, writer))
        return (_header(head, b"connection") or b"").lower() != b"close"

    def _next_fault(self, head: bytes) -> tuple[str, bytes | None, float]:
        with self._lock:
            plan = self._plan
            if plan.only(head):
                if plan.reset_requests:
                    plan.reset_requests -= 1
                    return "reset", None, 0.0
                if plan.answers:
                    return "", plan.answers.pop(0)[1], plan.latency_seconds
                if plan.lose_answers:
                    plan.lose_answers -= 1
                    return "lose", None, plan.latency_seconds
            return "", None, plan.latency_seconds

    async def _relay(self, data: bytes, writer: asyncio.StreamWriter) -> None:
        for start in range(0, len(data), CHUNK):
            piece = data[start : start + CHUNK]
            with self._lock:
                rate, stall = self._plan.bytes_per_second, self._plan.stall_until - time.monotonic()
            if stall > 0:
                await asyncio.sleep(stall)
            writer.write(piece)
            await writer.drain()
            if rate:
                await asyncio.sleep(len(piece) / rate)


def _reset(writer: asyncio.StreamWriter) -> None:
    """End a connection with RST, as a crashed server or a broken network does."""
    handle = writer.get_extra_info("socket")
    if handle is not None:
        with suppress(OSError):
            handle.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
    writer.transport.abort()


def _header(head: bytes, name: bytes) -> bytes | None:
    for line in head.split(b"\r\n")[1:]:
        key, _, value = line.partition(b":")
        if key.strip().lower() == name:
            return value.strip()
    return None


async def _body(reader: asyncio.StreamReader, head: bytes, take: Callable[[bytes], Coroutine[Any, Any, None]]) -> None:
    """Read the body that a head announces (RFC 9112, section 6) and hand its pieces on as they come."""
    if b"chunked" in (_header(head, b"transfer-encoding") or b"").lower():
        while True:
            line = await reader.readuntil(b"\r\n")
            size = int(line.split(b";")[0], 16)
            await take(line + await reader.readexactly(size + 2 if size else 0))
            if not size:
                while (trailer := await reader.readuntil(b"\r\n")) != b"\r\n":
                    await take(trailer)
                await take(b"\r\n")
                return
    missing = int(_header(head, b"content-length") or 0)
    while missing:
        piece = await reader.read(min(CHUNK, missing))
        if not piece:
            raise EOFError
        missing -= len(piece)
        await take(piece)


async def _swallow(reader: asyncio.StreamReader, head: bytes) -> None:
    async def take(piece: bytes) -> None:
        pass

    await _body(reader, head, take)


async def _settled(loop: asyncio.AbstractEventLoop) -> None:
    tasks = [task for task in asyncio.all_tasks(loop) if task is not asyncio.current_task()]
    await asyncio.gather(*tasks, return_exceptions=True)
