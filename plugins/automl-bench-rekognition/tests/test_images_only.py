"""Custom Labels takes images only, and says so in one sentence wherever a dataset of texts or rows meets it."""

from __future__ import annotations

import pytest
from automl_bench_rekognition.description import DESCRIPTION

from automl_bench.contract import Modality, TrainingSet
from automl_bench.providers.feasibility import training_obstacles


@pytest.mark.parametrize("modality", [Modality.TEXT, Modality.TABULAR])
def test_texts_and_tables_are_refused_in_one_sentence(modality: Modality) -> None:
    drawn = TrainingSet("d", ("a", "b"), (), (), modality=modality)
    assert training_obstacles(DESCRIPTION, drawn, modality) == [
        f"rekognition learns from image, not from {modality} (Custom Labels is a service for images only): "
        "choose another dataset."
    ]
    assert "images only" in DESCRIPTION.title
