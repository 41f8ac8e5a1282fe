"""Scores a classifier of texts or rows that Azure's AutoML has trained, with a probability for each class.

The service runs this file in the deployment's container; it imports nothing of automl-bench. Without it, a deployment
answers labels alone.

    request  {"input_data": {"columns": ["class", "age"], "index": [0], "data": [["1st", 29.0]]}}
    answer   {"classes": ["no", "yes"], "probabilities": [[0.1, 0.9]]}
"""

from __future__ import annotations

import importlib
import json
import os
import pickle
from pathlib import Path
from typing import Any

_loaded: dict[str, Any] = {}


def init() -> None:
    """Load the model and what its columns are; the service calls it once."""
    _loaded["model"] = load(find(Path(os.environ["AZUREML_MODEL_DIR"])))
    beside = Path(__file__).with_name("columns.json")
    _loaded["numbers"] = json.loads(beside.read_text(encoding="utf-8"))["numbers"]


def find(root: Path) -> Path:
    """Return the folder of the MLflow model, wherever below the root the service has put it."""
    described = sorted(root.rglob("MLmodel"))
    if not described:
        raise FileNotFoundError(f"there is no MLmodel under {root}")
    return described[0].parent


def load(folder: Path) -> Any:
    """Return the model itself, not MLflow's wrapper, which gives labels alone: pipelines are pickled, networks not."""
    import yaml

    flavors = yaml.safe_load((folder / "MLmodel").read_text(encoding="utf-8"))["flavors"]
    if "sklearn" in flavors:
        with (folder / flavors["sklearn"]["pickled_model"]).open("rb") as file:
            return pickle.load(file)
    return importlib.import_module("mlflow.pytorch").load_model(str(folder), map_location="cpu")


def run(raw: str | bytes) -> dict[str, Any]:
    """Answer one request."""
    import pandas

    asked = json.loads(raw)["input_data"]
    frame = pandas.DataFrame(asked["data"], columns=asked["columns"])
    for name in _loaded["numbers"]:
        frame[name] = frame[name].astype(float)  # a missing one is null, and would make the column one of objects
    model = _loaded["model"]
    return {
        "classes": [str(each) for each in model.classes_],
        "probabilities": [[float(each) for each in line] for line in model.predict_proba(frame)],
    }
