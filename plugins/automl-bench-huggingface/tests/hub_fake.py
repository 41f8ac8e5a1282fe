"""A stand-in for Hugging Face: the Hub, Jobs, the Inference Endpoints API and the served endpoints, on one address;
the store of large files on another, which may never see a token.

Every request is held to the shapes that the SDK sends and to published limits; unknown fields are refused.
Trainings learn from what was committed, endpoints serve what was pushed, both are billed, lists lag behind.

    with HubFake() as hub:
        HfApi(endpoint=hub.url, token=hub.token)

By hand, for the command line:

    python plugins/automl-bench-huggingface/tests/hub_fake.py
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

from hub_endpoints import BILLED, Endpoints
from hub_jobs import Jobs
from hub_repos import Repositories
from hub_wire import ApiError, Hangup, Reply, Request, Wire

TOKEN = "hf_PlantedInTests7d41c09b5ae2f86310"
USER = "bench-user"
ORGANIZATION = "bench-lab"
WINDOW_SECONDS = 300
API_QUOTA = 100_000
WHOAMI_QUOTA = 200
"""Real ones are smaller; the kit runs hundreds of commands against one stand-in."""

CREATING = frozenset({"create_repo", "create_job", "create_endpoint"})
DELETING = frozenset({"delete_repo", "cancel_job", "delete_endpoint"})
PREDICTING = frozenset({"predict"})
SERVED = frozenset({"predict", "health"})


@dataclass(slots=True)
class Pace:
    """How long things take, in real seconds."""

    queueing: float = 0.02
    training: float = 0.1
    starting: float = 0.1
    waking: float = 0.1
    deleting: float = 0.05
    listing: float = 0.1
    minute: float = 60.0


class HubFake:
    """The service. Tests look into `repositories`, `jobs`, `endpoints` and `wire`.

    Args:
        pace: How long things take.
    """

    def __init__(self, pace: Pace | None = None) -> None:
        pace = pace or Pace()
        self.token = TOKEN
        self.tokens = {TOKEN}
        self.quotas = {"api": API_QUOTA, "whoami": WHOAMI_QUOTA}
        self._asked: dict[str, list[float]] = {"api": [], "whoami": []}
        self.account: dict[str, Any] = {"type": "user", "name": USER, "canPay": True}
        self.wire = Wire(self._authorize)
        self.wire.standing_headers = self._rate_limit_headers
        self.storage = Wire(self._authorize, beside=self.wire)
        owners = (USER, ORGANIZATION)
        self.repositories = Repositories(self.wire.url, self.storage.url, owners, pace.listing)
        self.storage.add(self.repositories.storage_routes())
        self.jobs = Jobs(
            self.repositories,
            lambda token: token in self.tokens,
            queueing=pace.queueing,
            training=pace.training,
            listing=pace.listing,
        )
        self.endpoints = Endpoints(
            self.wire.url,
            self.repositories,
            starting=pace.starting,
            waking=pace.waking,
            deleting=pace.deleting,
            minute=pace.minute,
        )
        self.wire.add([("GET", r"/api/whoami-v2", "whoami", self._whoami, True)])
        for part in (self.repositories, self.jobs, self.endpoints):
            self.wire.add(part.routes())

    @property
    def url(self) -> str:
        return self.wire.url

    def __enter__(self) -> Self:
        self.wire.__enter__()
        self.storage.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.wire.__exit__()
        self.storage.__exit__()

    # --- what tests do to it ------------------------------------------------------------------------------------

    def fail(self, operation: str, answer: ApiError | bytes | type[Hangup], times: float = 1) -> None:
        """Answer the next so many requests of an operation with an error."""
        self.wire.fail(lambda name: name == operation, answer, times)

    def lose(self, applies: Callable[[str], bool], times: float = 1) -> None:
        """Carry the next so many of these requests out and reset their connections."""
        self.wire.fail(applies, Hangup, times, after=True)

    def replace_token(self, token: str) -> None:
        """Revoke every token and let this one hold."""
        with self.wire.lock:
            self.tokens = {token}

    def count(self, operation: str) -> int:
        return self.wire.operations().count(operation)

    def stop_the_clock_at(self, seconds_from_now: float) -> None:
        """Let endpoints believe that so many seconds have passed."""
        at = self.endpoints.now() + seconds_from_now
        self.endpoints.now = lambda: at

    # --- what it holds ------------------------------------------------------------------------------------------

    def names(self) -> list[str]:
        """Return "kind name" of all that exists, strangers' included."""
        with self.wire.lock:
            self.jobs.advance()
            self.endpoints.advance()
            repos = [f"{kind}-repo {repo_id.split('/')[1]}" for kind, repo_id in self.repositories.all]
            jobs = [f"training-job {job.labels.get('name', job.id)}" for job in self.jobs.all if job.billed]
            return [*repos, *jobs, *(f"endpoint {served.name}" for served in self.endpoints.all.values())]

    def costing(self) -> list[str]:
        """Return what costs money now."""
        with self.wire.lock:
            self.jobs.advance()
            self.endpoints.advance()
            jobs = [f"training-job {job.labels.get('name', job.id)}" for job in self.jobs.all if job.billed]
            served = [each for each in self.endpoints.all.values() if each.state in BILLED]
            return [*jobs, *(f"endpoint {each.name}" for each in served)]

    def creations(self) -> list[str]:
        """Return "kind name" of all that was ever made, in that order."""
        with self.wire.lock:
            return list(self.repositories.created)

    # --- who asks -----------------------------------------------------------------------------------------------

    def _authorize(self, request: Request) -> None:
        if request.bearer not in self.tokens:
            message = "Invalid credentials in Authorization header"
            raise ApiError(401, message if request.bearer else "Invalid username or password.")
        if request.operation in SERVED:
            return
        for window in ("api", "whoami") if request.operation == "whoami" else ("api",):
            with self.wire.lock:
                asked = self._asked[window]
                now = time.monotonic()
                asked[:] = [at for at in asked if at > now - WINDOW_SECONDS]
                if len(asked) >= self.quotas[window]:
                    raise ApiError(429, "too many requests", headers={"RateLimit": f'"{window}";r=0;t=55'})
                asked.append(now)

    def _rate_limit_headers(self, request: Request) -> dict[str, str]:
        """Return the headers that the Hub sends with every answer."""
        if request.operation in SERVED:
            return {}
        with self.wire.lock:
            left = max(0, self.quotas["api"] - len(self._asked["api"]))
        return {
            "RateLimit": f'"api";r={left};t={WINDOW_SECONDS}',
            "RateLimit-Policy": f'"fixed window";"api";q={self.quotas["api"]};w={WINDOW_SECONDS}',
            "X-Request-Id": "Root=1-planted",
        }

    def _whoami(self, request: Request) -> Reply:
        return Reply({**self.account, "id": "0123456789abcdef01234567", "orgs": [{"name": ORGANIZATION}]})


if __name__ == "__main__":
    with HubFake(Pace(starting=2.0, training=3.0)) as hub:
        print(f"export HF_TOKEN={hub.token} HF_ENDPOINT={hub.url} AUTOML_BENCH_HUGGINGFACE_ENDPOINTS_API={hub.url}")
        while True:
            time.sleep(3600)
