"""`automl-bench run` and `demo`: whole experiments."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from automl_bench.border.command_lines import quoted_command
from automl_bench.border.names import did_you_mean
from automl_bench.cli import completion
from automl_bench.cli.decision import print_verdict
from automl_bench.cli.output import console, print_json, print_table, say
from automl_bench.cli.run_end import end, left_comes_first, print_tally, tally_json
from automl_bench.errors import SettingsError
from automl_bench.numbers_in_words import counted

if TYPE_CHECKING:
    from automl_bench.cli.display import RunDisplay
    from automl_bench.cli.session import Session
    from automl_bench.store import Store
    from automl_bench.store.records import TrialRecord
    from automl_bench.trials.conductor import Tally, Wishes
    from automl_bench.trials.experiment import Experiment

PANEL = "Experiments"
DEMO_DATASETS = ("digits", "fashion-mini")

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
JobsOption = Annotated[int | None, typer.Option(min=1, help="Trials to run at once.", show_default="as many as fit")]


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    for function in (run, demo):
        app.command(function.__name__, rich_help_panel=PANEL)(function)


def run(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="EXPERIMENT",
            help="a TOML file, or the name of one in configs/",
            autocompletion=completion.experiments,
        ),
    ],
    jobs: JobsOption = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave everything at the providers; you pay for it.")] = False,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Try failed trials again.")] = False,
    max_cost: Annotated[
        float | None, typer.Option(min=0, metavar="USD", help="Begin no trial that could pass this budget.")
    ] = None,
    keep_trained_hours: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=8760,
            metavar="HOURS",
            help="How long the uploads and trained models of failed trials stay, so that --retry-failed need not pay "
            "for them again; 0 deletes them at once.",
            show_default="as the experiment says, else 24",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Run all stages of all trials of an experiment. The same command again does only what is missing.

    Every trial is torn down as soon as it ends, well or not. A trial that fails becomes a row with its reason and
    the others go on; the exit code is then 6. What it paid for once (uploads, a trained model) stays for a while, and
    --retry-failed goes on from there. What earlier commands could not delete is tried again first and last.

    \b
    Examples:
      automl-bench run configs/experiments/demo.toml
      automl-bench run digits-svc --json
      automl-bench run my.toml --retry-failed
      automl-bench run my.toml --max-cost 20
    """
    from automl_bench.cli.session import Session
    from automl_bench.settings.experiment_files import read_experiment
    from automl_bench.trials.conductor import Wishes

    session = Session()
    path = find_experiment(session, file)
    experiment = read_experiment(path)
    wishes = Wishes(jobs, keep, retry_failed, max_cost, keep_trained_hours)
    tally, rows = run_trials(session, experiment, wishes, path)
    with left_comes_first(tally):
        if as_json:
            print_json({"experiment": experiment.name, "tally": tally_json(tally), "results": rows})
        else:
            print_results(experiment, rows)
            print_tally(experiment.name, tally)
            print_verdict(session, experiment.name, rows)
    end(tally, str(file))


def demo(
    jobs: JobsOption = None,
    cloud: Annotated[bool, typer.Option("--cloud", help="Compare three simulated clouds instead.")] = False,
) -> None:
    """Compare local models on real images, from data to report, on this machine.

    Fetches two small datasets, runs the experiment configs/experiments/demo.toml and writes its report. The same
    command again does only what is missing. With --cloud, three invented services train, deploy, answer and are torn
    down (configs/experiments/demo-cloud.toml); their bill is printed, and nothing is sent or paid.

    \b
    Examples:
      automl-bench demo
      automl-bench demo --cloud
    """
    from automl_bench.cli.data import fetch_into_workspace
    from automl_bench.cli.report import write_report
    from automl_bench.cli.session import Session
    from automl_bench.settings.experiment_files import read_experiment
    from automl_bench.trials.conductor import Wishes

    session = Session()
    for dataset in DEMO_DATASETS:
        if not (session.workspace.data / dataset / "manifest.csv").is_file():
            fetch_into_workspace(dataset)
    path = find_experiment(session, Path("demo-cloud" if cloud else "demo"))
    experiment = read_experiment(path)
    tally, rows = run_trials(session, experiment, Wishes(jobs=jobs), path)
    with left_comes_first(tally):
        print_results(experiment, rows)
        print_tally(experiment.name, tally)
        if cloud:
            _print_bill(session)
        console().print(f"report: {write_report(experiment.name)}", markup=False)
        print_verdict(session, experiment.name, rows)
    end(tally, experiment.name)


def _print_bill(session: Session) -> None:
    """Print what the simulated services have charged so far, and what still runs there."""
    from automl_bench.contract import NAME_PREFIX
    from automl_bench.simulation.bill import COLUMNS, bill_note, bill_rows
    from automl_bench.trials.teardown import provider_context

    bound = session.bind("simulated")
    context = provider_context(bound)
    print_table(list(COLUMNS), bill_rows(context), title="the bill")
    left = bound.provider.list_resources(context, NAME_PREFIX)
    console().print(
        f"{bill_note()}; {counted('{n} [resource is|resources are]', len(left)) if left else 'no resources are'} left",
        markup=False,
    )


def find_experiment(session: Session, file: Path) -> Path:
    """Return the experiment file that an argument names.

    Raises:
        SettingsError: If there is none.
    """
    if file.is_file():
        return file
    known = session.workspace.config_files("experiments")
    if str(file) in known:
        return known[str(file)]
    # A path as the documentation writes it also works where only the packaged files exist.
    if file.parent == Path("configs/experiments") and file.stem in known:
        return known[file.stem]
    run_before = session.workspace.run_before()
    if (path := run_before.get(str(file))) is not None and path.is_file():
        return path
    here = {path.stem: path for folder in (session.workspace.root, Path()) for path in folder.glob("*.toml")}
    if str(file) in here:
        return here[str(file)]
    names = sorted({*known, *run_before, *here})
    others = f"Give a TOML file, or one of: {', '.join(names)}."
    raise SettingsError(f"there is no experiment {str(file)!r}.", remedy=did_you_mean(file.stem, names, others))


def run_trials(
    session: Session, experiment: Experiment, wishes: Wishes, path: Path
) -> tuple[Tally, list[dict[str, Any]]]:
    """Run the trials of an experiment.

    Args:
        session: The workspace.
        experiment: What to run.
        wishes: How.
        path: The experiment's file, so that later commands find it by its name.

    Returns:
        How it went, and its rows of `results --json`.
    """
    from automl_bench.cli.session import canonical
    from automl_bench.report.rows import result_rows
    from automl_bench.store.records import ExperimentRecord

    trials = session.trials(experiment)
    with working(session, len(trials)) as work:
        store = work.store
        session.workspace.remember_run(experiment.name, path)
        for trial in trials:
            store.save_trial(trial)
        aside = store.set_aside_experiment(experiment.name, [trial.trial_id for trial in trials])
        if aside is not None:
            console(stderr=True).print(
                f"Another experiment was called {experiment.name}; its results are kept as {aside}.", markup=False
            )
        environment_id = store.record_environment(session.environment({trial.provider for trial in trials}))
        store.save_experiment(
            ExperimentRecord(
                name=experiment.name,
                settings=canonical(_settings(experiment, session)),
                trial_ids=tuple(trial.trial_id for trial in trials),
                environment_id=environment_id,
            )
        )
        _say_who_else(store, trials, work.display.say)
        session.observers.tell(
            "experiment_started", name=experiment.name, trials=tuple(trials), folder=session.workspace.root
        )
        tally = work.conduct(experiment, trials, wishes, environment_id)
        with left_comes_first(tally):
            rows = result_rows(store, experiment=experiment.name)
            session.observers.tell("experiment_finished", name=experiment.name, results=rows)
    return tally, rows


@dataclass(frozen=True, slots=True)
class Work:
    """What trials are run with.

    Attributes:
        session: The workspace.
        store: The results file, open for writing.
        stop: Set when the user wants to end.
        display: What is seen meanwhile.
    """

    session: Session
    store: Store
    stop: threading.Event
    display: RunDisplay

    def conduct(
        self, experiment: Experiment, trials: Sequence[TrialRecord], wishes: Wishes, environment_id: int | None = None
    ) -> Tally:
        """Run trials of an experiment, and return how it went.

        Args:
            experiment: The experiment.
            trials: Its trials.
            wishes: How it is to be run.
            environment_id: The environment of this process where it has been recorded; it is recorded else.
        """
        from automl_bench.trials.conductor import Conductor
        from automl_bench.trials.machine import Machine
        from automl_bench.trials.trial import Surroundings

        session = self.session
        providers = {name: session.bind(name) for name in {trial.provider for trial in trials}}
        if environment_id is None:
            environment_id = self.store.record_environment(session.environment(providers))
        for bound in providers.values():
            bound.provider.import_heavy_modules()
        around = Surroundings(
            store=self.store,
            machine=Machine(session.machine_lock(say)),
            observers=session.observers,
            stop=self.stop,
            report=self.display.report,
            deadlines=experiment.deadline_seconds,
            say=self.display.say,
            environment=self.store.environment_key(environment_id),
        )
        conductor = Conductor(experiment, providers, session.source, around, wishes, self.display.ended, session.bind)
        return conductor.run(trials)


@contextmanager
def working(session: Session, count: int) -> Iterator[Work]:
    """Open the results file, hear signals and show progress while a number of trials is run."""
    from automl_bench.cli.display import RunDisplay
    from automl_bench.cli.parting import stopping

    with session.store() as store, stopping() as stop, RunDisplay(count) as display:
        store.hurry_with(stop)
        yield Work(session, store, stop, display)


def _say_who_else(store: Store, trials: Sequence[TrialRecord], tell: Callable[[str], None]) -> None:
    """Tell which other processes work on the same trials: this one takes those that nobody works on."""
    from automl_bench.store.leases import current_owner, owner_alive

    holders: dict[str, int] = {}
    for trial in trials:
        lease = store.lease(trial.trial_id)
        if lease is not None and lease.owner != current_owner() and owner_alive(lease.owner) is not False:
            holders[lease.holder()] = holders.get(lease.holder(), 0) + 1
    for holder, count in holders.items():
        tell(
            f"{holder} runs this experiment, too, and works on {count} of its {len(trials)} trials now; this command "
            f"does what nobody works on. Watch both with {quoted_command('status', '--watch')}."
        )


def _settings(experiment: Experiment, session: Session) -> dict[str, Any]:
    from dataclasses import asdict

    names = sorted({text.partition(":")[0] for text in experiment.providers})
    return {**asdict(experiment), "split_policies": {n: session.provider(n).description.split_policy for n in names}}


def print_results(experiment: Experiment, rows: list[dict[str, Any]]) -> None:
    """Print the accuracies and the median times of an experiment."""
    from automl_bench.report.summary import accuracy_table, times_table
    from automl_bench.trials.early_stop import early_stop_lines

    for title, table in (("accuracy (%) ± SEM", accuracy_table(rows)), ("medians", times_table(rows))):
        print_table(table.columns, table.rows, title=f"{experiment.name}: {title}")
    for line in early_stop_lines(rows):
        console().print(line, markup=False)
