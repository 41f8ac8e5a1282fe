"""What the dataset tests share: small images, folders of them, and a file server that supports ranges and breaks."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from odd_sources import image_bytes


@pytest.fixture
def make_image() -> Callable[..., bytes]:
    return image_bytes


@pytest.fixture
def make_tree(tmp_path: Path) -> Callable[..., Path]:
    """Write {folder: number of images} below a new folder; the images are all different, and the same in every run."""

    def build(folders: Mapping[str, int], name: str = "images", start: int = 0, kind: str = "PNG") -> Path:
        root = tmp_path / name
        number = start
        for folder in sorted(folders):
            target = root / folder
            target.mkdir(parents=True, exist_ok=True)
            for _ in range(folders[folder]):
                (target / f"image{number}.{kind.lower()}").write_bytes(image_bytes(number, kind))
                number += 1
        return root

    return build


@dataclass
class FileServer:
    """Files served over loopback HTTP, with ranges.

    Attributes:
        files: Content by path, without the leading slash.
        break_after: Bytes after which the connection of a path is closed, once for each entry in the list.
        statuses: Status codes to answer with, once each, before the file is served.
        etag: Whether an ETag is sent.
        requests: (path, Range header) of every request.
    """

    address: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    break_after: dict[str, list[int]] = field(default_factory=dict)
    statuses: dict[str, list[int]] = field(default_factory=dict)
    etag: bool = True
    requests: list[tuple[str, str]] = field(default_factory=list)


@pytest.fixture
def file_server() -> Iterator[FileServer]:
    served = FileServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1
        disable_nagle_algorithm = True

        def log_message(self, *args: object) -> None:
            pass

        def do_GET(self) -> None:
            path = self.path.lstrip("/")
            wanted = self.headers.get("Range", "")
            served.requests.append((path, wanted))
            if served.statuses.get(path):
                self.send_response(served.statuses[path].pop(0))
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            if path not in served.files:
                self.send_error(404)
                return
            content = served.files[path]
            tag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
            start = 0
            if wanted and self.headers.get("If-Range", tag) == tag:
                start = int(wanted.removeprefix("bytes=").split("-")[0])
            if start >= len(content) > 0:
                self.send_error(416)
                return
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            if served.etag:
                self.send_header("ETag", tag)
            self.send_header("Content-Length", str(len(content) - start))
            self.end_headers()
            breaks = served.break_after.get(path)
            if breaks:
                self.wfile.write(content[start : start + breaks.pop(0)])
                self.wfile.flush()
                self.close_connection = True
                self.connection.close()
                return
            with suppress(ConnectionError):  # the client may have seen enough
                self.wfile.write(content[start:])

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    served.address = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
