"""What a test does before each request that a stand-in of this process answers.

It works for any server of `http.server`'s kind, and so for every stand-in here, moto's included.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler

import pytest


@contextmanager
def before_each_request(act: Callable[[BaseHTTPRequestHandler], bool]) -> Iterator[None]:
    """Call a function in the server's thread once the head of a request was read.

    Args:
        act: Returns whether the stand-in is to answer; if not, the function has answered.
    """
    whole = BaseHTTPRequestHandler.parse_request

    def parse_request(handler: BaseHTTPRequestHandler) -> bool:
        return whole(handler) and act(handler)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BaseHTTPRequestHandler, "parse_request", parse_request)
        yield
