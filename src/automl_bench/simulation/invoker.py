"""How an endpoint of the simulated cloud is called."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING

from automl_bench.contract import Prediction, Sample
from automl_bench.errors import RateLimited
from automl_bench.simulation.services import SimulatedService

if TYPE_CHECKING:
    from automl_bench.simulation.cloud import SimulatedCloud

CALLS_PER_SECOND = 200.0


class SimulatedInvoker:
    """Calls an endpoint: sleeps for the service's time, and refuses more calls a second than it takes."""

    def __init__(self, cloud: SimulatedCloud, service: SimulatedService, learner: object, endpoint: str) -> None:
        from automl_bench.simulation.learning import Learner

        assert isinstance(learner, Learner)
        self._cloud, self._service, self._learner, self._endpoint = cloud, service, learner, endpoint
        self._recent: deque[float] = deque()
        self._lock = threading.Lock()

    def call(self, sample: Sample) -> Prediction:
        """Classify one sample; takes the service's real few milliseconds."""
        from automl_bench.simulation.learning import call_seconds

        begun = time.monotonic()
        self._throttle(begun)
        self._cloud.predicted(self._service.name, self._endpoint)
        prediction = self._learner.predict(sample)
        time.sleep(max(0.0, begun + call_seconds(sample.sample_id, self._service) - time.monotonic()))
        return prediction

    def _throttle(self, now: float) -> None:
        with self._lock:
            while self._recent and self._recent[0] <= now - 1.0:
                self._recent.popleft()
            if len(self._recent) < CALLS_PER_SECOND * 1.25:
                self._recent.append(now)
                return
            wait = self._recent[0] + 1.0 - now
        raise RateLimited(f"the simulated service takes {CALLS_PER_SECOND:g} calls a second.", retry_after=wait)
