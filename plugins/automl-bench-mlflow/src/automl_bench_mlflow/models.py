"""Models that were trained on this machine: kept aside while their trial lives, logged as pyfunc models afterwards."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl_bench_mlflow.backlog import folder_of

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.models import ModelSignature

CARD = "model.json"
"""The file that a model folder of the provider local ends with."""

NAME = "model"
REQUIREMENTS = (
    "automl-bench-local", "scikit-learn", "scikit-image", "onnxruntime", "tokenizers", "numpy", "pandas", "pillow",
)  # fmt: skip


def keep_model(workspace: Path, trial_id: str, result: Mapping[str, Any]) -> None:
    """Keep the model folder that a training names, if it is on this machine; by links where that is possible."""
    folder = Path(str(result.get("model") or ""))
    if not folder.is_absolute() or not (folder / CARD).is_file():
        return
    place = kept(workspace, trial_id)
    draft = place.with_name(f".{trial_id}.{os.getpid()}.new")
    shutil.copytree(folder, draft, copy_function=_link)
    shutil.rmtree(place, ignore_errors=True)
    draft.rename(place)


def kept(workspace: Path, trial_id: str) -> Path:
    """Return where a trial's model is kept, if it is."""
    return folder_of(workspace) / "models" / trial_id


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def log_model(client: MlflowClient, run_id: str, folder: Path) -> None:
    """Log a kept model to a run, as a pyfunc model that answers label and confidence."""
    import mlflow.pyfunc
    from mlflow.entities import LoggedModelStatus
    from mlflow.models import Model

    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(client.tracking_uri)
    try:
        # Made by hand, as MLflow would put the model into the experiment that happens to be active.
        experiment_id = client.get_run(run_id).info.experiment_id
        made = client.create_logged_model(experiment_id, name=NAME, source_run_id=run_id)
        Model.log(
            artifact_path=None,
            name=NAME,
            flavor=mlflow.pyfunc,
            run_id=run_id,
            model_id=made.model_id,
            python_model=str(Path(__file__).with_name("served_model.py")),
            artifacts={"model": str(folder)},
            pip_requirements=_pinned(),
            signature=_signature(folder),
        )
        client.finalize_logged_model(made.model_id, LoggedModelStatus.READY)
    finally:
        mlflow.set_tracking_uri(before)


def _signature(folder: Path) -> ModelSignature | None:
    """Return what the model takes; None for a table, whose cells may be of several types in one column."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema

    modality = json.loads((folder / CARD).read_text(encoding="utf-8")).get("modality", "image")
    takes = {"image": ColSpec(DataType.binary, "image"), "text": ColSpec(DataType.string, "text")}.get(modality)
    if takes is None:
        return None
    answers = [ColSpec(DataType.string, "label"), ColSpec(DataType.double, "confidence")]
    return ModelSignature(Schema([takes]), Schema(answers))


def _pinned() -> list[str]:
    """Return what the model needs, in the versions that are here."""
    pinned = []
    for name in REQUIREMENTS:
        with suppress(metadata.PackageNotFoundError):
            pinned.append(f"{name}=={metadata.version(name)}")
    return pinned
