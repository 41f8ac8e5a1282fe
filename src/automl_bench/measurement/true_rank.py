"""Where the true label stands among the scores of an answer: all that top-k accuracy needs of them."""

from __future__ import annotations

from automl_bench.contract import Prediction


def true_rank(prediction: Prediction, label: str) -> int | None:
    """Return the place of the true label among the scores of an answer, from 1; 0 if it is not among them.

    The label answered has the first place. Of equal scores the true label has the last place, so none is flattered.

    Returns:
        None for an answer without scores.
    """
    if not prediction.scores:
        return None
    if prediction.label == label:
        return 1
    own = prediction.scores.get(label)
    if own is None:
        return 0
    return max(2, sum(score >= own for score in prediction.scores.values()))
