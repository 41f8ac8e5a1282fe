"""Real commands started in milliseconds: one process imports everything once and forks a child for each command.

The children are ordinary processes: they can be sent signals, stopped, and killed, and their output goes into files.
`Host` may also be a machine of its own, with other process ids and another host name, where the test may make one.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

TESTS = Path(__file__).resolve().parent
ENDING = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
NAMESPACES = ("unshare", "--pid", "--uts", "--fork", "--mount-proc", "--kill-child")


def may_make_hosts() -> bool:
    """Whether this user may make process and host name namespaces."""
    try:
        return subprocess.run([*NAMESPACES, "true"], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


@dataclass
class Command:
    """A command under way or ended.

    Attributes:
        number: Counts the commands of a host.
        pid: Its process id, on its host.
        folder: Holds its output.
        host: Where it runs.
        words: What was typed.
        code: Exit code once it ended, negative for the signal that killed it.
    """

    number: int
    pid: int
    folder: Path
    host: Host = field(repr=False)
    words: tuple[str, ...]
    code: int | None = None

    @property
    def stdout(self) -> str:
        return (self.folder / f"{self.number}.out").read_text(errors="replace")

    @property
    def stderr(self) -> str:
        return (self.folder / f"{self.number}.err").read_text(errors="replace")

    def send(self, number: int) -> None:
        self.host.ask(do="kill", pid=self.pid, signal=int(number))

    def has_ended(self) -> bool:
        if self.code is None:
            self.code = self.host.ask(do="poll", pid=self.pid)["code"]
        return self.code is not None

    def wait(self, timeout: float = 60.0) -> int:
        until = time.monotonic() + timeout
        while not self.has_ended():
            assert time.monotonic() < until, f"{self.words} still runs: {self.stderr}"
            time.sleep(0.01)
        assert self.code is not None
        return self.code


class Host:
    """Starts commands.

    Args:
        folder: Where their output goes.
        name: Host name of a machine of its own, or "" for this one.
    """

    def __init__(self, folder: Path, name: str = "") -> None:
        self._folder = folder
        self._count = 0
        folder.mkdir(parents=True, exist_ok=True)
        words = [sys.executable, str(Path(__file__).resolve()), name]
        self._server = subprocess.Popen(
            [*NAMESPACES, *words] if name else words,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(TESTS), "PYTHONWARNINGS": "error"},
        )
        self.ask(do="nothing")

    def __enter__(self) -> Host:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.close()
        self._server.wait(timeout=30)
        self._server.stdout.close()

    def start(self, *words: str, environment: Mapping[str, str], cwd: Path, stdout: str = "") -> Command:
        """Start a command; its stdout goes into a file, or to the named file or pipe."""
        self._count += 1
        out, err = self._folder / f"{self._count}.out", self._folder / f"{self._count}.err"
        out.touch()  # a command that is killed at once has opened neither
        err.touch()
        pid = self.ask(
            do="start",
            words=list(words),
            environment=dict(environment),
            cwd=str(cwd),
            out=stdout or str(out),
            err=str(err),
        )["pid"]
        return Command(self._count, pid, self._folder, self, words)

    def run(self, *words: str, environment: Mapping[str, str], cwd: Path, timeout: float = 60.0) -> Command:
        """Run a command to its end."""
        command = self.start(*words, environment=environment, cwd=cwd)
        command.wait(timeout)
        return command

    def ask(self, **request: Any) -> dict[str, Any]:
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.write(json.dumps(request) + "\n")
        self._server.stdin.flush()
        answer: dict[str, Any] = json.loads(self._server.stdout.readline())
        return answer


def _serve(name: str) -> None:
    if name:
        import socket

        socket.sethostname(name)
    _import_everything()
    children: dict[int, int | None] = {}
    for line in sys.stdin:
        request = json.loads(line)
        answer: dict[str, Any] = {}
        if request["do"] == "start":
            # What is sent before the child is a command waits until it is one.
            signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
            pid = os.fork()
            if pid == 0:
                _be_a_command(request)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
            children[pid] = None
            answer = {"pid": pid}
        elif request["do"] == "kill":
            if _code(children, request["pid"]) is None:
                os.kill(request["pid"], request["signal"])
        elif request["do"] == "poll":
            answer = {"code": _code(children, request["pid"])}
        print(json.dumps(answer), flush=True)
    for pid in [pid for pid in children if _code(children, pid) is None]:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def _code(children: dict[int, int | None], pid: int) -> int | None:
    if children[pid] is None:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            children[pid] = os.waitstatus_to_exitcode(status)
    return children[pid]


def _import_everything() -> None:
    """Import what commands import inside functions; nothing of it starts a thread."""
    import automl_bench.cli.clearing
    import automl_bench.cli.main
    import automl_bench.cli.session
    import automl_bench.report.rows
    import automl_bench.report.summary
    import automl_bench.simulation.cloud
    import automl_bench.simulation.learning
    import automl_bench.simulation.plugin
    import automl_bench.trials.conductor
    import automl_bench.trials.single  # noqa: F401
    from automl_bench.trials import trial, waiting

    # For a minute "not there" is not believed; the simulated cloud's lists lag by less than a second here.
    waiting.LAG_SECONDS = trial.LAG_SECONDS = 5.0


def _be_a_command(request: dict[str, Any]) -> None:
    os.setsid()
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["cwd"])
    for number, name, flags in (
        (0, os.devnull, os.O_RDONLY),
        (1, request["out"], os.O_WRONLY | os.O_CREAT | os.O_APPEND),
        (2, request["err"], os.O_WRONLY | os.O_CREAT | os.O_APPEND),
    ):
        os.dup2(os.open(name, flags, 0o644), number)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", closefd=False, buffering=1)  # noqa: SIM115
    from automl_bench.cli.main import main

    code: Any = 1
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
    try:
        main(request["words"])
    except SystemExit as end:
        code = end.code
    except BaseException:  # noqa: BLE001  # nothing may get back into the server's loop
        import traceback

        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(int(code or 0))


if __name__ == "__main__":
    _serve(sys.argv[1])
