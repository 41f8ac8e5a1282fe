"""What would settle a comparison: more test samples or more draws, in words."""

from __future__ import annotations

from automl_bench.report.verdicts import Question
from automl_bench.statistics.contributions import Metric
from automl_bench.statistics.paired import Difference
from automl_bench.statistics.power import connor_samples, draws_needed

SMALLEST_WORTH = 0.01
"""Differences below a point are not worth more test samples; advice is for at least this."""


def advice(question: Question, found: Difference, draw_sd: float | None, level: float, metric: Metric) -> str:
    """Say what would settle a difference as large as the one seen, but of a point at least.

    Args:
        question: What was asked.
        found: The comparison.
        draw_sd: Standard deviation of the difference over draws; None if unknown.
        level: Level of one comparison of the page.
        metric: The score compared.
    """
    worth = max(abs(found.value), SMALLEST_WORTH)
    points = f"{100 * worth:.1f}".removesuffix(".0")
    unit = f"{points} point{'' if points == '1' else 's'}"
    if question is Question.MODELS:
        if metric is not Metric.ACCURACY:
            return ""  # of other scores nothing is known of the share of images that separates the two
        disagreement = max((found.only_a + found.only_b) / found.images, worth)
        needed = connor_samples(min(disagreement, 1.0), worth, level=level)
        return f"about {_rounded(needed)} test samples would settle {unit}" if needed > found.images else ""
    if draw_sd is None or draw_sd == 0:
        return ""
    draws = draws_needed(draw_sd, worth, level=level)
    if draws is None:
        return f"more than 100 draws would be needed to settle {unit}"
    return f"about {draws} draws would settle {unit}" if draws > found.draws else ""


def _rounded(count: float) -> str:
    """Round to two figures: more would pretend to know."""
    digits = max(0, len(str(int(count))) - 2)
    return f"{int(-(-count // 10**digits) * 10**digits):,}"


def chance(share: float) -> str:
    """Return "83 %", never 0 or 100."""
    if share > 0.99:
        return "over 99 %"
    return "under 1 %" if share < 0.01 else f"{100 * share:.0f} %"
