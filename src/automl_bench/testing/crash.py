"""Killing a command at an exact write of its ledger, and running many commands without starting Python anew.

By hand, `python -m automl_bench.testing.crash --at 3 --when after -- run x.toml` runs `automl-bench run x.toml` and
ends it with SIGKILL right after the third ledger write became durable; `--count` prints how many there are. Nothing in
the product knows of this: the methods of the store that write the ledger are wrapped from outside, in that process.

`ForkServer` does the same for tests: one process imports everything once and forks a child for each command, so that
killing a command at every single write costs a tenth of a second each.
"""

from __future__ import annotations

import argparse
import atexit
import functools
import gc
import importlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import psutil

from automl_bench.hookspecs import PROJECT_NAME
from automl_bench.trials.environment import installed_packages

LEDGER_WRITES = ("ledger_intend", "ledger_created", "submit_deleting", "submit_deleted", "save_operation")
"""The store's methods whose rows say what exists at a provider or runs there."""

KILLED_WITHIN_SECONDS = 5.0
"""After a SIGKILL; a dead process whose parent never asks for it is not waited for longer."""

PRELOADED = (
    "automl_bench.cli.main",
    "automl_bench.cli.session",
    "automl_bench.cli.display",
    "automl_bench.cli.clearing",
    "automl_bench.measurement.accuracy_pass",
    "automl_bench.measurement.load",
    "automl_bench.report.rows",
    "automl_bench.report.summary",
    "automl_bench.settings.experiment_files",
    "automl_bench.trials.conductor",
    "automl_bench.trials.single",
    "automl_bench.trials.teardown",
    "PIL.Image",
    "rich.progress",
    "typer.rich_utils",
    "pandas",
    "pyarrow.csv",
    "scipy.stats",
)


@dataclass(frozen=True, slots=True)
class CrashAt:
    """Where a command is struck.

    Attributes:
        write: Number of the ledger write, from 1.
        when: Whether just before the write begins (the provider has acted, the store does not know it yet) or just
            after it became durable (the provider has not been asked yet).
        signal: What strikes: SIGKILL, or SIGINT for what Ctrl-C does.
        only: Count only writes by this method of the store; empty for all of `LEDGER_WRITES`.
    """

    write: int
    when: Literal["before", "after"] = "after"
    signal: int = signal.SIGKILL
    only: str = ""

    def __str__(self) -> str:
        return (
            f"{signal.Signals(self.signal).name} {self.when} write {self.write}{f' ({self.only})' if self.only else ''}"
        )


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended.

    Attributes:
        returncode: Exit code; -9 if it was killed.
        stdout: What it printed.
        stderr: What it said.
        writes: Names of its ledger writes, in order.
    """

    returncode: int
    stdout: str
    stderr: str
    writes: tuple[str, ...] = ()


def arm(crash: CrashAt | None, tell: Callable[[str], None] = lambda name: None) -> None:
    """Wrap the store's ledger writes in this process.

    Args:
        crash: Where to strike; None to count only.
        tell: Told the name of each write before it begins.
    """
    from automl_bench.store.store import Store

    count = 0
    gate = threading.Lock()

    def wrap(name: str, write: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(write)
        def counted(*arguments: Any, **options: Any) -> Any:
            nonlocal count
            with gate:
                tell(name)
                if crash is None or crash.only in ("", name):
                    count += 1
                mine = crash is not None and count == crash.write and crash.only in ("", name)
            if mine and crash is not None and crash.when == "before":
                os.kill(os.getpid(), crash.signal)
            answer = write(*arguments, **options)
            if mine and crash is not None and crash.when == "after":
                os.kill(os.getpid(), crash.signal)
            return answer

        return counted

    for name in LEDGER_WRITES:
        setattr(Store, name, wrap(name, getattr(Store, name)))


class ForkServer:
    """Runs `automl-bench` commands in forked children of one process that has everything imported.

    Args:
        preload: More modules to import once, such as a plugin's SDK. Installed plugins are imported anyway.
    """

    def __init__(self, preload: Sequence[str] = ()) -> None:
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            # -P: what lies in the present folder is no part of the server, and its children have folders of their own.
            [sys.executable, "-P", "-m", __name__, "--serve", *preload],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
            process_group=0,
        )
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the server."""
        if self._process.stdin is not None and not self._process.stdin.closed:
            with suppress(BrokenPipeError):
                self._process.stdin.close()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    @property
    def has_ended(self) -> bool:
        """Whether it takes no more orders."""
        return self._process.poll() is not None

    def _abandon(self) -> None:
        """End the server with the command that it waits for: its answer would be taken for that of the next one.

        A killed process ends a little after the signal; only then has the command ended, too.
        """
        commands: list[psutil.Process] = []
        with suppress(psutil.NoSuchProcess):
            commands = psutil.Process(self._process.pid).children(recursive=True)
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self.close()
        psutil.wait_procs(commands, timeout=KILLED_WITHIN_SECONDS)

    def run(
        self,
        *arguments: str,
        environment: Mapping[str, str],
        folder: Path,
        crash: CrashAt | None = None,
        timeout: float = 120.0,
    ) -> Ended:
        """Run one command in a child process.

        Args:
            arguments: As on the command line, without "automl-bench".
            environment: The whole environment of the child; PYTHONPATH counts for its imports.
            folder: Its working directory; output is kept in `<folder>/.output`.
            crash: Where to strike it.
            timeout: Seconds after which it is killed.
        """
        output = folder / ".output"
        output.mkdir(exist_ok=True)
        order = {
            "arguments": arguments,
            "environment": dict(environment),
            "folder": str(folder),
            "output": str(output),
            "crash": asdict(crash) if crash else None,
            "timeout": timeout,
        }
        with self._lock:
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            try:
                self._process.stdin.write(json.dumps(order) + "\n")
                self._process.stdin.flush()
                answer = self._process.stdout.readline()
            except BaseException:  # such as a test's time limit
                self._abandon()
                raise
        if not answer:
            raise RuntimeError("the fork server ended; its words stand above.")
        writes = (output / "writes").read_text().split()
        stdout, stderr = ((output / name).read_text(errors="replace") for name in ("stdout", "stderr"))
        return Ended(int(json.loads(answer)), stdout, stderr, tuple(writes))


_shared: dict[tuple[str, ...], ForkServer] = {}


def shared_fork_server(preload: Sequence[str] = ()) -> ForkServer:
    """Return this process's fork server, started when first asked for and ended with the process."""
    key = tuple(preload)
    if key not in _shared or _shared[key].has_ended:
        _shared[key] = ForkServer(preload)
        atexit.register(_shared[key].close)
    return _shared[key]


def _serve(preload: Sequence[str]) -> None:
    """Answer orders from standard input until it closes."""
    for name in (*PRELOADED, *preload):
        importlib.import_module(name)
    for entry in metadata.entry_points(group=PROJECT_NAME):
        with suppress(Exception):  # a broken plugin shows itself in the command that needs it
            entry.load()
    installed_packages()  # looked up once for all children
    gc.freeze()  # what is shared with the children stays so
    for order in _orders():
        child = os.fork()
        if child == 0:
            _be_child(order)
        print(json.dumps(_wait(child, float(order["timeout"]))), flush=True)


def _orders() -> Iterator[dict[str, Any]]:
    for line in sys.stdin:
        yield dict(json.loads(line))


def _wait(child: int, timeout: float) -> int:
    """Wait for a child, kill it when its time is up, and return its exit code, negative for a signal."""
    timer = threading.Timer(timeout, os.kill, (child, signal.SIGKILL))
    timer.start()
    try:
        _, status = os.waitpid(child, 0)
    finally:
        timer.cancel()
        timer.join()
    return os.waitstatus_to_exitcode(status)


def _be_child(order: Mapping[str, Any]) -> None:
    """Become the command: its environment, folder and output, then its exit code. Never returns."""
    code = 1
    try:
        output = Path(order["output"])
        for name, number in (("stdout", 1), ("stderr", 2)):
            handle = os.open(output / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(handle, number)
            os.close(handle)
        nowhere = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nowhere, 0)
        os.close(nowhere)
        writes = os.open(output / "writes", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.environ.clear()
        os.environ.update(order["environment"])
        os.chdir(order["folder"])
        for place in reversed(os.environ.get("PYTHONPATH", "").split(os.pathsep)):
            if place and place not in sys.path:
                sys.path.insert(1, place)
        importlib.invalidate_caches()
        crash = CrashAt(**order["crash"]) if order["crash"] else None
        arm(crash, tell=lambda name: _note(writes, name))
        from automl_bench.cli.main import run

        code = int(run(list(order["arguments"])))
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:  # noqa: BLE001  # a forked child must never return into its parent's code
        import traceback

        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(code)


def _note(handle: int, name: str) -> None:
    os.write(handle, f"{name}\n".encode())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command, struck where the options say."""
    parser = argparse.ArgumentParser(prog="python -m automl_bench.testing.crash", description=__doc__.split("\n")[0])
    parser.add_argument("--at", type=int, help="number of the ledger write, from 1")
    parser.add_argument("--when", choices=("before", "after"), default="after")
    parser.add_argument("--count", action="store_true", help="print the names of all ledger writes to standard error")
    parser.add_argument("command", nargs=argparse.REMAINDER, help="-- and what follows automl-bench")
    options = parser.parse_args(arguments)
    command = options.command[1:] if options.command[:1] == ["--"] else options.command
    if options.at is None and not options.count:
        parser.error("give --at N or --count")
    tell = (lambda name: print(f"ledger write: {name}", file=sys.stderr)) if options.count else (lambda name: None)
    arm(CrashAt(options.at, options.when) if options.at else None, tell=tell)
    from automl_bench.cli.main import run

    return run(command)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        _serve(sys.argv[2:])
    else:
        sys.exit(main())
