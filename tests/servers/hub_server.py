"""A stand-in for the hub's dataset pages: what its own client asks for when it lists and downloads a dataset."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

TOKEN = "hf_" + "reader" * 5


@dataclass
class HubDataset:
    """A dataset repository.

    Attributes:
        revisions: Files by name of the revision; the commit is the SHA-1 of its contents.
        card: What its README says, as the hub gives it back.
        private: Whether `TOKEN` is needed.
    """

    revisions: dict[str, dict[str, bytes]] = field(default_factory=dict)
    card: dict[str, Any] = field(default_factory=dict)
    private: bool = False

    def commit(self, revision: str) -> str:
        parts = (name.encode() + content for name, content in sorted(self.revisions[revision].items()))
        return hashlib.sha1(b"".join(parts)).hexdigest()

    def named(self, revision: str) -> str | None:
        """Return the name of a revision that is given by name or by commit."""
        return next((name for name in self.revisions if revision in (name, self.commit(name))), None)


@dataclass
class HubServer:
    """The server.

    Attributes:
        datasets: By "owner/name".
        break_after: Bytes after which a download of a path breaks off, once for each number.
        damaged: Paths whose content arrives with one other byte.
        ranges: The Range header of each download, in order.
    """

    datasets: dict[str, HubDataset] = field(default_factory=dict)
    break_after: dict[str, list[int]] = field(default_factory=dict)
    damaged: set[str] = field(default_factory=set)
    ranges: list[str] = field(default_factory=list)
    address: str = ""


@contextmanager
def running() -> Iterator[HubServer]:
    """Serve on a free port of this machine."""
    hub = HubServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None: ...

        def do_GET(self) -> None:
            with suppress(BrokenPipeError, ConnectionResetError):
                self._answer()

        do_HEAD = do_GET  # noqa: N815

        def _answer(self) -> None:
            path = unquote(urlsplit(self.path).path)
            if found := re.fullmatch(r"/api/datasets/([^/]+/[^/]+)(?:/revision/(.+))?", path):
                self._info(found[1], found[2] or "main")
            elif found := re.fullmatch(r"/datasets/([^/]+/[^/]+)/resolve/([0-9a-f]{40})/(.+)", path):
                self._file(found[1], found[2], found[3])
            else:
                self._fail(404, "EntryNotFound")

        def _dataset(self, repo: str, revision: str) -> tuple[HubDataset, str] | None:
            dataset = hub.datasets.get(repo)
            allowed = self.headers.get("Authorization") == f"Bearer {TOKEN}"
            if dataset is None or (dataset.private and not allowed):
                self._fail(401, "RepoNotFound")
                return None
            name = dataset.named(revision)
            if name is None:
                self._fail(404, "RevisionNotFound")
                return None
            return dataset, name

        def _info(self, repo: str, revision: str) -> None:
            if found := self._dataset(repo, revision):
                dataset, name = found
                files = [_described(path, content) for path, content in sorted(dataset.revisions[name].items())]
                values = {"id": repo, "sha": dataset.commit(name), "siblings": files, "cardData": dataset.card}
                values |= {"private": dataset.private, "gated": False, "disabled": False, "tags": [], "downloads": 0}
                self._send(200, json.dumps({**values, "likes": 0}).encode(), {"Content-Type": "application/json"})

        def _file(self, repo: str, commit: str, path: str) -> None:
            found = self._dataset(repo, commit)
            if not found:
                return
            content = found[0].revisions[found[1]][path]
            headers = {"ETag": f'"{_etag(path, content)}"', "X-Repo-Commit": commit, "Accept-Ranges": "bytes"}
            if path in hub.damaged:
                content = bytes([content[0] ^ 1]) + content[1:]
            status, start = 200, 0
            if self.command == "GET":
                hub.ranges.append(self.headers.get("Range", ""))
            if asked := re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", "")):
                status, start = 206, int(asked[1])
                headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
            breaks = hub.break_after.get(path) if self.command == "GET" else None
            self._send(status, content[start:], headers, most=breaks.pop(0) if breaks else None)

        def _send(self, status: int, body: bytes, headers: Mapping[str, str], most: int | None = None) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body[:most])
            self.close_connection = most is not None

        def _fail(self, status: int, code: str) -> None:
            self._send(status, b"{}", {"X-Error-Code": code, "X-Error-Message": code})

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    hub.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _etag(path: str, content: bytes) -> str:
    return hashlib.sha256(content).hexdigest() if path.endswith(".parquet") else _git_sha1(content)


def _git_sha1(content: bytes) -> str:
    return hashlib.sha1(f"blob {len(content)}\0".encode() + content).hexdigest()


def _described(path: str, content: bytes) -> dict[str, Any]:
    values: dict[str, Any] = {"rfilename": path, "size": len(content), "blobId": _git_sha1(content)}
    if path.endswith(".parquet"):
        values["lfs"] = {"sha256": _etag(path, content), "size": len(content), "pointerSize": 130}
    return values
