"""`automl-bench ui`: a page over the workspace in a browser, for this machine only; it reads and never writes."""

from __future__ import annotations

from typing import Annotated

import typer

from automl_bench.errors import MissingDependency

HOST = "127.0.0.1"
GRACE_SECONDS = 2


def ui(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on 127.0.0.1; 0 takes a free one.")] = 8600,
) -> None:
    """Show the workspace as a page in a browser, until Ctrl-C: experiments, where their trials stand, reports.

    The page follows a `run` that is under way in another terminal. It can be reached from this machine only, changes
    nothing, and loads nothing from elsewhere. It needs the extra `ui`; with `local` that is there already.

    \b
    Examples:
      automl-bench ui
      automl-bench ui --port 9000
    """
    try:
        import uvicorn

        from automl_bench.cli.workspace_app import workspace_app
    except ImportError as error:
        raise MissingDependency(
            f"The page needs {error.name or 'fastapi'}, which is not installed.",
            remedy='Install it: pip install "automl-bench[ui]"',
        ) from error
    from automl_bench.cli.output import say
    from automl_bench.settings.workspace import Workspace
    from automl_bench.toolkit.listening import listening_socket

    workspace = Workspace.current()
    listener = listening_socket(HOST, port, remedy="Give another --port; 0 takes a free one.")
    config = uvicorn.Config(
        workspace_app(workspace),
        access_log=False,
        log_level="warning",
        lifespan="off",
        ws="none",
        timeout_graceful_shutdown=GRACE_SECONDS,
        server_header=False,
    )
    with listener:
        # whoever asks before the first moment of the server waits in the socket's queue
        listener.listen()
        address = f"http://{HOST}:{listener.getsockname()[1]}"
        say(f"{workspace.root} is shown on {address} (this machine only); Ctrl-C ends it")
        try:
            uvicorn.Server(config).run([listener])
        except KeyboardInterrupt:
            # uvicorn hands on the signal that it has obeyed
            return
