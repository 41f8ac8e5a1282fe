"""Passes that could end early enter verdicts by a test that holds at every look, never by an ordinary p."""

from __future__ import annotations

import json

import numpy as np
import pytest
from answered_trials import answer

from automl_bench.cli.main import run
from automl_bench.contract import Stage
from automl_bench.measurement.stopping import StoppingMonitor, StoppingRule, p_value
from automl_bench.report.labels import labelled
from automl_bench.report.rows import result_rows
from automl_bench.report.support import comparisons
from automl_bench.report.support_tables import support_table
from automl_bench.report.verdicts import Question
from automl_bench.report.watched import compare_points
from automl_bench.statistics.paired import mcnemar_exact
from automl_bench.store import open_store
from automl_bench.store.records import StageRecord, StageStatus
from automl_bench.trials.early_stop import STOPPING

TOTAL = 400


def watched_pass(store, told, *, fold=0, of=TOTAL, shots=20):
    """Store two trials of one pass that was looked at, with what the engine keeps of its comparison."""
    ids = {}
    for variant, answers in told.items():
        answer(store, variant, answers, fold=fold, shots=shots)
        ids[variant] = next(
            t.trial_id for t in store.trials() if (t.variant, t.fold, t.shots) == (variant, fold, shots)
        )
    (first, a), (second, b) = told.items()
    plus, minus = (sum(x and not y for x, y in zip(*pair, strict=True)) for pair in ((a, b), (b, a)))
    kept = {
        "answered": len(a),
        "of": of,
        "calls_saved": of - len(a),
        "usd_saved": 0.0,
        "level": 0.95,
        "comparisons": [{"first": ids[first], "second": ids[second], "p": p_value(plus, minus)}],
    }
    for trial_id in ids.values():
        store.finish_stage(StageRecord(trial_id, Stage.INVOKE, StageStatus.DONE, result={STOPPING: kept}))
    return kept["comparisons"][0]["p"]


def differing(only_a, only_b, same):
    """Return the answers of a and b."""
    a = [True] * only_a + [False] * only_b + [True] * same
    b = [False] * only_a + [True] * only_b + [True] * same
    return {"a": a, "b": b}


def support(store):
    return comparisons(store, labelled(result_rows(store)))


def test_a_page_takes_the_p_that_the_pass_kept_and_no_fixed_one(store):
    kept = watched_pass(store, differing(12, 2, 80))
    (one,) = support(store).compared
    assert mcnemar_exact(12, 2) < 0.05 < kept
    assert one.p == pytest.approx(kept)
    assert not one.separated
    assert one.low < 0 < one.high
    assert one.basis == "94 test samples × 1 draw, could end early"
    assert one.method.startswith("anytime-valid test and confidence sequence")


def test_a_clear_difference_is_still_a_verdict_and_a_note_says_what_it_rests_on(store):
    watched_pass(store, differing(25, 0, 40))
    found = support(store)
    (one,) = found.compared
    assert one.separated
    assert one.words == "local:a is ahead of local:b, as trained here."
    notes = " ".join(support_table(found).notes)
    assert "pets: accuracy passes of local:a, local:b ended early, after 65 of 400 test samples" in notes
    assert "test that allows for that" in notes
    assert "McNemar" not in notes


def test_a_pass_that_was_looked_at_to_its_end_is_treated_alike(store):
    kept = watched_pass(store, differing(12, 2, 386))
    (one,) = support(store).compared
    assert one.p == pytest.approx(kept)
    assert not any("ended early" in note for note in support(store).notes)


def test_one_such_pass_is_enough_even_if_the_other_variant_was_measured_whole(store):
    told = differing(12, 2, 80)
    watched_pass(store, {"a": told["a"], "c": told["a"]})
    answer(store, "b", told["b"] + [True] * 300)
    by_pair = {frozenset((one.a, one.b)): one for one in support(store).compared}
    assert by_pair[frozenset(("local:a", "local:b"))].p == pytest.approx(p_value(12, 2))


def test_draws_that_ended_at_different_samples_are_compared_on_those_that_all_answered(store):
    for fold, same in enumerate((40, 70, 90)):
        watched_pass(store, differing(25, 0, same), fold=fold)
    found = support(store)
    assert [one.question for one in found.compared] == [Question.MODELS]
    (one,) = found.compared
    assert one.basis == "65 test samples × 3 draws, could end early"
    assert one.p == pytest.approx(p_value(25, 0))
    assert any("nothing is said about another draw" in note for note in found.notes)


def test_a_fall_between_two_such_passes_needs_the_same_evidence(store):
    ones, twos = differing(12, 2, 80), differing(12, 2, 80)
    watched_pass(store, {"a": ones["a"], "c": ones["a"]}, shots=5)
    watched_pass(store, {"a": twos["b"], "c": twos["b"]}, shots=20)
    assert support(store).falls == ()


def test_compare_says_it_in_its_first_line_and_its_json(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("AUTOML_BENCH_WORKSPACE", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "250")
    with open_store(tmp_path / "results" / "automl-bench.sqlite") as store:
        watched_pass(store, differing(12, 2, 80))
    assert run(["compare", "local:a", "local:b", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["answer"].startswith("not settled: +10.6 [")
    assert "could end early" in found["answer"]
    assert any("ended early" in note for note in found["notes"])


@pytest.mark.simulation
def test_equal_variants_are_separated_on_at_most_five_of_a_hundred_pages_of_stopped_passes():
    chance = np.random.default_rng(13)
    false = 0
    pages = 300
    for _ in range(pages):
        told, looks = {"a": [], "b": []}, StoppingMonitor(StoppingRule((("a", "b"),), rope=0.0), 200)
        for _ in range(200):
            both = chance.random() < 0.6
            one = {"a": bool(both or chance.random() < 0.4), "b": bool(both or chance.random() < 0.4)}
            looks.add(one)
            for name, value in one.items():
                told[name].append(value)
            if looks.decided():
                break
        a, b = (np.array([told[name]], dtype=float) for name in ("a", "b"))
        found = compare_points(a, b, watched=True).models
        false += found.p < 0.05 and (found.low > 0 or found.high < 0)
    assert false / pages <= 0.07
