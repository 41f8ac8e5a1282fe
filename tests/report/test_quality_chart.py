"""The chart of quality, cost and speed: who is beaten by nobody, and what is never drawn where it was not measured."""

import xml.etree.ElementTree as ET

import pytest

from automl_bench.contract import Price
from automl_bench.report.candidates import Candidate, Speed
from automl_bench.report.quality_chart import quality_charts, unbeaten
from automl_bench.report.running_costs import Use, running_costs
from automl_bench.report.svg import LinearScale, LogScale
from automl_bench.report.tiers import Tier
from automl_bench.statistics.learning_curves import fit

USE = Use(1000, 0.0)


def offer(name, accuracy, usd, p95, shots=20):
    speed = None if p95 is None else Speed(p95, None, None, 100, "open loop", True)
    prices = running_costs([Price("call", usd, "call", "2026-01-01", "a page")])
    return Candidate(
        name, "pets", shots, accuracy, accuracy - 0.02, accuracy + 0.02, 500, 3, 5, 0.2, speed, 1.0, 0.0, prices
    )


def test_only_who_is_at_least_as_good_as_cheap_and_as_fast_beats_another():
    own = [offer("a", 0.95, 0.01, 9), offer("b", 0.90, 0.001, 9), offer("c", 0.89, 0.002, 10)]
    apart = (Tier(("a",)), Tier(("b",)), Tier(("c",)))
    assert unbeaten(own, apart, USE) == {"a", "b"}


def test_a_difference_that_the_data_do_not_show_beats_nobody():
    own = [offer("a", 0.91, 0.001, 9), offer("b", 0.90, 0.001, 9), offer("c", 0.905, 0.0005, 8)]
    together = (Tier(("a", "c", "b"), "not separated"),)
    # c is cheaper and faster than a, whose mean is higher; it beats b, whose mean is not.
    assert unbeaten(own, together, USE) == {"a", "c"}


@pytest.mark.parametrize("unknown", [offer("b", 0.5, None, 50), offer("b", 0.5, 0.5, None)])
def test_what_is_unknown_is_beaten_by_nobody(unknown):
    own = [offer("a", 0.95, 0.001, 9), unknown]
    assert unbeaten(own, (Tier(("a",)), Tier(("b",))), USE) == {"a", "b"}


def test_the_chart_is_well_formed_and_says_everything_in_words_too():
    own = [offer("a <b>", 0.95, 0.01, 9, k) for k in (5, 20, None)] + [offer("b & co", 0.9, None, None)]
    (chart,) = quality_charts(own, {"pets": (Tier(("a <b>", "b & co"), "not separated"),)}, USE, {})
    for picture in (chart.wide, chart.narrow):
        root = ET.fromstring(picture)
        assert root.get("aria-label") == (
            "Accuracy on pets against labels, cost and speed: a <b> 95.0 %, $10.00 per 1,000 calls, p95 9 ms;"
            " b & co 90.0 %, cost unknown, speed not measured."
        )
        # Three points of a in each of three panels; b only where labels are; one each in the legend.
        assert len(root.findall("circle")) == 9 + 1 + 2
    assert "a price is unknown: b & co." in chart.caption


LABELS = (5.0, 10.0, 20.0)


def bands(shots, accuracies):
    """Return how many bands, and bands beyond what was measured, each picture has, and the caption."""
    own = [offer("a", accuracy, 0.01, 9, k) for k, accuracy in zip(shots, accuracies, strict=True)]
    curve = fit(LABELS, accuracies[:3])
    (chart,) = quality_charts(own, {"pets": (Tier(("a",)),)}, USE, {("a", "pets"): curve, ("a", "else"): curve})
    counts = []
    for picture in (chart.wide, chart.narrow):
        kinds = [one.get("class").split() for one in ET.fromstring(picture).iter("polygon")]
        counts.append((sum("band" in one for one in kinds), sum("beyond" in one for one in kinds)))
    return counts, chart.caption


def test_a_learning_curve_that_fits_has_its_band_up_to_twice_what_was_measured():
    counts, caption = bands((5, 10, 20), (0.6, 0.72, 0.8))
    assert counts == [(2, 1), (2, 1)]
    assert "95 % band of a learning curve" in caption


def test_no_band_is_followed_to_all_samples_which_are_no_number():
    counts, _ = bands((5, 10, 20, None), (0.6, 0.72, 0.8, 0.9))
    assert counts == [(1, 0), (1, 0)]


def test_a_curve_that_fits_poorly_has_no_band():
    counts, caption = bands((5, 10, 20), (0.7, 0.6, 0.72))
    assert counts == [(0, 0), (0, 0)]
    assert "band" not in caption


@pytest.mark.parametrize("values", [(0.0,), (5.0,), (0.0, 1e-9), (1e-3, 1e9), (0.0, 2.0, 3.0)])
def test_a_scale_keeps_every_value_inside_and_has_ticks(values):
    scale = LogScale(values, 100, 400)
    assert all(100 <= scale.at(value) <= 400 for value in values)
    assert 1 <= len(scale.ticks()) <= 8
    assert LinearScale(19.0, 100.0, 200, 0).ticks() == [20, 40, 60, 80, 100]
