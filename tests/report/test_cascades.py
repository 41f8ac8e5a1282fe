"""Cascades from stored answers: numbers that were not tuned on what judges them, and costs of both variants."""

import numpy as np
import pytest
from decision_pages import fill

from automl_bench.errors import UsageError
from automl_bench.report.build import build_report
from automl_bench.report.cascades import cascades_of
from automl_bench.report.labels import labelled
from automl_bench.report.rows import result_rows
from automl_bench.report.running_costs import DAYS_A_MONTH, Use
from automl_bench.statistics.cascades import Answered, cascade


def answered(count, *, useful, seed=0):
    """A first that is right on 70 % and a second that is right on 80 %; confidence tells, or is noise."""
    chance = np.random.default_rng(seed)
    first = chance.random(count) < 0.7
    sure = np.where(first, 0.6, 0.4) + chance.normal(0, 0.1, count) if useful else chance.random(count)
    return Answered(
        sure=np.clip(sure, 0, 1),
        first_right=first,
        second_right=chance.random(count) < 0.8,
        first_ms=np.full(count, 2.0),
        second_ms=np.full(count, 30.0),
        part=np.arange(count) % 5,
        samples=count,
    )


def test_the_ends_are_the_two_alone():
    answers = answered(1000, useful=True)
    points = cascade(answers)
    assert (points[0].passed, points[0].accuracy, points[0].p95_ms) == (0, answers.first_right.mean(), 2.0)
    assert (points[-1].passed, points[-1].accuracy, points[-1].p95_ms) == (1, answers.second_right.mean(), 32.0)


def test_a_confidence_that_tells_makes_the_two_better_than_either():
    points = cascade(answered(5000, useful=True))
    assert max(one.accuracy for one in points) > 0.88
    assert [one.passed for one in points] == pytest.approx([one.wanted for one in points], abs=0.02)


def test_a_confidence_that_is_noise_promises_nothing():
    # Tuned and judged on the same answers, the best of 21 thresholds would lie above both; cross-fitted, on the average
    # it does not lie above the line between them.
    gains = []
    for seed in range(200):
        points = cascade(answered(200, useful=False, seed=seed))
        line = [points[0].accuracy + one.passed * (points[-1].accuracy - points[0].accuracy) for one in points]
        gains.append(np.mean([one.accuracy - on for one, on in zip(points, line, strict=True)]))
    assert abs(np.mean(gains)) < 0.004


def test_what_has_no_confidence_is_always_passed_on():
    answers = answered(500, useful=True)
    answers.sure[:250] = np.nan
    assert cascade(answers)[1].passed >= 0.5


@pytest.fixture
def measured(store, tmp_path):
    fill(store, tmp_path / "data", datasets=("shapes",), shots=(5,), folds=2, samples=150)
    return store


def test_a_month_counts_the_first_whole_and_the_second_in_part(measured):
    use = Use(100_000, 10.0)
    (found,) = cascades_of(measured, labelled(result_rows(measured)), "simulated:thrifty,simulated:quick", use)
    calls, hours = 0.0015 * 100_000, 0.9 * 10 * DAYS_A_MONTH
    assert found.months[0].usd == pytest.approx(calls)
    assert found.months[10].usd == pytest.approx(calls + hours)
    assert (found.samples, found.answers) == (150, 300)


def test_the_report_has_the_cascade(measured, tmp_path):
    path = build_report(
        measured, experiment="decide", out_dir=tmp_path / "out", cascade="local:svc, simulated:thorough"
    )
    text = path.read_text(encoding="utf-8")
    assert "A cascade of two" in text
    assert "local:svc, then simulated:thorough: shapes" in text


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ("local:svc", "does not name two variants"),
        ("local:svc,local:svc", "does not name two variants"),
        ("local:svc,vertex", "There are no results of 'vertex'"),
    ],
)
def test_what_is_no_cascade_is_refused(measured, wanted, words):
    with pytest.raises(UsageError, match=words):
        cascades_of(measured, labelled(result_rows(measured)), wanted, Use())
