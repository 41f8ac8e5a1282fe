"""Texts and tables at the stand-in: read as the job reads them, learned by a real pipeline, served by our own script.

A job refuses what Azure's own packages refuse. A model is a scikit-learn pipeline in MLflow's layout. A deployment with
a scoring script runs that script, as it lies in the container; one without answers labels alone.
"""

from __future__ import annotations

import hashlib
import importlib.util
import io
import json
import os
import pickle
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd
import yaml
from azure_learning import BadData, Datastore
from pyarrow import parquet

LEAST_TO_TRAIN = 50
LEAST_TO_VALIDATE = {"Classification": 5, "TextClassification": 1}
TYPES = ("Numeric", "Categorical", "Text", "DateTime")
PACKAGES = "name: automl\ndependencies:\n- python=3.10\n- pip:\n  - azureml-train-automl-runtime==1.62.0\n"
"""What a job writes of the packages that its model needs."""

_environment = threading.Lock()


def read(store: Datastore, folder: str) -> pd.DataFrame:
    """Read an MLTable folder of rows.

    Raises:
        BadData: If a file is missing or malformed.
    """
    place = store.blob_of(folder)
    description = yaml.safe_load(store.read(f"{place}MLTable"))
    try:
        (path,) = description["paths"]
        right = description["transformations"] == [{"read_parquet": {"include_path_column": False}}]
        file = path["file"].removeprefix("./")
    except (KeyError, TypeError, ValueError) as error:
        raise BadData(f"{place}MLTable is malformed: {error!r}") from error
    if not right:
        raise BadData(f"{place}MLTable does not read one Parquet file")
    return parquet.read_table(io.BytesIO(store.read(f"{place}{file}"))).to_pandas()


def is_of_rows(store: Datastore, folder: str) -> bool:
    """Whether an MLTable folder is one of texts or rows."""
    return any(name.endswith(".parquet") for name in store.names(store.blob_of(folder)))


def samples_of(store: Datastore, folder: str) -> list[tuple[str, str]]:
    """Return a digest of its cells and the label, which is the last column, of each row in a folder."""
    return [
        (hashlib.sha256(repr(line[:-1]).encode()).hexdigest(), str(line[-1]))
        for line in read(store, folder).itertuples(index=False, name=None)
    ]


def check(train: pd.DataFrame, validation: pd.DataFrame, details: Mapping[str, Any]) -> None:
    """Hold both halves to what the job itself checks.

    Raises:
        BadData: With the words of its packages.
    """
    target, task = details["targetColumnName"], details["taskType"]
    if target not in train:
        raise BadData(f"The target column {target} is not in the training data.")
    usable = train[train[target].notna()]
    if len(usable) < LEAST_TO_TRAIN:
        raise BadData(
            f"The training dataset has {len(usable)} usable records, less than the minimum required training sample "
            f"size of {LEAST_TO_TRAIN}."
        )
    if len(validation) < LEAST_TO_VALIDATE[task]:
        raise BadData(f"The validation dataset has {len(validation)} records, which is too few.")
    if list(train.dtypes.items()) != list(validation.dtypes.items()):
        raise BadData("Training and validation data have different columns, orders or types.")
    if train.columns.duplicated().any():
        raise BadData("Column names are not unique.")
    if not pd.api.types.is_string_dtype(train[target]):
        raise BadData("This stand-in takes labels that are texts: others would come back as numbers.")
    if not 2 <= usable[target].nunique() < len(usable):
        raise BadData("The labels are all the same, or all different.")


def joined(frame: pd.DataFrame) -> list[str]:
    """Return what a text job learns from: every column, joined. An id or a split among them would leak into it."""
    return [". ".join(map(str, line)) for line in frame.itertuples(index=False)]


def filled(frame: pd.DataFrame) -> pd.DataFrame:
    """Return categories with a missing one named."""
    return frame.fillna("(missing)").astype(str)


def texts(frame: pd.DataFrame) -> list[str]:
    """Return the one text column of a frame."""
    return [str(each) for each in frame.iloc[:, 0].fillna("")]


def pipeline(details: Mapping[str, Any], columns: list[str]) -> Any:
    """Return an unfitted pipeline for a job."""
    from sklearn.compose import ColumnTransformer
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

    if details["taskType"] == "TextClassification":
        return make_pipeline(FunctionTransformer(joined), TfidfVectorizer(), LogisticRegression(C=10.0))
    kinds = details["featurizationSettings"]["columnNameAndTypes"]
    unknown = set(kinds) - set(columns)
    if unknown or set(kinds.values()) - set(TYPES):
        raise BadData(f"columnNameAndTypes does not fit the data: {kinds}")
    named = OneHotEncoder(handle_unknown="ignore", min_frequency=2)
    by_kind = {
        "Numeric": make_pipeline(SimpleImputer(add_indicator=True), StandardScaler()),
        "Categorical": make_pipeline(FunctionTransformer(filled), named),
        "DateTime": make_pipeline(FunctionTransformer(filled), named),
        "Text": make_pipeline(FunctionTransformer(texts), TfidfVectorizer()),
    }
    parts = [
        (f"{kind}-{place}", by_kind[kinds.get(column, "Categorical")], [column])
        for place, (column, kind) in enumerate((name, kinds.get(name, "Categorical")) for name in columns)
    ]
    return make_pipeline(ColumnTransformer(parts), LogisticRegression(max_iter=500))


@dataclass
class RowModel:
    """A trained model in MLflow's layout: its pickle, and the signature that a deployment without a script checks."""

    pickled: bytes
    columns: tuple[str, ...]
    numbers: frozenset[str]
    child: str = ""

    @classmethod
    def learn(cls, store: Datastore, details: Mapping[str, Any]) -> RowModel:
        """Learn from the job's two tables.

        Raises:
            BadData: If the job would fail.
        """
        train = read(store, details["trainingData"]["uri"])
        validation = read(store, details["validationData"]["uri"])
        check(train, validation, details)
        target = details["targetColumnName"]
        features = train.drop(columns=[target])
        made = pipeline(details, list(features.columns))
        made.fit(features, list(train[target]))
        numbers = frozenset(name for name in features if pd.api.types.is_float_dtype(features[name]))
        return cls(pickle.dumps(made), tuple(features.columns), numbers)

    def write(self, folder: Path) -> None:
        """Write the model as MLflow does."""
        described = {"flavors": {"sklearn": {"pickled_model": "model.pkl", "serialization_format": "cloudpickle"}}}
        (folder / "MLmodel").write_text(yaml.safe_dump(described))
        (folder / "model.pkl").write_bytes(self.pickled)

    def labels_alone(self, raw: bytes) -> list[str]:
        """Answer as a deployment without a script: labels, after a check of the signature.

        Raises:
            ValueError: If the request does not fit.
        """
        asked = json.loads(raw)["input_data"]
        if list(asked["columns"]) != list(self.columns) or not isinstance(asked["data"], list):
            raise ValueError("the columns are not those of the signature")
        for line in asked["data"]:
            for name, value in zip(self.columns, line, strict=True):
                fits = isinstance(value, float) if name in self.numbers else isinstance(value, str)
                if value is not None and not fits:
                    raise ValueError(f"{name} is not of the signature's type")
        frame = pd.DataFrame(asked["data"], columns=list(self.columns))
        return [str(label) for label in pickle.loads(self.pickled).predict(frame)]  # our own


class Container:
    """A deployment's container: the script that lies in the store, run over the model as Azure's server runs it.

    Args:
        store: The container of blobs.
        code_folder: Where the script lies.
        script: Its name.
        model: What it serves.

    Raises:
        Exception: What the script raises when it begins: then the deployment fails.
    """

    def __init__(self, store: Datastore, code_folder: str, script: str, model: RowModel) -> None:
        with tempfile.TemporaryDirectory() as folder:
            code, served = Path(folder) / "code", Path(folder) / "model"
            code.mkdir()
            for blob in store.names(code_folder):
                (code / blob.rsplit("/", 1)[-1]).write_bytes(store.read(blob))
            (served / "1" / "mlflow-model").mkdir(parents=True)
            model.write(served / "1" / "mlflow-model")
            self._module = loaded(code / script)
            with _environment, _variable("AZUREML_MODEL_DIR", str(served / "1")):
                self._module.init()

    def answer(self, raw: bytes) -> Any:
        """Answer one request with what the script returns."""
        return self._module.run(raw)


@contextmanager
def _variable(name: str, value: str) -> Iterator[None]:
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def loaded(path: Path) -> ModuleType:
    """Return a scoring script as a module."""
    spec = importlib.util.spec_from_file_location(f"score_{path.parent.parent.name}_{path.parent.name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
