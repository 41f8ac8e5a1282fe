"""`automl-bench plan`: what a run would do, cost and show, before any request."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from automl_bench.cli import completion
from automl_bench.cli.output import console, print_json, say
from automl_bench.errors import AutomlBenchError, Infeasible
from automl_bench.numbers_in_words import number_of

if TYPE_CHECKING:
    from automl_bench.cli.session import Session
    from automl_bench.contract import Variant
    from automl_bench.report.plan_rows import ProviderView, Unavailable
    from automl_bench.trials.experiment import Experiment
    from automl_bench.trials.planning import Past, Planner, TrialPlan
    from automl_bench.trials.trial import BoundProvider


def plan(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="EXPERIMENT",
            help="a TOML file, or the name of one in configs/",
            autocompletion=completion.experiments,
        ),
    ],
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Include failed trials, as `run --retry-failed` would.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """Show what a run would do: which trials can run and why others cannot, dollars, hours, and what it can show.

    Nothing is asked of a provider and nothing is written. Trials are refused for the same reasons and in the same words
    as by `run`. Dollars are the most that a trial can cost before the host ends it, from the providers' dated price
    tables; what is unknown stays unknown. Hours come from earlier trials here. Read docs/planning.md.

    The exit code is 0 if any trial can run, 6 if none can.

    \b
    Examples:
      automl-bench plan configs/experiments/demo.toml
      automl-bench plan demo-cloud --json
    """
    from automl_bench.cli.experiments import find_experiment
    from automl_bench.cli.session import Session
    from automl_bench.report.plan_power import panel_row, statistics_rows
    from automl_bench.report.plan_rows import provider_row, total_row, trial_row, unavailable_row
    from automl_bench.report.plan_tables import warnings
    from automl_bench.settings.experiment_files import read_experiment

    session = Session()
    experiment = read_experiment(find_experiment(session, file))
    plans, unavailable, views, remarks = _plan(session, experiment, retry_failed=retry_failed)
    today = datetime.now(UTC).date()
    draws = list(
        itertools.product(experiment.datasets, experiment.shots, range(experiment.folds), range(experiment.repeats))
    )
    statistics = statistics_rows(plans, baseline=bool(experiment.baseline))
    rows = [trial_row(one) for one in plans] + [unavailable_row(one, *draw) for one in unavailable for draw in draws]
    document = {
        "experiment": experiment.name,
        "trials": rows,
        "providers": [provider_row(view, today) for view in views],
        "total": total_row(plans, len(unavailable) * len(draws)),
        "keep_trained_hours": experiment.keep_trained_hours,
        "statistics": statistics,
        "over_datasets": panel_row(statistics, baseline=bool(experiment.baseline)),
        "warnings": [*warnings(views, today), *remarks],
    }
    if as_json:
        print_json(document)
    else:
        _print(document, plans, views)
    if not any(row["feasible"] for row in rows):
        raise Infeasible("none of the trials can run.", remedy="See the reasons above.")


def worst_cost(session: Session, experiment: Experiment) -> tuple[str, bool]:
    """Return what an experiment may cost at most, in words, and whether that is certainly nothing."""
    from automl_bench.report.plan_expectations import billed, likely_words
    from automl_bench.report.plan_tables import total_words

    plans, _, views, remarks = _plan(session, experiment, retry_failed=False)
    for remark in [*(f"{view.name}: {problem}" for view in views for problem in view.problems), *remarks]:
        say(f"warning: {remark}")
    count = sum(one.ahead for one in plans)
    cost = billed(plans)
    words = f"{count} trials to run: {likely_words(plans)}; {total_words(plans)}"
    return words, not cost.usd and not cost.unknown


def _plan(
    session: Session, experiment: Experiment, *, retry_failed: bool
) -> tuple[list[TrialPlan], list[Unavailable], list[ProviderView], list[str]]:
    from automl_bench.report.plan_rows import Unavailable
    from automl_bench.trials.material import MaterialSource
    from automl_bench.trials.planning import Planner

    providers: dict[str, BoundProvider] = {}
    problems: dict[str, list[str]] = {}
    variants: list[Variant] = []
    unavailable: list[Unavailable] = []
    for text in experiment.providers:
        name, _, wanted = text.partition(":")
        try:
            if name not in providers:
                providers[name], problems[name] = session.bind_as_far_as_possible(name)
        except AutomlBenchError as error:
            # One provider that cannot be loaded does not hide what the others would do.
            problems.setdefault(name, [f"{error} `run` stops at this until it is corrected."])
            unavailable.append(Unavailable(name, wanted or None, str(error)))
            continue
        variants.append(session.variant(text))
    source = MaterialSource(session.workspace.data, session.workspace.cache, writes=False)
    planner = Planner(experiment, providers, source, _past(session), retry_failed=retry_failed)
    plans = [planner.plan(trial) for trial in session.trials(experiment, variants)]
    images = experiment.images.recorded()
    remarks = _cautions(providers, variants, planner)
    remarks += [remark for dataset in experiment.datasets for remark in source.picture_remarks(dataset, images)]
    return plans, unavailable, _views(providers, problems, planner), remarks


def _cautions(providers: dict[str, BoundProvider], variants: list[Variant], planner: Planner) -> list[str]:
    """Return what the providers say of the variants, one sentence each, as far as their settings can be used."""
    found = []
    for variant in dict.fromkeys(map(str, variants)):
        one = next(other for other in variants if str(other) == variant)
        bound = providers[one.provider]
        try:
            found += [f"{variant}: {words}" for words in bound.provider.cautions(bound.context(one))]
        except AutomlBenchError as error:
            if one.provider not in planner.without_prices:  # else it has been told
                found.append(f"{variant}: {error}")
    return found


def _past(session: Session) -> Past:
    from automl_bench.trials.planning import Past

    if not session.workspace.store_path.exists():
        return Past()
    with session.store_to_read() as store:
        return Past.of(store)


def _views(providers: dict[str, BoundProvider], problems: dict[str, list[str]], planner: Planner) -> list[ProviderView]:
    from automl_bench.report.plan_rows import ProviderView
    from automl_bench.trials.conductor import at_once

    views = []
    for name, found in problems.items():
        if name in planner.without_prices:
            found.append(f"its prices cannot be read: {planner.without_prices[name]}")
        if name not in providers:
            views.append(ProviderView(name, tuple(found)))
            continue
        bound = providers[name]
        tables = {variant: table for (provider, variant), table in planner.tables.items() if provider == name}
        items = {price.item for table in tables.values() for price in table}
        found += [
            f"[budget] in its file names {item!r}, which is no item of its price table."
            for item in bound.budget
            if items and item not in items
        ]
        description = bound.provider.description
        views.append(ProviderView(name, tuple(found), description.limits, at_once(description), tables))
    return views


def _print(document: dict[str, Any], plans: list[TrialPlan], views: list[ProviderView]) -> None:
    from automl_bench.cli.results import show_table
    from automl_bench.report import plan_expectations, plan_tables
    from automl_bench.report.plan_power import power_table

    out, total = console(), document["total"]
    out.print(
        f"{document['experiment']}: {number_of(total['trials'], 'trial')}, {total['refused']} infeasible, "
        f"{total['ahead']} to run (no requests sent)\n",
        markup=False,
    )
    show_table(plan_tables.trials_table(document["trials"]))
    refused = plan_tables.refusals(document["trials"])
    for line in refused:
        out.print(line, markup=False)
    if refused:
        out.print()
    tables = (
        plan_expectations.expectations_table(plans),
        plan_expectations.example_bill(plans),
        plan_tables.money_table(plans),
        plan_tables.basis_table(plans),
    )
    for table in tables:
        if table.rows:
            show_table(table)
    if total["ahead"]:
        out.print(plan_expectations.likely_words(plans), markup=False)
        out.print(f"worst case: {plan_tables.total_words(plans)}; {_hours_words(document)}\n", markup=False)
        out.print(_retention_words(document["keep_trained_hours"]), markup=False)
    show_table(plan_tables.providers_table(views))
    if document["statistics"]:
        show_table(power_table(document["statistics"], document["over_datasets"]))
    for line in document["warnings"]:
        out.print(f"warning: {line}", markup=False)


def _retention_words(hours: float) -> str:
    if not hours:
        return "everything is deleted as soon as its trial ends, well or not\n"
    return (
        f"everything is deleted as soon as its trial ends; after a failure, uploads and trained models stay "
        f"for {hours:g} h (keep_trained_hours)\n"
    )


def _hours_words(document: dict[str, Any]) -> str:
    from automl_bench.report.tables import seconds

    total = document["total"]
    most = max((row["most_hours"] for row in document["trials"] if row["most_hours"] is not None), default=0.0)
    bound = f"a trial ends after {most:,.0f} h at the latest, waiting for this machine's turn not counted"
    if total["expected_hours"] is None:
        return bound
    words = f"about {seconds(total['expected_hours'] * 3600)} one after another"
    if total["without_experience"]:
        words = f"at least {words[6:]} + unknown ({number_of(total['without_experience'], 'trial')} like none before)"
    return f"{words}; {bound}"
