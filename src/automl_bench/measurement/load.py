"""One load run: prepared, warmed up, driven by a loop, summed up, and judged VALID or not."""

from __future__ import annotations

import math
import random
import resource
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress

from automl_bench.contract import HttpInvoker, Invoker, Json, Lanes, Limits, Sample
from automl_bench.errors import UsageError
from automl_bench.measurement.arrivals import SampleOrder, schedule
from automl_bench.measurement.call_log import BatchRecorder, CallLog
from automl_bench.measurement.clock import ClientMeter, WallAnchor
from automl_bench.measurement.load_settings import LoadSettings, check_settings
from automl_bench.measurement.loops import LoopReport, closed_loop, open_loop, undisturbed, warm_up
from automl_bench.measurement.pacing import Pacer
from automl_bench.measurement.payloads import Payloads
from automl_bench.measurement.round_trip import RoundTrips
from automl_bench.measurement.senders import MOST_THREADS, HttpSender, LaneSender, Sender
from automl_bench.measurement.summary import RunFacts, summarise
from automl_bench.measurement.surroundings import Surroundings
from automl_bench.measurement.sweep import run_sweep
from automl_bench.measurement.validity import Bounds, judge_run
from automl_bench.measurement.verdict import Verdict
from automl_bench.measurement.wording import describe_load_run
from automl_bench.store.records import LoadCall, LoadRun

__all__ = ["LoadProgress", "LoadSession", "LoadSettings", "check_settings", "describe_load_run", "run_load"]

MOST_IN_FLIGHT = 1000
"""Most requests under way in an open loop; fewer where the system allows fewer open files."""

FILES_FOR_OTHERS = 100
"""Open files left to the rest of the process."""

MOST_SAMPLES = 5000
"""Most distinct samples of one load run; their payloads are all prepared before it begins."""

OPEN_WARM_UP_CALLS = 3

LATEST_DRAIN_SECONDS = 60.0
"""How long an open loop waits for answers after its last send, unless the requests' own time limit is shorter."""


LoadProgress = Callable[[int, int | None, str], None]
"""Hears (calls ended, calls in all or None, a note for people)."""


def run_load(
    invoker: Invoker,
    samples: Sequence[tuple[Sample, str]],
    settings: LoadSettings,
    *,
    trial_id: str,
    load_run_id: str,
    record: Callable[[list[LoadCall]], None],
    lanes: Lanes | None = None,
    limits: Limits | None = None,
    on_progress: LoadProgress | None = None,
    stop: threading.Event | None = None,
) -> LoadRun:
    """Make one load run and return it as it is to be stored at its end.

    Args:
        invoker: How the endpoint is called.
        samples: Test samples with their labels; plugins see the samples only.
        settings: How to make it.
        trial_id: The trial.
        load_run_id: The run's id.
        record: Takes rows in batches, about ten a second, in a thread of its own; returns when they are durable.
        lanes: The provider's own lanes, or None.
        limits: The provider's published limits.
        on_progress: Hears about each batch.
        stop: Ends the run early; it is then not complete.

    Returns:
        The run; `complete` is False if it was stopped.

    Raises:
        UsageError: If the settings make no run.
        ProviderError: If credentials, quota or billing ended the run.
        AutomlBenchError: If a payload could not be prepared or a row not be stored.
    """
    check_settings(settings)
    if not samples:
        raise UsageError("a load run needs at least one test sample.", remedy="Use a dataset with a test split.")
    session = LoadSession(
        invoker,
        samples,
        settings,
        record=record,
        lanes=lanes,
        limits=limits or Limits(),
        on_progress=on_progress,
        stop=stop or threading.Event(),
    )
    with session, undisturbed():
        anchor = WallAnchor.now()
        if settings.loop == "sweep":
            finished, summary, verdict = run_sweep(session)
        else:
            finished, summary, verdict = session.run_once()
    summary["verdict"] = verdict.as_json()
    complete = finished and session.log.terminal is None
    if session.log.terminal is not None:
        raise session.log.terminal
    return LoadRun(
        load_run_id=load_run_id,
        trial_id=trial_id,
        loop=settings.loop,
        settings=session.resolved(),
        started_at=anchor.iso,
        complete=complete,
        valid=verdict.valid if complete else None,
        reasons=verdict.reasons if complete else (),
        summary=summary,
        anchor_wall=anchor.iso,
        anchor_ns=anchor.monotonic_ns,
    )


class LoadSession:
    """What the loops of one load run share: the sender, the order of the samples, the log of the calls."""

    def __init__(
        self,
        invoker: Invoker,
        samples: Sequence[tuple[Sample, str]],
        settings: LoadSettings,
        *,
        record: Callable[[list[LoadCall]], None],
        lanes: Lanes | None,
        limits: Limits,
        on_progress: LoadProgress | None,
        stop: threading.Event,
    ) -> None:
        self.settings = settings
        self.limits = limits
        self.stop = stop
        self.trips = RoundTrips()
        self.places = self._places_in_flight(lanes is not None or not isinstance(invoker, HttpInvoker))
        self._on_progress = on_progress
        self._total = self._expected_calls()
        self._note = ""
        chosen = self._choose(samples)
        self._payloads: Payloads | None = None
        self.sender: Sender
        if lanes is None and isinstance(invoker, HttpInvoker):
            self._payloads = Payloads(invoker, [sample for sample, _ in chosen])
            chosen = chosen[: len(self._payloads)]
            self.sender = HttpSender(invoker, self._payloads, self.places, settings.options)
        else:
            call_invoker = None if isinstance(invoker, HttpInvoker) else invoker
            self.sender = LaneSender(call_invoker, lanes, [sample for sample, _ in chosen], self.places)
        self._recorder = BatchRecorder(record)
        self.log = CallLog(chosen, self._recorder, self._progress)
        self.order = SampleOrder(len(chosen), settings.seed, self._repeat_lag())
        if self._payloads is not None:
            self._payloads.keep_fresh(lambda: self.order.upcoming(2 * self.places if self.places < 100 else 200))

    def __enter__(self) -> LoadSession:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.trips.finish()
        self.sender.close()
        if kind is not None:
            with suppress(BaseException):  # the first error is the one to tell
                self._recorder.finish()
            return
        self._recorder.finish()
        if self._payloads is not None:
            self._payloads.close()

    @property
    def url(self) -> str | None:
        """Address of the endpoint; None for calls into a plugin."""
        return None if self._payloads is None else self._payloads.url

    @property
    def rate_limit(self) -> float | None:
        """The published rate, if it is to be respected."""
        return self.limits.requests_per_second if self.settings.respect_limits else None

    @property
    def bounds(self) -> Bounds:
        """The bounds of validity that the settings and the kind of provider bring."""
        return Bounds(self.settings.max_late_ms, self._payloads is not None, bool(self.rate_limit))

    def note(self, text: str) -> None:
        """Say what is going on, for the progress bar."""
        self._note = text

    def resolved(self) -> dict[str, Json]:
        """Return the settings as they were in the end."""
        return {
            **self.settings.as_json(),
            "in_flight_cap": self.places,
            "distinct_samples": len(self.order.warm_up),
            "rate_limit": self.rate_limit,
            "over_http": self._payloads is not None,
        }

    def warm_up(self) -> None:
        """Open connections and wake the service up; probe the round trip before the run."""
        self.trips.probe("before", self.url)
        settings = self.settings
        closed = settings.loop == "closed"
        usual = min(10, self.places) if closed else OPEN_WARM_UP_CALLS
        calls = usual if settings.warm_up_calls is None else settings.warm_up_calls
        # An open loop's warm-up keeps to its rate: a burst could use up what a throttling service allows.
        rates = (self.rate_limit, None if closed else settings.rate or settings.sweep_from)
        pacer = Pacer(min((rate for rate in rates if rate), default=None))
        warm_up(self.sender, self.log, self.order, calls, pacer, self.stop)

    def run_once(self) -> tuple[bool, dict[str, Json], Verdict]:
        """Make a closed or an open loop; return whether it came to its end, its summary, the reasons against it."""
        self.warm_up()
        half = threading.Timer(0.0, lambda: None)
        seconds = self._expected_seconds()
        if seconds is not None and self.url is not None:
            half = threading.Timer(seconds / 2, lambda: self.trips.probe_beside("during", self.url))
            half.daemon = True
            half.start()
        else:
            self.trips.probe_beside("during", self.url)
        try:
            if self.settings.loop == "closed":
                finished, summary = self.closed()
            else:
                assert self.settings.rate is not None
                rate = min(self.settings.rate, self.rate_limit or math.inf)
                seconds = self.settings.duration_seconds or self.settings.calls / rate
                finished, summary = self.open(rate, seconds, self._drain_seconds())
        finally:
            half.cancel()
        self.trips.probe_beside("during", self.url)
        self.trips.finish()
        self.trips.probe("after", self.url)
        summary["round_trip_ms"] = self.trips.summary()
        summary["errors"] = dict(self.log.errors)
        summary["payloads_made_late"] = self._payloads.made_late if self._payloads else 0
        return finished, summary, judge_run(self.settings.loop, summary, self.bounds)

    def closed(self) -> tuple[bool, dict[str, Json]]:
        """Run the closed loop."""
        settings = self.settings
        before, meter = Surroundings.now(), ClientMeter()
        report = closed_loop(
            self.sender,
            self.log,
            self.order,
            calls=settings.calls if settings.duration_seconds is None else None,
            duration_seconds=settings.duration_seconds,
            pacer=Pacer(self.rate_limit),
            stop=self.stop,
        )
        return report.finished, self._sum_up("closed", report, meter, before, 0, None)

    def open(
        self, rate: float, seconds: float, drain_seconds: float, first_number: int = 0, seed: int | None = None
    ) -> tuple[bool, dict[str, Json]]:
        """Run an open loop at one rate."""
        moments = schedule(rate, seconds, self.settings.arrivals, self.settings.seed if seed is None else seed)
        begin = len(self.log)
        before, meter = Surroundings.now(), ClientMeter()
        report = open_loop(
            self.sender,
            self.log,
            self.order,
            moments=moments,
            first_number=first_number,
            drain_seconds=drain_seconds,
            stop=self.stop,
        )
        return report.finished, self._sum_up("open", report, meter, before, begin, moments.size / seconds)

    def _sum_up(
        self,
        loop: str,
        report: LoopReport,
        meter: ClientMeter,
        before: Surroundings,
        begin: int,
        offered: float | None,
    ) -> dict[str, Json]:
        facts = RunFacts(
            loop=loop,
            report=report,
            client=meter.read(),
            cpu_ns=meter.cpu_ns,
            concurrency=self.places if loop == "closed" else None,
            offered_rate=offered,
            in_flight_cap=self.places,
            latency_limit_ms=self.settings.latency_limit_ms,
            warmed_up=self.log.warmed_up,
            surroundings=before.since(),
            standstills=self.sender.standstills,
            held_back=loop == "open" or bool(self.rate_limit),
        )
        return summarise(self.log.columns(begin), facts)

    def _places_in_flight(self, threads: bool) -> int:
        """Return how many requests may be under way."""
        published = self.limits.in_flight if self.settings.respect_limits else None
        if self.settings.loop == "closed":
            most = self.settings.concurrency
        else:
            soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
            room = MOST_IN_FLIGHT if soft == resource.RLIM_INFINITY else max(1, soft - FILES_FOR_OTHERS)
            most = min(self.settings.max_in_flight or MOST_IN_FLIGHT, room)
        if threads:
            most = min(most, MOST_THREADS)
        return min(most, published) if published else most

    def _expected_calls(self) -> int | None:
        settings = self.settings
        if settings.loop == "closed":
            return settings.calls if settings.duration_seconds is None else None
        if settings.loop == "open" and settings.rate:
            rate = min(settings.rate, self.rate_limit or math.inf)
            return max(1, int(rate * settings.duration_seconds)) if settings.duration_seconds else settings.calls
        return None

    def _expected_seconds(self) -> float | None:
        settings = self.settings
        if settings.duration_seconds is None and settings.loop == "open" and settings.rate:
            return settings.calls / min(settings.rate, self.rate_limit or math.inf)
        return settings.duration_seconds

    def _choose(self, samples: Sequence[tuple[Sample, str]]) -> list[tuple[Sample, str]]:
        """Return the samples of this run, a seeded choice where there are more than it can send."""
        most = min(len(samples), MOST_SAMPLES, (self._total or MOST_SAMPLES) + 10)
        chosen = list(samples)
        random.Random(f"load run choice {self.settings.seed}").shuffle(chosen)
        return chosen[:most]

    def _repeat_lag(self) -> int:
        if self.settings.loop == "closed":
            return 2 * self.places
        return int(max(20.0, self.settings.rate or self.settings.sweep_to or 0.0))

    def _drain_seconds(self) -> float:
        """Return how long to wait for the last answers: the requests' own time limit ends them."""
        longest = LATEST_DRAIN_SECONDS if self._payloads is None else self._payloads.timeout_seconds + 1.0
        return min(longest, LATEST_DRAIN_SECONDS)

    def _progress(self, done: int, failed: int) -> None:
        if self._on_progress is not None:
            self._on_progress(
                done, self._total, "  ".join(filter(None, [self._note, f"{failed} failed" if failed else ""]))
            )
