"""The code that MLflow stores beside a model: a model of the provider local as a pyfunc model."""

from __future__ import annotations

import json
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
    """Classifies what it was trained on: a column `image` with bytes, a column `text`, or a table's own columns."""

    _model: Served
    _modality: str

    def load_context(self, context: Any) -> None:
        """Load the model that is stored beside this code."""
        from automl_bench_local.model import load_model

        graphs = Path(tempfile.gettempdir()) / f"automl-bench-graphs-{os.getuid()}"
        graphs.mkdir(mode=0o700, exist_ok=True)
        folder = Path(context.artifacts["model"])
        self._modality = json.loads((folder / "model.json").read_text(encoding="utf-8")).get("modality", "image")
        self._model = load_model(folder, graph_folder=graphs, threads=1)

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Return label and confidence of each row."""
        answers = [self._model.predict(content) for content in self._contents(model_input)]
        return pd.DataFrame(
            {"label": [one.label for one in answers], "confidence": [one.confidence for one in answers]}
        )

    def _contents(self, rows: pd.DataFrame) -> list[bytes]:
        """Return each row as the body of a request."""
        if self._modality == "image":
            return list(rows["image"])
        if self._modality == "text":
            return [text.encode() for text in rows["text"]]
        cells = json.loads(rows.to_json(orient="records", double_precision=15))
        return [json.dumps(row, ensure_ascii=False).encode() for row in cells]


mlflow.models.set_model(LocalModel())
