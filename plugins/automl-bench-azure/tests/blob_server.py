"""Blob storage: a real azurite over TLS, and in front of it a door that records requests and makes faults."""

from __future__ import annotations

import atexit
import base64
import http.client
import os
import secrets
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from azure_http import Answer, Hangup, HttpServer, Request, ca_file, certificate_files

INSTALLED = Path(__file__).resolve().parents[3] / ".venv" / "azurite"
MAIN = INSTALLED / "node_modules" / "azurite" / "dist" / "src" / "blob" / "main.js"
START_SECONDS = 30.0
ACCOUNT = "benchstore"

_HOP = frozenset({"connection", "transfer-encoding", "keep-alive", "host", "content-length"})


def missing() -> str:
    """Return why there is no azurite on this machine, or ""."""
    if shutil.which("node") is None:
        return "azurite needs Node.js"
    return "" if MAIN.is_file() else "azurite is not installed: make azure-tests"


class Azurite:
    """The emulator as a process of its own, in memory. Its account has a key of its own."""

    def __init__(self) -> None:
        self.key = base64.b64encode(secrets.token_bytes(48)).decode()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        certificate, key = certificate_files()
        self.url = f"https://127.0.0.1:{self.port}"
        command = ["node", str(MAIN), "--blobHost", "127.0.0.1", "--blobPort", str(self.port), "--silent"]
        command += ["--disableTelemetry", "--skipApiVersionCheck", "--inMemoryPersistence", "--oauth", "basic"]
        command += ["--cert", str(certificate), "--key", str(key)]
        # It ends with us, also after SIGKILL: the shell waits at a pipe whose other end only we hold.
        self._process = subprocess.Popen(
            ["sh", "-c", '"$@" & child=$!; cat >/dev/null; kill $child', "sh", *command],
            env={**os.environ, "AZURITE_ACCOUNTS": f"{ACCOUNT}:{self.key}"},
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=ca_file().parent,
        )
        atexit.register(self.stop)
        until = time.monotonic() + START_SECONDS
        while not self._listens():
            assert self._process.poll() is None, "azurite ended at once"
            assert time.monotonic() < until, "azurite does not listen"
            time.sleep(0.05)

    def stop(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def _listens(self) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
            return True
        return False


@cache
def azurite() -> Azurite:
    """The one emulator of a test process."""
    return Azurite()


class BlobDoor:
    """Passes requests on to azurite.

    Attributes:
        seen: Every request so far.
        hook: Called before each request, or None.
    """

    def __init__(self) -> None:
        self.seen: list[Request] = []
        self.hook: Callable[[Request], None] | None = None
        self._faults: list[tuple[Callable[[Request], bool], Answer | type[Hangup], list[float]]] = []
        self._lock = threading.Lock()
        self._idle: list[http.client.HTTPSConnection] = []
        self._trust = ssl.create_default_context(cafile=str(ca_file()))
        self._server = HttpServer(self._answer, tls=True)
        self.url = f"{self._server.url}/{ACCOUNT}"

    def __enter__(self) -> Self:
        self._server.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.__exit__()
        for connection in self._idle:
            connection.close()

    def fail(self, method: str, answer: Answer | type[Hangup], *, part: str = "", times: float = 1) -> None:
        """Give another answer to the next so many requests of a method with this in their path."""
        self._faults.append((lambda request: request.method == method and part in request.target, answer, [times]))

    def heal(self) -> None:
        """Make no more faults."""
        self._faults.clear()

    def puts(self, part: str = "") -> list[str]:
        """Return the paths of the blobs stored so far that have this in their path."""
        return [each.path for each in self.seen if each.method == "PUT" and part in each.path]

    def _answer(self, request: Request) -> Answer:
        with self._lock:
            self.seen.append(request)
            for entry in list(self._faults):
                applies, answer, left = entry
                if applies(request):
                    left[0] -= 1
                    if left[0] <= 0:
                        self._faults.remove(entry)
                    if isinstance(answer, Answer):
                        return answer
                    raise answer
        if self.hook is not None:
            self.hook(request)
        return self._pass_on(request)

    def _pass_on(self, request: Request) -> Answer:
        """Ask azurite, on a connection kept from before; if azurite has closed that one meanwhile, on another."""
        while True:
            connection, used = self._connection()
            headers = {name: value for name, value in request.headers.items() if name not in _HOP}
            headers["host"] = request.headers["host"]
            try:
                connection.request(request.method, request.target, request.body or None, headers)
                response = connection.getresponse()
                body = response.read()
            except (OSError, http.client.HTTPException):
                connection.close()
                if not used:
                    raise
                continue
            self._idle.append(connection)
            kept = {name: value for name, value in response.getheaders() if name.lower() not in _HOP}
            if request.method == "HEAD" and response.getheader("content-length"):
                kept["Content-Length"] = str(response.getheader("content-length"))
            return Answer(response.status, body, kept)

    def _connection(self) -> tuple[http.client.HTTPSConnection, bool]:
        """Return a connection that nobody uses now, and whether it has been used before."""
        with suppress(IndexError):
            return self._idle.pop(), True
        host = urlsplit(azurite().url).netloc
        return http.client.HTTPSConnection(host, timeout=30, context=self._trust), False


def error(status: int, code: str, headers: dict[str, str] | None = None) -> Answer:
    """Return an error of Blob storage's."""
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>told to\nTime: now</Message></Error>".encode()
    return Answer(status, body, {"Content-Type": "application/xml", "x-ms-error-code": code, **(headers or {})})
