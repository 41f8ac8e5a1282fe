"""What it cost stands in rows, table and page; unknown amounts stay unknown in every sum."""

import json

from automl_bench.contract import Price, Resource, Stage
from automl_bench.report.build import build_report
from automl_bench.report.costs import cost_table
from automl_bench.report.rows import result_rows
from automl_bench.store.records import ExperimentRecord, LedgerEntry, StageRecord, StageStatus
from automl_bench.trials.price_records import PRICES, table_as_json


def price_it(store, trial_id, *, hour=2.0, call=0.01, as_of="2026-02-03"):
    """Give a trial a price table, half an hour of billed training and an endpoint of unknown price."""
    table = [
        Price("train_hour", hour, "hour", as_of, "somewhere"),
        Price("call", call, "1 call", as_of, "somewhere"),
    ]
    store.finish_stage(
        StageRecord(trial_id, Stage.UPLOAD, StageStatus.DONE, result={PRICES: table_as_json(table)}, wall_seconds=1.0)
    )
    store.finish_stage(
        StageRecord(trial_id, Stage.TRAIN, StageStatus.DONE, billable_seconds=1800.0, wall_seconds=3600.0)
    )


def leave_endpoint(store, trial_id, *, hourly_usd):
    entry = LedgerEntry(trial_id, Stage.DEPLOY, "acme", "v", "endpoint", f"n-{trial_id}", hourly_usd=hourly_usd)
    line = store.ledger_intend(entry)
    store.ledger_created(line.entry_id, Resource("endpoint", f"n-{trial_id}", hourly_usd=hourly_usd))
    store.ledger_deleted(line.entry_id)


def test_a_row_says_what_it_cost_and_what_it_does_not_know(store, make_trial):
    known = make_trial(variant="v", provider="acme", fold=0, samples=20)
    price_it(store, known)
    unknown = make_trial(variant="v", provider="acme", fold=1, samples=20)
    price_it(store, unknown, call=None)
    leave_endpoint(store, unknown, hourly_usd=None)
    bare = make_trial(variant="v", provider="acme", fold=2, samples=20)
    by_id = {row["trial_id"]: row["cost"] for row in result_rows(store)}
    assert by_id[known] == {
        "usd": 1.0 + 21 * 0.01, "unknown": [], "train_usd": 1.0, "serve_usd": 0.0, "calls_usd": 21 * 0.01,
        "train_hours": 0.5, "serve_hours": 0.0, "wall_hours": by_id[known]["wall_hours"], "calls": 21,
        "prices_as_of": "2026-02-03",
        "simulated": False,
    }  # fmt: skip
    assert by_id[known]["wall_hours"] > 1.0
    assert by_id[unknown]["unknown"] == ["endpoint", "call"]
    assert (by_id[unknown]["usd"], by_id[unknown]["serve_usd"], by_id[unknown]["calls_usd"]) == (1.0, None, None)
    assert by_id[bare]["unknown"] == ["everything"]
    assert by_id[bare]["usd"] is None


def test_later_prices_do_not_change_what_it_cost(store, make_trial):
    first, second = make_trial(variant="v", fold=0, samples=20), make_trial(variant="v", fold=1, samples=20)
    price_it(store, first, hour=2.0, as_of="2026-01-01")
    price_it(store, second, hour=8.0, as_of="2026-06-01")
    costs = {row["trial_id"]: row["cost"] for row in result_rows(store)}
    assert [costs[one]["train_usd"] for one in (first, second)] == [1.0, 4.0]
    table = cost_table(result_rows(store))
    assert "(read on 2026-01-01)" in " ".join(table.notes)


def test_a_sum_with_an_unknown_part_is_a_lower_bound(store, make_trial):
    for variant, call in (("v", 0.01), ("w", None)):
        for fold in range(2):
            price_it(store, make_trial(variant=variant, fold=fold, samples=20), call=call)
    table = cost_table(result_rows(store))
    cells = {row[0]: row for row in table.rows}
    assert cells["local:v"][3:8] == ("2.00", "0.00", "0.42", "2.42", "1.21")
    assert cells["local:w"][3:8] == ("2.00", "0.00", "unknown", "at least 2.00 + unknown", "unknown")
    assert cells["together"][2:7] == ("4", "4.00", "0.00", "unknown", "at least 4.42 + unknown")
    assert any("never taken for 0: call" in note for note in table.notes)
    assert table.records[-1]["unknown"] == ["call"]


def test_the_report_has_a_section_on_cost(store, make_trial, tmp_path):
    ids = [make_trial(variant="v", samples=20), make_trial(variant="w", samples=20)]
    for trial_id in ids:
        price_it(store, trial_id)
    store.save_experiment(ExperimentRecord("e", {}, tuple(ids), None))
    path = build_report(store, experiment="e", out_dir=tmp_path / "out")
    page = path.read_text(encoding="utf-8")
    section = page.split('<section id="cost">')[1].split("</section>")[0]
    assert "<h2>Cost</h2>" in section
    assert ">2.42</td>" in section
    assert "the provider&#39;s bill is what counts" in section
    assert json.loads((tmp_path / "out" / "results.json").read_text())["cost"][-1]["usd"] == 2.42
    assert "## Cost" in (tmp_path / "out" / "results.md").read_text()
    assert "cost_usd" in (tmp_path / "out" / "results.csv").read_text().splitlines()[0]
