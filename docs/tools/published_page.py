"""Write docs/benchmark-2023.md from the figures published in 2023: `python docs/tools/published_page.py`.

A test holds the page equal to what this script writes.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from automl_bench.report.importing import read_results
from automl_bench.report.labels import labelled, observations
from automl_bench.report.plan_power import panel_row, panel_words
from automl_bench.report.rows import result_rows
from automl_bench.report.summary import CONSTANT_PANEL, accuracy_table
from automl_bench.report.support import comparisons
from automl_bench.report.support_tables import support_table
from automl_bench.report.tables import Table, points
from automl_bench.statistics.means import over_datasets
from automl_bench.statistics.panels import friedman
from automl_bench.store import open_store

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "benchmark-2023.md"
FIGURES = ROOT / "tests" / "fixtures" / "ancestor_figures.csv"
SHOTS = (5, 20, 80, 320, 1280)

HEAD = """# What the 2023 benchmark really showed

In May 2023 Nyckel published accuracies of four image classification services on seven datasets, with up to 1,280 images
a class. Its conclusion was that one service is best with little data and another one with much. This page runs
automl-bench on the published figures. It is written by `docs/tools/published_page.py`; `automl-bench results import`
takes the same file.

**In short: no difference between any two of the four services is shown over datasets, at any size.** "Best with little
data" is plausible, "best with much data" is not shown at all, and part of the published dip comes from averaging other
datasets.
"""


def page() -> str:
    """Return the whole page."""
    with tempfile.TemporaryDirectory() as folder, open_store(Path(folder) / "results.sqlite") as store:
        store.add_imported(read_results(FIGURES))
        rows = result_rows(store)
        named = labelled(rows)
        support = comparisons(store, named)
    seen = observations(named)
    panel = over_datasets(seen)
    services = sorted({one.series for one in seen})
    cells = []
    for shots in SHOTS:
        found = [panel[name, shots].estimate for name in services]
        words = [f"{100 * e.mean:.1f} ± {points(e.sem)} ({points(e.sem_population)})" for e in found]
        cells.append((str(shots), str(found[0].n), *words))
    means = Table("", ("images a class", "datasets", *services), tuple(cells))
    tests = []
    for shots in SHOTS:
        scores: dict[str, dict[str, float]] = {}
        for one in seen:
            if one.shots == shots:
                scores.setdefault(one.series, {})[one.dataset] = one.value
        result = friedman(scores)
        assert result is not None
        best, worst = result.variants[0], result.variants[-1]
        ranks = f"{best} {result.mean_ranks[0]:.2f} to {worst} {result.mean_ranks[-1]:.2f}"
        tests.append(
            (str(shots), str(len(result.datasets)), f"{result.p:.2f}", ranks, f"{result.critical_difference:.2f}")
        )
    heads = ("images a class", "datasets", "Friedman p", "mean ranks", "critical difference")
    accuracy = accuracy_table(rows)
    constant = tuple(row[1:] for row in accuracy.rows if row[0] == CONSTANT_PANEL)
    same = next(note for note in accuracy.notes if note.startswith(CONSTANT_PANEL.capitalize()))
    design = panel_row([{"dataset": name, "variants": services} for name in sorted({one.dataset for one in seen})])
    assert design is not None
    parts = [
        HEAD,
        "## Means, with the right error\n",
        "Mean accuracy over datasets ± SEM, and in parentheses the error as published, which divided by n instead of"
        " n - 1.\n± 1 SEM is no 95 % interval; it mixes how hard the datasets are with how good the services are.\n",
        means.to_markdown(),
        "## Paired differences\n",
        "The same datasets for both services, at the largest size that most datasets have.\n",
        support_table(support).to_markdown().split("\n", 2)[2],
        "## All sizes\n",
        "Friedman's test asks whether any service differs. It is never significant.\n",
        Table("", heads, tuple(tests)).to_markdown(),
        "## The dip\n",
        f"Datasets drop out as sizes grow. {same} On these alone:\n",
        Table("", accuracy.columns[1:], constant).to_markdown(),
        "## Falls\n",
        "More images, fewer right answers: each of these hints at a fault in training or data.\n",
        "".join(f"- {words}\n" for words in support.falls),
        "## What this design can show\n",
        f"{panel_words(design)} That counts the verdicts on single datasets, which `plan` foresees; on a page of"
        f" nothing but means, {support.family.needed} datasets would do.\n",
    ]
    return "\n".join(parts).rstrip() + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
