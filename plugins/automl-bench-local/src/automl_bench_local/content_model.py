"""A trained model of texts or rows on disk, and how it answers for one of them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl_bench.contract import Modality
from automl_bench_local.features import UnreadableContent
from automl_bench_local.inside.heads import ESTIMATOR, EstimatorHead
from automl_bench_local.model import Answer, write_card

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class ContentFeatures:
    """What a pipeline is given, and what it is.

    Attributes:
        modality: Texts or rows.
        kind: The built-in pipeline's name, or the kind of features before a classifier of one's own.
        columns: Names of a table's columns, in order.
        frame: Whether rows are given as a data frame.
    """

    modality: Modality
    kind: str
    columns: tuple[str, ...] = ()
    frame: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return it for the model's card and for `GET /health`."""
        return {
            "modality": self.modality.value,
            "kind": self.kind,
            "columns": list(self.columns),
            "frame": self.frame,
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> ContentFeatures:
        """Read what `to_json` returned."""
        return cls(Modality(content["modality"]), content["kind"], tuple(content["columns"]), content["frame"])


@dataclass(frozen=True, slots=True)
class ContentModel:
    """A whole pipeline, from a request's body to an answer.

    Attributes:
        labels: Names of the classes seen in training.
        features: What the pipeline is given.
        head: The pipeline.
    """

    labels: tuple[str, ...]
    features: ContentFeatures
    head: EstimatorHead

    def predict(self, content: bytes) -> Answer:
        """Classify a text in UTF-8 or a row as a JSON object.

        Raises:
            UnreadableContent: If it is neither.
        """
        one = [read_content(content, self.features.modality)]
        position, scores = self.head.answer_row(frame_of(one, self.features.columns) if self.features.frame else one)
        values = [float(score) for score in scores]
        return Answer(self.labels[position], values[position], dict(zip(self.labels, values, strict=True)))


def read_content(content: bytes, modality: Modality) -> Any:
    """Read the body of a request: a text, or a row's cells by column. A column that is left out is missing.

    Raises:
        UnreadableContent: If it is not that.
    """
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UnreadableContent(f"not UTF-8: byte {error.start} cannot be read") from error
    if modality is Modality.TEXT:
        return text
    try:
        row = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UnreadableContent(f"not JSON: {error}") from error
    if not isinstance(row, dict) or any(isinstance(cell, dict | list) for cell in row.values()):
        raise UnreadableContent(
            "not a row: send a JSON object with a text, number, true, false or null for each column"
        )
    return row


def frame_of(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> pd.DataFrame:
    """Return rows as a data frame with all columns in their order; what a row lacks is missing."""
    import pandas as pd

    return pd.DataFrame(list(rows), columns=list(columns))


def save_content_model(
    folder: Path,
    *,
    labels: Sequence[str],
    features: ContentFeatures,
    head: EstimatorHead,
    name: str,
    needs_pandas: bool,
) -> None:
    """Write a model; its card comes last, so that a folder with a card holds a whole model."""
    head.save(folder)
    write_card(
        folder,
        {
            "name": name,
            "labels": list(labels),
            "modality": features.modality.value,
            "features": features.to_json(),
            "label_from_scores": head.label_from_scores,
            "needs_pandas": needs_pandas,
        },
    )


def read_content_model(folder: Path, card: Mapping[str, Any], *, threads: int) -> ContentModel:
    """Read a model into a process that does nothing else.

    Raises:
        OSError: If a file is missing.
        ImportError: If a package is missing that the pipeline needs.
    """
    import joblib
    import sklearn

    sklearn.set_config(assume_finite=True)  # what the built-in encoders give is finite: saves a pass over it
    head = EstimatorHead(joblib.load(folder / ESTIMATOR), card["label_from_scores"])
    model = ContentModel(tuple(card["labels"]), ContentFeatures.from_json(card["features"]), head)
    if _embeds(head.estimator):
        from automl_bench_local import minilm

        minilm.load(threads)
    return model


def _embeds(estimator: Any) -> bool:
    from automl_bench_local.minilm import SentenceEmbedding

    return any(isinstance(part, SentenceEmbedding) for part in estimator.get_params().values())
