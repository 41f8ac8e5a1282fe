"""locust's side of the transport benchmarks: FastHttpUser posts the body as fast as it is answered.

Settings come from the environment:
BENCH_BODY       file with the body
BENCH_CALLS      stop after so many calls; 0 for as long as locust is told
BENCH_OUT        file for {"overhead_ns": [...]}: locust's own response time minus the server's hold
BENCH_COUNT_OUT  file for calls, rate and processor seconds of the run without its start-up
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import gevent
from locust import FastHttpUser, events, task

BODY = Path(os.environ["BENCH_BODY"]).read_bytes()
CALLS = int(os.environ.get("BENCH_CALLS", "0"))
OUT = os.environ.get("BENCH_OUT", "")
COUNT_OUT = os.environ.get("BENCH_COUNT_OUT", "")
overhead_ns: list[int] = []
seen = {"calls": 0}
clocks = {"cpu": 0.0, "wall": 0.0}


class Poster(FastHttpUser):
    """Posts without a pause."""

    @task
    def post(self) -> None:
        """One request; the events below record it."""
        self.client.post("/", data=BODY)
        seen["calls"] += 1
        if seen["calls"] == CALLS:
            gevent.spawn(self.environment.runner.quit)  # a user that quits by itself waits for its own end


if OUT:

    @events.request.add_listener
    def record(response_time: float, response: object, exception: Exception | None, **_: object) -> None:
        """Keep locust's own number for each request."""
        if exception is None:
            overhead_ns.append(int(response_time * 1e6) - int(response.headers["X-Srv-Ns"]))  # type: ignore[attr-defined]

    @events.quitting.add_listener
    def write(**_: object) -> None:
        """Write what was recorded."""
        Path(OUT).write_text(json.dumps({"overhead_ns": overhead_ns[10:]}))


if COUNT_OUT:

    @events.spawning_complete.add_listener
    def begin(**_: object) -> None:
        """All users are there: count from here."""
        clocks.update(cpu=time.process_time(), wall=time.monotonic())
        seen["calls"] = 0

    @events.test_stopping.add_listener
    def end(**_: object) -> None:
        """Write what came of it."""
        wall = time.monotonic() - clocks["wall"]
        cpu = time.process_time() - clocks["cpu"]
        counts = {"calls": seen["calls"], "per_second": seen["calls"] / wall, "cpu_seconds": cpu}
        Path(COUNT_OUT).write_text(json.dumps(counts))
