"""An interleaved pass may end once its comparison is decided; the test allows for looking after every sample."""

from __future__ import annotations

import math

import numpy as np
import pytest
from call_scripts import ScriptedCalls, make_samples
from scipy.integrate import quad

from automl_bench.contract import Prediction
from automl_bench.errors import RequestRefused
from automl_bench.measurement.accuracy_pass import PassLane, PassSettings, run_pass
from automl_bench.measurement.betting import BETS
from automl_bench.measurement.stopping import (
    Decision,
    StoppingMonitor,
    StoppingRule,
    capital,
    confidence_sequence,
    p_value,
    pairs_of,
)
from automl_bench.store.records import Invocation

BARE = PassSettings(warm_up=0, cold=False)
PAIR = StoppingRule((("a", "b"),), rope=0.0)


def watched(rule: StoppingRule, outcomes: np.ndarray, total: int) -> StoppingMonitor:
    """Feed a monitor until it says that all is decided."""
    monitor = StoppingMonitor(rule, total)
    for difference in outcomes:
        monitor.add({"a": difference >= 0, "b": difference <= 0})
        if monitor.decided():
            break
    return monitor


def differences(rng: np.random.Generator, only_a: float, only_b: float, size: int) -> np.ndarray:
    return rng.choice([1, -1, 0], p=[only_a, only_b, 1 - only_a - only_b], size=size)


def test_the_capital_is_a_mean_over_bets_of_what_each_has_made() -> None:
    sizes = ((np.arange(BETS) + 0.5) / BETS) ** 2
    bets = [*(-sizes / (1 - 0.1)), *(sizes / (1 + 0.1))]
    by_hand = np.mean([(1 + bet * 0.9) ** 7 * (1 - bet * 1.1) ** 3 * (1 - bet * 0.1) ** 20 for bet in bets])
    assert capital(7, 3, 20, 0.1) == pytest.approx(math.log(by_hand))


@pytest.mark.parametrize(("plus", "minus"), [(0, 0), (6, 0), (20, 5), (60, 40), (3, 30)])
def test_for_no_difference_it_approximates_the_mixture_that_has_a_closed_form(plus: int, minus: int) -> None:
    # Sizes s = u**2 with u uniform have the density 1 / (2 sqrt(s)); both signs are equally likely.
    def mean(sign: int) -> float:
        return float(quad(lambda u: (1 + sign * u * u) ** plus * (1 - sign * u * u) ** minus, 0, 1)[0])

    assert capital(plus, minus, 0, 0.0) == pytest.approx(math.log((mean(1) + mean(-1)) / 2), abs=0.01)


def test_samples_that_both_get_right_or_wrong_do_not_change_p() -> None:
    assert capital(9, 2, 0, 0.0) == capital(9, 2, 500, 0.0)
    assert p_value(0, 0) == 1.0


@pytest.mark.parametrize("counts", [(0, 0, 1), (1, 0, 0), (5, 5, 90), (0, 0, 400), (40, 0, 0), (30, 10, 300)])
def test_the_interval_lies_within_what_is_possible_and_holds_what_was_seen(counts: tuple[int, int, int]) -> None:
    low, high = confidence_sequence(*counts, 0.05)
    seen = (counts[0] - counts[1]) / sum(counts)
    assert -1 <= low <= seen <= high <= 1
    assert low < high, "a limited number of samples is never certainty"


def test_interval_and_p_agree_on_no_difference() -> None:
    for plus in range(30):
        for minus in range(0, 30, 3):
            low, high = confidence_sequence(plus, minus, 50, 0.05)
            excluded = low > 1e-4 or high < -1e-4
            if abs(math.log(p_value(plus, minus)) - math.log(0.05)) > 0.05:
                assert excluded == (p_value(plus, minus) <= 0.05)


def test_a_clear_difference_ends_the_pass_and_the_rest_is_not_sent() -> None:
    rows: list[Invocation] = []
    samples = make_samples(400)
    good, bad = ScriptedCalls(), ScriptedCalls(label="dog")
    monitor = StoppingMonitor(PAIR, len(samples))
    lanes = [PassLane("a", good), PassLane("b", bad)]
    first, second = run_pass(lanes, samples, settings=BARE, record=rows.append, monitor=monitor)
    assert first.done == second.done < 20
    assert (first.total, first.stopped) == (400, False)
    [standing] = monitor.standings()
    assert standing.decision is Decision.AHEAD
    assert standing.p <= 0.05
    assert len(rows) == 2 * first.done


def test_an_unanswered_sample_counts_as_wrong_as_in_the_accuracy() -> None:
    samples = make_samples(400)
    refusing = ScriptedCalls([RequestRefused("no.") for _ in range(19)])
    monitor = StoppingMonitor(PAIR, len(samples))
    lanes = [PassLane("a", ScriptedCalls()), PassLane("b", refusing)]
    run_pass(lanes, samples, settings=BARE, record=lambda row: None, monitor=monitor)
    assert monitor.standings()[0].decision is Decision.AHEAD


def test_a_resumed_pass_counts_the_answers_that_were_stored() -> None:
    samples = make_samples(400)
    done = frozenset(sample.sample_id for sample, _ in samples)
    calls = ScriptedCalls(), ScriptedCalls()
    lanes = [
        PassLane("a", calls[0], already_done=done, already_right=done),
        PassLane("b", calls[1], already_done=done),
    ]
    monitor = StoppingMonitor(PAIR, len(samples))
    run_pass(lanes, samples, settings=BARE, record=lambda row: None, monitor=monitor)
    assert monitor.standings()[0].decision is Decision.AHEAD
    assert not calls[0].seen
    assert not calls[1].seen


def test_a_lane_that_has_ended_leaves_its_comparison_undecided_or_futile_but_never_won() -> None:
    from automl_bench.errors import QuotaExceeded

    samples = make_samples(60)
    script = [Prediction("cat", 0.9), QuotaExceeded("used up.")]
    monitor = StoppingMonitor(PAIR, len(samples))
    lanes = [PassLane("a", ScriptedCalls()), PassLane("b", ScriptedCalls(script))]
    run_pass(lanes, samples, settings=BARE, record=lambda row: None, monitor=monitor)
    assert monitor.standings()[0].decision in {Decision.OPEN, Decision.FUTILE}
    assert monitor.standings()[0].samples <= 2


def test_equal_in_practice_is_decided_only_with_a_region_for_it() -> None:
    same = np.zeros(3000, dtype=int)
    with_region = watched(StoppingRule((("a", "b"),), rope=0.02), same, 5000)
    assert with_region.standings()[0].decision is Decision.EQUAL
    low, high = with_region.standings()[0].low, with_region.standings()[0].high
    assert -0.02 <= low < 0 < high <= 0.02


def test_what_cannot_be_decided_any_more_is_given_up() -> None:
    monitor = watched(PAIR, np.zeros(200, dtype=int), 200)
    [standing] = monitor.standings()
    assert standing.decision is Decision.FUTILE
    assert standing.samples < 200


def test_the_comparisons_of_a_pass_share_its_error() -> None:
    assert pairs_of(["a", "b", "c"]) == (("a", "b"), ("a", "c"), ("b", "c"))
    assert pairs_of(["a", "b", "c"], "b") == (("a", "b"), ("c", "b"))
    assert StoppingRule(pairs_of(["a", "b", "c"])).alpha == pytest.approx(0.05 / 3)


@pytest.mark.simulation
@pytest.mark.parametrize("differing", [0.1, 0.5])
def test_equal_variants_are_separated_in_at_most_five_of_a_hundred_passes_whatever_the_look(differing: float) -> None:
    rng = np.random.default_rng(20261129)
    passes, samples = 600, 800
    separated = 0
    for _ in range(passes):
        rows = differences(rng, differing / 2, differing / 2, samples)
        moving = rows[rows != 0]
        plus = np.cumsum(moving > 0)
        minus = np.arange(1, len(moving) + 1) - plus
        separated += any(p_value(int(a), int(b)) <= 0.05 for a, b in zip(plus[4:], minus[4:], strict=True))
    # 5 % and three standard errors of 600 passes.
    assert separated / passes <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / passes)


@pytest.mark.simulation
@pytest.mark.parametrize(("only_a", "only_b"), [(0.1, 0.1), (0.12, 0.06), (0.02, 0.0), (0.5, 0.4)])
def test_the_interval_holds_the_truth_at_every_look_in_95_of_100_passes(only_a: float, only_b: float) -> None:
    rng = np.random.default_rng(7)
    passes, missed = 500, 0
    limit = -math.log(0.05)
    for _ in range(passes):
        rows = differences(rng, only_a, only_b, 1000)
        plus, minus = np.cumsum(rows == 1), np.cumsum(rows == -1)
        looks = np.unique(np.geomspace(1, 1000, 40).astype(int))
        missed += any(
            capital(int(plus[n - 1]), int(minus[n - 1]), int(n - plus[n - 1] - minus[n - 1]), only_a - only_b) >= limit
            for n in looks
        )
    assert missed / passes <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / passes)


@pytest.mark.simulation
def test_a_difference_of_five_points_is_found_as_often_and_as_early_as_the_docs_say() -> None:
    rng = np.random.default_rng(3)
    ended = [watched(StoppingRule((("a", "b"),)), differences(rng, 0.1, 0.05, 1000), 1000) for _ in range(100)]
    standings = [monitor.standings()[0] for monitor in ended]
    assert 0.7 <= np.mean([one.decision is Decision.AHEAD for one in standings]) <= 0.95
    assert 400 <= np.median([one.samples for one in standings]) <= 560
    assert not any(one.decision is Decision.BEHIND for one in standings)
