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
from collections.abc import Mapping
from pathlib import Path

from compressed_commands import HERE, run_compressed
from service_troubles import Trouble, Troubled
from small_workspace import make_workspace, write_experiment

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

COMMAND_TROUBLES = (Trouble.UNAVAILABLE, Trouble.LOGIN_EXPIRED, Trouble.NO_QUOTA)

EXPERIMENT = """
datasets = ["tiny"]
providers = ["{provider}"]
shots = [10]
test_limit = 6
[images]
min_side = 64
[parallel]
enabled = false
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

    def run(self, *options: str, train_hours: float = MANY_HOURS) -> Ended:
        text = EXPERIMENT.format(provider=self.provider, train_hours=train_hours)
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
        trouble: One of `COMMAND_TROUBLES`.
        settings: More environment variables of the commands.
    """
    commands = Commands(service, root, provider, settings)
    if trouble is Trouble.UNAVAILABLE:
        _check_outage(commands)
    elif trouble is Trouble.LOGIN_EXPIRED:
        _check_expired_login(commands)
    else:
        _check_quota(commands, service.limited_at[-1])
    assert list(service.resources()) == []
    assert list(service.billing()) == []
    bought = Counter(line.split(" ", 1)[0] for line in service.bought())
    assert set(bought.values()) == {1}, service.bought()


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
