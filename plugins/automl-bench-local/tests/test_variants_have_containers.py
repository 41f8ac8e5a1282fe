"""A variant can train and serve in a container: found by name and label, ended with its trial, nothing left."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import base_image
import psutil
import pytest
import requests
from automl_bench_local import folders
from automl_bench_local.engines import Engine, find_engine
from local_trial import LocalTrial, wait_until

from automl_bench.contract import OperationState, Stage, TrainingSet
from automl_bench.errors import DeploymentFailed

MakeTrial = Callable[..., LocalTrial]
Squares = Callable[[int], TrainingSet]

BASE = "localhost/automl-bench-tests"
SVC: Mapping[str, Any] = {"estimator": "sklearn.svm.SVC", "features": "pixels"}
LONG: Mapping[str, Any] = {
    "estimator": "sklearn.neural_network.MLPClassifier",
    "params": {"max_iter": 10_000_000, "n_iter_no_change": 10_000_000, "tol": 0.0},
    "features": "pixels",
}
FROM_ENVIRONMENT = {"container_arguments": "ARGUMENTS", "container_network": "NETWORK"}
containers = pytest.mark.containers


@pytest.fixture(scope="session")
def command(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A podman with a store of its own, with the base image in it."""
    words = shlex.split(os.environ.get("AUTOML_BENCH_LOCAL_CONTAINER_ENGINE", "podman"))
    if shutil.which(words[0]) is None:
        pytest.skip("needs podman")
    store, runs = tmp_path_factory.mktemp("store"), tmp_path_factory.mktemp("runs")
    command = shlex.join([*words, "--root", str(store), "--runroot", str(runs)])
    root = tmp_path_factory.mktemp("root")
    base_image.lay_down(root)
    with subprocess.Popen(["tar", "-C", str(root), "-c", "."], stdout=subprocess.PIPE) as packed:
        subprocess.run([*shlex.split(command), "import", "-", f"{BASE}:latest"], stdin=packed.stdout, check=True)
    assert packed.returncode == 0
    shutil.rmtree(root)
    yield command
    subprocess.run([*shlex.split(command), "rm", "--all", "--force"], check=False)
    subprocess.run([*shlex.split(command), "rmi", "--all", "--force"], check=False)


@pytest.fixture
def options(command: str) -> dict[str, str]:
    """The settings of the provider, as the machine needs them."""
    given = {name: os.environ.get(f"AUTOML_BENCH_LOCAL_CONTAINER_{word}") for name, word in FROM_ENVIRONMENT.items()}
    return {"container_engine": command, **{name: value for name, value in given.items() if value}}


@pytest.fixture
def engine(command: str) -> Iterator[Engine]:
    """The engine, which has nothing of ours at the end."""
    found = find_engine(command)
    yield found
    assert found.names() == []


def within(image: Mapping[str, str], recipe: Mapping[str, Any] = SVC) -> dict[str, Any]:
    return {**recipe, "environment": dict(image)}


def inspected(engine: Engine, name: str) -> Any:
    return json.loads(engine.ask("container", "inspect", name).stdout)[0]


@containers
def test_it_trains_and_serves_in_a_container_and_answers_as_here(
    trial: MakeTrial, squares: Squares, engine: Engine, options: dict[str, str]
) -> None:
    limits = {"container_memory_megabytes": "600", "container_cpus": "1.5"}
    inside = trial("own", within({"container": BASE}), options={**options, **limits})
    outside = trial("svc", dict(SVC), trial_id="abababababab")
    url, usual = inside.until_deployed(squares(5)), outside.until_deployed(squares(5))
    for labelled in squares(8).train:
        content = labelled.sample.content()
        answers = [requests.post(f"{one}/predict", data=content, timeout=30) for one in (url, usual)]
        assert answers[0].json() == answers[1].json()
    told: Any = inside.results[Stage.TRAIN]["environment"]
    assert (told["where"], told["image"], told["threads"]) == ("container", BASE, 1)
    assert told["image_id"] == getattr(engine.image(BASE), "image_id", None)
    assert told["megabytes"] > 50
    assert "scikit-learn" in told["packages"]
    server = inspected(engine, f"automl-bench-{inside.trial_id}-server")
    assert server["HostConfig"]["Memory"] == 600 * 2**20
    assert server["Config"]["Labels"]["automl-bench.trial"] == inside.trial_id
    assert url.startswith("http://127.0.0.1:")
    inside.tear_down()
    assert engine.names() == []
    assert folders.named_folders(inside.folder, f"automl-bench-{inside.trial_id}") == []


@containers
def test_a_container_killed_in_training_is_one_sentence(
    trial: MakeTrial, squares: Squares, engine: Engine, options: dict[str, str]
) -> None:
    one = trial("own", within({"container": BASE}, LONG), options=options)
    one.upload(squares(5))
    begun = one.train_in_the_background()
    name = f"automl-bench-{one.trial_id}-model"
    log = one.folder / name / "training.log"
    wait_until(lambda: log.is_file() and "fitting" in log.read_text(encoding="utf-8"), within=60)
    engine.ask("kill", name)
    ended = one.wait(begun)
    assert ended.state is OperationState.FAILED
    assert ended.message.startswith("The training process ended early: fitting sklearn.neural_network.MLPClassifier")
    one.tear_down()
    assert engine.names() == []


@containers
def test_a_container_whose_client_was_killed_is_found_by_its_label_and_removed(
    trial: MakeTrial, squares: Squares, engine: Engine, options: dict[str, str]
) -> None:
    one = trial("own", within({"container": BASE}), options=options)
    one.until_deployed(squares(5))
    name = f"automl-bench-{one.trial_id}-server"
    client = psutil.Process(folders.read_json(one.folder / name / "process.json")["pid"])
    assert client.name() == engine.name
    client.kill()
    wait_until(lambda: engine.names() == [name], within=20)
    shutil.rmtree(one.folder)
    assert one.listed() == [name]
    one.tear_down()
    assert engine.names() == []
    one.folder.mkdir()


@containers
def test_an_image_is_built_for_a_trial_and_goes_with_it(
    trial: MakeTrial, squares: Squares, engine: Engine, options: dict[str, str]
) -> None:
    one = trial("own", within({"containerfile": f"FROM {BASE}\nENV LAB=ours\n"}), options=options)
    told: Any = one.until_trained(squares(5)).result["environment"]
    # the container of the training may be on its way out
    wait_until(lambda: engine.names() == [f"automl-bench-{one.trial_id}-image"], within=20)
    assert told["image_id"] == getattr(engine.image(told["image"]), "image_id", None)
    assert one.ledger.of("image").name == f"automl-bench-{one.trial_id}-image"
    one.tear_down()
    assert engine.names() == []
    broken = trial("own", within({"containerfile": f"FROM {BASE}\nRUN /no/such/program\n"}), options=options)
    ended = broken.until_trained(squares(5))
    assert ended.state is OperationState.FAILED
    assert ended.message.startswith("the environment of local:own cannot be built: `podman build` ended with ")
    assert "\n" not in ended.message


@containers
def test_an_image_that_lacks_what_is_needed_or_is_not_there_is_named(
    trial: MakeTrial, squares: Squares, engine: Engine, options: dict[str, str]
) -> None:
    absent = trial("own", within({"container": "localhost/no-such-image"}), options=options)
    message = absent.until_trained(squares(5)).message
    assert message.startswith("the environment of local:own cannot be built: `podman pull` ended with ")
    assert "no-such-image" in message


@containers
@pytest.mark.timeout(600)
def test_one_run_gives_the_same_f1_on_the_host_in_a_venv_and_in_a_container(
    tmp_path: Path, engine: Engine, options: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """scikit-learn's digits example, as configs/experiments/versions-and-containers.toml has it, with our base image.

    Minutes: a venv of 200 MB is made from wheels, and each start of a container copies the image.
    """
    recipe = 'estimator = "sklearn.svm.SVC"\nfeatures = "pixels"\npixel_scale = 15\n'
    places = {
        "host": 'where = "host"',
        "venv": 'requirements = ["scikit-learn==1.5.2", "numpy<2.2", "scipy<1.15", "pillow<12"]',
        "container": f'container = "{BASE}"',
    }
    configs = tmp_path / "configs" / "providers"
    configs.mkdir(parents=True)
    settings = "".join(f"{name} = {json.dumps(value)}\n" for name, value in options.items())
    variants = "".join(
        f"[variants.{place}-{name}]\n{recipe}params = {{ gamma = {gamma} }}\nenvironment = {{ {says} }}\n"
        for place, says in places.items()
        for name, gamma in (("wide", 0.01), ("narrow", 0.001))
    )
    (configs / "local.toml").write_text(f"[settings]\n{settings}{variants}", encoding="utf-8")
    names = [f"local:{place}-{name}" for place in places for name in ("wide", "narrow")]
    experiment = f'name = "t"\ndatasets = ["digits"]\nproviders = {json.dumps(names)}\nshots = ["all"]\n'
    (tmp_path / "t.toml").write_text(f"{experiment}[parallel]\nenabled = false\n", encoding="utf-8")
    monkeypatch.setenv("AUTOML_BENCH_LOCAL_CONTAINER_ENGINE", options["container_engine"])  # a file's comes second
    for words in (["data", "fetch", "digits"], ["run", "t.toml"]):
        ended = automl_bench(tmp_path, *words)
        assert ended.returncode == 0, ended.stdout + ended.stderr
    rows = json.loads(automl_bench(tmp_path, "results", "--json").stdout)
    found = {row["variant"]: round(row["micro_f1"], 7) for row in rows}
    assert found == {name.removeprefix("local:"): {"e": 0.6974416, "w": 0.9688543}[name[-1]] for name in names}
    wheres = {row["variant"]: row["environment"]["where"] for row in rows}
    assert wheres == {name: name.partition("-")[0] for name in found}
    packages = {row["variant"].partition("-")[0]: row["environment"]["packages"] for row in rows}
    assert "scikit-learn 1.5.2" in packages["venv"]
    assert "scikit-learn 1.5.2" not in packages["host"]
    table = automl_bench(tmp_path, "results").stdout
    assert "Versions and environments" in table
    assert automl_bench(tmp_path, "teardown", "--all").returncode == 0


def automl_bench(workspace: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "automl_bench.cli.main", *words]
    environment = {**os.environ, "AUTOML_BENCH_WORKSPACE": str(workspace), "COLUMNS": "250"}
    return subprocess.run(command, cwd=workspace, env=environment, capture_output=True, text=True, check=False)


def test_without_an_engine_a_training_says_what_was_tried(trial: MakeTrial, squares: Squares, tmp_path: Path) -> None:
    client = tmp_path / "docker"
    client.write_text("#!/bin/sh\necho 'Cannot connect to the Docker daemon.' >&2\nexit 1\n", encoding="utf-8")
    client.chmod(0o755)
    told = {str(client): f"{client}: Cannot connect to the Docker daemon.", "no-engine": "no-engine is not installed"}
    for command, said in told.items():
        one = trial("own", within({"container": BASE}), options={"container_engine": command})
        ended = one.until_trained(squares(5))
        assert ended.state is OperationState.FAILED
        assert f"cannot be built: no container engine answers ({said})" in ended.message
        one.tear_down()
        assert one.listed() == []


def test_a_model_whose_engine_is_gone_is_not_deployed(trial: MakeTrial, tmp_path: Path) -> None:
    one = trial("own", within({"container": BASE}), options={"container_engine": "no-such-engine"})
    one.results[Stage.TRAIN] = {"model": str(tmp_path), "environment": {"where": "container", "image_id": "0" * 64}}
    with pytest.raises(DeploymentFailed, match="no container engine answers"):
        one.deploy()
