"""What a training is asked to do: its definition, its inputs, and how it tells the halves apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from automl_bench.contract import Json
from automl_bench_vertex.columns import SPLIT, TARGET
from automl_bench_vertex.datasets import SCHEMAS
from automl_bench_vertex.manifests import TRAINING, VALIDATION
from automl_bench_vertex.options import TrainingOptions

IMAGES = f"{SCHEMAS}/trainingjob/definition/automl_image_classification_1.0.0.yaml"
TABLES = f"{SCHEMAS}/trainingjob/definition/automl_tabular_1.0.0.yaml"
ML_USE = "labels.aiplatform.googleapis.com/ml_use"
NOTHING = "-"
"""A filter that matches nothing: without a test set of ours, the service may have none of its own either."""


@dataclass(frozen=True, slots=True)
class Task:
    """What a training is asked to do.

    Attributes:
        definition: The schema that the inputs follow.
        inputs: Its inputs.
        split: How it tells training and validation half apart. Without it, the service would split anew.
    """

    definition: str
    inputs: Mapping[str, Json]
    split: Mapping[str, Json]


def of_images(options: TrainingOptions) -> Task:
    """Return the training of a classifier of images."""
    return Task(
        IMAGES,
        {
            "modelType": options.model_type,
            "multiLabel": False,
            "budgetMilliNodeHours": options.budget_milli_node_hours,
            "disableEarlyStopping": not options.early_stopping,
        },
        {
            "filter_split": {
                "training_filter": f"{ML_USE}={TRAINING}",
                "validation_filter": f"{ML_USE}={VALIDATION}",
                "test_filter": NOTHING,
            }
        },
    )


def of_table(options: TrainingOptions, transformations: Sequence[Mapping[str, Json]]) -> Task:
    """Return the training of a classifier of rows."""
    return Task(
        TABLES,
        {
            "targetColumn": TARGET,
            "predictionType": "classification",
            "optimizationObjective": options.table_objective,
            "transformations": list(transformations),
            "trainBudgetMilliNodeHours": options.table_budget_milli_node_hours,
            "disableEarlyStopping": not options.early_stopping,
        },
        {"predefined_split": {"key": SPLIT}},
    )
