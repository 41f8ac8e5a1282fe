"""How often repeated answers agree, in rows and in the report."""

from __future__ import annotations

from pathlib import Path

import pytest
from answered_trials import answer, right

from automl_bench.report.build import build_report
from automl_bench.report.labels import labelled
from automl_bench.report.repeated import stability, stability_table
from automl_bench.report.rows import result_rows
from automl_bench.store import Store, open_store


def test_pairs_agree_whatever_the_number_of_trials() -> None:
    twice = stability([{1: "cat", 2: "dog", 3: None, 4: "cat"}, {1: "cat", 2: "cat", 3: None, 9: "cat"}])
    assert twice is not None
    assert (twice["samples"], twice["same"]) == (3, 2), "samples that one of them did not answer are left out"
    assert twice["agreement"] == pytest.approx(2 / 3)
    assert 0 < twice["same_low"] < 2 / 3 < twice["same_high"] < 1
    thrice = stability([{1: "cat"}, {1: "cat"}, {1: "dog"}])
    assert thrice is not None
    assert (thrice["same"], thrice["agreement"]) == (0, pytest.approx(1 / 3))
    assert stability([{1: "cat"}, {2: "cat"}]) is None


@pytest.fixture
def store(tmp_path: Path) -> Store:
    opened = open_store(tmp_path / "results" / "a.sqlite")
    for repeat in range(3):
        answer(opened, "prompt", right(90 - repeat), repeat=repeat)
    answer(opened, "prompt", right(50), fold=1)
    answer(opened, "svc", right(80))
    return opened


def test_only_trials_of_one_draw_are_held_together(store: Store) -> None:
    rows = result_rows(store)
    told = {(row["variant"], row["fold"], row["repeat"]): row["stability"] for row in rows}
    assert told["svc", 0, 0] is None
    assert told["prompt", 1, 0] is None
    assert told["prompt", 0, 0] == told["prompt", 0, 1] == told["prompt", 0, 2]
    (record,) = stability_table(labelled(rows)).records
    assert (record["trials"], record["samples"], record["same"]) == (3, 100, 98)
    assert record["agreement"] == pytest.approx((98 + 2 / 3) / 100), "of the two that changed, two of three agree"


def test_the_report_shows_them(store: Store, tmp_path: Path) -> None:
    build_report(store, experiment=None, out_dir=tmp_path / "report")
    text = (tmp_path / "report" / "results.md").read_text()
    assert "Repeated answers" in text
    assert "98.0" in text
