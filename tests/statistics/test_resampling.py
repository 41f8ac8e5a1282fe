"""The bootstrap over datasets, draws and images finds the variance where it was put, as closed forms say."""

from __future__ import annotations

import numpy as np
import pytest

from automl_bench.statistics.resampling import breakdown


def table(chance, draws, images, *, shift=0.0, draw_sd=0.0, rate=0.1):
    """Differences of right answers, with so much spread over draws; (draws, images)."""
    moved = np.clip(shift + chance.normal(0, draw_sd, (draws, 1)), -0.8, 0.8)
    up, down = rate + np.maximum(moved, 0), rate + np.maximum(-moved, 0)
    uniform = chance.random((draws, images))
    return (uniform < up).astype(float) - (uniform > 1 - down).astype(float)


def test_one_dataset_of_one_draw_varies_by_its_images_as_the_closed_form_says():
    one = table(np.random.default_rng(0), 1, 500)
    found = breakdown([one])
    assert found.shares == {"images": 1.0}
    assert found.helps_most == "images"
    closed = one.std() / np.sqrt(one.size)
    assert (found.high - found.low) / (2 * 1.96) == pytest.approx(closed, rel=0.06)


@pytest.mark.parametrize(
    ("datasets", "draws", "images", "dataset_sd", "draw_sd", "most"),
    [(1, 5, 60, 0.0, 0.0, "images"), (1, 4, 5000, 0.0, 0.1, "draws"), (6, 3, 2000, 0.15, 0.0, "datasets")],
)
def test_more_of_what_varies_most_would_help_most(datasets, draws, images, dataset_sd, draw_sd, most):
    chance = np.random.default_rng(3)
    tables = [
        table(chance, draws, images, shift=chance.normal(0, dataset_sd), draw_sd=draw_sd, rate=0.15)
        for _ in range(datasets)
    ]
    found = breakdown(tables)
    assert found.helps_most == most
    assert sum(found.shares.values()) == pytest.approx(1.0)
    more = {"images": "more test samples", "draws": "more draws", "datasets": "more datasets"}[most]
    assert f"{more} would help most" in found.words


def test_without_any_spread_nothing_is_said():
    assert breakdown([np.zeros((3, 50))]).words == ""
    assert breakdown([]) is None


def test_the_same_seed_gives_the_same_numbers():
    one = table(np.random.default_rng(1), 3, 200)
    assert breakdown([one, -one]) == breakdown([one, -one])
