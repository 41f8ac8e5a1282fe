"""`automl-bench serve` as a user runs it: after a teardown, and ended by SIGTERM in the middle of a request."""

from __future__ import annotations

import http.client
import json
import re
import signal
import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from local_trial import wait_until
from small_workspace import command, command_environment, make_workspace

from automl_bench.errors import ExitCode

TRIAL = ("local:logistic-pixels", "tiny", "4")


@pytest.fixture(scope="module")
def torn_down(tmp_path_factory: pytest.TempPathFactory, machine_folder: Path) -> tuple[Path, dict[str, str]]:
    """A workspace with one trial that was trained and torn down, and the environment of its commands."""
    root = tmp_path_factory.mktemp("served")
    make_workspace(root)
    environment = command_environment(root) | {"AUTOML_BENCH_MACHINE_FOLDER": str(machine_folder)}
    for verb in ("upload", "train", "teardown"):
        ended = command(verb, *TRIAL, environment=environment, cwd=root)
        assert ended.returncode == 0, ended.stderr
    return root, environment


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_request_that_has_begun_is_answered_before_sigterm_ends_it(
    workers: str, torn_down: tuple[Path, dict[str, str]], tmp_path: Path
) -> None:
    root, environment = torn_down
    image = next((root / "data" / "tiny").rglob("*.png")).read_bytes()
    log = tmp_path / "log"
    words = [sys.executable, "-m", "automl_bench.cli.main", "serve", "tiny", "4", "--port", "0", "--workers", workers]
    with log.open("wb") as out:
        process = subprocess.Popen(words, env=environment, cwd=root, stderr=out, stdout=out)
    try:
        wait_until(lambda: "Ctrl-C ends it" in log.read_text() or process.poll() is not None, within=60)
        found = re.search(r"on http://127\.0\.0\.1:(\d+) \(this machine only", log.read_text().replace("\n", " "))
        assert found, log.read_text()
        connection = http.client.HTTPConnection("127.0.0.1", int(found[1]), timeout=60)
        connection.putrequest("POST", "/predict")
        connection.putheader("Content-Type", "image/png")
        connection.putheader("Content-Length", str(len(image)))
        connection.endheaders()
        connection.send(image[:10])

        def has_begun() -> bool:
            with closing(http.client.HTTPConnection("127.0.0.1", int(found[1]), timeout=60)) as other:
                other.request("GET", "/metrics")
                return b"automl_bench_requests_under_way 2.0" in other.getresponse().read()

        wait_until(has_begun, within=60)
        process.send_signal(signal.SIGTERM)
        if workers == "1":  # several leave the socket open until the last of them has ended
            wait_until(lambda: not takes_connections(int(found[1])), within=60)
        connection.send(image[10:])
        answer = connection.getresponse()
        assert answer.status == 200
        assert json.loads(answer.read())["label"] in {"blue", "green", "red"}
        connection.close()
        assert process.wait(60) == 0, log.read_text()
    finally:
        process.kill()
        process.wait()


def takes_connections(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


def test_a_trial_that_was_never_trained_is_named_with_what_to_do(torn_down: tuple[Path, dict[str, str]]) -> None:
    root, environment = torn_down
    ended = command("serve", "tiny", "5", environment=environment, cwd=root)
    assert ended.returncode == ExitCode.USAGE
    assert "no trial of local has been trained on tiny at 5 shots, fold 0" in ended.stderr
    assert "upload local tiny 5" in ended.stderr
