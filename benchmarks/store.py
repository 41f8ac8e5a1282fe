"""How many rows a second the store makes durable, beside a bare SQLite loop.

Run: python benchmarks/store.py [--rounds 5] [--folder DIR]

Printed as medians over interleaved rounds:
  disk        the time of one fdatasync of a 4 KB page in the same folder, by which everything else is bounded
  bare        one thread, one row a transaction, same pragmas, plain tuples: what most programs do
  ten threads ten threads, each waiting for the acknowledgement of every single Invocation
  load calls  batches of 500 LoadCall records submitted, until all are acknowledged
The target for ten threads is 10,000 rows/s where the disk syncs in 0.2 ms or less; one group holds at most ten rows,
so a slower disk bounds it at ten rows for each sync. `--folder /dev/shm` leaves the disk out.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sqlite3
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from automl_bench.store import Store, open_store
from automl_bench.store.records import CallTiming, Invocation, LoadCall, LoadRun, Outcome, TrialRecord

PRODUCERS = 10
TIMING = CallTiming(10**14, 10**14 + 20_000_000, None, 0, 0, 0, 50_000, 19_900_000, 50_000, False)


def sync_seconds(folder: Path, samples: int = 200) -> float:
    """Return the median seconds of a 4 KB write and its fdatasync."""
    descriptor = os.open(folder / "sync.bin", os.O_CREAT | os.O_RDWR)
    try:
        os.pwrite(descriptor, b"x" * 4096 * 64, 0)
        os.fsync(descriptor)
        taken = []
        for number in range(samples):
            begun = time.perf_counter()
            os.pwrite(descriptor, b"y" * 4096, 4096 * (number % 64))
            os.fdatasync(descriptor)
            taken.append(time.perf_counter() - begun)
    finally:
        os.close(descriptor)
    return statistics.median(taken)


def bare_rate(folder: Path, rows: int) -> float:
    """Return rows/s of a loop that commits each row, with the store's pragmas and as many columns."""
    connection = sqlite3.connect(folder / "bare.sqlite", isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    columns = ", ".join(f"c{number}" for number in range(19))
    connection.execute(f"CREATE TABLE rows (trial TEXT, sample TEXT, {columns}, PRIMARY KEY (trial, sample))")
    insert = f"INSERT INTO rows VALUES ({', '.join('?' * 21)})"
    begun = time.perf_counter()
    for number in range(rows):
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(insert, ("t1", f"{number:064x}", "cat", "dog", 0.5, *[number] * 16))
        connection.execute("COMMIT")
    taken = time.perf_counter() - begun
    connection.close()
    return rows / taken


def opened(folder: Path, name: str) -> Store:
    store = open_store(folder / f"{name}.sqlite")
    store.save_trial(TrialRecord("t1", "local", "auto", "pets", "f", 5))
    return store


def threads_rate(folder: Path, rows: int) -> float:
    """Return acknowledged-durable rows/s of ten threads that wait for each row."""
    each = rows // PRODUCERS
    with opened(folder, "threads") as store:

        def produce(name: int) -> None:
            for number in range(each):
                sample = f"{name * each + number:064x}"
                store.add_invocations([Invocation("t1", sample, "cat", "dog", 0.5, Outcome.OK, TIMING)])

        threads = [threading.Thread(target=produce, args=(name,)) for name in range(PRODUCERS)]
        begun = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        taken = time.perf_counter() - begun
        assert len(store.invoked_sample_ids("t1")) == each * PRODUCERS
    return each * PRODUCERS / taken


def load_rate(folder: Path, rows: int, batch: int = 500) -> float:
    """Return load calls/s from the first batch submitted to the last one acknowledged."""
    samples = [f"{number:064x}" for number in range(1_000)]
    calls = [
        LoadCall(number, number % 10, samples[number % 1_000], Outcome.OK, TIMING, True, status=200)
        for number in range(rows)
    ]
    with opened(folder, "load") as store:
        store.begin_load_run(LoadRun("r1", "t1", "closed", {}))
        begun = time.perf_counter()
        futures = [store.submit_load_calls("r1", calls[start : start + batch]) for start in range(0, rows, batch)]
        stored = sum(future.result() for future in futures)
        taken = time.perf_counter() - begun
    assert stored == rows
    return rows / taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path, default=None, help="where to write; by default the temporary folder")
    arguments = parser.parse_args()
    measured: dict[str, Callable[[Path], float]] = {
        "bare": lambda folder: bare_rate(folder, 2_000),
        "ten threads": lambda folder: threads_rate(folder, 20_000),
        "load calls": lambda folder: load_rate(folder, 100_000),
    }
    found: dict[str, list[float]] = {name: [] for name in measured}
    syncs: list[float] = []
    for _ in range(arguments.rounds):
        for name, measure in measured.items():
            folder = Path(tempfile.mkdtemp(prefix="automl-bench-store-", dir=arguments.folder))
            try:
                syncs.append(sync_seconds(folder))
                found[name].append(measure(folder))
            finally:
                shutil.rmtree(folder)
    medians = {name: statistics.median(rates) for name, rates in found.items()}
    print(f"fdatasync of 4 KB here: median {statistics.median(syncs) * 1e3:.3f} ms, slowest {max(syncs) * 1e3:.3f} ms")
    print(f"{'':12} {'rows/s':>9} {'min':>9} {'max':>9} {'x bare':>8}")
    for name, rates in found.items():
        ratio = medians[name] / medians["bare"]
        print(f"{name:12} {medians[name]:9,.0f} {min(rates):9,.0f} {max(rates):9,.0f} {ratio:8.1f}")


if __name__ == "__main__":
    main()
