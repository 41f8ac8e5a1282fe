"""Jobs of the stand-in: a specification held to the SDK's own, a clock, a bill, a log.

At its end a job is carried out by `hub_container`; `run_for_real` runs its command as a process instead.
"""

from __future__ import annotations

import json
import re
import secrets
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from hub_container import Container, ScriptFailed
from hub_repos import Repositories, moment
from hub_wire import ApiError, Reply, Request, check_object, list_of, texts
from huggingface_hub import Volume
from huggingface_hub._jobs_api import JobHardware, JobStage, _create_job_spec

DEFAULT_SECONDS = 1800
"""After so long the service ends a job that names no time-out."""
TRAINING_SECONDS = 2100
"""What a training takes on the stand-in's own clock: longer than the default allows."""
QUEUE_SECONDS = 25
LABEL = re.compile(r"[A-Za-z0-9._-]{1,64}")
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
TERMINAL = frozenset({"COMPLETED", "CANCELED", "ERROR", "DELETED"})


def known_keys() -> frozenset[str]:
    """Return every key that the SDK can put into a job's specification."""
    common: dict[str, Any] = {
        "command": ["x"],
        "env": {"A": "b"},
        "secrets": {"A": "b"},
        "flavor": "cpu-basic",
        "timeout": 60,
        "name": "n",
        "volumes": [Volume(type="dataset", source="a/b", mount_path="/c")],
        "expose": [1],
        "ssh": True,
        "network_group": "g",
        "resource_group_id": "r",
        "attempts": 1,
    }
    images = ("python:3.12", "hf.co/spaces/a/b")
    return frozenset(key for image in images for key in _create_job_spec(image=image, **common))


@dataclass(slots=True)
class Job:
    id: str
    namespace: str
    spec: dict[str, Any]
    created: float
    started: float | None = None
    finished: float | None = None
    stage: str = "SCHEDULING"
    message: str | None = None
    lines: list[str] = field(default_factory=list)
    ran_seconds: int | None = None
    process: subprocess.Popen[str] | None = None

    @property
    def labels(self) -> dict[str, str]:
        return self.spec.get("labels", {})

    @property
    def billed(self) -> bool:
        return self.stage not in TERMINAL


class Jobs:
    """All jobs of the account.

    Args:
        repositories: What their containers may reach.
        holds: Whether a token holds.
        queueing: Real seconds until a job runs.
        training: Real seconds until a training ends.
        listing: Real seconds for which lists do not show a new job.
    """

    def __init__(
        self,
        repositories: Repositories,
        holds: Callable[[str], bool],
        *,
        queueing: float,
        training: float,
        listing: float,
    ) -> None:
        self.repositories = repositories
        self.container = Container(repositories, holds)
        self.queueing = queueing
        self.training = training
        self.listing = listing
        self.all: list[Job] = []
        self.created = repositories.created
        self.failing = False
        self.broke = False
        self.cancelling = 0.0
        self.billed_seconds = 0.0
        self.command_runner: Callable[[Job], list[str]] | None = None
        self.keys = known_keys()

    def routes(self) -> list[Any]:
        job = r"/api/jobs/([\w.-]+)/([0-9a-f]{24})"
        return [
            ("GET", r"/api/jobs/hardware", "jobs_hardware", self._hardware, True),
            ("POST", r"/api/jobs/([\w.-]+)", "create_job", self._create, True),
            ("GET", r"/api/jobs/([\w.-]+)", "list_jobs", self._list, True),
            ("GET", job, "inspect_job", self._inspect, True),
            ("POST", rf"{job}/cancel", "cancel_job", self._cancel, True),
            ("GET", rf"{job}/logs", "job_logs", self._logs, True),
        ]

    def run_for_real(self, command_of: Callable[[Job], list[str]]) -> None:
        """Run each job's command as a process, as `command_of` turns it into one."""
        self.command_runner = command_of

    # --- routes -------------------------------------------------------------------------------------------------

    def _hardware(self, request: Request) -> Reply:
        return Reply(
            [
                {
                    "name": each.value,
                    "prettyName": each.value,
                    "cpu": "4 vCPU",
                    "ram": "16 GB",
                    "unitCostMicroUSD": 6667,
                    "unitCostUSD": 0.006667,
                    "unitLabel": "minute",
                }
                for each in JobHardware
            ]
        )

    def _create(self, request: Request, namespace: str) -> Reply:
        self._mine(namespace)
        spec = check_object(
            request.json(),
            {"command": list_of(str), "arguments": list_of(str), "environment": texts, "flavor": str},
            {
                "secrets": texts,
                "timeoutSeconds": int,
                "labels": texts,
                "dockerImage": str,
                "attempts": int,
                **dict.fromkeys(("volumes", "expose", "ssh", "network", "resourceGroupId"), (dict, list, str)),
                "spaceId": str,
            },
        )
        assert spec.keys() <= self.keys, "the SDK knows fewer keys than the stand-in"
        if spec["flavor"] not in {each.value for each in JobHardware}:
            raise ApiError(400, f"unknown flavor {spec['flavor']!r}")
        if ("dockerImage" in spec) == ("spaceId" in spec) or not spec["command"]:
            raise ApiError(400, "one of dockerImage and spaceId, and a command, are required")
        if not all(LABEL.fullmatch(part) for pair in spec.get("labels", {}).items() for part in pair):
            raise ApiError(400, "a label has characters that are not allowed")
        if not all(VARIABLE.fullmatch(name) for name in (*spec["environment"], *spec.get("secrets", {}))):
            raise ApiError(400, "a variable has no valid name")
        if spec.get("timeoutSeconds", 1) < 1:
            raise ApiError(400, "timeoutSeconds must be positive")
        if self.broke:
            raise ApiError(402, "Payment required: the balance is not positive")
        job = Job(secrets.token_hex(12), namespace, spec, time.time())
        self.all.append(job)
        self.created.append(f"training-job {job.labels.get('name', job.id)}")
        return Reply(self._shown(job))

    def _list(self, request: Request, namespace: str) -> Reply:
        self._mine(namespace)
        unknown = {key for key, _ in request.query} - {"label", "stage"}
        if unknown:
            raise ApiError(400, f"unknown parameters {sorted(unknown)}")
        stages = set(request.values("stage"))
        if stages - {each.value for each in JobStage}:
            raise ApiError(400, "unknown stage")
        wanted = dict(pair.split("=", 1) for pair in request.values("label"))
        self.advance()
        old = time.time() - self.listing
        return Reply(
            [
                self._shown(job)
                for job in reversed(self.all)
                if job.namespace == namespace
                and job.created <= old
                and wanted.items() <= job.labels.items()
                and (not stages or job.stage in stages)
            ]
        )

    def _inspect(self, request: Request, namespace: str, job_id: str) -> Reply:
        self.advance()
        return Reply(self._shown(self._job(namespace, job_id)))

    def _cancel(self, request: Request, namespace: str, job_id: str) -> Reply:
        self.advance()
        job = self._job(namespace, job_id)
        if job.stage in TERMINAL:
            raise ApiError(400, "the job has ended")
        if job.process is not None:
            job.process.kill()
        self._end(job, "CANCELED", None)
        return Reply(self._shown(job))

    def _logs(self, request: Request, namespace: str, job_id: str) -> Reply:
        self.advance()
        lines = self._job(namespace, job_id).lines
        tail = int((request.values("tail") or [len(lines)])[0])
        events = [{"data": line, "timestamp": moment(time.time())} for line in lines[len(lines) - tail :]]
        raw = "".join(f"data: {json.dumps(event)}\n\n" for event in events).encode()
        return Reply(raw=raw, headers={"Content-Type": "text/event-stream"})

    def _mine(self, namespace: str) -> None:
        if namespace not in self.repositories.namespaces:
            raise ApiError(403, f"no access to jobs of {namespace}")

    def _job(self, namespace: str, job_id: str) -> Job:
        self._mine(namespace)
        for job in self.all:
            if (job.namespace, job.id) == (namespace, job_id):
                return job
        raise ApiError(404, "Job not found")

    def _shown(self, job: Job) -> dict[str, Any]:
        """Return a job as the service shows it: of secrets only the names."""
        kept = {key: value for key, value in job.spec.items() if key not in ("timeoutSeconds", "secrets")}
        running = 0 if job.started is None else (job.ran_seconds or 1)
        return {
            **kept,
            "id": job.id,
            "createdAt": moment(job.created),
            "startedAt": None if job.started is None else moment(job.started),
            "finishedAt": None if job.finished is None else moment(job.finished),
            "secrets": dict.fromkeys(job.spec.get("secrets", {}), ""),
            "status": {"stage": job.stage, "message": job.message},
            "durations": {
                "schedulingSecs": None if job.started is None else QUEUE_SECONDS,
                "runningSecs": None if job.started is None else running,
                "totalSecs": QUEUE_SECONDS + running,
            },
            "owner": {"id": "0123456789abcdef01234567", "name": job.namespace, "type": "user"},
        }

    # --- the clock ----------------------------------------------------------------------------------------------

    def advance(self) -> None:
        """Let each job be as far as the time says."""
        now = time.time()
        for job in self.all:
            if job.stage == "SCHEDULING" and now >= job.created + self.queueing:
                job.stage, job.started = "RUNNING", now
                job.lines.append("===== Job started =====")
                if self.command_runner is not None:
                    self._start(job)
            if job.stage == "RUNNING" and self.command_runner is None:
                if not job.lines[1:]:
                    job.lines.append("automl-bench: epoch 1/10, training loss 0.5")
                if now >= (job.started or now) + self.training:
                    self._finish(job)

    def _finish(self, job: Job) -> None:
        allowed = job.spec.get("timeoutSeconds", DEFAULT_SECONDS)
        job.ran_seconds = min(TRAINING_SECONDS, allowed)
        if allowed < TRAINING_SECONDS:
            self._end(job, "ERROR", "Job timeout")
            return
        if self.failing:
            job.lines.append("RuntimeError: the loss became nan in epoch 2: lower the learning rate")
            self._end(job, "ERROR", None)
            return
        try:
            self.container.train(job.spec)
        except ScriptFailed as error:
            job.lines.append(str(error))
            self._end(job, "ERROR", None)
        else:
            self._end(job, "COMPLETED", None)

    def _end(self, job: Job, stage: str, message: str | None) -> None:
        job.stage, job.message, job.finished = stage, message, time.time()
        if job.started is not None:
            self.billed_seconds += job.ran_seconds or (job.finished - job.started)

    # --- a real process ------------------------------------------------------------------------------------------

    def _start(self, job: Job) -> None:
        assert self.command_runner is not None
        job.process = subprocess.Popen(
            self.command_runner(job), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

        def follow(process: subprocess.Popen[str]) -> None:
            assert process.stdout is not None
            for line in process.stdout:
                job.lines.append(line.rstrip("\n"))
            process.stdout.close()
            failed = process.wait() != 0
            if job.stage == "RUNNING":
                job.ran_seconds = round(time.time() - (job.started or 0))
                self._end(job, "ERROR" if failed else "COMPLETED", None)

        threading.Thread(target=follow, args=(job.process,), daemon=True).start()
