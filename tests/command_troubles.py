"""`automl-bench run` against a stand-in that meets a trouble in the middle: the money table at the level of commands.

What holds for every plugin: nothing healthy is cancelled, nothing paid is bought twice (counted at the stand-in),
nothing that is billed by the hour stays unnamed, exit code and sentence are right, and the command finishes afterwards.
Time is compressed (`compressed_time`).
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from compressed_commands import HERE, run_compressed
from service_troubles import CELLS, UNKNOWN, Trouble, Troubled
from small_workspace import make_workspace, write_experiment
from watched_requests import before_each_request

from automl_bench.contract import Stage
from automl_bench.errors import ExitCode
from automl_bench.testing.crash import Ended

TRAINING_SECONDS = 1.0
"""How long a stand-in is to train: long enough for a trouble to come in the middle."""

OUTAGE_SECONDS = 3.0
"""Over thirty attempts in compressed time; eight of them, 16 s in all, once ended everything."""

MANY_HOURS = 0.05
FEW_HOURS = 0.0008
"""Deadlines of a training that are not met, and that pass during a trouble: three minutes, and three seconds."""

LASTING = (Trouble.UNAVAILABLE, Trouble.LOGIN_EXPIRED)
"""Troubles that last for long in the middle of a training."""

REQUESTS_MET = 6
"""Requests of a command that meet a trouble of a stage before it passes."""

CALLS_OF_A_PASS = 6 + 1 + 3
"""Of six test samples: the cold call that proves it awake, and three that warm it up."""

REACHED: Mapping[Stage, Callable[[Troubled], bool]] = {
    Stage.UPLOAD: lambda service: service.upload_has_begun(),
    Stage.TRAIN: lambda service: service.training_has_begun(),
    Stage.DEPLOY: lambda service: any(line.startswith(service.paid[-1]) for line in service.creations()),
    Stage.INVOKE: lambda service: service.predictions() > 1,
    Stage.PARALLEL: lambda service: service.predictions() > CALLS_OF_A_PASS + 3,
    Stage.TEARDOWN: lambda service: bool(service.destroyed()),
}
"""What a stand-in knows once a command is in the middle of a stage."""

EXPERIMENT = """
datasets = ["tiny"]
providers = ["{provider}"]
shots = [10]
test_limit = 6
[images]
min_side = 64
[parallel]
enabled = {loads}
calls = 20
concurrency = 2
warm_up_calls = 1
[deadlines]
train_hours = {train_hours}
"""


class Commands:
    """A workspace whose commands talk to a stand-in.

    Args:
        service: The stand-in.
        root: An empty folder.
        provider: The provider's name.
        settings: More environment variables.
    """

    def __init__(self, service: Troubled, root: Path, provider: str, settings: Mapping[str, str]) -> None:
        self.service = service
        self.root = root
        self.provider = provider
        make_workspace(root)
        self.environment = {
            **os.environ,
            **service.environment(),
            **settings,
            "AUTOML_BENCH_WORKSPACE": str(root),
            "PYTHONPATH": os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")]),
            "COLUMNS": "250",
        }

    def __call__(self, *arguments: str) -> Ended:
        return run_compressed(*arguments, environment=self.environment, folder=self.root)

    def run(self, *options: str, train_hours: float = MANY_HOURS, loads: bool = False) -> Ended:
        text = EXPERIMENT.format(provider=self.provider, train_hours=train_hours, loads=str(loads).lower())
        return self("run", str(write_experiment(self.root, text)), *options)


def check_command(
    service: Troubled,
    root: Path,
    provider: str,
    trouble: Trouble,
    *,
    settings: Mapping[str, str],
) -> None:
    """Let a trouble come in the middle of a run and pass, and look at what came of it.

    Args:
        service: The stand-in; a training takes `TRAINING_SECONDS` there.
        root: An empty folder.
        provider: The provider's name.
        trouble: One of `LASTING`.
        settings: More environment variables of the commands.
    """
    commands = Commands(service, root, provider, settings)
    if trouble is Trouble.UNAVAILABLE:
        _check_outage(commands)
    else:
        _check_expired_login(commands)
    assert list(service.resources()) == []
    assert list(service.billing()) == []
    bought = Counter(line.split(" ", 1)[0] for line in service.bought())
    assert set(bought.values()) == {1}, service.bought()


def command_cells(stand_in: type[Troubled]) -> list[Any]:
    """Return the troubles at stages that whole commands meet: all that the stand-in has."""
    return [
        pytest.param(trouble, stage, id=f"{trouble}-{stage}")
        for trouble, stage in CELLS
        if stand_in.can(trouble, Stage.INVOKE if stage is Stage.PARALLEL else stage)
    ]


def check_command_at(
    service: Troubled, root: Path, provider: str, trouble: Trouble, stage: Stage, *, settings: Mapping[str, str]
) -> None:
    """Let a trouble meet a run in the middle of a stage, and look at what came of it and of the same run again.

    How long the command has patience depends on the machine; what holds, whether it waited or left the work as it
    is, does not.
    """
    commands = Commands(service, root, provider, settings)
    if trouble is Trouble.NO_QUOTA:
        _check_quota(commands, stage)
    elif trouble is Trouble.FAILED_ONCE:
        _check_failed_once(commands, stage)
    else:
        _check_passing(commands, trouble, stage)
    assert list(service.resources()) == []
    assert list(service.billing()) == []
    bought = Counter(line.split(" ", 1)[0] for line in service.bought())
    may_be_again = (
        {Stage.TRAIN: service.paid[0], Stage.DEPLOY: service.paid[-1]} if trouble is Trouble.FAILED_ONCE else {}
    )
    for kind, times in bought.items():
        assert times == 1 or (times == 2 and kind == may_be_again.get(stage)), service.bought()


def _check_passing(commands: Commands, trouble: Trouble, stage: Stage) -> None:
    service, loads = commands.service, stage is Stage.PARALLEL
    with _meeting(service, trouble, stage) as met:
        ended = commands.run(loads=loads)
    service.heal()
    assert met, "the trouble never came"
    assert "Traceback" not in ended.stderr
    if ended.returncode == ExitCode.OK:
        return
    assert trouble in UNKNOWN, ended.stderr
    priced = [line for line in json.loads(commands("resources", "--json").stdout) if line["hourly_usd"] != 0.0]
    assert ended.returncode == (ExitCode.RESOURCES_LEFT if priced else ExitCode.UNFINISHED), ended.stderr
    for line in priced:
        assert any(line["name"] in said for said in ended.stderr.splitlines()), ended.stderr
    again = commands.run(loads=loads)
    assert again.returncode == ExitCode.OK, again.stderr


@contextmanager
def _meeting(service: Troubled, trouble: Trouble, stage: Stage) -> Iterator[list[str]]:
    """Let the next requests meet a trouble once a stage is reached, and yield which did."""
    met: list[str] = []
    gate = threading.Lock()
    most = 1 if trouble is Trouble.THROTTLED_FOR_AN_HOUR else REQUESTS_MET

    def act(handler: BaseHTTPRequestHandler) -> bool:
        if not met and not REACHED[stage](service):
            return True
        with gate:
            met.append(handler.requestline)
            place = len(met)
        if place == 1:
            service.begin(trouble, stage)
        elif place == most + 1 and trouble is not Trouble.STALE_LISTING:
            service.heal()
        return True

    with before_each_request(act):
        yield met


def _check_failed_once(commands: Commands, stage: Stage) -> None:
    """The work of a stage fails: it is not tried again unasked, and then made anew, with all that was paid for kept."""
    service = commands.service
    service.begin(Trouble.FAILED_ONCE, stage)
    ended = commands.run()
    assert ended.returncode == ExitCode.PROVIDER, ended.stderr
    assert "Traceback" not in ended.stderr
    assert list(service.billing()) == [], "billed by the hour and not named"
    bought = list(service.bought())
    assert commands.run().returncode == ExitCode.PROVIDER, "it is tried again only when asked"
    assert list(service.bought()) == bought
    service.heal()
    again = commands.run("--retry-failed")
    assert again.returncode == ExitCode.OK, again.stderr


def _check_outage(commands: Commands) -> None:
    """The service is away for long in the middle of a training: the same command looks on and finishes."""
    with _Striking(commands.service, Trouble.UNAVAILABLE, OUTAGE_SECONDS) as striking:
        ended = commands.run()
    assert ended.returncode == ExitCode.OK, ended.stderr
    assert striking.destroyed == [], "healthy work was cancelled or deleted"
    assert "Trying again for up to" in ended.stderr, "a wait that got long was not told"
    assert "goes on, after" in ended.stderr


def _check_expired_login(commands: Commands) -> None:
    """The login expires in the middle of a training, until past its deadline: the work is left, and found again."""
    service = commands.service
    with _Striking(service, Trouble.LOGIN_EXPIRED, None) as striking:
        ended = commands.run(train_hours=FEW_HOURS)
    assert striking.destroyed == list(service.destroyed()) == [], "healthy work was cancelled or deleted"
    priced = [line for line in json.loads(commands("resources", "--json").stdout) if line["hourly_usd"] != 0.0]
    assert ended.returncode == (ExitCode.RESOURCES_LEFT if priced else ExitCode.UNFINISHED), ended.stderr
    assert "the provider could not be asked until the deadline" in ended.stderr
    assert "Traceback" not in ended.stderr
    for line in priced:
        assert any(line["name"] in said for said in ended.stderr.splitlines()), ended.stderr
    service.heal()
    again = commands.run()
    assert again.returncode == ExitCode.OK, again.stderr


def _check_quota(commands: Commands, stage: Stage) -> None:
    """A quota is used up: what was trained stays, and --retry-failed goes on from there."""
    service = commands.service
    service.begin(Trouble.NO_QUOTA, stage)
    ended = commands.run()
    assert ended.returncode == ExitCode.PROVIDER, ended.stderr
    assert "--retry-failed" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert list(service.billing()) == [], "billed by the hour and not named"
    bought = list(service.bought())
    assert commands.run().returncode == ExitCode.PROVIDER, "it is tried again only when asked"
    assert list(service.bought()) == bought
    service.heal()
    again = commands.run("--retry-failed")
    assert again.returncode == ExitCode.OK, again.stderr


class _Striking:
    """Lets a trouble come while the block runs, as soon as a training has begun.

    Args:
        service: The stand-in.
        trouble: What comes.
        seconds: After which it passes; None for not before `heal`.

    Attributes:
        destroyed: What was deleted or cancelled until the trouble had passed.
    """

    def __init__(self, service: Troubled, trouble: Trouble, seconds: float | None) -> None:
        self._service = service
        self._trouble = trouble
        self._seconds = seconds
        self._over = threading.Event()
        self._struck = False
        self.destroyed: list[str] = []
        self._thread = threading.Thread(target=self._strike, daemon=True)

    def __enter__(self) -> _Striking:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        assert self._struck, "the trouble never came"

    def _strike(self) -> None:
        while not self._over.is_set() and not self._service.training_has_begun():
            time.sleep(0.005)
        if self._over.is_set():
            return
        self._service.begin(self._trouble, Stage.TRAIN)
        self._struck = True
        self._over.wait(self._seconds)
        self.destroyed = list(self._service.destroyed())
        if self._seconds is not None:
            self._service.heal()
