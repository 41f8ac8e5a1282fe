"""What to say when the results file has nothing of what was asked for."""

from __future__ import annotations

from collections.abc import Collection

from automl_bench.border.command_lines import quoted_command
from automl_bench.border.names import did_you_mean
from automl_bench.errors import AutomlBenchError, NoResults, UsageError
from automl_bench.store import Store


def no_experiment(store: Store, name: str) -> AutomlBenchError:
    """Return the error for an experiment that is not in the results file."""
    return nothing_of(
        f"There is no experiment {name!r} in {store.path}.", name, [one.name for one in store.experiments()]
    )


def nothing_of(message: str, name: str, known: Collection[str]) -> AutomlBenchError:
    """Return the error for a name that no result has: a misspelt one, or nothing has been measured yet.

    Args:
        message: The fact, one sentence.
        name: What was asked for.
        known: The names that there are.
    """
    if not known:
        return NoResults(
            f"{message} Nothing was measured here yet.", remedy=f"Try {quoted_command('demo', '--cloud')}."
        )
    return UsageError(message, remedy=did_you_mean(name, known, f"Known are: {', '.join(known)}."))
