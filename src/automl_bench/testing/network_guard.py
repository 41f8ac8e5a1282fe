"""A guard that lets this process reach nothing but the loopback interface."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

LOOPBACK_NAMES = frozenset({"localhost", "localhost.localdomain", ""})


class OutsideConnection(AssertionError):
    """Something in this process tried to reach another machine."""


def is_loopback(host: object) -> bool:
    """Whether a host, as `socket` takes it, is this machine."""
    if host is None:
        return True
    name = host.decode() if isinstance(host, bytes) else str(host)
    if name.lower() in LOOPBACK_NAMES:
        return True
    try:
        return ipaddress.ip_address(name.partition("%")[0]).is_loopback
    except ValueError:
        return False


@contextmanager
def only_loopback() -> Iterator[list[str]]:
    """Refuse every connection and name lookup that leaves this machine, for the length of a `with` block.

    Holds for Python's sockets and what is built on them. libcurl has sockets of its own: what the host's transport
    sends goes to the addresses that a plugin prepares, and the kit looks at those.

    Yields:
        The addresses that were refused so far: code that swallows the error is found all the same.

    Raises:
        OutsideConnection: In the code that tries.
    """
    refused: list[str] = []
    real_connect, real_connect_ex = socket.socket.connect, socket.socket.connect_ex
    real_lookup = socket.getaddrinfo

    def check(host: object, what: str) -> None:
        if not is_loopback(host):
            refused.append(str(host))
            raise OutsideConnection(f"{what} {host!r}: only the loopback interface may be reached here.")

    def connect(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6):
            check(address[0], "a connection to")
        return real_connect(self, address)

    def connect_ex(self: socket.socket, address: Any) -> int:
        if self.family in (socket.AF_INET, socket.AF_INET6):
            check(address[0], "a connection to")
        return real_connect_ex(self, address)

    def lookup(host: Any, *arguments: Any, **options: Any) -> Any:
        check(host, "a lookup of")
        return real_lookup(host, *arguments, **options)

    socket.socket.connect = connect  # type: ignore[method-assign,assignment]  # taken back below
    socket.socket.connect_ex = connect_ex  # type: ignore[method-assign,assignment]  # taken back below
    socket.getaddrinfo = lookup
    try:
        yield refused
    finally:
        socket.socket.connect = real_connect  # type: ignore[method-assign]
        socket.socket.connect_ex = real_connect_ex  # type: ignore[method-assign]
        socket.getaddrinfo = real_lookup
