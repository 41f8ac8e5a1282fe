"""How many requests a second can the load generator make, with all bookkeeping on?

Ten kept-alive connections post a 50 KB body as fast as a fast local server (its own processor) answers. Ours is a
whole closed-loop load run: prepared samples, parsed answers, every call's phases, rows written to the SQLite store.
Beside it, in shuffled interleaved rounds: the bare transport, locust, k6, and the C and Go programs wrk and hey, which
only count.

    python benchmarks/load_ceiling.py [--rounds 5] [--seconds 5] [--json]

Prints requests per second (median of the rounds), processor microseconds per request, and ratios. Ends with status 1
unless ours reaches 15,000 requests per second and more than locust and k6. On a machine that others use too,
`chrt --fifo 10 python benchmarks/load_ceiling.py` (as root) puts server and clients, all alike, ahead of the rest.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import re
import statistics
import sys
import tempfile
import time
from pathlib import Path

from peers import (
    HERE,
    body_file,
    describe_machine,
    hold_server,
    last_json,
    peer_environment,
    program,
    run_pinned,
    settle,
)

CONNECTIONS = 10
WANTED_PER_SECOND = 15_000
NAMES = {
    "ours": "ours, load run, rows stored",
    "bare": "ours, transport alone",
    "locust": "locust, FastHttpUser",
    "k6": "k6",
    "hey": "hey",
    "wrk": "wrk",
}
K6_SCRIPT = """
import http from 'k6/http';
const body = open(__ENV.BENCH_BODY, 'b');
const duration = __ENV.BENCH_SECONDS + 's';
export const options = { vus: Number(__ENV.BENCH_VUS), duration: duration, discardResponseBodies: true };
export default function () { http.post(__ENV.BENCH_URL, body); }
export function handleSummary(data) {
  const requests = data.metrics.http_reqs.values;
  return { stdout: JSON.stringify({ calls: requests.count, per_second: requests.rate }) + '\\n' };
}
"""
WRK_SCRIPT = """
wrk.method = "POST"
local file = io.open("{body}", "rb")
wrk.body = file:read("*a")
file:close()
"""


def load_run(url: str, body: Path, seconds: float) -> dict[str, float]:
    """Make one closed-loop load run into a store of its own, as `automl-bench parallel` does."""
    from automl_bench.contract import HttpRequest, HttpResponse, Prediction, Sample
    from automl_bench.measurement.load import LoadSettings, run_load
    from automl_bench.store import open_store
    from automl_bench.store.records import LoadCall, LoadRun, TrialRecord

    class Invoker:
        def prepare(self, sample: Sample) -> HttpRequest:
            return HttpRequest(url, headers=(("Content-Type", sample.media_type),), body=sample.path.read_bytes())

        def parse(self, response: HttpResponse) -> Prediction:
            answer = json.loads(response.body)
            return Prediction(answer["label"], answer["confidence"])

    content = body.read_bytes()
    samples = []
    for number in range(100):
        path = body.with_name(f"sample-{number}")
        path.write_bytes(number.to_bytes(4, "big") + content[4:])
        sample_id = hashlib.sha256(path.read_bytes()).hexdigest()
        samples.append((Sample(sample_id, path, len(content), "application/octet-stream"), "class-0"))
    settings = LoadSettings(concurrency=CONNECTIONS, duration_seconds=seconds)
    with open_store(body.with_name(f"results-{time.monotonic_ns()}.sqlite")) as store:
        store.save_trial(TrialRecord("0" * 12, "null", "default", "bench", "f" * 64, 5))
        store.begin_load_run(LoadRun("a1", "0" * 12, "closed", settings.as_json()))

        def record(rows: list[LoadCall]) -> None:
            store.add_load_calls("a1", rows)

        cpu = time.process_time()
        run = run_load(Invoker(), samples, settings, trial_id="0" * 12, load_run_id="a1", record=record)
        cpu = time.process_time() - cpu
        store.finish_load_run(run)
        columns = store.load_call_columns("a1")
        measured = columns["phase"] == "measured"
        sent, received = columns["sent_ns"][measured], columns["received_ns"][measured]
    if not run.complete:
        raise SystemExit("the load run did not come to its end")
    calls = int(sent.size)
    return {"calls": calls, "per_second": calls / ((received.max() - sent.min()) / 1e9), "cpu_seconds": cpu}


def bare_transport(url: str, body: Path, seconds: float) -> dict[str, float]:
    """Drive the transport alone: what the load run's bookkeeping is measured against."""
    from automl_bench.contract import HttpRequest
    from automl_bench.transport import MultiTransport, TransportOptions

    request = HttpRequest(url, headers=(("Content-Type", "application/octet-stream"),), body=body.read_bytes())
    calls = 0
    with MultiTransport(TransportOptions(), CONNECTIONS) as transport:
        cpu, begun = time.process_time(), time.monotonic()
        while time.monotonic() - begun < seconds:
            while transport.free:
                transport.start(request, calls)
            for _, exchange in transport.wait(5.0):
                assert exchange.response is not None, exchange.error
                calls += 1
        wall = time.monotonic() - begun
        cpu = time.process_time() - cpu
    return {"calls": calls, "per_second": calls / wall, "cpu_seconds": cpu}


def run_client(name: str, url: str, body: Path, seconds: float, programs: Path) -> tuple[float, float]:
    """Run one client once; return requests per second and processor microseconds per request."""
    here = body.parent
    if name in ("ours", "bare"):
        run = run_pinned([sys.executable, __file__, "--client", name, url, body, str(seconds)])
        found = last_json(run.output)
    elif name == "locust":
        out = here / "locust.json"
        run_pinned(
            [
                *(programs / "locust", "-f", HERE / "locustfile.py", "--headless", "--only-summary"),
                *("-u", str(CONNECTIONS), "-r", str(CONNECTIONS), "-t", f"{seconds:.0f}s"),
                *("-H", url.rstrip("/"), "--loglevel", "ERROR"),
            ],
            BENCH_BODY=str(body),
            BENCH_COUNT_OUT=str(out),
        )
        found = json.loads(out.read_text())
    elif name == "k6":
        script = here / "bench.js"
        script.write_text(K6_SCRIPT)
        settings = {"BENCH_BODY": body, "BENCH_VUS": CONNECTIONS, "BENCH_SECONDS": int(seconds), "BENCH_URL": url}
        quiet = ("run", "--quiet", "--no-usage-report", "--log-output=none")
        run = run_pinned([programs / "k6", *quiet, script], **{key: str(value) for key, value in settings.items()})
        found = {**last_json(run.output), "cpu_seconds": run.cpu_seconds}
    elif name == "hey":
        run = run_pinned(
            [*("hey", "-z", f"{seconds:.0f}s", "-c", str(CONNECTIONS), "-m", "POST", "-D", body), url],
            GOMAXPROCS="1",
        )
        rate = float(_find(r"Requests/sec:\s+([\d.]+)", run.output))
        found = {"calls": rate * float(_find(r"Total:\s+([\d.]+)", run.output)), "per_second": rate}
        found["cpu_seconds"] = run.cpu_seconds
    else:
        script = here / "bench.lua"
        script.write_text(WRK_SCRIPT.format(body=body))
        run = run_pinned(["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds:.0f}s", "-s", script, url])
        found = {"calls": float(_find(r"(\d+) requests in", run.output)), "cpu_seconds": run.cpu_seconds}
        found["per_second"] = float(_find(r"Requests/sec:\s+([\d.]+)", run.output))
    return float(str(found["per_second"])), float(str(found["cpu_seconds"])) / float(str(found["calls"])) * 1e6


def _find(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    if found is None:
        raise SystemExit(f"no {pattern} in:\n{text[-2000:]}")
    return found.group(1)


def measure(rounds: int, seconds: float) -> dict[str, dict[str, float]]:
    """Return the medians over rounds, by client; clients that are not installed are left out."""
    programs = peer_environment()
    names = [name for name in NAMES if name not in ("hey", "wrk") or program(name)]
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
    with tempfile.TemporaryDirectory() as folder, hold_server() as url:
        body = body_file(Path(folder))
        settle()
        for number in range(rounds):
            random.Random(number).shuffle(names)
            for name in names:
                found[name].append(run_client(name, url, body, seconds, programs))
            print(f"round {number + 1} of {rounds} done; {describe_machine()}", file=sys.stderr, flush=True)
    return {
        name: {
            "per_second": statistics.median(rate for rate, _ in found[name]),
            "lowest": min(rate for rate, _ in found[name]),
            "highest": max(rate for rate, _ in found[name]),
            "cpu_us": statistics.median(cpu for _, cpu in found[name]),
        }
        for name in NAMES
        if name in found
    }


def judge(table: dict[str, dict[str, float]]) -> list[str]:
    """Return what does not hold, one sentence each."""
    ours = table["ours"]["per_second"]
    faults = []
    if ours < WANTED_PER_SECOND:
        faults.append(f"{ours:,.0f} requests per second are less than {WANTED_PER_SECOND:,}.")
    faults += [
        f"{NAMES[peer]} makes {table[peer]['per_second']:,.0f}, more than our {ours:,.0f}."
        for peer in ("locust", "k6")
        if table[peer]["per_second"] >= ours
    ]
    return faults


def main() -> None:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--client", nargs=4, metavar=("NAME", "URL", "BODY", "SECONDS"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.client:
        name, url, body, seconds = arguments.client
        print(json.dumps((load_run if name == "ours" else bare_transport)(url, Path(body), float(seconds))))
        return
    print(f"{CONNECTIONS} connections, 50 KB body; {describe_machine()}", file=sys.stderr)
    table = measure(arguments.rounds, arguments.seconds)
    if arguments.json:
        print(json.dumps(table, indent=2))
    else:
        ours = table["ours"]["per_second"]
        print(f"{'client':28} {'requests/s':>10} {'(lowest-highest)':>17} {'CPU us/request':>15} {'ours / it':>10}")
        for name, row in table.items():
            spread = f"({row['lowest']:,.0f}-{row['highest']:,.0f})"
            numbers = f"{row['per_second']:10,.0f} {spread:>17} {row['cpu_us']:15.1f} {ours / row['per_second']:10.2f}"
            print(f"{NAMES[name]:28} {numbers}")
        print(f"medians of {arguments.rounds} rounds of {arguments.seconds:g} s; k6, hey and wrk with their start-up")
    faults = judge(table)
    for fault in faults:
        print(f"NOT HELD: {fault}")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
