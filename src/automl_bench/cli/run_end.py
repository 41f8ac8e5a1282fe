"""How a run ends: the count of its trials, what may still cost money, and the exit code."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from automl_bench.border.command_lines import quoted_command
from automl_bench.cli.output import console
from automl_bench.errors import (
    BudgetExceeded,
    ContractViolation,
    Interrupted,
    OperationUnfinished,
    ProviderError,
    WorkspaceError,
)

if TYPE_CHECKING:
    from automl_bench.trials.conductor import Tally


@contextmanager
def left_comes_first(tally: Tally) -> Iterator[None]:
    """Whatever ends the block early must not hide what remains at providers."""
    from automl_bench.trials.teardown import complain

    try:
        yield
    except KeyboardInterrupt:
        complain(tally.left)
        raise
    except Exception as error:
        complain(tally.left, because=error)
        raise


def print_tally(name: str, tally: Tally) -> None:
    """Print how many trials ended how, and why those ended that did not end well."""
    out = console(stderr=True)
    parts = [f"{tally.done} done"]
    for count, word in (
        (tally.skipped, "done before"),
        (len(tally.failed), "failed"),
        (len(tally.infeasible), "infeasible"),
        (tally.interrupted, "interrupted"),
        (tally.unfinished, "unfinished"),
        (tally.busy, "in another process"),
        (len(tally.over_budget), "not begun for --max-cost"),
    ):
        if count:
            parts.append(f"{count} {word}")
    out.print(f"{name}: {', '.join(parts)}", markup=False)
    for trial, reason in (*tally.failed, *tally.infeasible, *tally.over_budget):
        out.print(f"  {trial.label}: {reason}", markup=False)


def tally_json(tally: Tally) -> dict[str, Any]:
    """Return the count for `--json`."""
    return {
        "done": tally.done,
        "skipped": tally.skipped,
        "failed": [{"trial": trial.label, "reason": reason} for trial, reason in tally.failed],
        "infeasible": [{"trial": trial.label, "reason": reason} for trial, reason in tally.infeasible],
        "interrupted": tally.interrupted,
        "unfinished": tally.unfinished,
        "busy": tally.busy,
        "over_budget": [{"trial": trial.label, "reason": reason} for trial, reason in tally.over_budget],
        "left": [str(item) for item in tally.left],
    }


def end(tally: Tally, experiment: str, again: str = "") -> None:
    """Turn how a run went into its exit code; what may cost money comes first.

    Args:
        tally: How the run went.
        experiment: What `run` takes: a file, or the name of one.
        again: What goes on, in words, where that is another command than `run`.
    """
    from automl_bench.trials.teardown import complain

    complain(tally.left)
    if tally.unwritten:
        raise WorkspaceError(
            f"the results file could not be written: {tally.unwritten[0]}",
            remedy="Nothing that costs money was left. Free the disk or the lock, then run the same command again.",
        )
    if tally.interrupted:
        raise Interrupted("stopped on request.", remedy=f"Go on with {again or quoted_command('run', experiment)}.")
    if tally.failed:
        count = len(tally.failed)
        words = f"{count} trial{'s' if count > 1 else ''} failed"
        if all(trial.trial_id in tally.plugin_faults for trial, _ in tally.failed):
            raise ContractViolation(
                f"{words}: a plugin is at fault, as told above.", remedy="Report it to the plugin's authors."
            )
        raise ProviderError(
            f"{words}.", remedy=f"Fix the cause, then {again or quoted_command('run', experiment, '--retry-failed')}."
        )
    if tally.over_budget:
        raise BudgetExceeded(
            f"{len(tally.over_budget)} trials were not begun: they could pass the budget.",
            remedy="Raise --max-cost to run them.",
        )
    if tally.unfinished or tally.busy:
        others = f" ({tally.busy} in another process)" if tally.busy else ""
        raise OperationUnfinished(
            f"{tally.unfinished + tally.busy} trials are not finished{others}.",
            remedy=f"Go on with {again or quoted_command('run', experiment)}.",
        )
