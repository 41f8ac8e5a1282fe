"""The page over a workspace: its experiments, where their trials stand, and their reports. It only reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from automl_bench.border.command_lines import command_line
from automl_bench.border.names import is_name
from automl_bench.border.texts import clean
from automl_bench.report.page import template
from automl_bench.report.standings import ENDED, UNDER_WAY, doing, standings, totals, totals_in_words
from automl_bench.store.records import ExperimentRecord, TrialRecord

if TYPE_CHECKING:
    from automl_bench.store import Store

REPORT = "report.html"
FILES = {"page.css": "text/css", "workspace.css": "text/css", "workspace.js": "text/javascript"}
"""What the page loads, with the type of each."""

POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)


@dataclass(frozen=True, slots=True)
class Shown:
    """An experiment as the page shows it.

    Attributes:
        name: Its name.
        path: Address of its page.
        trials: How many it has.
        ended: How many of them have ended.
        under_way: Whether any is under way.
        words: Its trials by status.
        begun: When it was first run, UTC.
        report: Address of its report, or empty.
        reported: When the report was written, UTC.
    """

    name: str
    path: str
    trials: int
    ended: int
    under_way: bool
    words: str
    begun: str
    report: str
    reported: str


def index_page(store: Store, reports: Path) -> str:
    """Return the page of all experiments, those under way first, then the latest.

    Args:
        store: The results file.
        reports: Folder of the reports.
    """
    shown = [_shown(one, store.trials(experiment=one.name), reports) for one in reversed(store.experiments())]
    shown.sort(key=lambda one: not one.under_way)
    empty = "" if shown else "No experiment has been run here yet."
    return _page(store.path, "Experiments", experiments=shown, empty=empty, left=_left(store))


def experiment_page(store: Store, reports: Path, experiment: ExperimentRecord) -> str:
    """Return the page of one experiment: its trials in their order."""
    trials = store.trials(experiment=experiment.name)
    rows = standings(store, trials)
    for trial, row in zip(trials, rows, strict=True):
        row["now"] = clean(doing(store, trial, row) or trial.reason)
    return _page(
        store.path, experiment.name, experiment=_shown(experiment, trials, reports), rows=rows, left=_left(store)
    )


def empty_page(path: Path) -> str:
    """Return the page of a workspace without a results file."""
    return _page(path, "Experiments", empty="Nothing has been run here yet.")


def report_of(store: Store, reports: Path, name: str) -> Path | None:
    """Return the file of an experiment's report, or None if there is no such experiment or report."""
    path = reports / name / REPORT
    return path if is_name(name) and store.experiment(name) is not None and path.is_file() else None


def _shown(experiment: ExperimentRecord, trials: Sequence[TrialRecord], reports: Path) -> Shown:
    name = experiment.name
    report = reports / name / REPORT
    known = is_name(name) and report.is_file()
    counts = totals([{"status": trial.status.value} for trial in trials])
    return Shown(
        name=name,
        path=f"/experiments/{quote(name, safe='')}",
        trials=len(trials),
        ended=sum(trial.status in ENDED for trial in trials),
        under_way=any(trial.status in UNDER_WAY for trial in trials),
        words=totals_in_words(counts),
        begun=_minute(datetime.fromisoformat(experiment.created_at)) if experiment.created_at else "",
        report=f"/reports/{quote(name, safe='')}" if known else "",
        reported=_minute(datetime.fromtimestamp(report.stat().st_mtime, UTC)) if known else "",
    )


def _left(store: Store) -> str:
    count = len(store.ledger(open_only=True))
    things = "1 resource exists" if count == 1 else f"{count} resources exist"
    return f"{things} at providers: {command_line('resources')}" if count else ""


def _page(source: Path, title: str, **content: Any) -> str:
    words: Mapping[str, Any] = {
        "experiments": (), "experiment": None, "rows": (), "empty": "", "left": "", **content,
    }  # fmt: skip
    at = f"{datetime.now(UTC):%H:%M:%S}"
    return template("workspace.html.j2").render(title=title, source=source, at=at, **words)


def _minute(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M}"
