"""The local server answers this machine only, takes no more than it says, and knows no secret."""

from __future__ import annotations

import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import requests
from automl_bench_local.inside.hosts import names_this_machine
from automl_bench_local.processes import THREAD_VARIABLES, own_environment
from automl_bench_local.serving import LARGEST_BODY
from local_trial import LocalTrial, our_processes
from small_workspace import command_environment, make_workspace, write_experiment

from automl_bench.errors import ExitCode

MakeTrial = Callable[..., LocalTrial]

SECRETS = {
    "AWS_SECRET_ACCESS_KEY": "canary-aws",
    "AWS_SESSION_TOKEN": "canary-session",
    "GOOGLE_APPLICATION_CREDENTIALS": "/canary/google.json",
    "AZURE_CLIENT_SECRET": "canary-azure",
    "HF_TOKEN": "canary-hf",
    "AUTOML_BENCH_NYCKEL_CLIENT_SECRET": "canary-nyckel",
    "SOME_NEW_VENDOR_KEY": "canary-new",
}


def served(trial: MakeTrial, model: Path) -> tuple[str, Path, LocalTrial]:
    pixels = trial("logistic-pixels")
    pixels.deployed_with(model)
    return str(pixels.deploy().result["url"]), pixels.folder, pixels


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.0.0.1:8000", "localhost", "LOCALHOST:80", "localhost.:80", "[::1]:80", "[::1]"],
)
def test_loopback_names_are_answered(host: str) -> None:
    assert names_this_machine(host)


@pytest.mark.parametrize(
    "host",
    ["", "evil.example", "evil.example:8000", "127.0.0.1.evil.example", "localhost.evil.example", "0.0.0.0",
     "127.0.0.1:8000:80", "127.0.0.1@evil.example", "169.254.169.254", "::1", "localhost:²"],
)  # fmt: skip
def test_other_names_are_not(host: str) -> None:
    assert not names_this_machine(host)


def test_a_page_that_points_its_own_name_here_gets_no_answer(trial: MakeTrial, model: Path) -> None:
    url, _, _ = served(trial, model)
    refused = requests.get(f"{url}/health", headers={"Host": "rebound.evil.example"}, timeout=10)
    assert refused.status_code == 421
    assert "127.0.0.1 or localhost only" in refused.json()["detail"]
    assert requests.get(f"{url}/health", timeout=10).json()["status"] == "ok"
    assert requests.get(f"{url}/health", headers={"Host": "localhost"}, timeout=10).status_code == 200


def test_a_body_that_announces_no_length_is_counted_while_it_comes(trial: MakeTrial, model: Path) -> None:
    url, _, _ = served(trial, model)
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        while sent < 4 * LARGEST_BODY:
            sent += 2**20
            yield bytes(2**20)

    try:
        status = requests.post(f"{url}/predict", data=endless(), timeout=60).status_code
    except requests.ConnectionError:  # it closes the connection while we still send
        status = 413
    assert status == 413
    assert sent < 3 * LARGEST_BODY, "it read on after the limit"
    assert requests.get(f"{url}/health", timeout=10).status_code == 200


def test_a_chunked_body_within_the_limit_is_taken(trial: MakeTrial, model: Path) -> None:
    url, _, _ = served(trial, model)
    refused = requests.post(f"{url}/predict", data=iter([b"not ", b"an image"]), timeout=10)
    assert refused.status_code == 400, "it was read as a whole, and is no image"


def test_the_server_inherits_no_secret(trial: MakeTrial, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    _, home, _ = served(trial, model)
    (pid,) = our_processes(home)
    environment = Path(f"/proc/{pid}/environ").read_text(encoding="utf-8", errors="replace")
    assert "canary" not in environment
    assert "OMP_NUM_THREADS" in environment


def test_what_programs_need_is_passed_on() -> None:
    around = {"PATH": "/bin", "LC_ALL": "C.UTF-8", "OMP_PROC_BIND": "true", **SECRETS}
    own = own_environment(around, threads=2)
    assert own == {
        "PATH": "/bin", "LC_ALL": "C.UTF-8", "OMP_PROC_BIND": "true", **dict.fromkeys(THREAD_VARIABLES, "2")
    }  # fmt: skip


EXPERIMENT = """
datasets = ["tiny"]
providers = ["local:logistic-pixels"]
shots = [5]
[parallel]
enabled = false
"""


def test_the_process_list_shows_no_secret_of_a_run(tmp_path: Path) -> None:
    make_workspace(tmp_path)
    canary = f"canary{secrets.token_hex(8)}"
    line = [sys.executable, "-m", "automl_bench.cli.main", "run", str(write_experiment(tmp_path, EXPERIMENT))]
    environment = {**command_environment(tmp_path), **dict.fromkeys(SECRETS, canary)}
    shown, looked_at = set(), set()
    with subprocess.Popen(line, env=environment, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as run:
        while run.poll() is None:
            for process in psutil.process_iter():
                try:
                    words = process.cmdline()
                    # A process that was just forked is its parent still, by name and environment.
                    around = {} if words == line else process.environ()
                except psutil.Error:
                    continue
                if any(canary in text for text in (*words, *around.values())):
                    shown.add(tuple(words))
                if "automl_bench_local" in "".join(words) and str(tmp_path) in "".join(words):
                    looked_at.add(process.pid)
        assert run.stderr is not None
        said = run.stderr.read()
    assert run.returncode == ExitCode.OK, said
    assert looked_at, "no process of the provider was seen"
    assert shown == set()
