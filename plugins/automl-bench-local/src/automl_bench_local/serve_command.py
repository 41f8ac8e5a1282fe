"""`automl-bench serve`: a trained model as a service, until it is asked to end."""

from __future__ import annotations

import gc
import os
import socket
import tempfile
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Callable

    import uvicorn
    from fastapi import FastAPI

    from automl_bench_local.service_app import ServiceSettings

LOOPBACK = "127.0.0.1"
GRACE_SECONDS = 30
"""What requests that are under way may take once the service is asked to end."""

KEEP_ALIVE_SECONDS = 75
BACKLOG = 2048
"""Connections that wait to be accepted, as in uvicorn."""

SHARED_COUNTS = "PROMETHEUS_MULTIPROC_DIR"
"""Where prometheus_client, once imported in a worker process, looks for the folder that all of them share."""


def serve(
    dataset: Annotated[str, typer.Argument(metavar="DATASET", help="name of a dataset in the workspace")],
    shots: Annotated[str, typer.Argument(metavar="SHOTS", help='labelled samples per class, or "all"')],
    variant: Annotated[
        str | None, typer.Option(help="Which variant of the provider local.", show_default="the one that was trained")
    ] = None,
    fold: Annotated[int, typer.Option(min=0, help="Which draw of the subsets.")] = 0,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 lets other machines ask.")] = LOOPBACK,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")] = 8000,
    workers: Annotated[int, typer.Option(min=1, max=256, help="Processes that answer, each with the model.")] = 1,
    max_megabytes: Annotated[float, typer.Option(min=0.001, help="Largest body of a request.")] = 16,
    max_batch: Annotated[int, typer.Option(min=1, help="Most samples in one request.")] = 100,
) -> None:
    """Serve the model of a trial that was trained on this machine, until Ctrl-C or SIGTERM.

    POST /predict takes an image's bytes, a text or a row, or a batch of them in JSON; /health, /metrics and
    /openapi.json say the rest. It listens on this machine only unless --host says otherwise, and asks nobody who they
    are. A trial's model that teardown deleted is trained again from the same samples.

    \b
    Examples:
      automl-bench serve digits 10
      automl-bench serve reviews all --variant logistic-words --port 9000 --workers 2
      automl-bench serve digits 10 --host 0.0.0.0
    """
    from automl_bench.cli.output import say

    settings, is_new = _settings(dataset, shots, variant, fold, host, max_megabytes, max_batch, say)
    if is_new:
        say(f"kept in {settings.model} for the next time; it may be deleted")
    listener = _listen(host, port)
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


def _settings(
    dataset: str,
    shots: str,
    variant: str | None,
    fold: int,
    host: str,
    max_megabytes: float,
    max_batch: int,
    say: Callable[[str], None],
) -> tuple[ServiceSettings, bool]:
    """Find the model, or train it again; return what to serve, and whether it was trained now."""
    from automl_bench.cli.session import Session, parse_shots
    from automl_bench.contract import TrainingSet
    from automl_bench.errors import DatasetError
    from automl_bench.trials.machine import Machine, Use
    from automl_bench.trials.teardown import provider_context
    from automl_bench_local.description import NAME
    from automl_bench_local.options import Options
    from automl_bench_local.service_app import ServiceSettings
    from automl_bench_local.service_model import model_folder, trained_trial

    session = Session()
    bound = session.bind(NAME)
    options = Options.of(provider_context(bound))
    with session.store_to_read() as store:
        trial = trained_trial(store, dataset, parse_shots(shots), fold=fold, variant=variant)

        def samples() -> TrainingSet:
            session.require_dataset(dataset)
            if session.source.manifest(dataset).fingerprint != trial.fingerprint:
                raise DatasetError(
                    f"{dataset} is not what {trial.label} learned from, and its model was deleted by teardown.",
                    remedy="Run the experiment on the dataset as it is now, or serve before teardown.",
                )
            say(f"the model of {trial.label} was deleted by teardown: training it again from the same samples")
            return session.source.material(trial).training_set

        computing = partial(Machine(session.machine_lock(say)).use, Use.COMPUTE)
        folder, is_new = model_folder(
            store, trial, options.home, samples=samples, computing=computing, threads=options.threads
        )
    facts: dict[str, Any] = {
        "trial": trial.trial_id,
        "variant": trial.variant,
        "dataset": trial.dataset,
        "shots": "all" if trial.shots is None else trial.shots,
        "fold": trial.fold,
    }
    found = ServiceSettings(
        model=folder,
        graphs=options.home,
        title=trial.label,
        facts=facts,
        threads=options.threads,
        largest_body=int(max_megabytes * 1024 * 1024),
        most_samples=max_batch,
        loopback=_is_loopback(host),
    )
    return found, is_new


def _is_loopback(host: str) -> bool:
    import ipaddress

    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _listen(host: str, port: int) -> socket.socket:
    """Return a bound socket.

    Raises:
        UsageError: If the address is none of this machine's, or taken.
    """
    from automl_bench.errors import UsageError

    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        # the protocol must be named: asyncio switches Nagle's algorithm off (40 ms a request) only then
        listener = socket.socket(family, kind, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise UsageError(
            f"port {port} of {host} cannot be used: {why}.",
            remedy="Give another --port (0 takes a free one) or --host.",
        ) from error
    return listener


def _run(settings: ServiceSettings, listener: socket.socket, workers: int, ready: Callable[[], None]) -> None:
    """Serve until a signal asks for the end and what is under way has been answered.

    Raises:
        ProviderError: If the model cannot be loaded.
    """
    import uvicorn

    from automl_bench.errors import ProviderError
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
