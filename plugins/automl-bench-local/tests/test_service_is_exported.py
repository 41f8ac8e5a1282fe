"""`export service` writes a folder that answers as the model does, with nothing of the workspace or of training."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from automl_bench_local import service_needs
from automl_bench_local.exported_service import read_settings
from automl_bench_local.model import load_model
from automl_bench_local.service_folder import write_service
from small_services import settings_of, trained
from small_workspace import command, command_environment, make_workspace

from automl_bench.contract import TrainingSet
from automl_bench.errors import ExitCode, UsageError


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory, squares: Callable[[int], TrainingSet]) -> Path:
    home = tmp_path_factory.mktemp("exported")
    folder = home / "service"
    write_service(folder, settings_of(trained(home, "tabular", squares(5))))
    return folder


def test_the_folder_answers_without_the_package_that_wrote_it(exported: Path, tmp_path: Path) -> None:
    alone = tmp_path / "alone"
    shutil.copytree(exported, alone)
    probe = Path(service_needs.__file__).with_name("service_probe.py")
    shutil.copy(probe, alone / "app" / "automl_bench_local")
    # -S: packages are found in these two folders only, and our own, installed or editable, in the first alone
    environment = {"PYTHONPATH": os.pathsep.join([str(alone / "app"), sysconfig.get_paths()["purelib"]])}
    words = [sys.executable, "-S", "-P", "-m", service_needs.PROBE, str(alone), str(tmp_path / "told.json")]
    ended = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    content = json.loads((tmp_path / "told.json").read_text())
    assert all(Path(file).is_relative_to(alone / "app") for file in content["code"].values())
    model = load_model(alone / "model", graph_folder=tmp_path, threads=1)
    assert content["answer"]["scores"] == pytest.approx(model.predict(content["example"].encode()).scores)
    assert json.loads(content["example"]) == {"age": 1, "town": "word", "since": "2026-01-31"}


def test_it_has_what_answering_needs_and_no_more(exported: Path) -> None:
    pinned = dict(line.split("==") for line in (exported / "requirements.txt").read_text().splitlines())
    assert {"fastapi", "uvicorn", "h11", "prometheus_client", "scikit-learn", "scipy"} <= pinned.keys()
    assert not {"pandas", "matplotlib", "typer", "onnx", "pycurl", "automl-bench"} & pinned.keys()
    assert all(metadata.version(name) == version for name, version in pinned.items())
    code = {path.relative_to(exported / "app").as_posix() for path in (exported / "app").rglob("*.py")}
    assert "automl_bench_local/service_app.py" in code
    assert not [
        name for name in code if name.startswith(("automl_bench/cli", "automl_bench/store", "automl_bench/trials"))
    ]
    everything = "".join(path.read_text("utf-8", "replace") for path in exported.rglob("*") if path.is_file())
    assert str(exported.parent) not in everything, "a path of this machine"
    assert all(path.stat().st_mode & 0o444 == 0o444 for path in exported.rglob("*")), "the image's user is another one"


def test_compose_publishes_to_this_machine_only_and_the_image_has_no_root(exported: Path) -> None:
    service = yaml.safe_load((exported / "compose.yaml").read_text())["services"]["model"]
    assert service["ports"] == ["127.0.0.1:8000:8000"]
    assert (service["image"], service["read_only"]) == ("people-auto", True)
    lines = (exported / "Dockerfile").read_text().splitlines()
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert f"ARG BASE=docker.io/library/python:{version}-slim" in lines
    assert "FROM ${BASE}" in lines
    assert "USER 65534:65534" in lines
    assert read_settings(exported, loopback=False).most_samples == 3


def test_a_module_of_no_package_is_refused_by_name(
    tmp_path: Path, squares: Callable[[int], TrainingSet], monkeypatch: pytest.MonkeyPatch
) -> None:
    import joblib
    from sklearn.tree import DecisionTreeClassifier

    model = trained(tmp_path, "text", squares(5))
    (tmp_path / "homemade.py").write_text(
        "from sklearn.tree import DecisionTreeClassifier\nclass Mine(DecisionTreeClassifier): ...\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    import homemade  # type: ignore[import-not-found]

    pipeline = joblib.load(model / "estimator.joblib")
    pipeline.steps[-1] = ("mine", homemade.Mine().fit(pipeline[:-1].transform(["ham", "spam"]), [0, 1]))
    assert isinstance(pipeline[-1], DecisionTreeClassifier)
    joblib.dump(pipeline, model / "estimator.joblib")
    with pytest.raises(UsageError, match="uses the module homemade, which belongs to no installed package"):
        write_service(tmp_path / "service", settings_of(model))
    assert not (tmp_path / "service").exists()
    assert not list(tmp_path.glob(".service*")), "a half written folder"


def test_the_command_writes_the_folder_and_never_over_another(tmp_path: Path, machine_folder: Path) -> None:
    make_workspace(tmp_path)
    environment = command_environment(tmp_path) | {"AUTOML_BENCH_MACHINE_FOLDER": str(machine_folder)}
    trial = ("local:logistic-pixels", "tiny", "4")
    for verb in ("upload", "train"):
        assert command(verb, *trial, environment=environment, cwd=tmp_path).returncode == 0
    words = ("export", "service", "squares", "tiny", "4")
    ended = command(*words, environment=environment, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert "docker build --tag tiny-logistic-pixels" in ended.stderr.replace("\n", " ")
    pinned = (tmp_path / "squares" / "requirements.txt").read_text()
    assert "numpy==" in pinned
    assert "scikit-learn" not in pinned, "a linear model is two arrays"
    assert re.search(r"^curl .*@example\.png", (tmp_path / "squares" / "README.md").read_text(), re.MULTILINE)
    assert (tmp_path / "squares" / "example.png").is_file()
    again = command(*words, environment=environment, cwd=tmp_path)
    assert again.returncode == ExitCode.USAGE
    assert "is there already" in again.stderr
