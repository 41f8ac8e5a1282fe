"""A loopback server in a process of its own that misbehaves as the request's path asks, thousands of times a second.

    /ok           a small answer at once
    /after/MS     a small answer after MS milliseconds: with MS at the client's time limit, the two race
    /drip         an answer of 20 bytes, one byte a millisecond
    /drip-forever the same without an end
    /reset        the connection is reset (RST) instead of an answer
    /half         half an answer, then the end of the stream
    /bomb         gzip: 20 kB on the wire, 20 MB of zeros decompressed
    /garbage      bytes that are not HTTP

`GET /stats` says how many requests were read.
"""

from __future__ import annotations

import asyncio
import gzip
import os
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

BOMB_BYTES = 20_000_000


def _answer(body: bytes, headers: str = "") -> bytes:
    return f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + body


OK = _answer(b"{}")
BOMB = _answer(gzip.compress(bytes(BOMB_BYTES)), "Content-Encoding: gzip\r\n")
HALF = _answer(b"x" * 1000)[:500]


class Hostile(asyncio.Protocol):
    """One connection; requests come one after the other."""

    read = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.buffer = b""
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while b"\r\n\r\n" in self.buffer:
            head, _, rest = self.buffer.partition(b"\r\n\r\n")
            length = next(
                (int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
            )
            if len(rest) < length:
                return
            self.buffer = rest[length:]
            Hostile.read += 1
            self.behave(head.split(b" ", 2)[1].decode())

    def behave(self, path: str) -> None:
        loop = asyncio.get_running_loop()
        match path.split("/")[1:]:
            case ["after", delay]:
                loop.call_later(float(delay) / 1000, self.transport.write, OK)
            case ["drip"]:
                self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n")
                self.drip(20)
            case ["drip-forever"]:
                self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
                self.drip(1_000_000)
            case ["reset"]:
                self.transport.get_extra_info("socket").setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
                )
                self.transport.abort()
            case ["half"]:
                self.transport.write(HALF)
                self.transport.close()
            case ["bomb"]:
                self.transport.write(BOMB)
            case ["garbage"]:
                self.transport.write(os.urandom(300) + b"\r\n\r\n")
                self.transport.close()
            case ["stats"]:
                self.transport.write(_answer(str(Hostile.read).encode()))
            case _:
                self.transport.write(OK)

    def drip(self, left: int) -> None:
        if left and not self.transport.is_closing():
            self.transport.write(b"x")
            asyncio.get_running_loop().call_later(0.001, self.drip, left - 1)


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Hostile, "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    ended = loop.run_in_executor(None, sys.stdin.read)
    await ended
    server.close()


@contextmanager
def hostile_server() -> Iterator[str]:
    """Run the server for the length of a `with` block; gives its address without a trailing slash."""
    process = subprocess.Popen([sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        with suppress(BrokenPipeError):
            process.stdin.close()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


if __name__ == "__main__":
    asyncio.run(_serve())
