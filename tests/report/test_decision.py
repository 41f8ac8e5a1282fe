"""The decision card: tiers from verdicts alone, dollars from price tables, every answer with what it rests on."""

import itertools
import re
from pathlib import Path

import pytest

from automl_bench.contract import Counted, Price, Stage
from automl_bench.report.decision import CANDIDATE_FIELDS, DECISION_FIELDS, card_text, decision_of
from automl_bench.report.running_costs import DAYS_A_MONTH, Use, running_costs
from automl_bench.report.tiers import tiers
from automl_bench.report.verdicts import Comparison, Question
from automl_bench.store.records import ExperimentRecord, ImportedResult, LedgerEntry, StageRecord, StageStatus
from automl_bench.trials.experiment import SHARED
from automl_bench.trials.price_records import PRICES, table_as_json

DOCS = Path(__file__).parents[2] / "docs" / "results-format.md"
KEYS = ["which", "sure", "month", "speed", "guessing", "training", "labels", "open", "next", "spent", "running"]


def compared(a, b, *, separated, dataset="pets"):
    return Comparison(
        a, b, Question.MODELS, dataset, 20, dataset, 0.03, 0.01 if separated else -0.01, 0.05, 0.01, 0.01,
        "320 test samples × 3 draws", "m", "w", separated,
    )  # fmt: skip


def all_pairs(names, *apart):
    return [compared(a, b, separated=a + b in apart) for a, b in itertools.combinations(names, 2)]


def tier_names(names, pairs):
    means = {name: 0.9 - place / 100 for place, name in enumerate(names)}
    return [("".join(one.names), one.note) for one in tiers(means, pairs, "pets")]


def test_variants_that_are_not_separated_share_a_tier():
    assert tier_names("ABC", all_pairs("ABC", "AB", "AC")) == [("A", ""), ("BC", "not separated")]
    assert tier_names("ABC", all_pairs("ABC")) == [("ABC", "not separated")]
    assert tier_names("ABC", all_pairs("ABC", "AB", "AC", "BC")) == [("A", ""), ("B", ""), ("C", "")]


def test_a_pair_that_is_separated_inside_a_tier_is_told():
    assert tier_names("ABC", all_pairs("ABC", "AC")) == [("ABC", "not separated, but A ahead of C")]


def test_no_order_is_made_of_tiers_that_does_not_hold_for_every_pair():
    # A before B, B before C, yet A and C are not separated: three tiers would claim an order that nobody showed.
    (only,) = tier_names("ABC", all_pairs("ABC", "AB", "BC"))
    assert only[0] == "ABC"


def test_with_one_to_compare_with_the_others_are_placed_around_it_and_not_ranked():
    pairs = [
        compared("A", "M", separated=True),
        compared("M", "C", separated=False),
        compared("M", "D", separated=True),
    ]
    pairs.append(compared("B", "M", separated=True))
    assert tier_names("ABMCD", pairs) == [
        ("AB", "ahead of M; not compared with each other"),
        ("MC", "not separated from M"),
        ("D", "behind M"),
    ]


def test_what_was_never_compared_is_in_no_order():
    assert tier_names("AB", []) == [("AB", "not compared")]


def line(item, usd, **more):
    return Price(item, usd, item, more.pop("as_of", "2026-01-02"), more.pop("source", "a page"), **more)


def test_a_month_costs_hours_calls_and_fees():
    use = Use(10_000, 2.0)
    hourly = running_costs(
        [line("endpoint_hour", 4.0, counted=Counted.SERVING_HOURS, units_each=2.0), line("call", 0.0)]
    )
    assert hourly.month(use).usd == pytest.approx(8 * 2 * DAYS_A_MONTH)
    tokens = running_costs([line("tokens", 0.001, counted=Counted.CALLS, units_each=500.0), line("call", 0.25)])
    assert tokens.month(use).usd == pytest.approx(10_000 * 0.75)
    assert running_costs([line("train_hour", 3.0), line("sample_month", None)]).month(use).usd == 0


def test_of_several_plans_the_cheapest_for_the_use_counts():
    table = [
        line("call", 0.005, plan="small", included=10_000.0),
        line("plan_month", 50.0, plan="small", monthly=True),
        line("call_large", 0.001, plan="large", included=500_000.0),
        line("plan_month_large", 500.0, plan="large", monthly=True),
        line("plan_month_enterprise", None, plan="enterprise", monthly=True),
    ]
    costs = running_costs(table)
    assert [costs.month(Use(calls)).usd for calls in (1_000, 20_000, 600_000)] == [50.0, 100.0, 600.0]
    assert costs.month(Use(1_000)).unknown == ()


@pytest.mark.parametrize(
    ("table", "unknown"),
    [
        ([], "everything"),
        ([line("call", None)], "call"),
        ([line("endpoint_hour", None), line("call", 1.0)], "endpoint_hour"),
        ([line("gpu_fee", None), line("call", 1.0)], "gpu_fee"),
    ],
)
def test_an_unknown_price_is_never_taken_for_nothing(table, unknown):
    month = running_costs(table).month(Use())
    assert unknown in month.unknown
    assert "unknown" in str(month)


def answers(decision):
    assert [one.key for one in decision.lines] == KEYS
    return {one.key: " ".join(one.answers) for one in decision.lines}


def test_the_card_answers_from_a_comparison(decision):
    said = answers(decision)
    assert said["which"].startswith("local:auto: most accurate on both datasets.")
    assert "1: local:auto · 2: local:svc, local:knn <b> (not separated)" in said["which"]
    assert "the first tier leads the second by" in said["sure"]
    assert "unknown" in said["month"]  # no price table was kept
    assert "$" not in said["month"]
    assert "(closed loop, 10 in flight)" in said["speed"]
    assert "points above always answering the most frequent label (25.0 %)" in said["guessing"]
    assert "test samples would settle" in said["open"]
    assert "`automl-bench run demo --retry-failed`" in said["next"]
    assert said["running"].startswith("No:")
    document = decision.as_json()
    assert set(document) == set(DECISION_FIELDS)
    assert all(set(one) == set(CANDIDATE_FIELDS) for one in document["candidates"])


def test_the_users_volume_and_the_prices_of_the_trial_make_the_month(store, make_trial):
    trial = make_trial(variant="svc", samples=70)
    table = [line("call", 0.002), line("endpoint_hour", 0.5, source="invented for a test")]
    store.finish_stage(
        StageRecord(trial, Stage.UPLOAD, StageStatus.DONE, result={PRICES: table_as_json(table)}, wall_seconds=1.0)
    )
    use = {"calls_per_month": 1000, "hours_per_day": 1.0, "label_usd": 0.1}
    store.save_experiment(ExperimentRecord("mine", {"use": use}, (trial,)))
    month = answers(decision_of(store, "mine"))["month"]
    assert month.startswith("1,000 calls a month, 1 h a day: local:svc $17.22 ($17.22 per 1,000).")
    assert "Simulated prices, nobody bills them." in month
    assert "an example" in answers(decision_of(store))["month"]


def test_who_is_not_better_than_guessing_is_named(store, make_trial):
    make_trial(variant="poor", samples=70, skill=-3.0)
    assert "No, local:poor" in answers(decision_of(store))["guessing"]
    assert ": 1 trial, " in answers(decision_of(store))["spent"]
    assert "not shown to be better than that: local:poor" in answers(decision_of(store))["guessing"]


def test_what_still_exists_at_a_provider_comes_before_every_other_next_step(store, make_trial):
    trial = make_trial(variant="svc", samples=70)
    entry = LedgerEntry(trial, Stage.DEPLOY, "local", "svc", "endpoint", "e", hourly_usd=4.5)
    store.ledger_intend(entry)
    said = answers(decision_of(store))
    assert "1 resource at providers, $4.50 an hour" in said["running"]
    assert said["next"].startswith("`automl-bench teardown --all`")


def test_nothing_measured_is_said_and_nothing_breaks(store):
    said = answers(decision_of(store))
    assert said["which"] == "No trial has a complete score yet."
    assert all(said.values())


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_the_text_fits_and_breaks_no_name(decision, width):
    lines = card_text(decision, width)
    longest = max(len(word) for one in lines for word in one.split())
    assert max(map(len, lines)) <= max(width, longest + 28)
    assert any("local:auto" in one for one in lines)
    assert any("beans" in one for one in lines)


@pytest.mark.parametrize(("heading", "fields"), [("decision", DECISION_FIELDS), ("candidates", CANDIDATE_FIELDS)])
def test_the_page_describes_the_fields(heading, fields):
    part = DOCS.read_text(encoding="utf-8").split(f"### `{heading}`\n", 1)[1].split("\n#", 1)[0]
    assert re.findall(r"^\| `(\w+)` \| (.+) \|$", part, flags=re.MULTILINE) == list(fields.items())


def test_labels_and_training_are_asked_of_who_learns_from_samples(store, make_trial):
    prompted = make_trial(provider="prompted", variant="zero", shots=0, skill=3.0)
    store.finish_stage(StageRecord(prompted, Stage.INVOKE, StageStatus.DONE, result={SHARED: True}, wall_seconds=1.0))
    only = answers(decision_of(store))
    assert only["labels"] == "pets: No, nothing here learns from labels."
    for place, shots in enumerate((5, 10, 20)):
        make_trial(variant="svc", shots=shots, skill=0.4 * place)
    said = answers(decision_of(store))
    assert said["which"].startswith("prompted:zero: most accurate.")
    assert re.match(r"pets \(prompted:zero learns from none\): .*local:svc", said["labels"])
    assert "prompted:zero needs none · local:svc 3 s" in said["training"]
    assert re.search(r"prompted:zero \S+ ms.*one call at a time", said["speed"]), "its calls stand at no shots"


def test_what_was_never_compared_is_not_called_equal(store):
    for name, accuracy in (("a", 0.9), ("b", 0.7)):
        for dataset in ("one", "two"):
            store.add_imported([ImportedResult("f.csv", name, "imported", dataset, 5, accuracy)])
    said = answers(decision_of(store))
    assert said["which"].startswith("Open: 2 variants, and none were compared on the same test samples.")
    assert said["sure"].startswith("Not at all")
    assert said["speed"] == "Not measured."
    assert "not separated" not in said["which"]
