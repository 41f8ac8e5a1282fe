"""What a variant asks of a training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from automl_bench.contract import Json, Variant
from automl_bench.errors import Infeasible, RequestRefused

MODEL_TYPE = "model_type"
BUDGET = "budget_milli_node_hours"
EARLY_STOPPING = "early_stopping"

CLOUD_BUDGET = (8_000, 800_000)
"""Least and most thousandths of a node hour, as the training's own schema says."""

BUDGETS: Mapping[str, tuple[int, int]] = {
    "CLOUD": CLOUD_BUDGET,
    "CLOUD_1": CLOUD_BUDGET,
}
"""By model type. The schema names no budget for CLOUD_1; it is held to that of CLOUD."""

VARIANTS: Mapping[str, Mapping[str, Json]] = {
    "default": {MODEL_TYPE: "CLOUD", BUDGET: 8_000},
    "high-accuracy": {MODEL_TYPE: "CLOUD_1", BUDGET: 8_000},
}

EDGE = "MOBILE_"
"""How the model types begin that are trained for export to devices. Google's page on Edge models says that they cannot
be deployed to an endpoint, so that a training of one would be paid for nothing."""


@dataclass(frozen=True, slots=True)
class TrainingOptions:
    """A variant's settings, checked.

    Attributes:
        model_type: The service's word for the kind of model.
        budget_milli_node_hours: The most that the training may take, in thousandths of a node hour.
        early_stopping: Whether the service may stop earlier, when the model no longer gets better.
    """

    model_type: str = "CLOUD"
    budget_milli_node_hours: int = CLOUD_BUDGET[0]
    early_stopping: bool = True

    @property
    def node_hours(self) -> float:
        """The budget in node hours."""
        return self.budget_milli_node_hours / 1000

    @classmethod
    def of(cls, variant: Variant) -> TrainingOptions:
        """Return a variant's options.

        Raises:
            Infeasible: If it is a model for phones, which Vertex AI trains and cannot serve.
            RequestRefused: If a key or value is not one that the service takes.
        """
        settings = variant.settings
        unknown = sorted(set(settings) - {MODEL_TYPE, BUDGET, EARLY_STOPPING})
        if unknown:
            raise RequestRefused(
                f"{variant}: {unknown[0]!r} is not a setting of a variant.",
                remedy=f"Known: {MODEL_TYPE}, {BUDGET}, {EARLY_STOPPING}.",
            )
        model_type = settings.get(MODEL_TYPE, "CLOUD")
        if str(model_type).startswith(EDGE):
            raise Infeasible(
                f"{variant}: {MODEL_TYPE} {model_type!r} is an Edge model, which Vertex AI trains for export only "
                "and cannot serve.",
                remedy=f"Use one of {', '.join(sorted(BUDGETS))}.",
            )
        if model_type not in BUDGETS:
            raise RequestRefused(
                f"{variant}: {MODEL_TYPE} is {model_type!r}.", remedy=f"Known: {', '.join(sorted(BUDGETS))}."
            )
        least, most = BUDGETS[model_type]
        budget = settings.get(BUDGET, least)
        if isinstance(budget, bool) or not isinstance(budget, int) or not least <= budget <= most:
            raise RequestRefused(
                f"{variant}: {BUDGET} is {budget!r}.",
                remedy=f"Use a whole number from {least} to {most} for {model_type}.",
            )
        early = settings.get(EARLY_STOPPING, True)
        if not isinstance(early, bool):
            raise RequestRefused(f"{variant}: {EARLY_STOPPING} is {early!r}.", remedy="Use true or false.")
        return cls(model_type, budget, early)
