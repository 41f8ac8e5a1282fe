"""What an AutoML job is asked to do, by what one sample is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from automl_bench.contract import Json, Modality
from automl_bench_azure.options import Options
from automl_bench_azure.tables import LABEL_COLUMN

METRIC = "Accuracy"


def details(modality: Modality, options: Options, uploaded: Mapping[str, Json]) -> dict[str, Any]:
    """Return a job's task. Our validation half goes along, so that the service does not split by itself.

    Args:
        modality: What one sample is.
        options: The variant's settings for it.
        uploaded: Result of the upload.
    """
    common = {
        "targetColumnName": str(uploaded.get("target", LABEL_COLUMN)),
        "primaryMetric": METRIC,
        "trainingData": {"jobInputType": "mltable", "uri": str(uploaded["train_folder"])},
        "validationData": {"jobInputType": "mltable", "uri": str(uploaded["validation_folder"])},
    }
    limits = {
        "maxTrials": options.max_trials,
        "maxConcurrentTrials": 1,
        "timeout": f"PT{options.timeout_minutes}M",
    }
    own = {Modality.TEXT: _of_texts, Modality.TABULAR: _of_table}.get(modality, _of_images)
    return {**common, "limitSettings": limits, **own(options, uploaded)}


def _of_images(options: Options, _uploaded: Mapping[str, Json]) -> dict[str, Any]:
    network = {"modelSettings": {"modelName": options.model_name}} if options.model_name else {}
    return {"taskType": "ImageClassification", **network}


def _of_texts(options: Options, _uploaded: Mapping[str, Json]) -> dict[str, Any]:
    """The service chooses the language model: this version of its interface has no place for one."""
    return {"taskType": "TextClassification", "featurizationSettings": {"datasetLanguage": options.text_language}}


def _of_table(options: Options, uploaded: Mapping[str, Json]) -> dict[str, Any]:
    """Ensembles stay on: the service itself leaves them out where too few trials are asked for."""
    return {
        "taskType": "Classification",
        "featurizationSettings": {"mode": "Custom", "columnNameAndTypes": dict(uploaded["column_types"])},
        "trainingSettings": {"enableModelExplainability": False, "enableStackEnsemble": False},
    }
