"""Does the service of `automl-bench serve` answer as fast as the server that `deploy local` measures?

Both serve one model of each modality: images (digits), texts (the spam example) and rows (a table of scikit-learn).
In interleaved rounds each gets the same closed loop of the load generator, as `automl-bench parallel` makes it.

    python benchmarks/serving.py [--rounds 7] [--calls 1000] [--concurrency 4] [--modality image …] [--json]

Prints, side by side, requests per second, the median service time and the processor time of the server per request
(medians of the rounds), and the median of the rounds' ratios. Ends with status 1 if a ratio of requests per second is
below 0.9: the service is to reach the measured server's numbers. The machine should be quiet.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
from automl_bench_local.invoking import LocalInvoker
from peers import describe_machine, settle

from automl_bench.contract import Sample
from automl_bench.measurement.load import LoadSettings, run_load
from automl_bench.store import open_store

COMMAND = (sys.executable, "-m", "automl_bench.cli.main")
EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "spam-dvc" / "messages.csv"
DATASETS = {"image": "digits", "text": "spam", "tabular": "tumours"}
SHOTS = "20"
LEAST = 0.9
MEASURED = ("per_second", "p50_ms", "cpu_us")


class Bench:
    """A workspace with the three datasets."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.environment = {**os.environ, "AUTOML_BENCH_WORKSPACE": str(root), "AUTOML_BENCH_MACHINE_FOLDER": str(root)}

    def run(self, *words: str) -> None:
        """Run a command of automl-bench."""
        ended = subprocess.run(
            [*COMMAND, *words], env=self.environment, cwd=self.root, capture_output=True, text=True, check=False
        )
        if ended.returncode:
            raise SystemExit(f"automl-bench {' '.join(words)}: {ended.stderr}")

    def import_data(self, modality: str) -> None:
        """Bring a modality's dataset."""
        if modality == "image":
            self.run("data", "fetch", "digits")
        elif modality == "text":
            self.run("data", "import", "spam", str(EXAMPLE), "--text", "message", "--label", "folder")
        else:
            from sklearn.datasets import load_breast_cancer

            table = load_breast_cancer(as_frame=True).frame
            table["target"] = table["target"].map({0: "malignant", 1: "benign"})
            table.to_csv(self.root / "tumours.csv", index=False)
            self.run("data", "import", "tumours", str(self.root / "tumours.csv"), "--target", "target")

    def samples(self, dataset: str) -> Sequence[tuple[Sample, str]]:
        """Return the test samples."""
        from automl_bench.cli.session import Session

        os.environ.update(self.environment)
        with open_store(self.root / "results" / "automl-bench.sqlite", read_only=True) as store:
            (trial,) = store.trials(dataset=dataset)
        return Session().source.material(trial).test

    @contextmanager
    def deployed(self, dataset: str) -> Iterator[tuple[str, int]]:
        """Train and deploy; yield the address and the process of the measured server."""
        for verb in ("upload", "train", "deploy"):
            self.run(verb, "local", dataset, SHOTS)
        try:
            with open_store(self.root / "results" / "automl-bench.sqlite", read_only=True) as store:
                (stage,) = [
                    one for one in store.stages(store.trials(dataset=dataset)[0].trial_id) if one.stage == "deploy"
                ]
            yield str(stage.result["url"]), int(str(stage.result["pid"]))
        finally:
            self.run("teardown", "local", dataset, SHOTS)

    @contextmanager
    def served(self, dataset: str) -> Iterator[tuple[str, int]]:
        """Yield the address and the process of the service."""
        words = [*COMMAND, "serve", dataset, SHOTS, "--port", "0"]
        process = subprocess.Popen(words, env=self.environment, cwd=self.root, stderr=subprocess.PIPE, text=True)
        assert process.stderr is not None
        try:
            found = re.search(r"on (http://\S+) \(", process.stderr.readline())
            if not found:
                raise SystemExit(f"serve {dataset} did not begin: {process.stderr.read()}")
            yield found[1], process.pid
        finally:
            process.terminate()
            process.wait()
            process.stderr.close()


def measure(
    url: str, pid: int, samples: Sequence[tuple[Sample, str]], calls: int, concurrency: int
) -> dict[str, float]:
    """Make one load run; return what it measured, and the server's processor microseconds per request."""
    server = psutil.Process(pid)
    before = server.cpu_times()
    settings = LoadSettings(calls=calls, concurrency=concurrency)
    run: Any = run_load(
        LocalInvoker(url), samples, settings, trial_id="0" * 12, load_run_id="a1", record=lambda rows: None
    )
    after = server.cpu_times()
    outcomes = run.summary["outcomes"]
    if not run.complete or outcomes["ok"] != calls:
        raise SystemExit(f"{url}: {outcomes}")
    used = after.user + after.system - before.user - before.system
    return {
        "per_second": run.summary["throughput"]["value"],
        "p50_ms": run.summary["service_ms"]["p50"]["value"],
        "cpu_us": 1e6 * used / calls,
    }


def compare(bench: Bench, modality: str, rounds: int, calls: int, concurrency: int) -> dict[str, Any]:
    """Measure both servers of a modality in turn."""
    dataset = DATASETS[modality]
    bench.import_data(modality)
    found: dict[str, list[dict[str, float]]] = {"deploy": [], "serve": []}
    with bench.deployed(dataset) as deployed, bench.served(dataset) as served:
        samples = bench.samples(dataset)
        servers = {"deploy": deployed, "serve": served}
        for url, pid in servers.values():
            measure(url, pid, samples, calls, concurrency)
        for number in range(rounds):
            for name in sorted(servers, reverse=bool(number % 2)):
                found[name].append(measure(*servers[name], samples, calls, concurrency))
    told: dict[str, Any] = {"modality": modality}
    for name in MEASURED:
        ratios = [mine[name] / theirs[name] for mine, theirs in zip(found["serve"], found["deploy"], strict=True)]
        told[name] = {
            **{server: statistics.median(one[name] for one in runs) for server, runs in found.items()},
            "ratio": statistics.median(ratios),
        }
    return told


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--calls", type=int, default=1000)
    parser.add_argument("--concurrency", type=int, default=4)
    parser.add_argument("--modality", nargs="*", choices=sorted(DATASETS), default=list(DATASETS))
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    settle()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        found = [
            compare(bench, modality, options.rounds, options.calls, options.concurrency)
            for modality in options.modality
        ]
    if options.json:
        print(json.dumps({"machine": describe_machine(), "found": found}))
    else:
        print(describe_machine())
        for told in found:
            for name in MEASURED:
                cell = told[name]
                numbers = f"deploy {cell['deploy']:9.1f}   serve {cell['serve']:9.1f}   ratio {cell['ratio']:.3f}"
                print(f"{told['modality']:8} {name:11} {numbers}")
    return int(any(told["per_second"]["ratio"] < LEAST for told in found))


if __name__ == "__main__":
    sys.exit(main())
