"""A variant trains and serves in an environment of its own: other versions, the same contract, nothing left."""

from __future__ import annotations

import ast
import http.client
import platform
import re
import sys
import sysconfig
import threading
import zipfile
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests
from automl_bench_local import builders, environments, folders, jobs
from automl_bench_local import inside as inside_package
from automl_bench_local.model import load_model
from content_sets import training_set_of as texts_of
from local_trial import LocalTrial, has_ended, wait_until

import automl_bench.datasets.decoding
from automl_bench.contract import OperationState, Stage, TrainingSet
from automl_bench.errors import RequestRefused, ResourceMissing

MakeTrial = Callable[..., LocalTrial]
Squares = Callable[[int], TrainingSet]

SVC: Mapping[str, Any] = {"estimator": "sklearn.svm.SVC", "features": "pixels"}
PIP = {"environment_builder": "pip"}
HERE: Mapping[str, Any] = {**SVC, "environment": {"where": "host"}}
RUNS_INSIDE = {"numpy", "PIL", "sklearn", "joblib", "threadpoolctl", "automl_bench_local", "automl_bench"}


def wheel(folder: Path, name: str, **files: str) -> None:
    """Write a wheel of version 1.0 with text files."""
    info = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w") as archive:
        for path, content in files.items():
            archive.writestr(f"{path}.pth", content)
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of small wheels: one leads to the packages that are installed here, so that no network is needed."""
    folder = tmp_path_factory.mktemp("wheels")
    wheel(folder, "packages_from_here", packages_from_here=sysconfig.get_path("purelib") + "\n")
    wheel(folder, "nothing_at_all")
    return folder


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where environments are kept, for all tests: building one takes seconds."""
    return tmp_path_factory.mktemp("built")


@pytest.fixture
def own(home: Path, built: Path, wheels: Path) -> Mapping[str, Any]:
    """A variant with a venv of its own."""
    (home / environments.FOLDER).symlink_to(built)
    asked = ["--no-index", f"--find-links {wheels}", "packages-from-here==1.0"]
    return {**SVC, "environment": {"requirements": asked}}


def remains(home: Path) -> list[str]:
    """What stands in the folder of environments beside finished requests."""
    return [path.name for path in (home / environments.FOLDER).iterdir() if path.name != environments.REQUESTS]


def test_it_trains_and_serves_in_its_venv_and_answers_as_here(
    trial: MakeTrial, own: Mapping[str, Any], squares: Squares
) -> None:
    asked = squares(5)
    inside, outside = trial("own", own, options=PIP), trial("svc", dict(SVC), trial_id="abababababab")
    url, usual = inside.until_deployed(asked), outside.until_deployed(asked)
    for labelled in squares(12).train:
        content = labelled.sample.content()
        answers = [requests.post(f"{one}/predict", data=content, timeout=30) for one in (url, usual)]
        assert answers[0].json() == answers[1].json()
    told: Any = inside.results[Stage.TRAIN]["environment"]
    venv = inside.folder / environments.FOLDER / told["lock"]
    server = psutil.Process(int(str(inside.results[Stage.DEPLOY]["pid"])))
    assert server.cmdline()[0] == str(venv / "bin" / "python")
    assert (told["where"], told["python"], told["threads"]) == ("venv", platform.python_version(), 1)
    assert told["packages"]["packages-from-here"] == "1.0"
    assert {"blas", "openmp"} & {pool["user_api"] for pool in told["blas"]}
    assert told["megabytes"] > 1
    inside.tear_down()
    assert has_ended(server.pid)
    assert folders.named_folders(inside.folder, "automl-bench-0123456789ab") == []
    assert (venv / environments.FACTS).is_file()


def test_the_same_request_is_built_once(trial: MakeTrial, own: Mapping[str, Any], squares: Squares) -> None:
    first, second = (trial("own", own, options=PIP, trial_id=name) for name in ("0" * 12, "1" * 12))
    told: Any = [one.until_trained(squares(5)).result["environment"] for one in (first, second)]
    log = (Path(str(second.results[Stage.TRAIN]["model"])) / jobs.LOG).read_text(encoding="utf-8")
    assert told[0] == told[1]
    assert "building" not in log


def test_without_its_venv_a_model_is_not_served_by_anything_else(
    trial: MakeTrial, own: Mapping[str, Any], squares: Squares
) -> None:
    one = trial("own", own, options=PIP)
    one.until_trained(squares(5))
    (one.folder / environments.FOLDER).unlink()
    with pytest.raises(ResourceMissing, match="environment of the model, .*, is gone. Train again"):
        one.deploy()
    with pytest.raises(ValueError, match="model of another environment"):
        load_model(Path(str(one.results[Stage.TRAIN]["model"])), graph_folder=one.folder, threads=1)


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"requirements": ["--no-index", "no-such-package==1"]}, r"`pip install` ended with 1: .*no-such-package==1"),
        ({"requirements": ["numpy"], "python": "3.99"}, "there is no Python 3.99 on the search path"),
    ],
)
def test_a_build_that_fails_is_one_sentence_and_leaves_nothing(
    trial: MakeTrial, squares: Squares, environment: Mapping[str, Any], said: str
) -> None:
    one = trial("own", {**SVC, "environment": environment}, options=PIP)
    ended = one.until_trained(squares(5))
    assert ended.state is OperationState.FAILED
    assert ended.message.startswith("the environment of local:own cannot be built: ")
    assert re.search(said, ended.message)
    assert "\n" not in ended.message
    assert remains(one.folder) == []


def test_packages_that_are_needed_and_missing_are_named(trial: MakeTrial, squares: Squares, wheels: Path) -> None:
    bare = {"requirements": ["--no-index", f"--find-links {wheels}", "nothing-at-all"]}
    one = trial("own", {**SVC, "environment": bare}, options=PIP)
    message = one.until_trained(squares(5)).message
    assert "it has not what training and serving need: numpy cannot be imported" in message
    assert "pillow" in message
    assert remains(one.folder) == []


@pytest.fixture
def silent_index() -> Iterator[tuple[str, threading.Event]]:
    """An index of packages that takes requests and never answers, and whether it was asked."""
    asked, over = threading.Event(), threading.Event()

    class Silent(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.set()
            over.wait(60)

        def log_message(self, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Silent) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/simple", asked
        over.set()
        server.shutdown()


def test_a_build_that_is_ended_in_the_middle_leaves_nothing(
    trial: MakeTrial, squares: Squares, silent_index: tuple[str, threading.Event]
) -> None:
    address, asked = silent_index
    environment = {"requirements": [f"--index-url {address}", "numpy"]}
    one = trial("own", {**SVC, "environment": environment}, options=PIP)
    one.upload(squares(5))
    one.train_in_the_background()
    assert asked.wait(60)
    (running,) = one.running()
    group = [psutil.Process(running), *psutil.Process(running).children(recursive=True)]
    assert len(group) > 1
    assert len(remains(one.folder)) == 1
    one.tear_down()
    wait_until(lambda: all(has_ended(process.pid) for process in group), within=10)
    assert remains(one.folder) == []


def test_the_host_itself_can_be_the_yardstick(trial: MakeTrial, squares: Squares) -> None:
    one = trial("here", HERE)
    url = one.until_deployed(squares(5))
    told: Any = one.results[Stage.TRAIN]["environment"]
    assert (told["where"], told["python"]) == ("host", platform.python_version())
    assert psutil.Process(int(str(one.results[Stage.DEPLOY]["pid"]))).exe() == str(Path(sys.executable).resolve())
    image = squares(1).train[0].sample.content()
    assert requests.post(f"{url}/predict", data=image, timeout=30).json()["label"] == "a"
    refused = {
        400: requests.post(f"{url}/predict", data=b"no image", timeout=30),
        404: requests.get(f"{url}/elsewhere", timeout=30),
        413: requests.post(f"{url}/predict", headers={"Content-Length": str(2**40)}, timeout=30),
        421: requests.post(f"{url}/predict", data=image, headers={"Host": "rebound.evil.example"}, timeout=30),
    }
    assert {status: answer.status_code for status, answer in refused.items()} == {code: code for code in refused}
    assert "not a readable image" in refused[400].json()["detail"]
    assert requests.get(f"{url}/health", timeout=30).json()["answered"] == 2
    asking = http.client.HTTPConnection(url.removeprefix("http://"), timeout=30)
    asking.putrequest("POST", "/predict")
    asking.endheaders()
    assert asking.getresponse().status == 411
    asking.close()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"features": "hog", "estimator": "sklearn.svm.SVC"}, "is for a classifier on the pixels of images"),
        ({}, "is for a classifier on the pixels of images"),
        ({**SVC, "grid": {"C": [1, 10]}}, "'grid' is not searched in an environment of its own"),
    ],
)
def test_what_does_not_run_inside_is_refused_before_anything_is_uploaded(
    trial: MakeTrial, squares: Squares, settings: Mapping[str, Any], said: str
) -> None:
    one = trial("own", {**settings, "environment": {"requirements": ["numpy"]}})
    with pytest.raises(RequestRefused, match=said):
        one.upload(squares(5))
    assert one.ledger.events == []


def test_texts_are_refused(trial: MakeTrial) -> None:
    settings = {"estimator": "sklearn.naive_bayes.MultinomialNB", "environment": {"requirements": ["numpy"]}}
    with pytest.raises(RequestRefused, match="pixels of images"):
        trial("own", settings).upload(texts_of([(f"{word} {n}", word) for n in range(5) for word in ("ham", "spam")]))


def test_what_runs_inside_is_old_python_and_needs_nothing_of_ours() -> None:
    files = [*Path(inside_package.__file__).parent.glob("*.py"), Path(automl_bench.datasets.decoding.__file__)]
    assert len(files) > 8
    for path in files:
        tree = ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 8))
        names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
        names |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        foreign = {name.partition(".")[0] for name in names} - sys.stdlib_module_names
        assert foreign <= RUNS_INSIDE, path
        ours = {name for name in names if name.startswith("automl_bench")}
        assert all(name.startswith(("automl_bench_local.inside", "automl_bench.datasets.decoding")) for name in ours), (
            path
        )


def test_only_a_builder_gets_the_settings_of_package_indexes() -> None:
    around = {"PIP_INDEX_URL": "a", "UV_INDEX_URL": "b", "https_proxy": "c", "HTTPS_PROXY": "d", "AWS_SECRET": "e"}
    assert builders.let_through(around) == {name: around[name] for name in around if name != "AWS_SECRET"}
