"""Which names of this machine a server answers to."""

from __future__ import annotations

LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "[::1]"})


def names_this_machine(host: str) -> bool:
    """Tell whether the value of a Host header, with or without a port, is a loopback name."""
    name, separator, port = host.rpartition(":")
    if separator and port.isascii() and port.isdecimal():
        host = name
    return host.lower().rstrip(".") in LOOPBACK_NAMES
