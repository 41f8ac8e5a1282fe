"""The code that MLflow stores beside a model: a model of the provider local as a pyfunc model."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mlflow.models
import mlflow.pyfunc
import pandas as pd

if TYPE_CHECKING:
    from automl_bench_local.model import Served


class LocalModel(mlflow.pyfunc.PythonModel):  # type: ignore[misc,name-defined,unused-ignore]  # untyped
    """Classifies images: a column `image` with the bytes of a file in each row."""

    _model: Served

    def load_context(self, context: Any) -> None:
        """Load the model that is stored beside this code."""
        from automl_bench_local.model import load_model

        graphs = Path(tempfile.gettempdir()) / f"automl-bench-graphs-{os.getuid()}"
        graphs.mkdir(mode=0o700, exist_ok=True)
        self._model = load_model(Path(context.artifacts["model"]), graph_folder=graphs, threads=1)

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Return label and confidence of each row."""
        answers = [self._model.predict(content) for content in model_input["image"]]
        return pd.DataFrame(
            {"label": [one.label for one in answers], "confidence": [one.confidence for one in answers]}
        )


mlflow.models.set_model(LocalModel())
