"""One client of `upload.py`: sends a folder of files to a bucket and prints the seconds that it took.

    python benchmarks/upload_clients.py ours|boto3 ENDPOINT BUCKET FOLDER PREFIX

Imports, and making the SDK's client, are not counted; reading and hashing the files is.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

REGION = "us-east-1"
BOTO3_THREADS = 32


def ours(endpoint: str, bucket: str, folder: Path, prefix: str) -> Callable[[], int]:
    """Send as the plugin does: hash, list what is there, sign, and the host's bulk transport."""
    from automl_bench_rekognition import shipping
    from automl_bench_rekognition.account import Account, Reach

    from automl_bench.contract import LabelledSample, Sample, TrainingSet
    from automl_bench.transport.bulk import send_all

    account = Account(Reach(bucket, REGION, endpoint, "", manages_policy=False, identity=("", "")))
    size = len(next(folder.iterdir()).read_bytes())
    files = [LabelledSample(Sample("", path, size, "image/png", 64, 64), "x") for path in sorted(folder.iterdir())]

    def run() -> int:
        shipment = shipping.pack(bucket, TrainingSet(prefix, ("x",), tuple(files), ()))
        context: Any = SimpleNamespace(send=send_all, log=lambda line: None, progress=lambda *_: None)
        return shipping.send(account, shipment, context)

    def without_listing() -> int:
        shipment = shipping.pack(bucket, TrainingSet(prefix, ("x",), tuple(files), ()))
        report = send_all(shipping._requests(account, shipment.images), in_flight=shipping.in_flight(shipment.images))
        assert not report.failures, report.failures[0]
        return report.sent

    return run if os.environ.get("BENCH_REAL_S3") else without_listing


def boto3(endpoint: str, bucket: str, folder: Path, prefix: str) -> Callable[[], int]:
    """Send with one shared client and a pool of threads, as most programs do."""
    from concurrent.futures import ThreadPoolExecutor

    import boto3 as sdk
    from botocore.config import Config

    settings = Config(max_pool_connections=BOTO3_THREADS, s3={"addressing_style": "path"})
    client = sdk.client("s3", endpoint_url=endpoint, region_name=REGION, config=settings)

    def put(path: Path) -> None:
        client.put_object(Bucket=bucket, Key=f"{prefix}/{path.name}", Body=path.read_bytes())

    def run() -> int:
        paths = sorted(folder.iterdir())
        with ThreadPoolExecutor(BOTO3_THREADS) as pool:
            list(pool.map(put, paths))
        return len(paths)

    return run


def main() -> None:
    """Run one client once."""
    name, endpoint, bucket, folder, prefix = sys.argv[1:]
    run = {"ours": ours, "boto3": boto3}[name](endpoint.rstrip("/"), bucket, Path(folder), prefix)
    begun, used = time.perf_counter(), time.process_time()
    sent = run()
    took = {"seconds": time.perf_counter() - begun, "cpu_seconds": time.process_time() - used, "sent": sent}
    print(json.dumps(took))


if __name__ == "__main__":
    main()
