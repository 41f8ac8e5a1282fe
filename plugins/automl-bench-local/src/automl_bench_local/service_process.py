"""The process of a service: it listens, says when it serves, and ends in order. Needs the web framework and no more."""

from __future__ import annotations

import gc
import ipaddress
import os
import tempfile
from functools import partial
from typing import TYPE_CHECKING

from automl_bench.errors import ProviderError
from automl_bench.toolkit.listening import listening_socket

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    import uvicorn
    from fastapi import FastAPI

    from automl_bench_local.service_app import ServiceSettings

GRACE_SECONDS = 30
"""What requests that are under way may take once the service is asked to end."""

KEEP_ALIVE_SECONDS = 75
BACKLOG = 2048
"""Connections that wait to be accepted, as in uvicorn."""

SHARED_COUNTS = "PROMETHEUS_MULTIPROC_DIR"
"""Where prometheus_client, once imported in a worker process, looks for the folder that all of them share."""


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can ask a server that listens on an address or name."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def run_service(settings: ServiceSettings, host: str, port: int, workers: int, say: Callable[[str], None]) -> None:
    """Serve until a signal asks for the end and what is under way has been answered.

    Args:
        settings: What is served, and how.
        host: Address to listen on.
        port: Port to listen on; 0 takes a free one.
        workers: Processes that answer.
        say: Told the address once requests are answered, and the end.

    Raises:
        UsageError: If the address is none of this machine's, or taken.
        ProviderError: If the model cannot be loaded.
    """
    listener = listening_socket(host, port, remedy="Give another --port (0 takes a free one) or --host.")
    shown = f"[{host}]" if ":" in host else host
    address = f"http://{shown}:{listener.getsockname()[1]}"
    if settings.loopback:
        reach = "this machine only; --host 0.0.0.0 lets others ask"
    else:
        reach = "other machines can ask it, and it asks nobody who they are"
    with listener:
        _run(
            settings, listener, workers, lambda: say(f"serving {settings.title} on {address} ({reach}); Ctrl-C ends it")
        )
    say("ended; every request that had begun was given its time")


def _run(settings: ServiceSettings, listener: socket.socket, workers: int, ready: Callable[[], None]) -> None:
    """Serve until a signal asks for the end and what is under way has been answered.

    Raises:
        ProviderError: If the model cannot be loaded.
    """
    import uvicorn

    from automl_bench_local.service_app import load_app

    def config(app: FastAPI | Callable[[], FastAPI], *, is_factory: bool) -> uvicorn.Config:
        return uvicorn.Config(
            app,
            factory=is_factory,
            workers=workers,
            access_log=False,
            log_level="warning",
            lifespan="off",
            ws="none",
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=GRACE_SECONDS,
            server_header=False,
        )

    try:
        app = load_app(settings)
    except (OSError, ValueError, ImportError) as error:
        raise ProviderError(
            f"The model in {settings.model} cannot be loaded: {' '.join(str(error).split())}."
        ) from error

    if workers > 1:
        del app  # it has shown that the model loads; each worker process loads its own
        _run_processes(config(partial(load_app, settings), is_factory=True), listener, ready)
        return

    class Announced(uvicorn.Server):
        """Says when it serves."""

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            ready()

    gc.collect()
    gc.freeze()  # what is loaded stays: collections then look at a request's few objects only
    try:
        Announced(config(app, is_factory=False)).run([listener])
    except KeyboardInterrupt:
        # uvicorn hands on the signal that it has obeyed
        return


def _run_processes(config: uvicorn.Config, listener: socket.socket, ready: Callable[[], None]) -> None:
    """Serve by several processes, which keep their counts in a folder that they share."""
    from uvicorn.supervisors import Multiprocess

    class Workers(Multiprocess):
        """Ends when the terminal is closed, as one process does; uvicorn's own would begin anew."""

        def handle_hup(self) -> None:
            self.should_exit.set()

    with tempfile.TemporaryDirectory(prefix="automl-bench-service-") as folder:
        os.environ[SHARED_COUNTS] = folder
        listener.listen(BACKLOG)  # who asks before the first process is there waits for it
        ready()
        Workers(config, sockets=[listener]).run()
