"""How far away the endpoint's host is: the time of a TCP connect, which is one round trip of the network."""

from __future__ import annotations

import socket
import time
from urllib.parse import urlsplit


def probe_round_trip(url: str, count: int = 5, timeout_seconds: float = 3.0) -> list[int]:
    """Connect to the endpoint's host `count` times, one after the other, and send nothing.

    The name is looked up once, before the clock. No proxy is used: behind one, the probe fails or tells of the path
    that the requests do not take.

    Returns:
        Nanoseconds of each connect that succeeded within its limit; empty if the host cannot be reached directly.
    """
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        addresses = socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)
    except OSError:
        return []
    times: list[int] = []
    for _ in range(count):
        family, kind, protocol, _, address = addresses[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.settimeout(timeout_seconds)
            begun_ns = time.monotonic_ns()
            try:
                probe.connect(address)
            except OSError:
                addresses = addresses[1:] or addresses  # a host with an IPv6 address that does not answer
                continue
            times.append(time.monotonic_ns() - begun_ns)
    return times
