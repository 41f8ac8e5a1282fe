"""Write docs/trained-prompted-embedded.md: `python docs/tools/prompted_page.py FOLDER`.

Runs configs/experiments/trained-prompted-embedded.toml in a workspace in FOLDER, as far as it has not been run there,
with the stand-in of the tests in the prompted model's place, and holds that one's bill against the results' costs.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from automl_bench.report.labels import labelled
from automl_bench.report.rows import result_rows
from automl_bench.report.summary import accuracy_table
from automl_bench.report.support import comparisons
from automl_bench.report.support_tables import support_table
from automl_bench.report.tables import Table, milliseconds, percent, seconds
from automl_bench.store import Store, open_store

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "trained-prompted-embedded.md"
NAME = "trained-prompted-embedded"
EXPERIMENT = ROOT / "configs" / "experiments" / f"{NAME}.toml"
DATASETS = ("digits", "fashion-mini", "spam-assassin", "titanic")
BASELINE = "local:auto"
PROMPTED = "openai"
BILL = "bill.json"

HEAD = f"""# Trained, prompted or embedded?

The same nested samples, learned from in three ways: trained on, embedded with a small head on top, shown to a prompted
model. This page is written by `docs/tools/prompted_page.py`, which runs
`configs/experiments/{NAME}.toml`: it shows how the three are compared, with the same test samples, paired
verdicts and a bill.

**What was real, and what a stand-in:**

- `local:auto`: real. scikit-learn on this machine, trained and served over HTTP.
- `embed:local`: real. EfficientNet-Lite0 and MiniLM in the command's own process, and a head by scikit-learn.
- `openai`, `openai:few`, `openai:nearest`: **a stand-in, no language model.** It knows nothing but the examples in the
  request and takes the label of the nearest one, by thumbnails of 6 × 6 pixels or by common words.

So the scores of the prompted variants say nothing of any real model. At 0 shots the stand-in can only guess; what it
gains from examples is what copying the nearest one gains. Put your own model in its place: `OPENAI_API_KEY` and the
same file.
"""


def page(store: Store, billed: float | None) -> str:
    """Return the whole page.

    Args:
        store: Results of the experiment.
        billed: What the stand-in billed, in US dollars; None if not known.
    """
    rows = result_rows(store)
    accuracy, paired = accuracy_table(rows), support_table(comparisons(store, labelled(rows), baseline=BASELINE))
    tests = {row["dataset"]: row["test_samples"] for row in rows if row["test_samples"]}
    asked = ", ".join(f"{count} of {name}" for name, count in tests.items())
    parts = [
        HEAD,
        "## Accuracy\n",
        f"Test samples, the same for all: {asked}.\n",
        accuracy.to_markdown().split("\n", 2)[2],
        "## What the data support\n",
        f"Paired over test samples, against `{BASELINE}`, all corrected together.\n",
        paired.to_markdown().split("\n", 2)[2],
        "## Time and money\n",
        "Medians over trials at 20 shots (of `openai`, its one trial a dataset). Dollars are the stand-in's tokens at"
        " the prices of gpt-6-luna in the table that comes with the plugin; this machine's time is in none.\n",
        _costs(rows).to_markdown(),
        _bill(rows, billed),
    ]
    return "\n".join(parts).rstrip() + "\n"


def _costs(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Return time and money of each variant and dataset, from its trials with the most shots."""
    heads = ("dataset", "variant", "training", "p50 of an answer", "$ per 1,000 answers", "tokens in per answer")
    own: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for row in rows:
        if row["cost"] is not None and (row["shots"] == max(one["shots"] for one in rows) or row["shared"]):
            own.setdefault((row["dataset"], f"{row['provider']}:{row['variant']}"), []).append(row)
    cells = []
    for (dataset, variant), trials in sorted(own.items(), key=lambda one: DATASETS.index(one[0][0])):
        used = [one["usage"] for one in trials if one["usage"]]
        read = sum(one["input_tokens"] or 0 for one in used)
        tokens = read / sum(one["answers"] for one in used) if read else None
        paid = [one["usd_per_1000"] for one in used if one["usd_per_1000"] is not None]
        cells.append(
            (
                dataset,
                variant,
                seconds(_median([one["train_seconds"] for one in trials])),
                milliseconds(_median([one["latency_ms"]["p50"] for one in trials])),
                f"{_median(paid):.4f}" if paid else "–",
                f"{tokens:,.0f}" if tokens else "–",
            )
        )
    return Table("", heads, tuple(cells))


def _median(values: Sequence[float | None]) -> float | None:
    known = sorted(one for one in values if one is not None)
    return known[len(known) // 2] if known else None


def _bill(rows: Sequence[Mapping[str, Any]], billed: float | None) -> str:
    ours = sum(row["cost"]["usd"] or 0.0 for row in rows if row["provider"] == PROMPTED and row["cost"])
    if billed is None:
        return f"The prompted trials cost ${ours:.4f}.\n"
    share = percent(abs(billed - ours) / billed if billed else 0.0, digits=2)
    return (
        f"The stand-in billed ${billed:.4f} for all it was asked; the trials' costs come to ${ours:.4f}. The difference"
        f" ({share} % of the bill) is the calls that find out what the address honours, which are in no trial.\n"
    )


def run(folder: Path) -> None:
    """Run what is not there yet, and keep the stand-in's bill beside the results.

    Raises:
        subprocess.CalledProcessError: If a command fails.
    """
    sys.path.insert(0, str(ROOT / "plugins" / "automl-bench-openai" / "tests"))
    from openai_fake import OpenaiFake

    command = [str(Path(sys.executable).parent / "automl-bench")]
    folder.mkdir(parents=True, exist_ok=True)
    with OpenaiFake() as fake:
        environment = {**os.environ, **fake.environment(), "AUTOML_BENCH_WORKSPACE": str(folder)}
        for dataset in DATASETS:
            if not (folder / "data" / dataset).exists():
                subprocess.run([*command, "data", "fetch", dataset], env=environment, cwd=folder, check=True)
        try:
            command += ["run", str(EXPERIMENT), "--retry-failed"]
            subprocess.run(command, env=environment, cwd=folder, check=True)
        finally:  # what was asked is billed, however it ended
            kept = folder / BILL
            before = json.loads(kept.read_text())["usd"] if kept.exists() else 0.0
            kept.write_text(json.dumps({"usd": before + fake.bill.usd}))


def main(folder: Path) -> None:
    """Run the experiment and write the page."""
    run(folder)
    billed = json.loads((folder / BILL).read_text())["usd"]
    with open_store(folder / "results" / "automl-bench.sqlite", read_only=True) as store:
        PAGE.write_text(page(store, billed), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
