"""Planning five nested subsets of a big manifest, reading included, beside polars and beside the ancestor's loop.

    python benchmarks/ablations.py [--rounds 5] [--rows 1300000]

Each measurement is a process of its own; methods take turns, so that noise of the machine hits all alike. Seconds are
medians from after the imports to the last subset; memory is the peak resident size of the whole process. The polars
method gets the same column selection, and, in the row "polars, same rules", also what ours does besides: repeated
contents once, and none of the test set's contents.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

SHOTS = (10, 50, 100, 500, 1000)
SEED = 7
TRAIN_PER_CLASS = 1200
TEST_PER_CLASS = 100
LONGEST_RUN_SECONDS = 300
ANCESTOR_CLASSES = 5

Counts = list[list[int]]


def make_dataset(folder: Path, classes: int) -> None:
    """Write a manifest with random content ids, 1,200 training and 100 test rows a class, in the usual order."""
    import numpy as np
    import pyarrow as pa

    from automl_bench.datasets.manifest import manifest_schema, write_manifest
    from automl_bench.datasets.provenance import DatasetCard

    count = classes * (TRAIN_PER_CLASS + TEST_PER_CLASS)
    digits = np.random.default_rng(1).bytes(32 * count).hex()
    ids = [digits[at : at + 64] for at in range(0, 64 * count, 64)]
    splits, labels, paths = [], [], []
    for split, per_class in (("test", TEST_PER_CLASS), ("train", TRAIN_PER_CLASS)):
        for code in range(classes):
            label = f"class {code:04}"
            splits += [split] * per_class
            labels += [label] * per_class
            paths += [f"{split}/{label}/image_{number:06}.jpg" for number in range(per_class)]
    values = [ids, paths, splits, labels, [50_000] * count, [500] * count, [375] * count, ["image/jpeg"] * count]
    schema = manifest_schema()
    columns = [
        pa.array(column).cast(field.type)
        if not pa.types.is_dictionary(field.type)
        else pa.array(column).dictionary_encode()
        for column, field in zip(values, schema, strict=True)
    ]
    folder.mkdir(parents=True)
    write_manifest(folder, pa.table(columns, schema=schema), DatasetCard(name=folder.name))


def ours(folder: Path) -> tuple[float, Counts]:
    """Read and plan with automl-bench."""
    import numpy as np
    import pyarrow.csv  # noqa: F401 - imported before the clock, like polars

    from automl_bench.ablations.plan import plan_subsets
    from automl_bench.datasets.manifest import read_manifest

    np.zeros(1)
    begin = time.perf_counter()
    manifest = read_manifest(folder, columns=("sample_id", "split", "label"))
    plan = plan_subsets(manifest, shots=SHOTS, fold=0, seed=SEED)
    subsets = list(plan.subsets())
    seconds = time.perf_counter() - begin
    return seconds, [[len(subset.train_rows), len(subset.validation_rows)] for subset in subsets]


def ours_all_columns(folder: Path) -> tuple[float, Counts]:
    """The same with every column of the manifest, as `ablate` needs them to write files."""
    import numpy as np
    import pyarrow.csv  # noqa: F401

    from automl_bench.ablations.plan import plan_subsets
    from automl_bench.datasets.manifest import read_manifest

    np.zeros(1)
    begin = time.perf_counter()
    plan = plan_subsets(read_manifest(folder), shots=SHOTS, fold=0, seed=SEED)
    subsets = list(plan.subsets())
    seconds = time.perf_counter() - begin
    return seconds, [[len(subset.train_rows), len(subset.validation_rows)] for subset in subsets]


def with_polars(folder: Path, *, same_rules: bool = False) -> tuple[float, Counts]:
    """Read and plan with polars: seeded hash order in each class, place in it, five filters."""
    import polars as pl

    begin = time.perf_counter()
    frame = pl.read_csv(folder / "manifest.csv", columns=["sample_id", "split", "label"])
    train = frame.filter(pl.col("split") == "train")
    if same_rules:
        test = frame.filter(pl.col("split") == "test")
        train = train.unique(subset="sample_id", keep="first").join(test, on="sample_id", how="anti")
    place = pl.int_range(pl.len()).over("label").alias("place")
    train = train.with_columns(pl.col("sample_id").hash(SEED).alias("rank")).sort("label", "rank").with_columns(place)
    subsets = []
    for shots in SHOTS:
        subset = train.filter(pl.col("place") < shots)
        validation = pl.col("place") % 5 == 4
        subsets.append((subset.filter(~validation), subset.filter(validation)))
    seconds = time.perf_counter() - begin
    return seconds, [[part.height for part in pair] for pair in subsets]


def with_polars_same_rules(folder: Path) -> tuple[float, Counts]:
    """Polars with our rules on repeated contents as well."""
    return with_polars(folder, same_rules=True)


def ancestor(folder: Path) -> tuple[float, Counts]:
    """The ancestor's way: read the rows into a list, and go through all of it again for every class.

    Kindly told: all five sizes are cut from one pass, where the ancestor was run once for each size. Measured on a few
    classes; the loop's time is multiplied by (all classes / measured classes).
    """
    import csv
    import random

    begin = time.perf_counter()
    with (folder / "manifest.csv").open(newline="", encoding="utf-8") as file:
        rows = [(row["label"], row["sample_id"]) for row in csv.DictReader(file) if row["split"] == "train"]
    labels = sorted({label for label, _ in rows})
    read = time.perf_counter() - begin
    begin = time.perf_counter()
    counts = [[0, 0] for _ in SHOTS]
    for wanted in labels[:ANCESTOR_CLASSES]:
        mine = [sample_id for label, sample_id in rows if label == wanted]
        random.Random(SEED).shuffle(mine)
        for count, shots in zip(counts, SHOTS, strict=True):
            kept = mine[:shots]
            count[0] += len([sample_id for place, sample_id in enumerate(kept) if place % 5 != 4])
            count[1] += len([sample_id for place, sample_id in enumerate(kept) if place % 5 == 4])
    looped = time.perf_counter() - begin
    share = len(labels) // ANCESTOR_CLASSES
    return read + looped * len(labels) / ANCESTOR_CLASSES, [[share * half for half in count] for count in counts]


METHODS: dict[str, Callable[[Path], tuple[float, Counts]]] = {
    "automl-bench": ours,
    "automl-bench, all columns": ours_all_columns,
    "polars": with_polars,
    "polars, same rules": with_polars_same_rules,
    "ancestor's loop (extrapolated)": ancestor,
}


def measure(method: str, folder: Path) -> dict[str, object]:
    """Run one method in a process of its own."""
    command = [sys.executable, __file__, "--measure", method, "--folder", str(folder)]
    begin = time.perf_counter()
    answer = subprocess.run(command, check=True, capture_output=True, text=True, timeout=LONGEST_RUN_SECONDS)
    return json.loads(answer.stdout) | {"process": time.perf_counter() - begin}


def compare(folder: Path, rounds: int) -> dict[str, tuple[float, float]]:
    """Measure all methods in turn; return median seconds and peak megabytes by method."""
    found: dict[str, list[dict[str, object]]] = {method: [] for method in METHODS}
    for number in range(rounds):
        for method in METHODS:
            if number == 0 or not method.startswith("ancestor"):
                found[method].append(measure(method, folder))
    first = found["automl-bench"][0]["counts"]
    if any(run["counts"] != first for runs in found.values() for run in runs):
        raise SystemExit(f"the methods disagree on the sizes of the subsets: {found}")
    return {
        method: (statistics.median(run["seconds"] for run in runs), max(run["megabytes"] for run in runs))
        for method, runs in found.items()
    }


def main() -> None:
    """Print the tables and check the bounds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=1_300_000)
    parser.add_argument("--measure", choices=list(METHODS))
    parser.add_argument("--make", type=int, metavar="CLASSES")
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    if options.make:
        make_dataset(options.folder, options.make)
        return
    if options.measure:
        seconds, counts = METHODS[options.measure](options.folder)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # Linux counts in KiB
        json.dump({"seconds": seconds, "megabytes": peak, "counts": counts}, sys.stdout)
        return
    per_class = TRAIN_PER_CLASS + TEST_PER_CLASS
    measured = {}
    with tempfile.TemporaryDirectory() as scratch:
        for classes in (options.rows // per_class // 10, options.rows // per_class):
            folder = Path(scratch) / f"rows{classes * per_class}"
            command = [sys.executable, __file__, "--make", str(classes), "--folder", str(folder)]
            subprocess.run(command, check=True, timeout=LONGEST_RUN_SECONDS)
            measured[classes] = compare(folder, options.rounds)
            show(classes, measured[classes])
    small, large = (times["automl-bench"][0] for times in measured.values())
    peer = measured[options.rows // per_class]
    ratio, megabytes = large / peer["polars"][0], peer["automl-bench"][1]
    print(
        f"\n10 x the rows take {large / small:.1f} x the time (10.0 is linear; the reading's fixed part makes it less)."
    )
    print(f"Bounds: {ratio:.2f} x polars (at most 3): {'kept' if ratio <= 3 else 'BROKEN'}; ", end="")
    print(f"{megabytes:.0f} MB (under 500): {'kept' if megabytes < 500 else 'BROKEN'}.")
    if ratio > 3 or megabytes >= 500:
        raise SystemExit(1)


def show(classes: int, times: dict[str, tuple[float, float]]) -> None:
    """Print one table."""
    rows = classes * (TRAIN_PER_CLASS + TEST_PER_CLASS)
    print(f"\n{rows:,} rows, {classes:,} classes, subsets of {', '.join(map(str, SHOTS))} shots, reading included\n")
    print(f"{'method':32} {'seconds':>9} {'x polars':>9} {'peak MB':>8}")
    for method, (seconds, megabytes) in times.items():
        print(f"{method:32} {seconds:9.3f} {seconds / times['polars'][0]:9.2f} {megabytes:8.0f}")


if __name__ == "__main__":
    main()
