"""What a variant asks of a training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from automl_bench.contract import Json, Modality, Setting, SettingKind, Variant
from automl_bench.errors import Infeasible, InvalidSetting
from automl_bench.toolkit.setting_values import variant_settings_of

MODEL_TYPE = "model_type"
BUDGET = "budget_milli_node_hours"
EARLY_STOPPING = "early_stopping"
TABLE_BUDGET = "table_budget_milli_node_hours"
TABLE_OBJECTIVE = "table_objective"
TABLE_MACHINE = "table_machine_type"

TABLE_BUDGETS = (1_000, 72_000)
"""Least and most thousandths of a node hour of a training on a table, as its schema says."""

LOG_LOSS = "minimize-log-loss"
OBJECTIVES = (LOG_LOSS, "maximize-au-roc", "maximize-au-prc")
"""What a training on a table may aim at; with more than two classes the service takes the first only. Those that need
a further value are not offered."""

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
    Setting(
        TABLE_BUDGET,
        "The same for a training on a table.",
        default=str(TABLE_BUDGETS[0]),
        kind=SettingKind.INTEGER,
        minimum=TABLE_BUDGETS[0],
        maximum=TABLE_BUDGETS[1],
    ),
    Setting(
        TABLE_OBJECTIVE,
        "What a training on a table aims at.",
        default=LOG_LOSS,
        kind=SettingKind.CHOICE,
        choices=OBJECTIVES,
    ),
    Setting(
        TABLE_MACHINE,
        "Machine that serves a model of tables, billed by the hour while it is deployed.",
        default="n1-standard-4",
        pattern=r"[a-z][a-z0-9]*-[a-z]+-[0-9]+",
        example="n1-standard-4",
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
        table_budget_milli_node_hours: The most that a training on a table may take.
        table_objective: What a training on a table aims at.
        table_machine_type: Machine that serves a model of tables.
    """

    model_type: str = "CLOUD"
    budget_milli_node_hours: int = CLOUD_BUDGET[0]
    early_stopping: bool = True
    table_budget_milli_node_hours: int = TABLE_BUDGETS[0]
    table_objective: str = LOG_LOSS
    table_machine_type: str = "n1-standard-4"

    @property
    def node_hours(self) -> float:
        """The budget in node hours."""
        return self.budget_milli_node_hours / 1000

    @property
    def table_node_hours(self) -> float:
        """The budget of a training on a table, in node hours."""
        return self.table_budget_milli_node_hours / 1000

    def machine_for(self, modality: Modality) -> str:
        """Return the machine that serves a model, or "" where the service chooses it."""
        return self.table_machine_type if modality is Modality.TABULAR else ""

    def require_objective_for(self, classes: int) -> None:
        """Check that the service aims at the objective with so many classes.

        Raises:
            InvalidSetting: If it does so with two only.
        """
        if classes > 2 and self.table_objective != LOG_LOSS:
            raise InvalidSetting(
                f"{TABLE_OBJECTIVE} is {self.table_objective!r}, which Vertex AI offers for two classes only, and "
                f"there are {classes}.",
                remedy=f'Set {TABLE_OBJECTIVE} = "{LOG_LOSS}".',
            )

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
