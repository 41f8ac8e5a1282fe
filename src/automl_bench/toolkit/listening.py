"""A socket that a local server listens on."""

from __future__ import annotations

import socket

from automl_bench.errors import UsageError


def listening_socket(host: str, port: int, remedy: str) -> socket.socket:
    """Return a bound socket.

    Args:
        host: Address or name of this machine.
        port: Port; 0 takes a free one.
        remedy: What to do if it cannot be had.

    Raises:
        UsageError: If the address is none of this machine's, or taken.
    """
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        # the protocol must be named: asyncio switches Nagle's algorithm off (40 ms a request) only then
        listener = socket.socket(family, kind, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise UsageError(f"port {port} of {host} cannot be used: {why}.", remedy=remedy) from error
    return listener
