"""Fixtures of the Nyckel provider's tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from nyckel_fake import NyckelFake
from nyckel_trial import SHADES, NyckelTrial, make_sample, training_set_of

from automl_bench.contract import LabelledSample, TrainingSet


@pytest.fixture
def fake() -> Iterator[NyckelFake]:
    # A rate that the tests do not wait for; the published one has a test of its own.
    with NyckelFake(rate=1000, lag=0.05) as running:
        yield running


@pytest.fixture
def trial(fake: NyckelFake, tmp_path: Path) -> NyckelTrial:
    return NyckelTrial(fake, tmp_path)


@pytest.fixture
def items(tmp_path: Path) -> list[LabelledSample]:
    """Five images of each of three shades."""
    folder = tmp_path / "images"
    folder.mkdir()
    return [
        LabelledSample(make_sample(folder / f"{label}{number}.png", shade, number), label)
        for label, shade in SHADES.items()
        for number in range(5)
    ]


@pytest.fixture
def training_set(items: list[LabelledSample]) -> TrainingSet:
    return training_set_of(items)
