"""Jobs of the stand-in: a specification held to the SDK's own, a clock, a bill, a container that does as it is told.

The container reads the command as a shell would: it wants the script fetched from a repository that the job's secret
may read, then run with `uv`. It takes the script that was committed, lets the script itself read its recipe and the
image folder, and then learns by nearest neighbour instead of a transformer. `run_for_real` runs the command instead.
"""

from __future__ import annotations

import json
import re
import secrets
import shlex
import subprocess
import tempfile
import threading
import time
import tomllib
import types
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hub_learning
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
KNOWN_MODELS = frozenset({"google/vit-base-patch16-224", "google/vit-base-patch16-224-in21k"})
UV_IMAGES = re.compile(r"ghcr\.io/astral-sh/uv:[\w.-]+")
HEADER = re.compile(r"(?m)^# /// script\n((?:#.*\n)+?)# ///$")
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


class ScriptFailed(Exception):
    """The container ended with an error; its message is the last line of the log."""


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
        self.holds = holds
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
            self._contain(job)
        except ScriptFailed as error:
            job.lines.append(str(error))
            self._end(job, "ERROR", None)
        else:
            self._end(job, "COMPLETED", None)

    def _end(self, job: Job, stage: str, message: str | None) -> None:
        job.stage, job.message, job.finished = stage, message, time.time()
        if job.started is not None:
            self.billed_seconds += job.ran_seconds or (job.finished - job.started)

    # --- the container ------------------------------------------------------------------------------------------

    def _contain(self, job: Job) -> None:
        """Do what the command says, with the published script up to the training itself."""
        token = self._token(job)
        dataset, path, revision = self._fetched(job)
        if not self.holds(token):
            raise ScriptFailed("401 Client Error: the token of the job does not hold")
        try:
            _, snapshot = self.repositories.repo("dataset", dataset).at(revision)
        except ApiError as error:
            raise ScriptFailed(f"404 Client Error: {error}") from error
        if path not in snapshot:
            raise ScriptFailed(f"404 Client Error: no file {path} in {dataset}")
        script = loaded(snapshot[path].content)
        try:
            recipe = script.Recipe.from_json(job.spec["environment"][script.RECIPE])
        except (KeyError, ValueError, TypeError) as error:
            raise ScriptFailed(f"{type(error).__name__}: {error}") from error
        if (recipe.dataset, recipe.dataset_revision) != (dataset, revision):
            raise ScriptFailed("the recipe names another dataset than the command")
        if recipe.base_model not in KNOWN_MODELS and ("model", recipe.base_model) not in self.repositories.all:
            raise ScriptFailed(f"OSError: {recipe.base_model} is not a model identifier listed on the Hub")
        if recipe.gpu == job.spec["flavor"].startswith("cpu-"):
            raise ScriptFailed("the recipe and the hardware disagree about a GPU")
        with tempfile.TemporaryDirectory() as name:
            root = Path(name)
            for each, blob in snapshot.items():
                if each.startswith(("train/", "validation/")):
                    (root / each).parent.mkdir(exist_ok=True)
                    (root / each).write_bytes(blob.content)
            try:
                labels, halves = script.read_folder(root)
                vectors = [hub_learning.pixels(example.path.read_bytes()) for example in halves["train"]]
            except (ValueError, OSError) as error:
                raise ScriptFailed(f"{type(error).__name__}: {error}") from error
        numbers = [example.label for example in halves["train"]]
        self._push(recipe, labels, hub_learning.save(vectors, numbers), halves)

    def _token(self, job: Job) -> str:
        token = str(job.spec.get("secrets", {}).get("HF_TOKEN", ""))
        clear = json.dumps([job.spec["command"], job.spec["arguments"], job.spec["environment"], job.labels])
        if not token or token in clear:
            raise ScriptFailed("the token is not given as a secret, or not only as one")
        return token

    def _fetched(self, job: Job) -> tuple[str, str, str]:
        """Return repository, path and commit of the script that the command fetches and runs."""
        if not UV_IMAGES.fullmatch(job.spec.get("dockerImage", "")):
            raise ScriptFailed("bash: uvx: command not found")
        command = [*job.spec["command"], *job.spec["arguments"]]
        if len(command) != 3 or command[:2] != ["bash", "-c"] or "&&" not in command[2]:
            raise ScriptFailed(f"the command is {command}")
        fetch, run = (shlex.split(part) for part in command[2].split("&&", 1))
        tool, requirement = fetch[:3], fetch[2:3]
        if tool[:2] != ["uvx", "--from"] or not requirement or not requirement[0].startswith("huggingface_hub"):
            raise ScriptFailed(f"uvx: {fetch}")
        if fetch[3:5] != ["hf", "download"] or len(fetch) != 13:
            raise ScriptFailed(f"hf: {fetch[3:]}")
        dataset, path, options = fetch[5], fetch[6], dict(zip(fetch[7::2], fetch[8::2], strict=True))
        if options.keys() != {"--repo-type", "--revision", "--local-dir"} or options["--repo-type"] != "dataset":
            raise ScriptFailed(f"hf download: {options}")
        if run != ["uv", "run", f"{options['--local-dir']}/{path}"]:
            raise ScriptFailed(f"uv: {run}")
        return dataset, path, options["--revision"]

    def _push(self, recipe: Any, labels: list[str], weights: bytes, halves: dict[str, Any]) -> None:
        names = {str(number): label for number, label in enumerate(labels)}
        report = {
            "training_seconds": 1234.5,
            "best_epoch": 1,
            "validation_accuracy": 0.5 if halves["validation"] else None,
            "validation_loss": 1.0 if halves["validation"] else None,
            "device": "stand-in",
            "torch": "0",
            "transformers": "0",
        }
        files = {
            "config.json": json.dumps({"architectures": ["ViTForImageClassification"], "id2label": names}).encode(),
            "preprocessor_config.json": b'{"image_processor_type": "ViTImageProcessor"}',
            "model.safetensors": weights,
            "training.json": json.dumps(report).encode(),
        }
        try:
            self.repositories.put("model", recipe.model, files)
        except ApiError as error:
            raise ScriptFailed(f"404 Client Error: {error}") from error

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


def loaded(content: bytes) -> types.ModuleType:
    """Return a script as a module, after reading its header as `uv` would.

    Raises:
        ScriptFailed: If it is no script with inline requirements.
    """
    text = content.decode()
    found = HEADER.search(text)
    if not found:
        raise ScriptFailed("uv: the script has no header with its requirements")
    header = tomllib.loads("".join(line[2:] if line[1:2] == " " else line[1:] for line in found[1].splitlines(True)))
    if not {"requires-python", "dependencies"} <= header.keys():
        raise ScriptFailed(f"uv: the header is {header}")
    module = types.ModuleType("committed_script")
    import sys

    sys.modules[module.__name__] = module  # its dataclasses look themselves up
    exec(compile(text, "committed_script.py", "exec"), module.__dict__)
    return module
