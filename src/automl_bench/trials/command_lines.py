"""The command lines that name a trial, made from its record: as they stand, they name the very same trial."""

from __future__ import annotations

from typing import TYPE_CHECKING

from automl_bench.border.command_lines import command_line

if TYPE_CHECKING:
    from automl_bench.store.records import TrialRecord

ADOPTED = "adopted_endpoint"
"""Setting of the variant of a trial whose endpoint was made by hand: its name or address."""


def teardown_command(trial: TrialRecord) -> str:
    """Return the command that deletes what a trial left; `teardown --all` where no options of the verbs lead to it."""
    return trial_command("teardown", trial) or command_line("teardown", "--all")


def trial_command(verb: str, trial: TrialRecord) -> str | None:
    """Return the command that does a verb with this very trial.

    None where no options of the verbs lead to the trial: a repeat, or images prepared in more ways than upright and by
    a shortest side, which only experiments have.
    """
    images = dict(trial.images)
    min_side = images.pop("min_side", None)
    upright = images.pop("upright", False)
    if trial.repeat or images or not upright:
        return None
    words = [verb, f"{trial.provider}:{trial.variant}", trial.dataset]
    words.append("all" if trial.shots is None else str(trial.shots))
    options = {"--fold": trial.fold or None, "--seed": trial.seed or None, "--test-limit": trial.test_limit}
    for name, value in {**options, "--min-side": min_side}.items():
        if value is not None:
            words += [name, str(value)]
    adopted = trial.variant_settings.get(ADOPTED)
    if adopted and verb in ("invoke", "parallel"):
        words += ["--endpoint", str(adopted)]
    return command_line(*words)
