"""What a training tried before it chose, as its result tells the host."""

from __future__ import annotations

from dataclasses import dataclass

from automl_bench.contract import Json

ACCURACY = "accuracy"
LOG_LOSS = "log_loss"
"""Mean of −log(probability of the right class); lower is better."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One thing that was tried on held-out parts of the training set.

    Attributes:
        name: What it is, in a few words.
        measure: "accuracy" or "log_loss".
        score: Mean of the measure.
        sd: Standard deviation over the folds (ddof = 1), or None.
        folds: Folds of the cross-validation.
        chosen: Whether the model is this one.
    """

    name: str
    measure: str
    score: float
    sd: float | None
    folds: int
    chosen: bool = False

    def to_json(self) -> dict[str, Json]:
        """Return it as the result of a training holds it."""
        return {
            "candidate": self.name,
            "measure": self.measure,
            "score": self.score,
            "sd": self.sd,
            "folds": self.folds,
            "chosen": self.chosen,
        }
