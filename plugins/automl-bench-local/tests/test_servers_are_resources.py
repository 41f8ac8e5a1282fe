"""A server is a resource like a cloud's endpoint: it outlives the command, is found by name, and is ended."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import requests
from automl_bench_local import fork_server, plugin, servers
from local_trial import LocalTrial, has_ended, our_processes, wait_until

from automl_bench.contract import Deletion, Endpoint, OperationState, Resource, Stage, TrainingSet
from automl_bench.errors import RequestRefused, ResourceMissing

MakeTrial = Callable[..., LocalTrial]
Squares = Callable[[int], TrainingSet]


def server_of(trial: LocalTrial) -> Resource:
    return next(each for each in plugin.list_resources(trial.context, "automl-bench-") if each.kind == "server")


def test_a_server_outlives_its_command_and_later_commands_find_it(trial: MakeTrial, model: Path) -> None:
    pixels = trial("logistic-pixels")
    pixels.with_model(model)
    command = textwrap.dedent(f"""
        import os, sys
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        from pathlib import Path
        from local_trial import LocalTrial
        from automl_bench.contract import Stage
        trial = LocalTrial(Path({str(pixels.folder)!r}), "logistic-pixels")
        trial.results[Stage.TRAIN] = {dict(pixels.results[Stage.TRAIN])!r}
        print(trial.deploy().result["url"], flush=True)
        os.kill(os.getpid(), 9)
    """)
    done = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL, done.stderr
    url = done.stdout.strip()
    assert pixels.deploy().result["url"] == url
    assert len(our_processes(pixels.folder)) == 1


def test_a_killed_server_is_missed_by_invoke_and_deploy_starts_it_again(trial: MakeTrial, model: Path) -> None:
    pixels = trial("logistic-pixels")
    pixels.deployed_with(model)
    (pid,) = our_processes(pixels.folder)
    os.kill(pid, signal.SIGKILL)
    endpoint = Endpoint(str(pixels.results[Stage.DEPLOY]["endpoint_id"]))

    def missed() -> bool:
        try:
            plugin.invoke(pixels.context, endpoint)
        except ResourceMissing as error:
            return error.remedy == "Deploy again."
        return False

    wait_until(missed, within=5)
    url = str(pixels.deploy().result["url"])
    assert requests.get(f"{url}/health", timeout=5).status_code == 200
    assert our_processes(pixels.folder) != [pid]


def test_deleting_a_killed_server_is_a_success(trial: MakeTrial, model: Path) -> None:
    pixels = trial("logistic-pixels")
    pixels.deployed_with(model)
    (pid,) = our_processes(pixels.folder)
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: has_ended(pid), within=5)
    server = server_of(pixels)
    assert "pid" not in server.details
    assert pixels.delete(server) is Deletion.DELETED
    assert pixels.delete(server) is Deletion.ALREADY_GONE


def test_a_server_is_found_asked_and_ended_with_every_local_file_gone(trial: MakeTrial, model: Path) -> None:
    pixels = trial("logistic-pixels")
    url = pixels.deployed_with(model)
    shutil.rmtree(pixels.folder)
    server = server_of(pixels)
    assert servers.require(pixels.folder, server.name) == url
    assert pixels.delete(server) is Deletion.DELETED
    assert our_processes(pixels.folder) == []
    pixels.folder.mkdir(exist_ok=True)


def test_a_server_that_ignores_the_request_to_end_is_killed_later(
    trial: MakeTrial, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(servers, "END_WITHIN", 0.2)
    pixels = trial("logistic-pixels")
    pixels.deployed_with(model)
    (pid,) = our_processes(pixels.folder)
    server = server_of(pixels)
    psutil.Process(pid).suspend()
    assert plugin.delete_resource(pixels.context, server) is Deletion.PENDING
    assert plugin.delete_resource(pixels.context, server) is Deletion.PENDING
    monkeypatch.setattr(servers, "KILL_AFTER", 0.0)
    assert pixels.delete(server) is Deletion.DELETED
    assert not psutil.pid_exists(pid)


def test_an_idle_server_ends_itself_and_says_why(trial: MakeTrial, squares: Squares, model: Path) -> None:
    pixels = trial("logistic-pixels", options={"idle_timeout_seconds": "1"})
    url = pixels.deployed_with(model)
    body = squares(5).train[0].sample.path.read_bytes()
    assert requests.post(f"{url}/predict", data=body, timeout=5).status_code == 200
    pid = int(str(pixels.results[Stage.DEPLOY]["pid"]))
    wait_until(lambda: has_ended(pid), within=10)
    with pytest.raises(ResourceMissing, match="idle for 1 s: ended"):
        plugin.invoke(pixels.context, Endpoint(str(pixels.results[Stage.DEPLOY]["endpoint_id"])))


def test_a_server_that_is_asked_does_not_count_as_idle(trial: MakeTrial, squares: Squares, model: Path) -> None:
    import time

    pixels = trial("logistic-pixels", options={"idle_timeout_seconds": "1"})
    url = pixels.deployed_with(model)
    body = squares(5).train[0].sample.path.read_bytes()
    until = time.monotonic() + 2.5
    while time.monotonic() < until:
        assert requests.post(f"{url}/predict", data=body, timeout=5).status_code == 200


def test_a_taken_port_is_said_in_one_sentence(trial: MakeTrial, model: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        pixels = trial("logistic-pixels", options={"port": str(port)})
        pixels.with_model(model)
        failed = pixels.deploy()
    assert failed.state is OperationState.FAILED
    assert failed.message == f"The server ended: port {port} of 127.0.0.1 cannot be used: Address already in use"


def test_a_fixed_port_is_used(trial: MakeTrial, model: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert trial("logistic-pixels", options={"port": str(port)}).deployed_with(model).endswith(f":{port}")


def test_a_damaged_model_fails_the_deployment_with_its_reason(trial: MakeTrial, model: Path) -> None:
    pixels = trial("logistic-pixels")
    model = Path(str(pixels.with_model(model).results[Stage.TRAIN]["model"]))
    (model / "linear.npz").unlink()
    failed = pixels.deploy()
    assert failed.state is OperationState.FAILED
    assert failed.message.startswith("The server ended: the model cannot be loaded:")
    assert "linear.npz" in failed.message


def test_deploying_a_model_that_is_gone_says_what_to_do(trial: MakeTrial, model: Path) -> None:
    pixels = trial("logistic-pixels")
    shutil.rmtree(str(pixels.with_model(model).results[Stage.TRAIN]["model"]))
    with pytest.raises(ResourceMissing, match=r"is gone\. Train again\."):
        pixels.deploy()


@pytest.mark.parametrize(
    "name", ["/etc", "automl-bench-x/../../etc-server", "something-server", "automl-bench-x-thing"]
)
def test_nothing_that_is_not_ours_is_ever_deleted(trial: MakeTrial, name: str) -> None:
    with pytest.raises(RequestRefused, match="is not a name of the provider local"):
        plugin.delete_resource(trial().context, Resource("model", name))


def test_a_server_needs_neither_scikit_learn_nor_onnxruntime_for_pixels(trial: MakeTrial, model: Path) -> None:
    fork_server.end_all()  # one that has served others shares their libraries
    pixels = trial("logistic-pixels")
    pixels.deployed_with(model)
    (pid,) = our_processes(pixels.folder)
    mapped = {Path(entry.path).name for entry in psutil.Process(pid).memory_maps()}
    assert any("_multiarray_umath" in name for name in mapped)
    assert not [name for name in mapped if "onnxruntime" in name or name.startswith(("_svmlib", "_libsvm", "_lbfgs"))]
