"""`automl-bench ui`: the page follows a running experiment, shows reports, obeys nothing, and writes nothing."""

from __future__ import annotations

import http.client
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import uvicorn
from playwright.sync_api import sync_playwright
from small_workspace import command_environment
from starlette.testclient import TestClient

from automl_bench.cli.workspace_app import workspace_app
from automl_bench.contract import CallTiming, Outcome, Stage
from automl_bench.settings.workspace import Workspace
from automl_bench.store import Store, open_store
from automl_bench.store.leases import current_owner
from automl_bench.store.records import ExperimentRecord, Invocation, TrialRecord, TrialStatus
from automl_bench.toolkit.listening import listening_socket

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
HOSTILE = "<img src=x onerror='window.hit=1'><script>window.hit=2</script>"
WIDE = "document.documentElement.scrollWidth > document.documentElement.clientWidth"


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


@pytest.fixture
def running(workspace: Workspace) -> Iterator[Store]:
    """A store that this process writes, as `run` does: an experiment with one trial done, one under way, one failed."""
    trials = [
        TrialRecord(f"{number:012x}", "local", variant, "pets", "f" * 64, 10, test_limit=40)
        for number, variant in enumerate(("auto", "svc", HOSTILE))
    ]
    with open_store(workspace.store_path) as store:
        for trial in trials:
            store.save_trial(trial)
        store.save_experiment(ExperimentRecord("first", {}, tuple(trial.trial_id for trial in trials)))
        store.set_trial_status(trials[0].trial_id, TrialStatus.DONE)
        store.set_trial_status(trials[2].trial_id, TrialStatus.FAILED, HOSTILE)
        assert store.claim_trial(trials[1].trial_id, current_owner())
        store.set_trial_status(trials[1].trial_id, TrialStatus.RUNNING)
        store.begin_stage(trials[1].trial_id, Stage.INVOKE)
        yield store


def answer(store: Store, number: int) -> None:
    """Write an answer of the trial that is under way."""
    timing = CallTiming(sent_ns=number, received_ns=number + 1)
    store.add_invocations([Invocation(f"{1:012x}", f"{number:064x}", "cat", "cat", 0.9, Outcome.OK, timing)])


@pytest.fixture
def page(workspace: Workspace) -> TestClient:
    return TestClient(workspace_app(workspace), base_url="http://127.0.0.1:8600")


def test_it_follows_a_run_that_writes(page: TestClient, running: Store) -> None:
    answer(running, 1)
    shown = page.get("/experiments/first").text
    assert "invoke: 1 test samples of at most 40 answered" in shown
    assert "2 of 3" in shown
    answer(running, 2)
    assert "invoke: 2 test samples of at most 40 answered" in page.get("/experiments/first").text
    running.release_trial(f"{1:012x}", current_owner())
    assert "no process works on it; the next run continues it" in page.get("/experiments/first").text
    assert page.get("/experiments/second").status_code == 404
    index = page.get("/").text
    assert 'href="/experiments/first"' in index
    assert "1 running, 1 done, 1 failed" in index
    assert "No report yet" in index


def test_a_workspace_without_results_says_so(page: TestClient) -> None:
    assert "Nothing has been run here yet" in page.get("/").text
    assert "Nothing has been run here yet" in page.get("/experiments/first").text
    assert page.get("/reports/first").status_code == 404


def test_reports_of_experiments_are_shown_and_no_other_file(
    page: TestClient, workspace: Workspace, running: Store
) -> None:
    report = workspace.reports / "first" / "report.html"
    report.parent.mkdir(parents=True)
    report.write_text("<p>the verdict</p>")
    other = workspace.reports / "secret" / "report.html"
    other.parent.mkdir()
    other.write_text("not an experiment's")
    assert 'href="/reports/first"' in page.get("/").text
    assert page.get("/reports/first").text == "<p>the verdict</p>"
    for path in ("secret", "..%2fresults", "first%2f..%2fsecret", "%2fetc%2fpasswd", "automl-bench.sqlite"):
        assert page.get(f"/reports/{path}").status_code == 404, path
    assert page.get("/workspace.html.j2").status_code == 404


def test_nothing_can_be_written_and_only_this_machine_is_answered(
    page: TestClient, workspace: Workspace, running: Store
) -> None:
    running.close()
    before = {path.name: path.read_bytes() for path in workspace.results.iterdir()}
    for path in ("/", "/experiments/first", "/reports/first", "/page.css", "/workspace.js"):
        page.get(path)
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            assert page.request(method, path).status_code == 405
    kept = {path.name: path.read_bytes() for path in workspace.results.iterdir() if path.name in before}
    assert kept == before
    assert page.get("/", headers={"host": "evil.example"}).status_code == 400
    policy = page.get("/experiments/first").headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'self'; script-src 'self'")


@contextmanager
def served(workspace: Workspace) -> Iterator[str]:
    listener = listening_socket("127.0.0.1", 0, remedy="")
    listener.listen()
    server = uvicorn.Server(uvicorn.Config(workspace_app(workspace), lifespan="off", ws="none", log_level="warning"))
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(30)
        listener.close()


@pytest.mark.browser
def test_in_a_browser_it_moves_by_itself_fits_a_telephone_and_obeys_no_name(
    workspace: Workspace, running: Store
) -> None:
    with served(workspace) as address, sync_playwright() as play:
        browser = play.chromium.launch(executable_path="/usr/bin/chromium", args=ARGUMENTS)
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        troubles: list[str] = []
        page.on("console", lambda message: troubles.append(message.text))
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.goto(f"{address}/experiments/first")
        assert page.locator("td", has_text=HOSTILE).count() == 2
        answer(running, 1)
        page.locator("td", has_text="invoke: 1 test samples").wait_for(timeout=60_000)
        assert page.evaluate("window.hit") is None
        for width in (1280, 390):
            page.set_viewport_size({"width": width, "height": 800})
            assert not page.evaluate(WIDE)
            for path in ("/", "/experiments/first"):
                page.goto(f"{address}{path}")
                assert not page.evaluate(WIDE)
        page.locator("a", has_text="All experiments").click()
        page.locator("a", has_text="first").click()
        assert page.locator("h1").inner_text() == "first"
        assert troubles == []
        browser.close()


def test_the_command_says_where_the_page_is_and_ends_in_order(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "automl_bench.cli.main", "ui", "--port", "0"],
        env=command_environment(tmp_path), cwd=tmp_path, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stderr is not None
    try:
        found = re.search(r"http://127\.0\.0\.1:(\d+) \(this machine only\)", process.stderr.readline())
        assert found
        connection = http.client.HTTPConnection("127.0.0.1", int(found[1]), timeout=60)
        connection.request("GET", "/")
        assert b"Nothing has been run here yet" in connection.getresponse().read()
        connection.close()
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
        assert not list(tmp_path.rglob("*.sqlite")), "looking makes no results file"
    finally:
        process.kill()
        process.wait()
        process.stderr.close()
