"""Rules for all tests."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from weakref import WeakSet

import hypothesis
import pytest

from automl_bench.border import command_lines
from automl_bench.cli import main, parting

hypothesis.settings.register_profile("suite", deadline=None)  # how fast an example is depends on the machine's load
hypothesis.settings.load_profile("suite")

CONFORMANCE = {"test_conformance", "test_kit_finds_every_mutant", "test_simulated_conforms", "test_null_conforms"}


@pytest.fixture(scope="session")
def machine_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder for the machine's lock: one for each worker."""
    return tmp_path_factory.mktemp("machine")


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch, machine_folder: Path) -> None:
    """Keep a developer's workspace and proxies out of the tests."""
    for name in ("AUTOML_BENCH_WORKSPACE", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    # One lock for this machine would have test workers wait for each other.
    monkeypatch.setenv("AUTOML_BENCH_MACHINE_FOLDER", str(machine_folder))
    # A test that calls a command in this process may name a workspace for it, and for it alone.
    monkeypatch.setattr(command_lines, "_program", ["automl-bench"])
    # What an earlier test left in its own simulated cloud is nothing that this one has to name.
    monkeypatch.setattr(parting, "_stores", WeakSet())
    _forget_plugin_commands(monkeypatch)


def _forget_plugin_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take back, after the test, the commands of plugins that it mounts."""
    monkeypatch.setattr(main.app, "registered_groups", list(main.app.registered_groups))
    for one in (main.app, *(group.typer_instance for group in main.app.registered_groups)):
        if one is not None:
            monkeypatch.setattr(one, "registered_commands", list(one.registered_commands))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what takes minutes: the kit on every plugin and on broken ones."""
    for item in items:
        if item.path.stem in CONFORMANCE:
            item.add_marker(pytest.mark.conformance)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Where CI asks for it, a test that is skipped has failed: what it needs should have been installed."""
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]  # pluggy's result object
    if report.skipped and os.environ.get("AUTOML_BENCH_FAIL_ON_SKIP") and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, and here a skip is a failure: {report.longrepr}"
