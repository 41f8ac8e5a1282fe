"""What a variant asks of a training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from automl_bench.contract import Json, Setting, SettingKind, Variant
from automl_bench.errors import Infeasible, InvalidSetting
from automl_bench.toolkit.setting_values import variant_settings_of

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

VARIANT_SETTINGS = (
    Setting(MODEL_TYPE, "The service's word for the kind of model.", default="CLOUD"),
    Setting(
        BUDGET,
        "Maximum duration of the training, in thousandths of a node hour.",
        default=str(CLOUD_BUDGET[0]),
        kind=SettingKind.INTEGER,
        minimum=CLOUD_BUDGET[0],
        maximum=CLOUD_BUDGET[1],
    ),
    Setting(
        EARLY_STOPPING,
        "Whether the service may stop earlier, when the model no longer gets better.",
        default="true",
        kind=SettingKind.FLAG,
    ),
)

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
            SettingsError: If a key or value is not one that the service takes.
        """
        found = cls(**variant_settings_of(VARIANT_SETTINGS, variant))
        model_type = found.model_type
        if model_type.startswith(EDGE):
            raise Infeasible(
                f"{variant}: {MODEL_TYPE} {model_type!r} is an Edge model, which Vertex AI trains for export only "
                "and cannot serve.",
                remedy=f"Use one of {', '.join(sorted(BUDGETS))}.",
            )
        if model_type not in BUDGETS:
            raise InvalidSetting(
                f"{variant}: {MODEL_TYPE} is {model_type!r}.", remedy=f"Known: {', '.join(sorted(BUDGETS))}."
            )
        return found
