"""SeaweedFS, a real S3 server from its package, on this machine's loopback interface for the time of a benchmark."""

from __future__ import annotations

import os
import random
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from peers import server_process

REGION = "us-east-1"
KEY = "benchmark"
SECONDS_TO_START = 60
WARM_UP_FILES = 100
WARM_UP_BYTES = 50 * 1024
_GRPC_OFFSET = 10_000


@contextmanager
def seaweed(programs: Path, bucket: str) -> Iterator[str]:
    """Start `weed`, make a bucket, and yield the address of the S3 gateway.

    The files lie in memory where there is a place for that: what is compared is clients, not this machine's disk.
    """
    in_memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=in_memory if in_memory.is_dir() else None) as place:
        folder = Path(place)
        ports = dict(zip(("s3", "master", "volume", "filer"), free_ports(4), strict=True))
        command = [
            *(programs / "weed", "server", "-s3", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-dir={folder}"),
            *(f"-{name}.port={port}" for name, port in ports.items()),
            # Two more services with fixed ports, which a second server could not have, and reports to its makers.
            *("-s3.port.iceberg=0", "-s3.port.lance=0", "-master.telemetry=false"),
            *("-volume.max=20", "-master.volumeSizeLimitMB=1000"),
        ]
        log = folder / "log"
        try:
            with log.open("wb") as output, server_process(command, output=output, folder=folder) as server:
                endpoint = f"http://127.0.0.1:{ports['s3']}"
                _make_bucket(endpoint, bucket, server, log)
                yield endpoint
        finally:
            for port in ports.values():
                for socket_file in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):
                    socket_file.unlink(missing_ok=True)
                for socket_file in Path("/tmp").glob(f"seaweedfs-*-{port + _GRPC_OFFSET}.sock"):
                    socket_file.unlink(missing_ok=True)


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on, and neither on those 10,000 above, which SeaweedFS takes besides.

    All lie below the range from which outgoing connections get theirs: of the thousands that the clients open, one
    could else have taken the port of a part of the server, which then waits for that part for ever.
    """
    lowest_outgoing = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    candidates = list(range(10_001, max(10_101, lowest_outgoing - _GRPC_OFFSET)))
    random.shuffle(candidates)
    ports: list[int] = []
    with ExitStack() as held:
        for port in candidates:
            if len(ports) == count:
                break
            try:
                for number in (port, port + _GRPC_OFFSET):
                    held.enter_context(socket.socket()).bind(("127.0.0.1", number))
            except OSError:
                continue
            ports.append(port)
    return ports


def _make_bucket(endpoint: str, bucket: str, server: subprocess.Popen[str], log: Path) -> None:
    """Make the bucket as soon as the server can, and store a little in it: the first files make SeaweedFS's volumes."""
    from botocore.exceptions import BotoCoreError, ClientError

    client = _client(endpoint)
    until = time.monotonic() + SECONDS_TO_START
    while True:
        try:
            client.create_bucket(Bucket=bucket)
            for number in range(WARM_UP_FILES):
                client.put_object(Bucket=bucket, Key=f"warm-up/{number}", Body=os.urandom(WARM_UP_BYTES))
        except (BotoCoreError, ClientError) as error:
            if server.poll() is not None or time.monotonic() > until:
                last = log.read_text(errors="replace")[-3000:]
                raise SystemExit(f"SeaweedFS cannot be used: {error}\nIts log ends:\n{last}") from error
            time.sleep(0.2)
        else:
            return


def _client(endpoint: str) -> Any:
    """Return an S3 client that waits for nothing long: a server that is still starting may never answer."""
    import boto3
    from botocore.config import Config

    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name=REGION,
        aws_access_key_id=KEY,
        aws_secret_access_key=KEY,
        config=Config(connect_timeout=2, read_timeout=5, retries={"total_max_attempts": 1}),
    )
