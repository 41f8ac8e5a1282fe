"""Addresses that credentials may be sent to: https ones, and servers on this machine."""

from __future__ import annotations

import json

from automl_bench.errors import RequestRefused
from automl_bench.toolkit.setting_values import may_take_credentials


def checked_address(what: str, address: str) -> str:
    """Return an address without a slash at its end.

    Args:
        what: What it is, for the message: a setting's variable.
        address: The address.

    Raises:
        RequestRefused: If it is none, or plain http to another machine: what goes there holds a token or a key.
    """
    if may_take_credentials(address):
        return address.rstrip("/")
    raise RequestRefused(
        f"{what} is {json.dumps(address.partition('?')[0])}, to which no credentials may be sent.",
        remedy="Use an https address; plain http is for servers on this machine only.",
    )
