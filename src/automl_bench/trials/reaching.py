"""Does anything listen where an endpoint made by hand is said to be? Asked for seconds, before a pass waits minutes."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from automl_bench.contract import HttpInvoker, Stage
from automl_bench.errors import ConnectionLost
from automl_bench.trials.trial import Trial
from automl_bench.trials.waiting import pause

log = logging.getLogger(__name__)

PATIENCE_SECONDS = 6.0
"""How long a service that may just be starting is waited for."""
CONNECT_SECONDS = 3.0


def require_reachable(trial: Trial, say: Callable[[str], None]) -> None:
    """Open a connection to an adopted endpoint, and close it again.

    Args:
        trial: The trial that measures it.
        say: Tells the user at once that nothing answers yet.

    Raises:
        ConnectionLost: If nothing accepts a connection there.
        Interrupted: If the user wants to end.
    """
    if not trial.adopted or not trial.material.test:
        return
    invoker = trial.bound.provider.invoke(trial.context(Stage.INVOKE), trial.endpoint())
    if not isinstance(invoker, HttpInvoker):
        return
    parts = urlsplit(invoker.prepare(trial.material.test[0][0]).url)
    host = parts.hostname or ""
    if getproxies().get(parts.scheme) and not proxy_bypass(host):
        return  # only the proxy can tell
    port = parts.port or (443 if parts.scheme == "https" else 80)
    until = time.monotonic() + PATIENCE_SECONDS
    told = False
    while True:
        try:
            socket.create_connection((host, port), timeout=CONNECT_SECONDS).close()
        except OSError as error:
            why = error.strerror or str(error) or type(error).__name__
            if time.monotonic() >= until:
                raise ConnectionLost(
                    f"nothing accepts a connection at {host}:{port} ({why}).",
                    remedy="Check the address given with --endpoint, and that the service runs.",
                    provider=trial.record.provider,
                ) from error
            if not told:
                say(f"nothing accepts a connection at {host}:{port} yet ({why}); trying for {PATIENCE_SECONDS:.0f} s")
                told = True
            pause(0.5, trial.around.stop)
        else:
            return
