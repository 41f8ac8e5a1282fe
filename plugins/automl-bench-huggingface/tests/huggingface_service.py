"""The stand-in as the conformance kit wants a service: an object that can be looked into and told to fail."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Collection, Mapping, Sequence
from typing import Self

from hub_endpoints import Served
from hub_fake import CREATING, DELETING, PREDICTING, SERVED, USER, HubFake, Pace
from hub_jobs import Job
from hub_wire import ApiError, Hangup
from service_troubles import Troubled

from automl_bench.contract import NAME_PREFIX, Stage
from automl_bench.testing import Fault, SeenRequest, Target

ANSWERS: Mapping[Fault, ApiError | bytes | type[Hangup]] = {
    Fault.THROTTLED: ApiError(429, "too many requests", headers={"RateLimit": '"api";r=0;t=0'}),
    Fault.SERVER_ERROR: ApiError(500, "internal error"),
    Fault.UNAVAILABLE: ApiError(503, "service unavailable"),
    Fault.BAD_ANSWER: b"<html>not what was asked for",
    Fault.UNAUTHENTICATED: ApiError(401, "Invalid credentials in Authorization header"),
    Fault.FORBIDDEN: ApiError(403, "forbidden"),
    Fault.NOT_FOUND: ApiError(404, "not found"),
    Fault.BILLING: ApiError(402, "payment required"),
    Fault.QUOTA: ApiError(507, "storage limit reached"),
    Fault.RESET: Hangup,
}
STRANGER = "holiday-pictures"


class HuggingfaceService(Troubled):
    """A running stand-in.

    Args:
        pace: How long things take.
        namespace: Owner of everything; empty lets the plugin ask whose token it is.
    """

    paid = ("training-job", "endpoint")
    fails_at = (Stage.TRAIN, Stage.DEPLOY)
    limited_at = (Stage.TRAIN, Stage.DEPLOY)

    def __init__(self, pace: Pace | None = None, namespace: str = USER) -> None:
        self.fake = HubFake(pace)
        self.namespace = namespace
        self._lag = self.fake.jobs.listing

    def __enter__(self) -> Self:
        self.fake.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.fake.__exit__()

    def environment(self) -> Mapping[str, str]:
        return {
            "HF_TOKEN": self.fake.token,
            "HF_ENDPOINT": self.fake.url,
            "AUTOML_BENCH_HUGGINGFACE_ENDPOINTS_API": self.fake.url,
            "AUTOML_BENCH_HUGGINGFACE_NAMESPACE": self.namespace,
        }

    def requests(self) -> Sequence[SeenRequest]:
        with self.fake.wire.lock:
            return [
                SeenRequest(f"{each.method} {each.target}", each.body, each.headers, each.operation in PREDICTING)
                for each in self.fake.wire.seen
            ]

    def predictions(self) -> int:
        return self.fake.count("predict")

    def resources(self) -> Sequence[str]:
        return [name for name in self.fake.names() if name.split()[1].startswith(f"{NAME_PREFIX}-")]

    def billing(self) -> Sequence[str]:
        return [name for name in self.fake.costing() if name.split()[1].startswith(f"{NAME_PREFIX}-")]

    def creations(self) -> Sequence[str]:
        return self.fake.creations()

    def training_samples(self) -> Sequence[tuple[str, str]]:
        """Return path or text, and label, of each sample that a dataset repository lists and holds."""
        with self.fake.wire.lock:
            found = []
            for (kind, repo_id), repo in self.fake.repositories.all.items():
                if kind != "dataset" or NAME_PREFIX not in repo_id:
                    continue
                for half in ("train", "validation"):
                    lines = repo.head.get(f"{half}.jsonl")
                    texts = [json.loads(line) for line in lines.content.splitlines()] if lines else []
                    found += [(text["text"], text["label"]) for text in texts]
                    listing = repo.head.get(f"{half}/metadata.csv")
                    rows = csv.DictReader(io.StringIO(listing.content.decode())) if listing else ()
                    found += [
                        (f"{half}/{row['file_name']}", row["label"])
                        for row in rows
                        if f"{half}/{row['file_name']}" in repo.head
                    ]
            return found

    def stranger(self) -> str | None:
        """Make a repository, a running job and an endpoint of the account that are not ours."""
        with self.fake.wire.lock:
            repositories = self.fake.repositories
            repositories.make("dataset", f"{USER}/{STRANGER}").created -= 60
            repositories.make("dataset", f"{USER}/my-{NAME_PREFIX}-notes").created -= 60
            spec = {"labels": {"name": STRANGER}, "command": ["sleep"], "arguments": [], "environment": {}}
            job = Job("f" * 24, USER, {**spec, "flavor": "cpu-basic"}, created=4e9)
            self.fake.jobs.all.append(job)
            compute = {"accelerator": "cpu", "instanceType": "intel-spr", "instanceSize": "x1"}
            compute |= {"scaling": {"minReplica": 1, "maxReplica": 1, "scaleToZeroTimeout": None}}
            model = {"repository": "a/b", "framework": "pytorch", "revision": None}
            about = {"name": STRANGER, "compute": compute, "model": model, "type": "authenticated"}
            served = Served(USER, about, created=1.0, state="paused")
            self.fake.endpoints.all[USER, STRANGER] = served
        return STRANGER

    def strangers(self) -> Sequence[str]:
        names = [name.split()[1] for name in self.fake.names()]
        # Its repository, its job and its endpoint: it exists as long as all three do.
        whole = names.count(STRANGER) == 3 and f"my-{NAME_PREFIX}-notes" in names
        return [STRANGER] if whole else []

    def faults(self, target: Target) -> Collection[Fault]:
        if target is Target.PREDICTION:
            return tuple(ANSWERS)
        return (*ANSWERS, Fault.TRAINING_FAILS, Fault.DEPLOYMENT_FAILS, Fault.DELETION_FAILS, Fault.LOST_ANSWER)

    def inject(self, fault: Fault, *, target: Target = Target.CONTROL, times: int | None = 1) -> None:
        often = float("inf") if times is None else times
        wire = self.fake.wire
        if fault is Fault.TRAINING_FAILS:
            self.fake.jobs.failing = True
        elif fault is Fault.DEPLOYMENT_FAILS:
            self.fake.endpoints.failing = True
        elif fault is Fault.DELETION_FAILS:
            wire.fail(lambda name: name in DELETING, ApiError(403, "forbidden"), often)
        elif fault is Fault.LOST_ANSWER:
            self.fake.lose(lambda name: name in CREATING, often)
        elif target is Target.PREDICTION:
            wire.fail(lambda name: name in PREDICTING, ANSWERS[fault], often)
        else:
            wire.fail(lambda name: name not in SERVED, ANSWERS[fault], often)

    def train_for(self, seconds: float) -> None:
        self.fake.jobs.training = seconds

    def throttle_for(self, seconds: float) -> None:
        answer = ApiError(429, "too many requests", headers={"Retry-After": f"{seconds:.0f}"})
        self.fake.wire.fail(lambda name: True, answer, float("inf"))

    def refuse_for_quota(self, stage: Stage) -> None:
        operation = "create_job" if stage is Stage.TRAIN else "create_endpoint"
        self.fake.fail(operation, ApiError(402, "the balance of the account is used up"), float("inf"))

    def fail_work(self, stage: Stage) -> None:
        self.fake.jobs.failing = stage is Stage.TRAIN
        self.fake.endpoints.failing = stage is Stage.DEPLOY

    def show_late(self, seconds: float) -> None:
        self._lag = self.fake.jobs.listing
        self.fake.jobs.listing = self.fake.repositories.listing = seconds

    def destroyed(self) -> Sequence[str]:
        return [name for name in self.fake.wire.operations() if name in (*DELETING, "pause_endpoint")]

    def heal(self) -> None:
        self.fake.jobs.listing = self.fake.repositories.listing = self._lag
        self.fake.jobs.failing = self.fake.endpoints.failing = False
        self.fake.wire.heal()
