"""Trainings and servers are forked from a process that has imported everything; they are no less processes for that."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import requests
from automl_bench_local import fork_server, processes
from local_trial import LocalTrial, has_ended, our_processes, wait_until

from automl_bench.contract import OperationState, TrainingSet

MakeTrial = Callable[..., LocalTrial]
Squares = Callable[[int], TrainingSet]

OWN = """
import os, random, sys, time
import numpy
def before_forks():
    pass
def main():
    print(numpy.random.random(), random.random(), flush=True)
    if "--wait" in sys.argv:
        time.sleep(60)
    return 0
"""


@pytest.fixture
def module(tmp_path: Path) -> str:
    """A module that tells two random numbers."""
    (tmp_path / "own_forks.py").write_text(OWN)
    return "own_forks"


@pytest.fixture
def server(module: str, tmp_path: Path) -> Iterator[fork_server.ForkServer]:
    made = fork_server.ForkServer(module, {**os.environ, "PYTHONPATH": str(tmp_path)})
    yield made
    made.close()


def order_of(folder: Path, *options: str) -> fork_server.Order:
    line = (sys.executable, "-m", "own_forks", "--name", "x y", "--home", str(folder), *options)
    return fork_server.Order(line, skip=3)


def begin(server: fork_server.ForkServer, folder: Path, name: str, *options: str) -> int:
    with (folder / f"{name}.lock").open("w") as lock, (folder / name).open("w") as log:
        pid = server.begin(order_of(folder, *options), lock=lock.fileno(), log=log.fileno())
    assert pid
    return pid


def test_a_child_has_its_own_command_line_session_log_and_random_numbers(
    server: fork_server.ForkServer, tmp_path: Path
) -> None:
    pids = [begin(server, tmp_path, name, "--wait") for name in ("one", "two")]
    told = []
    for pid, name in zip(pids, ("one", "two"), strict=True):
        child = psutil.Process(pid)
        assert [word for word in child.cmdline() if word] == list(order_of(tmp_path, "--wait").line)
        assert os.getsid(pid) == pid
        assert {Path(each.path).name for each in child.open_files()} >= {f"{name}.lock", name}
        wait_until(lambda name=name: (tmp_path / name).read_text().strip(), within=30)
        told.append((tmp_path / name).read_text().split())
    assert not set(told[0]) & set(told[1])
    server.close()
    assert not any(has_ended(pid) for pid in pids)  # they go on without it
    for pid in pids:
        os.kill(pid, signal.SIGKILL)


def test_an_order_of_a_command_that_has_ended_does_nothing(server: fork_server.ForkServer, tmp_path: Path) -> None:
    with (tmp_path / "lock").open("w") as lock, (tmp_path / "log").open("w") as log:
        order = order_of(tmp_path)
        words = {"line": order.line, "skip": order.skip, "needs": [], "folder": str(tmp_path)}
        # the server is still importing: the command is gone before the child is made
        socket.send_fds(server._control, [json.dumps(words).encode()], [lock.fileno(), log.fileno()])
        server.forget()
    wait_until(lambda: has_ended(server._pid), within=30)
    running = [each for each in psutil.process_iter(["cmdline"]) if str(tmp_path) in (each.info["cmdline"] or [])]
    psutil.wait_procs(running, timeout=10)
    assert (tmp_path / "log").read_text() == ""


def test_what_cannot_be_forked_is_started(
    module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    role = processes.Role("no_such_module_of_ours", "automl-bench-1-model", tmp_path)
    assert processes.begin(role, [], tmp_path, log=tmp_path / "log", threads=1, clean=lambda: None, warm=())
    wait_until(lambda: "No module named no_such_module_of_ours" in (tmp_path / "log").read_text(), within=30)
    assert not order_of(tmp_path, "x" * fork_server.ROOM).fits()


def test_a_killed_command_leaves_its_training_and_no_fork_server(
    trial: MakeTrial, squares: Squares, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "slow_ones.py").write_text(
        "import time\nfrom sklearn.dummy import DummyClassifier\n"
        "class Slow(DummyClassifier):\n    def fit(self, X, y):\n        time.sleep(60)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    slow = trial("slow", {"estimator": "slow_ones.Slow"})
    uploaded = slow.upload(squares(5))
    command = textwrap.dedent(f"""
        import os, sys
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        from pathlib import Path
        import psutil
        from local_trial import LocalTrial
        from automl_bench.contract import Stage
        from automl_bench_local import plugin
        trial = LocalTrial(Path({str(slow.folder)!r}), "slow", {{"estimator": "slow_ones.Slow"}})
        trial.results[Stage.UPLOAD] = {dict(uploaded.result)!r}
        plugin.train(trial.context)
        (server,) = psutil.Process().children()
        print(*server.cmdline()[:5], server.pid, *[child.pid for child in server.children()], flush=True)
        os.kill(os.getpid(), 9)
    """)
    done = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL, done.stderr
    *line, server, training = done.stdout.split()
    assert line[-2:] == [fork_server.MODULE, "automl_bench_local.training"]
    wait_until(lambda: has_ended(int(server)), within=10)
    assert our_processes(slow.folder) == [int(training)]


def test_a_classifier_that_asks_for_pandas_at_every_prediction_answers(trial: MakeTrial, squares: Squares) -> None:
    bayes = trial("bayes", {"estimator": "sklearn.naive_bayes.GaussianNB"})
    url = bayes.until_deployed(squares(5))
    body = squares(5).train[0].sample.path.read_bytes()
    answer = requests.post(f"{url}/predict", data=body, timeout=30)
    assert (answer.status_code, answer.json()["label"]) == (200, "a"), answer.text
    assert bayes.deploy().state is OperationState.SUCCEEDED
