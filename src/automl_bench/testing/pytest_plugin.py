"""The kit's part in pytest: options, which checks apply, the guard, and the table at the end of the run.

Loaded in every pytest run of an environment that has automl-bench (entry point `pytest11`), so it imports little.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from automl_bench.testing.checks import Check
    from automl_bench.testing.conformance import ProviderConformance

pytest.register_assert_rewrite(
    "automl_bench.testing.conformance",
    "automl_bench.testing.static_checks",
    "automl_bench.testing.cycle_checks",
    "automl_bench.testing.crash_checks",
    "automl_bench.testing.money_checks",
    "automl_bench.testing.request_checks",
    "automl_bench.testing.answer_checks",
    "automl_bench.testing.live_checks",
)

TABLE = pytest.StashKey[dict[str, dict[str, tuple[str, str]]]]()
NOT_DECLARED, LEFT_OUT = "not declared", "left out"
PASSED, FAILED, EXPECTED = "passed", "FAILED", "expected failure"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of the live tier."""
    group = parser.getgroup("automl-bench", "conformance of provider plugins")
    group.addoption("--live", action="store_true", help="run the live tier: against the real service, for real money")
    group.addoption("--max-cost", type=float, default=None, metavar="USD", help="most that the live tier may cost")


def pytest_configure(config: pytest.Config) -> None:
    """Begin the table; checks that run many commands have a longer limit, which needs no pytest-timeout."""
    if not config.pluginmanager.hasplugin("timeout"):
        config.addinivalue_line("markers", "timeout(seconds): the limit of one test, where pytest-timeout is installed")
    config.stash[TABLE] = {}


@pytest.fixture
def loopback_only() -> Iterator[list[str]]:
    """Fail whatever in the test's process reaches for another machine, also where the error was swallowed."""
    from automl_bench.testing.network_guard import only_loopback

    with only_loopback() as refused:
        yield refused
    assert not refused, f"reached for other machines: {', '.join(refused)}"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the checks that do not apply, and note in the table why."""
    kept, left_out = [], []
    for item in items:
        reason = _does_not_apply(config, item)
        if reason is None:
            kept.append(item)
            continue
        left_out.append(item)
        found = _check(item)
        if found is not None and reason:
            _note(config, item, found, NOT_DECLARED if reason.startswith("needs ") else LEFT_OUT, reason)
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = kept


def _does_not_apply(config: pytest.Config, item: pytest.Item) -> str | None:
    """Return why a check is left out, "" for no word in the table, or None if it is to run."""
    found = _check(item)
    if found is None:
        return None
    kind: type[ProviderConformance] = item.cls  # type: ignore[attr-defined]  # _check has looked
    if not kind.provider_name:
        return ""
    return kind.left_out(found, live=bool(config.getoption("--live")))


def _check(item: pytest.Item) -> Check | None:
    kind = getattr(item, "cls", None)
    if kind is None or not hasattr(kind, "provider_name"):
        return None
    from automl_bench.testing.checks import checks_of

    return checks_of(kind).get(item.name.partition("[")[0])


def _note(config: pytest.Config, item: pytest.Item, found: Check, status: str, reason: str) -> None:
    rows = config.stash[TABLE].setdefault(item.cls.provider_name, {})  # type: ignore[attr-defined]
    rows[f"{found.id} {item.name.removeprefix('test_')}"] = (status, reason)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
    """Send each check's result on with its report, also from the workers of xdist."""
    report: Any = yield
    found = _check(item)
    if found is not None:
        report.user_properties.append(
            ("automl_bench_check", (item.cls.provider_name, f"{found.id} {item.name.removeprefix('test_')}"))  # type: ignore[attr-defined]
        )
        bench = getattr(item, "funcargs", {}).get("bench")
        if bench is not None and bench.cannot:
            words = f"the stand-in cannot make {', '.join(dict.fromkeys(bench.cannot))}"
            report.user_properties.append(("automl_bench_cannot", (words, bool(bench.made))))
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Send a worker's part of the table to the process that prints it."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["automl_bench_table"] = session.config.stash[TABLE]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take a worker's part of the table."""
    for provider, rows in getattr(node, "workeroutput", {}).get("automl_bench_table", {}).items():
        node.config.stash[TABLE].setdefault(provider, {}).update({row: tuple(cells) for row, cells in rows.items()})


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Print the table: passed, not declared, expected failure and why."""
    table = {provider: dict(rows) for provider, rows in config.stash[TABLE].items()}
    for outcome, reports in terminalreporter.stats.items():
        for report in reports:
            for name, value in getattr(report, "user_properties", ()):
                if name == "automl_bench_check" and (
                    report.when == "call" or outcome in ("failed", "error", "xfailed")
                ):
                    provider, row = value
                    table.setdefault(provider, {})[row] = _status(outcome, report)
    for provider, rows in sorted(table.items()):
        terminalreporter.section(f"automl-bench conformance of {provider!r}")
        for row, (status, reason) in sorted(rows.items(), key=lambda pair: pair[0]):
            terminalreporter.line(f"{row:<74} {status}{f': {reason}' if reason else ''}")
        counts = {status: sum(1 for each, _ in rows.values() if each == status) for status, _ in rows.values()}
        terminalreporter.line(", ".join(f"{count} {status}" for status, count in sorted(counts.items())))


def _status(outcome: str, report: pytest.TestReport) -> tuple[str, str]:
    if outcome == "passed":
        for name, value in getattr(report, "user_properties", ()):
            if name == "automl_bench_cannot":
                words, some_made = value
                return (PASSED, f"but {words}") if some_made else (LEFT_OUT, words)
        return PASSED, ""
    if outcome == "xfailed":
        return EXPECTED, str(getattr(report, "wasxfail", "")).removeprefix("reason: ")
    return FAILED, ""
