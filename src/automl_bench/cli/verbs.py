"""The verbs: one stage of one trial, `automl-bench VERB PROVIDER DATASET SHOTS`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from automl_bench.cli import completion
from automl_bench.cli.output import console, print_json, progress_bar, say
from automl_bench.cli.verb_output import print_accuracy, stage_json, times_words
from automl_bench.errors import InvalidMeasurement, UnsupportedCapability, UsageError

if TYPE_CHECKING:
    from automl_bench.cli.session import Session
    from automl_bench.store.records import TrialRecord
    from automl_bench.trials.trial import Trial

ProviderArgument = Annotated[
    str, typer.Argument(metavar="PROVIDER", help="provider or provider:variant", autocompletion=completion.providers)
]
DatasetArgument = Annotated[
    str,
    typer.Argument(metavar="DATASET", help="name of a dataset in the workspace", autocompletion=completion.datasets),
]
ShotsArgument = Annotated[str, typer.Argument(metavar="SHOTS", help='labelled samples per class, or "all"')]
FoldOption = Annotated[int, typer.Option(min=0, help="Which draw of the subsets.")]
SeedOption = Annotated[int, typer.Option(min=0, help="Seed of the draw.")]
TestLimitOption = Annotated[
    int | None, typer.Option(min=1, help="Number of test samples to use, drawn by seed.", show_default="all")
]
MinSideOption = Annotated[
    int | None, typer.Option(min=1, help="Enlarge images whose shorter side has fewer pixels than this.")
]
EndpointOption = Annotated[
    str, typer.Option("--endpoint", metavar="ID", help="Use an endpoint that was made by hand; it is never deleted.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
PANEL = "One stage of one trial"


def register(app: typer.Typer) -> None:
    """Add the verbs to the command line."""
    for function in (upload, train, deploy, invoke, parallel, teardown):
        app.command(function.__name__, rich_help_panel=PANEL)(function)


def upload(
    provider: ProviderArgument,
    dataset: DatasetArgument,
    shots: ShotsArgument,
    fold: FoldOption = 0,
    seed: SeedOption = 0,
    test_limit: TestLimitOption = None,
    min_side: MinSideOption = None,
    as_json: JsonOption = False,
) -> None:
    """Bring a training subset to a provider.

    \b
    Examples:
      automl-bench upload local digits 10
      automl-bench upload vertex pets 10 --fold 1
    """
    _build("upload", provider, dataset, shots, fold, seed, test_limit, min_side, as_json)


def train(
    provider: ProviderArgument,
    dataset: DatasetArgument,
    shots: ShotsArgument,
    fold: FoldOption = 0,
    seed: SeedOption = 0,
    test_limit: TestLimitOption = None,
    min_side: MinSideOption = None,
    as_json: JsonOption = False,
) -> None:
    """Train on what was uploaded and wait for it; run it again to go on waiting.

    \b
    Examples:
      automl-bench train local digits 10
      automl-bench train local:svc digits all
    """
    _build("train", provider, dataset, shots, fold, seed, test_limit, min_side, as_json)


def deploy(
    provider: ProviderArgument,
    dataset: DatasetArgument,
    shots: ShotsArgument,
    fold: FoldOption = 0,
    seed: SeedOption = 0,
    test_limit: TestLimitOption = None,
    min_side: MinSideOption = None,
    as_json: JsonOption = False,
) -> None:
    """Serve the trained model. It runs, and may cost money, until `automl-bench teardown`.

    \b
    Examples:
      automl-bench deploy local digits 10
    """
    _build("deploy", provider, dataset, shots, fold, seed, test_limit, min_side, as_json)


def invoke(
    provider: ProviderArgument,
    dataset: DatasetArgument,
    shots: ShotsArgument,
    fold: FoldOption = 0,
    seed: SeedOption = 0,
    test_limit: TestLimitOption = None,
    min_side: MinSideOption = None,
    endpoint: EndpointOption = "",
    warm_up: Annotated[int, typer.Option(min=0, help="Untimed calls before the pass.")] = 3,
    idle_cold: Annotated[
        float | None, typer.Option(min=0, help="Seconds to wait after the pass before one cold call is recorded.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Classify the test set, one call at a time: accuracy and latency. Run it again to go on after a break.

    \b
    Examples:
      automl-bench invoke local digits 10
      automl-bench invoke local digits 10 --endpoint http://127.0.0.1:8000
    """
    from automl_bench.measurement.accuracy_pass import PassSettings
    from automl_bench.report.rows import result_rows
    from automl_bench.trials.reaching import require_reachable
    from automl_bench.trials.single import invoke_stage, working_on

    settings = PassSettings(order_seed=seed, warm_up=warm_up, idle_cold_seconds=idle_cold)
    with _one_trial("invoke", provider, dataset, shots, fold, seed, test_limit, min_side, endpoint) as trial:
        with working_on(trial):
            require_reachable(trial, say)
            invoke_stage(trial, settings)
        rows = [row for row in result_rows(trial.around.store) if row["trial_id"] == trial.record.trial_id]
    if as_json:
        print_json(rows[0])
    else:
        print_accuracy(trial.record, rows[0])


def parallel(
    provider: ProviderArgument,
    dataset: DatasetArgument,
    shots: ShotsArgument,
    fold: FoldOption = 0,
    seed: SeedOption = 0,
    test_limit: TestLimitOption = None,
    min_side: MinSideOption = None,
    endpoint: EndpointOption = "",
    calls: Annotated[int, typer.Option(min=1, help="Closed loop: total number of calls.")] = 1000,
    concurrency: Annotated[int, typer.Option(min=1, help="Closed loop: calls in flight.")] = 10,
    rate: Annotated[float | None, typer.Option(min=0.01, help="Open loop: arrivals per second.")] = None,
    duration: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Length of the run, as in 60s or 5m.", show_default="60s for --rate"),
    ] = None,
    arrivals: Annotated[str, typer.Option(help="Open loop: poisson or constant.")] = "poisson",
    sweep: Annotated[
        str | None, typer.Option(metavar="FROM..TO", help="Rising rates until the endpoint saturates, as in 1..100.")
    ] = None,
    ignore_limits: Annotated[bool, typer.Option("--ignore-limits", help="Go beyond the published limits.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Load the endpoint: throughput, and latency under load.

    The closed loop keeps --concurrency calls in flight. The open loop (--rate) sends on a schedule that does not wait
    for answers, and counts each call from its scheduled moment. A sweep raises the rate until the endpoint saturates.

    \b
    Examples:
      automl-bench parallel local digits 10
      automl-bench parallel local digits 10 --rate 20 --duration 60s
      automl-bench parallel local digits 10 --sweep 1..100
    """
    from automl_bench.cli.load_options import load_settings, print_load_run
    from automl_bench.trials.reaching import require_reachable
    from automl_bench.trials.single import parallel_stage, working_on

    settings = load_settings(calls, concurrency, rate, duration, arrivals, sweep, seed, ignore_limits)
    with (
        _one_trial("parallel", provider, dataset, shots, fold, seed, test_limit, min_side, endpoint) as trial,
        working_on(trial),
    ):
        require_reachable(trial, say)
        run = parallel_stage(trial, settings)
    if as_json:
        print_json({"load_run_id": run.load_run_id, "loop": run.loop, "valid": run.valid, "reasons": run.reasons,
                    "settings": run.settings, "summary": run.summary})  # fmt: skip
    else:
        print_load_run(trial.record, run)
    if not run.valid:
        raise InvalidMeasurement(
            "this load run is not VALID and may not be compared.",
            reasons=run.reasons,
            remedy="Fix what the reasons name and run it again.",
        )


def teardown(
    provider: Annotated[str | None, typer.Argument(metavar="[PROVIDER]", help="provider or provider:variant")] = None,
    dataset: Annotated[str | None, typer.Argument(metavar="[DATASET]", help="name of a dataset")] = None,
    shots: Annotated[str | None, typer.Argument(metavar="[SHOTS]", help='samples per class, or "all"')] = None,
    fold: FoldOption = 0,
    seed: SeedOption = 0,
    test_limit: TestLimitOption = None,
    min_side: MinSideOption = None,
    everything: Annotated[bool, typer.Option("--all", help="Everything in this workspace's ledger.")] = False,
    orphans: Annotated[
        bool,
        typer.Option("--orphans", help="Resources of this workspace that only the providers know of."),
    ] = False,
    workspace: Annotated[
        str, typer.Option("--workspace", metavar="ID", help="With --orphans: those of the workspace with this id.")
    ] = "",
    everyone: Annotated[
        bool, typer.Option("--everyone", help="With --orphans: those of every workspace and of unknown owners.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before deleting orphans.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Delete what trials left at providers. Exit code 10 if something that may cost money remains.

    --all leaves trials alone that a living process works on, and names them. --orphans deletes what this workspace made
    and lost track of; what others made is only counted, unless --workspace ID or --everyone says so: then it is listed
    with owner, age and price, and you are asked.

    \b
    Examples:
      automl-bench teardown local digits 10
      automl-bench teardown --all
      automl-bench teardown --orphans          after a run whose answers were lost
      automl-bench teardown --orphans --workspace 3fa94c     after a lost results folder
      automl-bench teardown --orphans --everyone vertex      also what old versions made
    """
    from automl_bench.cli import clearing
    from automl_bench.ownership import is_workspace_id

    if (workspace or everyone) and not orphans:
        raise UsageError("--workspace and --everyone go with --orphans.", remedy="Add --orphans.")
    if workspace and not is_workspace_id(workspace):
        raise UsageError(
            f"{workspace!r} is no id of a workspace.", remedy="Give six hex digits, as `teardown --orphans` lists them."
        )
    if workspace and everyone:
        raise UsageError("--workspace and --everyone exclude each other.", remedy="Give one of the two.")
    if everything or orphans:
        if dataset or shots or (provider and everything):
            raise UsageError("--all and --orphans take no trial.", remedy="Give either a trial or one of the two.")
        whose = clearing.Whose(workspace, everyone, yes)
        clearing.clear(everything=everything, orphans=orphans, provider=provider, whose=whose, as_json=as_json)
        return
    if not (provider and dataset and shots):
        raise UsageError("teardown needs PROVIDER DATASET SHOTS.", remedy="Or give --all or --orphans.")
    from automl_bench.trials.single import tear_down_trial, working_on
    from automl_bench.trials.teardown import complain

    with (
        _one_trial("teardown", provider, dataset, shots, fold, seed, test_limit, min_side, "") as trial,
        working_on(trial),
    ):
        count, left = tear_down_trial(trial)
    clearing.announce(count, left, as_json=as_json)
    complain(left)


def _build(
    name: str,
    provider: str,
    dataset: str,
    shots: str,
    fold: int,
    seed: int,
    test_limit: int | None,
    min_side: int | None,
    as_json: bool,
) -> None:
    from automl_bench.contract import Stage
    from automl_bench.providers.simulation import hourly_words
    from automl_bench.trials.command_lines import teardown_command
    from automl_bench.trials.single import build_stage, open_entries, working_on

    stage = Stage(name)
    with _one_trial(name, provider, dataset, shots, fold, seed, test_limit, min_side, "") as trial:
        trial.check_feasible()
        trial.bound.cache_dir.mkdir(parents=True, exist_ok=True)
        with working_on(trial):
            record = build_stage(trial, stage)
        entries = open_entries(trial)
    if as_json:
        print_json(stage_json(trial.record, record))
        return
    out = console()
    out.print(f"{stage} of {trial.record.label}: done{times_words(record)}", markup=False)
    for entry in entries:
        price = hourly_words(entry.hourly_usd, entry.provider)
        out.print(f"  exists: {entry.kind} {entry.name} ({price})", markup=False)
    console(stderr=True).print(f"Delete it with: {teardown_command(trial.record)}", markup=False)


@contextmanager
def _one_trial(
    stage: str,
    provider: str,
    dataset: str,
    shots: str,
    fold: int,
    seed: int,
    test_limit: int | None,
    min_side: int | None,
    endpoint: str,
) -> Iterator[Trial]:
    """Set up the trial that a verb's arguments name, with a progress bar and Ctrl-C handled."""
    from automl_bench.cli.parting import stopping
    from automl_bench.cli.session import Session, parse_shots
    from automl_bench.cli.sweeping import sweep_first
    from automl_bench.contract import Capability
    from automl_bench.trials.machine import Machine
    from automl_bench.trials.trial import Surroundings, Trial

    session = Session()
    samples = parse_shots(shots)
    bound = session.bind(provider.partition(":")[0])
    if endpoint and Capability.ADOPT_ENDPOINT not in bound.provider.description.capabilities:
        raise UnsupportedCapability(
            f"{bound.provider.name} cannot adopt an endpoint made by hand.", remedy="Leave --endpoint out."
        )
    record = _record(session, provider, dataset, samples, fold, seed, test_limit, min_side, endpoint)
    material = session.source.material(record)
    with (
        session.store() as store,
        stopping() as stop,
        progress_bar(f"{stage} {record.label}") as advance,
    ):
        store.hurry_with(stop)
        around = Surroundings(
            store=store,
            machine=Machine(session.machine_lock(say)),
            observers=session.observers,
            stop=stop,
            report=lambda _trial, _stage, done, total, note: advance(done, total, note),
            say=say,
            environment=store.environment_key(store.record_environment(session.environment([bound.provider.name]))),
        )
        sweep_first(session, store, stop=stop, but={record.trial_id})
        yield Trial(record, bound, material, around, adopted=endpoint)


def _record(
    session: Session,
    provider: str,
    dataset: str,
    shots: int | None,
    fold: int,
    seed: int,
    test_limit: int | None,
    min_side: int | None,
    endpoint: str,
) -> TrialRecord:
    from dataclasses import replace

    from automl_bench.ablations.images import ImageSetting
    from automl_bench.trials.command_lines import ADOPTED
    from automl_bench.trials.experiment import Learning, learning_of, trial_record

    variant = session.variant(provider)
    if endpoint:
        # An adopted endpoint is another thing than what we would train: its trial has an id of its own.
        variant = replace(variant, settings={**variant.settings, ADOPTED: endpoint})
    kind = learning_of(session.provider(variant.provider).description, variant)
    if shots == 0 and kind is Learning.NEEDED and not endpoint:
        raise UsageError(f"{variant} needs training samples.", remedy="Ask for at least 1 shot.")
    if kind is Learning.NONE and (shots, fold) != (0, 0):
        say(f"{variant} learns from no sample: its one trial, at 0 shots, stands for all shots and folds.")
        shots, fold = 0, 0
    session.require_dataset(dataset)
    return trial_record(
        variant,
        dataset=dataset,
        fingerprint=session.source.manifest(dataset).fingerprint,
        shots=shots,
        fold=fold,
        repeat=0,
        seed=seed,
        images=ImageSetting(min_side=min_side).recorded(),
        test_limit=test_limit,
    )
