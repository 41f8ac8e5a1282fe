"""The server process: `python -m automl_bench_local.serving --name NAME --home FOLDER --model FOLDER …`.

`POST /predict` with an image's bytes, a text in UTF-8 or a row as a JSON object answers {"label", "confidence",
"scores"}; `GET /health` says who serves.
Every prediction computes everything anew, embeddings included: nothing is cached, so that latency is honest.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import importlib
import json
import os
import socket
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn
from fastapi import FastAPI, Request, Response

from automl_bench_local import folders, processes, servers
from automl_bench_local.features import UnreadableContent
from automl_bench_local.model import load_model
from automl_bench_local.own_host import OwnHostOnly

if TYPE_CHECKING:
    from types import FrameType

    from automl_bench_local.model import Served

LARGEST_BODY = 64 * 1024 * 1024
IDLE_LOOKS = 20
"""How often in one idle time-out the server looks whether it is over."""

KEEP_ALIVE_SECONDS = 300
"""Longer than any pause inside a measurement, so that a kept connection is not closed under the client."""


class Activity:
    """When the last prediction was asked for, and how many are under way."""

    def __init__(self) -> None:
        self.last = time.monotonic()
        self.under_way = 0
        self.answered = 0

    def begin(self) -> None:
        """A prediction comes in."""
        self.last = time.monotonic()
        self.under_way += 1

    def end(self) -> None:
        """It is answered."""
        self.last = time.monotonic()
        self.under_way -= 1
        self.answered += 1

    def idle_seconds(self) -> float:
        """Return the seconds since anything was asked; 0 while something is under way."""
        return 0.0 if self.under_way else time.monotonic() - self.last


def build_app(name: str, model: Served, activity: Activity, workers: int) -> FastAPI:
    """Return the application.

    Args:
        name: The server's name.
        model: What answers.
        activity: Told of every prediction.
        workers: Predictions computed at once; 0 computes in the event loop.
    """
    app = FastAPI(title=name, openapi_url=None)
    app.add_middleware(OwnHostOnly)
    pool = ThreadPoolExecutor(workers, thread_name_prefix="predict") if workers else None

    def answer(content: bytes) -> tuple[int, bytes]:
        try:
            found = model.predict(content)
        except UnreadableContent as error:
            return 400, _json({"detail": str(error)})
        return 200, _json({"label": found.label, "confidence": found.confidence, "scores": found.scores})

    @app.post("/predict")
    async def predict(request: Request) -> Response:
        activity.begin()
        try:
            content = await _body(request)
            if content is None:
                refusal = _answer(413, _json({"detail": f"a body may have at most {LARGEST_BODY} bytes"}))
                refusal.headers["connection"] = "close"  # or the server would read the rest only to drop it
                return refusal
            if pool is None:
                return _answer(*answer(content))
            return _answer(*await asyncio.get_running_loop().run_in_executor(pool, answer, content))
        finally:
            activity.end()

    @app.get("/health")
    async def health() -> Response:
        return _answer(
            200,
            _json(
                {
                    "status": "ok",
                    "name": name,
                    "labels": list(model.labels),
                    "features": model.features.to_json(),
                    "answered": activity.answered,
                }
            ),
        )

    return app


async def _body(request: Request) -> bytes | None:
    """Return the body, or None if it is larger than the limit; what comes is counted, whatever was announced."""
    length = request.headers.get("content-length", "")
    if length.isascii() and length.isdecimal() and int(length[:20]) > LARGEST_BODY:
        return None
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > LARGEST_BODY:
            return None
        chunks.append(chunk)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _json(content: object) -> bytes:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


def _answer(status: int, body: bytes) -> Response:
    return Response(body, status_code=status, media_type="application/json")


class IdleServer(uvicorn.Server):
    """A uvicorn server that reports when it is ready and exits after a long time without requests."""

    def __init__(
        self, config: uvicorn.Config, *, activity: Activity, idle_timeout: float, state: Path, asked: float
    ) -> None:
        super().__init__(config)
        self._activity = activity
        self._idle_timeout = idle_timeout
        self._state = state
        self._asked = asked
        self._watch: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start listening, then write the state file: its presence means that requests are answered."""
        await super().startup(sockets)
        port = sockets[0].getsockname()[1] if sockets else self.config.port
        folders.write_json(
            self._state,
            {
                "pid": os.getpid(),
                "url": f"http://{servers.HOST}:{port}",
                "port": port,
                "start_seconds": round(time.monotonic() - self._asked, 3),
            },
        )
        self._watch = asyncio.create_task(self._end_when_idle())

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """End at once if nobody waits for an answer: there is nothing to put away. Otherwise answer first."""
        if not self._activity.under_way:
            sys.stdout.flush()
            os._exit(0)
        super().handle_exit(sig, frame)

    async def _end_when_idle(self) -> None:
        while not self.should_exit:
            await asyncio.sleep(min(30.0, self._idle_timeout / IDLE_LOOKS))
            if self._activity.idle_seconds() > self._idle_timeout:
                print(f"idle for {self._idle_timeout:g} s: ended", flush=True)
                self.should_exit = True


def before_forks() -> None:
    """Called once by the process that servers are forked from: imports what uvicorn finds only when it starts."""
    for name in ("uvicorn.loops.auto", "uvicorn.protocols.http.auto", "numpy", "PIL.PngImagePlugin"):
        importlib.import_module(name)


def main() -> int:
    """Serve one model until asked to end or idle for too long."""
    parser = argparse.ArgumentParser(prog="automl_bench_local.serving")
    parser.add_argument("--name", required=True)
    parser.add_argument("--home", required=True, type=Path)
    parser.add_argument("--asked-ns", required=True, type=int)
    parser.add_argument("--model", required=True, type=Path)
    parser.add_argument("--idle-timeout", required=True, type=float)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--workers", type=int, default=0)
    options = parser.parse_args()
    processes.keep_lock_to_ourselves()
    # the protocol must be named: asyncio switches Nagle's algorithm off (40 ms a request) only for sockets that name it
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((servers.HOST, options.port))
    except OSError as error:
        print(f"port {options.port} of {servers.HOST} cannot be used: {error.strerror}", flush=True)
        return 1
    try:
        model = load_model(options.model, graph_folder=options.home, threads=options.threads)
    except (OSError, ValueError, ImportError) as error:
        print(f"the model cannot be loaded: {' '.join(str(error).split())}", flush=True)
        return 1
    gc.collect()
    gc.freeze()  # what is loaded stays: collections then look at a request's few objects only
    activity = Activity()
    config = uvicorn.Config(
        build_app(options.name, model, activity, options.workers),
        access_log=False,
        log_level="warning",
        lifespan="off",
        ws="none",
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=1,
        server_header=False,
    )
    state = folders.folder_of(options.home, options.name) / servers.STATE
    IdleServer(
        config, activity=activity, idle_timeout=options.idle_timeout, state=state, asked=options.asked_ns / 1e9
    ).run([listener])
    return 0


if __name__ == "__main__":
    sys.exit(main())
