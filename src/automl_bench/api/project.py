"""A workspace as an object: what the commands `run`, `results`, `compare` and `report` do, for Python and notebooks."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl_bench.api.child_processes import script_stays_out
from automl_bench.api.shown import ALL_SHOTS, Comparison, Report, Run, frame
from automl_bench.errors import NoResults, UsageError, WorkspaceError
from automl_bench.settings.workspace import Workspace

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Project:
    """An opened workspace. Every method does what the command of its name does, with the same engine and results file.

    Errors are those of `automl_bench.errors`; each says what to do, and `error.exit_code` is that of the command.

    Attributes:
        folder: The workspace's folder.
    """

    folder: Path

    @classmethod
    def at(cls, folder: str | os.PathLike[str] | None) -> Project:
        """Return the project in a folder; by default that which the commands find from here.

        Raises:
            WorkspaceError: If it is a file.
        """
        root = Workspace.current().root if folder is None else Path(folder).expanduser().absolute()
        if root.exists() and not root.is_dir():
            raise WorkspaceError(f"{root} is not a folder.", remedy="Give a folder for data, results and reports.")
        return cls(root)

    def import_data(
        self, name: str, source: str | os.PathLike[str], *, text: str = "", label: str = "", target: str = ""
    ) -> None:
        """Import a dataset, as `data import NAME SOURCE` does with all other defaults, and print what came of it.

        Args:
            name: Name for the dataset.
            source: Class folders, a list, an archive, Parquet files, or `hf://OWNER/DATASET`; for texts and tables a
                CSV, TSV, JSON lines, Parquet or Excel file.
            text: Column with the texts, where the data are texts.
            label: Column with the labels of the texts.
            target: Column to predict from the others, where the data are a table.

        Raises:
            DatasetError: If it cannot be read, can be read in several ways, or exists already.
            UsageError: If the columns do not go together.
        """
        from automl_bench.cli.importing import import_into_workspace

        with self._at_work():
            import_into_workspace(name, Path(source), text=text, label=label, target=target)

    def fetch(self, name: str) -> None:
        """Fetch a dataset of the catalogue, unless it is here already.

        Args:
            name: Its name, as `data list` shows it.

        Raises:
            DatasetNotFound: If the catalogue has none of that name.
            DatasetError: If it cannot be fetched.
        """
        from automl_bench.cli.data import fetch_into_workspace

        with self._at_work() as workspace:
            if not (workspace.dataset(name) / "manifest.csv").is_file():
                fetch_into_workspace(name)

    def run(
        self,
        experiment: str | os.PathLike[str],
        *,
        jobs: int | None = None,
        keep: bool = False,
        retry_failed: bool = False,
        max_cost: float | None = None,
        keep_trained_hours: float | None = None,
    ) -> Run:
        """Run all stages of all trials of an experiment; asked again, only what is missing.

        Interrupting the notebook's kernel once stops and tears down what costs money, as Ctrl-C does in a terminal; a
        second time leaves at once, and ends the kernel. In another thread than the main one, nothing is interrupted.

        Args:
            experiment: A TOML file, from the current folder or the workspace, or the name of one in `configs/`.
            jobs: Trials to run at once; by default as many as fit.
            keep: Whether to leave everything at the providers; you pay for it.
            retry_failed: Whether to try failed trials again.
            max_cost: US dollars; no trial begins that could pass this budget.
            keep_trained_hours: How long what failed trials paid for once stays; by default as the experiment says.

        Raises:
            SettingsError: If there is no such experiment, or something in it is wrong.
            ResourcesLeft: If anything that costs money remains at a provider; it comes before all others.
            ProviderError: If trials failed; those that ended well are in `results`.
            BudgetExceeded: If trials were not begun because of `max_cost`.
            OperationUnfinished: If trials are not finished yet.
            Interrupted: If it was stopped.
        """
        from automl_bench.cli.experiments import find_experiment, run_trials
        from automl_bench.cli.run_end import end, left_comes_first
        from automl_bench.cli.session import Session
        from automl_bench.report.decision import decision_of
        from automl_bench.report.summary import accuracy_table, times_table
        from automl_bench.settings.experiment_files import read_experiment
        from automl_bench.trials.conductor import Wishes

        with self._at_work() as workspace:
            session = Session(workspace)
            path = find_experiment(session, self._file(experiment))
            asked = read_experiment(path)
            tally, rows = run_trials(
                session, asked, Wishes(jobs, keep, retry_failed, max_cost, keep_trained_hours), path
            )
            with left_comes_first(tally), session.store_to_read() as store:
                decision = decision_of(store, asked.name, rows=rows)
            end(tally, str(experiment))
        return Run(
            experiment=asked.name,
            counts={"done": tally.done, "skipped": tally.skipped, "infeasible": len(tally.infeasible)},
            infeasible=tuple(f"{trial.label}: {reason}" for trial, reason in tally.infeasible),
            results=_rows_frame(rows),
            _decision=decision,
            _tables=(accuracy_table(rows), times_table(rows)),
        )

    def results(self, experiment: str | None = None) -> pd.DataFrame:
        """Return what was measured: one row a trial, with the columns of results.csv.

        Nested fields are `outer_inner` columns (`latency_ms_p50`); what is unknown is missing; `shots` holds "all"
        where every sample was used. `docs/results-format.md` explains every column.

        Args:
            experiment: Only the trials of this experiment; by default everything, imported results included.

        Raises:
            NoResults: If there are none.
            UsageError: If there is no such experiment.
        """
        from automl_bench.report.rows import result_rows
        from automl_bench.store import open_store

        with self._at_work() as workspace, open_store(workspace.store_path, read_only=True) as store:
            rows = result_rows(store, experiment)
            if not rows:
                raise NoResults("There are no results yet.", remedy="Run an experiment first.")
        return _rows_frame(rows)

    def compare(
        self,
        a: str,
        b: str,
        *,
        dataset: str | None = None,
        shots: int | str | None = None,
        rope: float = 1.0,
        metric: str = "accuracy",
    ) -> Comparison:
        """Compare two variants on the same test samples; a winner is named only where it holds.

        Args:
            a: A variant as `results` shows it ("local:svc"), or an experiment with one variant.
            b: The other one.
            dataset: Only this dataset.
            shots: Only these shots, a number or "all"; by default the most that both have.
            rope: Largest difference in points that counts as equal, 0 to 50.
            metric: accuracy, balanced_accuracy or macro_f1.

        Raises:
            NoResults: If nothing has been run here yet.
            UsageError: If one of the two is unknown or means several, or they have nothing in common.
        """
        from automl_bench.report.comparing import beside_table
        from automl_bench.report.comparing import compare as compared
        from automl_bench.report.support_tables import support_table
        from automl_bench.statistics.contributions import Metric
        from automl_bench.store import open_store

        if metric not in list(Metric):
            raise UsageError(f"there is no metric {metric!r}.", remedy=f"Give one of: {', '.join(Metric)}.")
        if not 0 <= rope <= 50:
            raise UsageError(f"rope is {rope}.", remedy="Give points from 0 to 50.")
        with self._at_work() as workspace, open_store(workspace.store_path, read_only=True) as store:
            found = compared(
                store,
                a,
                b,
                dataset=dataset,
                shots=None if shots is None else str(shots),
                rope=rope / 100,
                metric=Metric(metric),
            )
            return Comparison.of(found, (support_table(found.support), beside_table(found)))

    def report(
        self,
        experiment: str | None = None,
        *,
        out: str | os.PathLike[str] | None = None,
        without: str | os.PathLike[str] | None = None,
        cascade: str = "",
    ) -> Report:
        """Write the report of an experiment, or of everything: one HTML file that stands alone.

        Args:
            experiment: Name of the experiment; by default everything in the results file.
            out: Folder to write to; by default `reports/EXPERIMENT` in the workspace.
            without: CSV of label suspects: the verdict is given with and without them.
            cascade: "A,B": what asking B only where A is not sure would bring.

        Raises:
            NoResults: If there are no results.
            UsageError: If there is no such experiment, or the file of suspects is wrong.
            WorkspaceError: If a file cannot be written.
        """
        from automl_bench.cli.report import write_report

        with self._at_work():
            path = write_report(
                experiment,
                None if out is None else Path(out),
                without=None if without is None else Path(without),
                cascade=cascade,
            )
        return Report(path, path.parent)

    def _file(self, experiment: str | os.PathLike[str]) -> Path:
        """Return an experiment's file as given, or where it stands in the workspace."""
        given = Path(experiment)
        inside = self.folder / given
        return inside if not given.is_file() and inside.is_file() else given

    @contextmanager
    def _at_work(self) -> Iterator[Workspace]:
        """Have everything that happens in the block happen in this workspace, and printed commands name it."""
        from automl_bench.border.command_lines import naming_workspace
        from automl_bench.border.texts import remember_environment

        remember_environment()
        workspace = Workspace(self.folder)
        with workspace.at_work(), naming_workspace(str(self.folder)), script_stays_out():
            yield workspace


def _rows_frame(rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Return result rows as results.csv has them."""
    return frame(
        [
            {**row, "shots": ALL_SHOTS if row["shots"] is None else row["shots"], "load_runs": len(row["load_runs"])}
            for row in rows
        ]
    )
