"""The clients of latency_error.py, one function each. Run by file, with the peer's own Python:

    python latency_clients.py CLIENT URL BODY_FILE CALLS IN_FLIGHT

Prints {"overhead_ns": [...]}: for each call the latency that the client reports minus the time for which the server
held the request. Imports what its client needs and nothing else.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

Call = Callable[[], int]
"""Makes one call and returns reported latency minus hold, in nanoseconds."""


def in_threads(make_call: Callable[[], Call], calls: int, in_flight: int) -> list[int]:
    """Make calls from `in_flight` threads, each with a call of its own making; the first of each is a warm-up."""
    results: list[int] = []
    barrier = threading.Barrier(in_flight)

    def work(count: int) -> None:
        call = make_call()
        call()
        barrier.wait()
        mine = [call() for _ in range(count)]
        results.extend(mine)

    threads = [threading.Thread(target=work, args=(calls // in_flight,)) for _ in range(in_flight)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def transport(url: str, body: bytes, calls: int, in_flight: int) -> list[int]:
    """Ours, one request at a time a handle; a thread each where more are in flight."""
    from automl_bench.contract import HttpRequest
    from automl_bench.transport import Transport

    request = HttpRequest(url, headers=(("Content-Type", "application/octet-stream"),), body=body)

    def make() -> Call:
        sender = Transport()

        def call() -> int:
            exchange = sender.send(request)
            assert exchange.response is not None, exchange.error
            return exchange.timing.service_ns - int(exchange.response.headers["x-srv-ns"])

        return call

    return in_threads(make, calls, in_flight)


def multi(url: str, body: bytes, calls: int, in_flight: int) -> list[int]:
    """Ours, all requests from one thread."""
    from automl_bench.contract import HttpRequest
    from automl_bench.transport import MultiTransport, TransportOptions

    request = HttpRequest(url, headers=(("Content-Type", "application/octet-stream"),), body=body)
    ended = []
    with MultiTransport(TransportOptions(), in_flight) as sender:
        started = 0
        while len(ended) < calls + in_flight:
            while sender.free and started < calls + in_flight:
                sender.start(request, started)
                started += 1
            ended += sender.wait(5.0)
    results = []
    for tag, exchange in ended:
        assert exchange.response is not None, exchange.error
        if tag >= in_flight:  # the first of each connection is a warm-up
            results.append(exchange.timing.service_ns - int(exchange.response.headers["x-srv-ns"]))
    return results


def requests_session(url: str, body: bytes, calls: int, in_flight: int) -> list[int]:
    """requests with a Session for each thread."""
    import requests

    def make() -> Call:
        session = requests.Session()

        def call() -> int:
            begun = time.perf_counter_ns()
            answer = session.post(url, data=body)
            return time.perf_counter_ns() - begun - int(answer.headers["X-Srv-Ns"])

        return call

    return in_threads(make, calls, in_flight)


def requests_plain(url: str, body: bytes, calls: int, in_flight: int) -> list[int]:
    """requests.post: a new connection for each call, as the ancestor did it."""
    import requests

    def call() -> int:
        begun = time.perf_counter_ns()
        answer = requests.post(url, data=body)
        return time.perf_counter_ns() - begun - int(answer.headers["X-Srv-Ns"])

    return in_threads(lambda: call, calls, in_flight)


def boto3(url: str, body: bytes, calls: int, in_flight: int) -> list[int]:
    """boto3's sagemaker-runtime client, one for all threads with a connection for each."""
    import boto3 as sdk
    from botocore.config import Config

    client = sdk.client(
        "sagemaker-runtime",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="local",
        aws_secret_access_key="local",
        config=Config(max_pool_connections=in_flight, retries={"total_max_attempts": 1}),
    )

    def call() -> int:
        begun = time.perf_counter_ns()
        answer = client.invoke_endpoint(EndpointName="e", ContentType="application/octet-stream", Body=body)
        answer["Body"].read()
        latency = time.perf_counter_ns() - begun
        return latency - int(answer["ResponseMetadata"]["HTTPHeaders"]["x-srv-ns"])

    return in_threads(lambda: call, calls, in_flight)


CLIENTS: dict[str, Callable[[str, bytes, int, int], list[int]]] = {
    "transport": transport,
    "multi": multi,
    "requests_session": requests_session,
    "requests_plain": requests_plain,
    "boto3": boto3,
}


def main() -> None:
    """Run one client and print its overheads."""
    name, url, body_path, calls, in_flight = sys.argv[1:]
    body = Path(body_path).read_bytes()
    overhead = CLIENTS[name](url, body, int(calls), int(in_flight))
    print(json.dumps({"overhead_ns": overhead, "cpu": sorted(os.sched_getaffinity(0))}))


if __name__ == "__main__":
    main()
