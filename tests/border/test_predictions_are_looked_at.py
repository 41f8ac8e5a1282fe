"""A prediction may lack a confidence and say what it used; what cannot be so is the plugin's fault."""

from __future__ import annotations

from typing import Any

import pytest

from automl_bench.border.values import prediction_fault
from automl_bench.contract import Prediction, Usage


@pytest.mark.parametrize(
    "prediction",
    [
        Prediction("cat", None),
        Prediction(None, None, usage=Usage(finish_reason="refusal", text="I cannot.")),
        Prediction("cat", 0.5, {"cat": 0.5}, Usage(10, 0, 2, 0, 1, 0.001, "m", "stop", "x" * 2000)),
    ],
)
def test_what_a_prompted_model_answers_is_a_prediction(prediction: Prediction) -> None:
    assert prediction_fault(prediction) == ""


@pytest.mark.parametrize(
    ("usage", "named"),
    [
        ({"input_tokens": 3}, "not a Usage"),
        (Usage(input_tokens=-1), "input_tokens is -1"),
        (Usage(output_tokens=True), "output_tokens"),
        (Usage(usd=float("nan")), "usd"),
        (Usage(text="x" * 2001), "2,001 characters"),
        (Usage(model="m" * 301), "model has over 300"),
        (Usage(text=b"cat"), "text"),  # type: ignore[arg-type]
    ],
)
def test_a_usage_that_cannot_be_so_is_refused(usage: Any, named: str) -> None:
    assert named in prediction_fault(Prediction("cat", None, usage=usage))
