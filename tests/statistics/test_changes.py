"""Changes between looks: found as often as stated, and no more false alarms over many looks than stated."""

from __future__ import annotations

import numpy as np
import pytest

from automl_bench.statistics.changes import LOOKS, PROBES, RATE, change, level_of, power_of

LEVEL = level_of(RATE, LOOKS, 1)


def answers(chance: np.random.Generator, right: np.ndarray) -> dict[str, bool]:
    """Return right and wrong answers of probes that are answered right with these chances."""
    return {str(number): bool(hit) for number, hit in enumerate(chance.random(len(right)) < right)}


def share_of_false_alarms(rows: int, seed: int) -> float:
    """Return how often any of so many looks at an unchanged service that answers by chance raises an alarm."""
    chance = np.random.default_rng(seed)
    alarms = 0
    for _ in range(rows):
        right = chance.beta(2.0, 0.5, PROBES)  # some probes are sure, others are guessed
        reference = answers(chance, right)
        alarms += any(change(reference, answers(chance, right), LEVEL).found for _ in range(LOOKS))
    return alarms / rows


def share_found(rows: int, unsteady: float, seed: int) -> float:
    """Return how often one look finds that 5 of 100 probes were turned from right to wrong, beside unsteady ones."""
    chance = np.random.default_rng(seed)
    found = 0
    for _ in range(rows):
        draw = chance.random(PROBES)
        reference = {str(number): True for number in range(PROBES)}
        now = {str(number): bool(value >= 0.05 + unsteady / 2) for number, value in enumerate(draw)}
        flipped = {str(number) for number, value in enumerate(draw) if value > 1 - unsteady / 2}
        reference |= dict.fromkeys(flipped, False)
        found += change(reference, now, LEVEL).found
    return found / rows


def test_a_look_counts_what_turned_and_only_what_both_know() -> None:
    one = change({"a": True, "b": True, "c": False, "d": True}, {"a": False, "b": True, "c": True, "e": True}, 0.05)
    assert (one.compared, one.worsened, one.improved, one.p, one.found) == (3, 1, 1, 1.0, False)
    assert change({}, {}, 0.05).found is False
    sure = change(dict.fromkeys("abcdefghijk", True), dict.fromkeys("abcdefghijk", False), LEVEL)
    assert sure.p == pytest.approx(2 * 0.5**11)
    assert sure.found
    assert sure.difference == -1.0


def test_alarms_and_power_in_short() -> None:
    """120 rows of looks: at the stated rate of 5 %, 15 alarms or more have a chance of 0.1 %; the seed is fixed."""
    assert share_of_false_alarms(120, seed=5) <= 14 / 120
    for unsteady in (0.0, 0.04):
        stated = power_of(PROBES, LEVEL, unsteady=unsteady)
        assert share_found(400, unsteady, seed=6) == pytest.approx(stated, abs=4 * (0.25 / 400) ** 0.5)


@pytest.mark.simulation
def test_alarms_and_power_at_length() -> None:
    """3,000 rows of 30 looks, and 5,000 planted changes of 5 points."""
    assert share_of_false_alarms(3000, seed=7) <= RATE + 2 * (RATE * (1 - RATE) / 3000) ** 0.5
    for unsteady in (0.0, 0.02, 0.1):
        stated = power_of(PROBES, LEVEL, unsteady=unsteady)
        assert share_found(5000, unsteady, seed=8) == pytest.approx(stated, abs=4 * (0.25 / 5000) ** 0.5)


def test_power_falls_with_noise_and_with_fewer_probes() -> None:
    assert power_of(300, LEVEL) > power_of(300, LEVEL, unsteady=0.05) > power_of(100, LEVEL, unsteady=0.05)
    assert power_of(0, LEVEL) == 0.0
