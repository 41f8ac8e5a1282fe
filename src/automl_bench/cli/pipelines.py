"""`automl-bench pipeline` and `export dvc`: an experiment as steps that DVC, make or a scheduler run."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from automl_bench.cli import completion
from automl_bench.cli.output import console, print_json
from automl_bench.errors import UsageError

if TYPE_CHECKING:
    from automl_bench.cli.session import Session
    from automl_bench.report.dvc_project import Asked, DatasetSource
    from automl_bench.trials.experiment import Experiment

app = typer.Typer(no_args_is_help=True)

ExperimentArgument = Annotated[
    Path,
    typer.Argument(
        metavar="EXPERIMENT",
        help="a TOML file, or the name of one in configs/",
        autocompletion=completion.experiments,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the paths as JSON.")]


@app.command("trial")
def trial(
    experiment: ExperimentArgument,
    variant: Annotated[str, typer.Option(help="provider or provider:variant.")],
    dataset: Annotated[str, typer.Option(help="Dataset in the workspace.")],
    shots: Annotated[str, typer.Option(help='Labelled samples per class, or "all".')],
    out: Annotated[Path, typer.Option(help="Folder to write to.")],
    fold: Annotated[int, typer.Option(min=0, help="Which draw of the subsets.")] = 0,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of the draws.", show_default="the experiment's")] = None,
    test_limit: Annotated[str, typer.Option(help='Test samples, or "all".', show_default="the experiment's")] = "",
    as_json: JsonOption = False,
) -> None:
    """Run all stages of one trial with an experiment's settings, tear it down, and write what it answered.

    Writes trial.json, test.csv (sample, label, predicted) and, with `[invoke] also = ["train"]`, train.csv. One that
    is done is not run again. A failed one ends with exit code 6 and is tried again by the same command.

    \b
    Examples:
      automl-bench pipeline trial first.toml --variant local:svc --dataset digits --shots 20 --out trials/svc-20
    """
    from automl_bench.cli.experiments import find_experiment, working
    from automl_bench.cli.run_end import end, left_comes_first, print_tally
    from automl_bench.cli.session import Session, parse_shots
    from automl_bench.report.pipeline_files import write_trial
    from automl_bench.report.rows import result_rows
    from automl_bench.settings.experiment_files import read_experiment
    from automl_bench.store.records import TrialStatus
    from automl_bench.trials.conductor import Wishes

    session = Session()
    asked = replace(
        read_experiment(find_experiment(session, experiment)),
        datasets=(dataset,),
        providers=(variant,),
        shots=(parse_shots(shots),),
        folds=fold + 1,
        repeats=1,
        interleave=False,
        baseline="",
    )
    asked = replace(asked, seed=asked.seed if seed is None else seed, test_limit=_limit(test_limit, asked.test_limit))
    # A variant that learns from no sample has one trial for all draws.
    trials = session.trials(asked)
    record = next((one for one in trials if one.fold == fold), trials[-1])
    with working(session, 1) as work:
        tally = work.conduct(asked, [record], Wishes(retry_failed=True))
        written: list[Path] = []
        with left_comes_first(tally):
            known = work.store.trial(record.trial_id)
            if known is not None and known.status is TrialStatus.DONE:
                rows = [row for row in result_rows(work.store) if row["trial_id"] == record.trial_id]
                written = write_trial(work.store, rows[0], out)
    _print(written, as_json)
    print_tally(record.label, tally)
    end(tally, str(experiment), again="the same command")
    if not written:
        reason = tally.infeasible[0][1] if tally.infeasible else "it is not done"
        raise UsageError(f"{record.label} has no answers: {reason}.", remedy="Change what it asks for.")


def _limit(text: str, otherwise: int | None) -> int | None:
    if not text:
        return otherwise
    if text == "all":
        return None
    if text.isascii() and text.isdigit() and int(text) > 0:
        return int(text)
    raise UsageError(f"--test-limit is {text!r}.", remedy='Give a whole number above 0, or "all".')


ParamsOption = Annotated[Path, typer.Option(help="Parameters of the project.")]


@app.command("subsets")
def subsets(
    dataset: Annotated[str, typer.Argument(help="Dataset in the workspace.")],
    params: ParamsOption = Path("params.yaml"),
) -> None:
    """Write the nested training subsets that a project's parameters ask for, as `ablate` does, in our own format only.

    \b
    Examples:
      automl-bench pipeline subsets spam
    """
    from automl_bench.cli.ablate import write_subsets
    from automl_bench.cli.session import Session
    from automl_bench.report.dvc_project import read_params

    asked = read_params(params)
    session = Session()
    session.require_dataset(dataset)
    manifest = session.source.manifest(dataset)
    # Formats of providers depend on what is installed: a step must write the same files everywhere.
    write_subsets(session, manifest, asked.shots, max(asked.folds) + 1, asked.seed, {}, {}, copy=False, json=False)


@app.command("metrics")
def metrics(
    params: ParamsOption = Path("params.yaml"),
    out: Annotated[Path, typer.Option(help="Folder that gets metrics/ and plots/.")] = Path(),
    as_json: JsonOption = False,
) -> None:
    """Average the trials of a project: metrics/test.json, metrics/train.json, learning curves and confusions as CSV.

    Reads the files of `pipeline trial` below trials/, beside the parameters. Metrics have accuracy, precision, recall
    and F1 of each class with its support, and their macro and weighted averages, as sklearn's classification_report.

    \b
    Examples:
      automl-bench pipeline metrics
    """
    from automl_bench.report.dvc_project import points, read_params
    from automl_bench.report.pipeline_files import write_metrics

    _print(write_metrics(points(read_params(params), params.parent), out), as_json)


def export_dvc(
    experiment: ExperimentArgument,
    out: Annotated[Path | None, typer.Option(help="Folder of the project.", show_default="dvc/EXPERIMENT")] = None,
    import_options: Annotated[
        list[str] | None,
        typer.Option(
            "--import",
            metavar="DATASET=OPTIONS",
            help="Options that its `data import` needs, such as the columns of a list of texts; may be given again.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Write an experiment as a project for DVC: dvc.yaml, params.yaml, metrics and plots.

    Its stages import the data, draw the subsets, run each trial and average; every one is a command of automl-bench.
    Sources of data, shots, folds, variants, seed, test share and test limit are parameters. The project is a workspace
    of its own; docs/dvc.md shows what to do with it.

    \b
    Examples:
      automl-bench export dvc first.toml
      automl-bench export dvc spam.toml --out ~/spam --import 'spam=--text message --label folder'
    """
    from automl_bench.cli.experiments import find_experiment
    from automl_bench.cli.session import Session
    from automl_bench.report.dvc_project import write_project
    from automl_bench.settings.experiment_files import read_experiment

    session = Session()
    path = find_experiment(session, experiment)
    asked = read_experiment(path)
    project = (out or session.workspace.root / "dvc" / asked.name).absolute()
    given = dict(map(_given, import_options or ()))
    sources = [_source(session, name, project, given.get(name)) for name in asked.datasets]
    used = {text.partition(":")[0] for text in asked.providers}
    own = session.workspace.root / "configs" / "providers"
    settings = {name: own / f"{name}.toml" for name in used if (own / f"{name}.toml").is_file()}
    for text in asked.providers:
        session.variant(text)
    _print(write_project(project, path, _asked(asked), sources, settings), as_json)
    if not as_json:
        next_ = f"next: cd {shlex.quote(str(project))} && git init && dvc init && dvc repro"
        console(stderr=True).print(next_, markup=False, soft_wrap=True)


def _given(text: str) -> tuple[str, str]:
    name, sign, options = text.partition("=")
    if not sign:
        raise UsageError(f"--import is {text!r}.", remedy="Give DATASET=OPTIONS, as in 'spam=--text message'.")
    return name, options


def _asked(experiment: Experiment) -> Asked:
    from automl_bench.report.dvc_project import Asked, file_name

    return Asked(
        datasets=experiment.datasets,
        variants={file_name(text): text for text in experiment.providers},
        shots=experiment.shots,
        folds=tuple(range(experiment.folds)),
        seed=experiment.seed,
        test_limit=experiment.test_limit,
    )


def _source(session: Session, name: str, project: Path, options: str | None) -> DatasetSource:
    """Return how a dataset of the workspace got there, as a stage can do it again.

    Args:
        session: The workspace.
        name: The dataset.
        project: The project's folder.
        options: Options of its import as the user gave them; None for what its card tells.
    """
    from automl_bench.cli.importing import catalogue
    from automl_bench.contract import Modality
    from automl_bench.datasets.provenance import read_card
    from automl_bench.report.dvc_project import ABLATIONS, DatasetSource, source_words

    session.require_dataset(name)
    folder = session.workspace.dataset(name)
    card = read_card(folder)
    path = Path(card.source) if card is not None and card.source else Path()
    is_file = path.is_absolute() and path.exists()
    if card is None or not (is_file or name in catalogue(session.workspace)):
        raise UsageError(
            f"{name} was imported from {card.source if card and card.source else 'somewhere unknown'}, which is not "
            "here any more.",
            remedy="Import it again from where it is now.",
        )
    known = [("--group", card.group)]
    if card.modality is Modality.TABULAR:
        known.append(("--target", card.target))
    own = " ".join(f"{option} {shlex.quote(value)}" for option, value in known if value)
    return DatasetSource(
        name=name,
        source=source_words(path, project) if is_file else "",
        options=own if options is None else options,
        drawn=card.test_share is not None,
        test_share=card.test_share or 0.0,
        seed=card.seed or 0,
        files=tuple(sorted(one.name for one in folder.iterdir() if one.name != ABLATIONS)),
    )


def _print(written: list[Path], as_json: bool) -> None:
    if as_json:
        print_json([str(path) for path in written])
    else:
        for path in written:
            console().print(str(path), markup=False)
