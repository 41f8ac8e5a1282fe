"""Time and memory of importing, checking and planning large tables and texts, beside polars on the same file.

    python benchmarks/import_table.py [--rows 1000000] [--columns 20] [--folder DIR]

For a table of so many rows and columns (numbers, categories, dates) and for as many short texts, in CSV, and for a
tenth of each: `data import`, `data check` without the search for near duplicates, and the plan of five nested subsets
(5, 20, 80, 320 and 1,280 shots), each step in a process of its own, which tells its wall and processor time and the
most memory that it held. Beside it polars reads the same file and hashes its rows, which is the least that an import
has to do.

The exit code is 1 if all steps of the large file take over 60 s of processor time (all cores together; on an idle
machine the wall time is less), one holds over 1 GB, or a row costs more than twice as much in the large file as in the
small one.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

MOST_SECONDS, MOST_BYTES, MOST_GROWTH = 60.0, 10**9, 2.0
SHOTS = (5, 20, 80, 320, 1280)
STEPS = ("import", "check", "plan", "polars")
OWN = ("import", "check", "plan")


def write_table(path: Path, rows: int, columns: int) -> None:
    """Write a table whose target depends on some of its columns."""
    import numpy as np
    import polars as pl

    draw = np.random.default_rng(3)
    made: dict[str, Any] = {}
    for number in range(columns - 1):
        kind = number % 5
        if kind in (0, 1):
            made[f"number_{number}"] = draw.normal(0, 100, rows).round(3)
        elif kind == 2:
            made[f"count_{number}"] = draw.integers(0, 1000, rows)
        elif kind == 3:
            made[f"category_{number}"] = draw.choice([f"kind {one}" for one in range(40)], rows)
        else:
            days = draw.integers(0, 3000, rows)
            made[f"date_{number}"] = np.datetime64("2018-01-01") + days.astype("timedelta64[D]")
    score = made["number_0"] + draw.normal(0, 50, rows)
    made["target"] = np.array(["low", "middle", "high"])[np.digitize(score, [-60, 60])]
    pl.DataFrame(made).write_csv(path)


def write_texts(path: Path, rows: int, columns: int) -> None:
    """Write short texts, about 80 characters each, of words that depend on the label."""
    import numpy as np
    import polars as pl

    del columns
    draw = np.random.default_rng(3)
    words = np.array([f"word{number}" for number in range(5000)])
    labels = draw.integers(0, 4, rows)
    texts = [" ".join(words[(draw.zipf(1.3, 11) + 700 * label) % 5000]) for label in labels]
    numbered = [f"{text} {number}, so" for number, text in enumerate(texts)]
    pl.DataFrame({"text": numbered, "label": [f"topic {label}" for label in labels]}).write_csv(path)


def step(what: str, source: Path, data: Path, kind: str) -> dict[str, float]:
    """Do one step in this process; seconds on the wall and of processors, and bytes."""
    begun = time.perf_counter()
    if what == "polars":
        import polars as pl

        frame = pl.read_csv(source, infer_schema=False)
        assert frame.hash_rows().len() == frame.height
    else:
        _own_step(what, source, data, kind)
    used = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "wall": time.perf_counter() - begun,
        "seconds": used.ru_utime + used.ru_stime,
        "bytes": used.ru_maxrss * 1024,
    }


def _own_step(what: str, source: Path, data: Path, kind: str) -> None:
    from automl_bench.ablations.plan import plan_subsets
    from automl_bench.datasets.checks import check_dataset
    from automl_bench.datasets.columnar.options import ColumnOptions
    from automl_bench.datasets.importing import ImportOptions, import_dataset
    from automl_bench.datasets.layouts import LayoutHints
    from automl_bench.datasets.manifest import read_manifest

    if what == "import":
        texts = ColumnOptions(text="text", label="label")
        columns = texts if kind == "texts" else ColumnOptions(target="target")
        import_dataset(source.stem, source, data, ImportOptions(hints=LayoutHints(columns=columns), replace=True))
    elif what == "check":
        check_dataset(read_manifest(data / source.stem), near=False)
    else:
        plan = plan_subsets(read_manifest(data / source.stem), shots=SHOTS, fold=0, seed=0)
        assert [len(one.train_rows) for one in plan.subsets()] == sorted(len(one.train_rows) for one in plan.subsets())


def measured(what: str, source: Path, data: Path, kind: str) -> dict[str, float]:
    """Do one step in a process of its own."""
    command = [sys.executable, __file__, "--step", what, "--source", str(source), "--folder", str(data), "--kind", kind]
    ended = subprocess.run(command, check=True, capture_output=True, text=True)
    return dict(json.loads(ended.stdout.splitlines()[-1]))


def measure(kind: str, rows: int, columns: int, folder: Path) -> dict[str, dict[str, float]]:
    """Make a file and do every step."""
    source = folder / f"{kind}-{rows}.csv"
    if not source.exists():  # by another process: a child counts the memory of its parent
        make = [sys.executable, __file__, "--make", "--source", str(source), "--kind", kind]
        subprocess.run([*make, "--rows", str(rows), "--columns", str(columns)], check=True)
    found = {what: measured(what, source, folder / "data", kind) for what in STEPS}
    told = ", ".join(
        f"{what} {one['seconds']:.1f} s (wall {one['wall']:.1f}) {one['bytes'] / 1e6:.0f} MB"
        for what, one in found.items()
    )
    print(f"{kind}, {rows:,} rows ({source.stat().st_size / 1e6:.0f} MB): {told}", flush=True)
    return found


def main() -> int:
    """Measure both kinds at two sizes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--columns", type=int, default=20)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--make", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--step", choices=STEPS, help=argparse.SUPPRESS)
    parser.add_argument("--source", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--kind", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.make:
        (write_texts if given.kind == "texts" else write_table)(given.source, given.rows, given.columns)
        return 0
    if given.step:
        print(json.dumps(step(given.step, given.source, given.folder, given.kind)))
        return 0
    failed = False
    with tempfile.TemporaryDirectory() as scratch:
        folder = given.folder or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        for kind in ("table", "texts"):
            small, large = (measure(kind, rows, given.columns, folder) for rows in (given.rows // 10, given.rows))
            seconds = sum(large[what]["seconds"] for what in OWN)
            most = max(large[what]["bytes"] for what in OWN)
            growth = seconds / 10 / sum(small[what]["seconds"] for what in OWN)
            beside = large["import"]["seconds"] / large["polars"]["seconds"]
            print(
                f"{kind}: {seconds:.1f} s of processors, at most {most / 1e6:.0f} MB; a row costs {growth:.2f} times "
                f"what it costs in a tenth; the import takes {beside:.1f} times what polars takes to read and hash the "
                "file"
            )
            failed = failed or seconds > MOST_SECONDS or most > MOST_BYTES or growth > MOST_GROWTH
    return int(failed)


if __name__ == "__main__":
    raise SystemExit(main())
