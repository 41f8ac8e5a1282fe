"""Addresses that credentials may be sent to: https ones, and servers on this machine."""

from __future__ import annotations

import ipaddress
import json
from urllib.parse import urlsplit

from automl_bench.errors import RequestRefused


def is_this_machine(host: str) -> bool:
    """Whether a host name or address is the loopback interface's."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def checked_address(what: str, address: str) -> str:
    """Return an address without a slash at its end.

    Args:
        what: What it is, for the message: a setting's variable.
        address: The address.

    Raises:
        RequestRefused: If it is none, or plain http to another machine: what goes there holds a token or a key.
    """
    parts = urlsplit(address)
    if parts.hostname and (parts.scheme == "https" or (parts.scheme == "http" and is_this_machine(parts.hostname))):
        return address.rstrip("/")
    raise RequestRefused(
        f"{what} is {json.dumps(address.partition('?')[0])}, to which no credentials may be sent.",
        remedy="Use an https address; plain http is for servers on this machine only.",
    )
