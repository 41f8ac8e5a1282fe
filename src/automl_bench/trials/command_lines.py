"""The command lines that the tool prints, made from the record: as they stand, they name the very same trial."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from automl_bench.store.records import TrialRecord

_program = ["automl-bench"]


def set_workspace_option(folder: str) -> None:
    """Have printed commands name the workspace that this one was given with --workspace."""
    _program[1:] = ["--workspace", folder]


def command_line(*words: str) -> str:
    """Return a command as it can be typed: `automl-bench teardown --all`."""
    return shlex.join([*_program, *words])


def trial_command(verb: str, trial: TrialRecord) -> str:
    """Return the command that does a verb with this very trial.

    Where no options of the verbs lead to the trial (a repeat, or images prepared in more ways than upright and by a
    shortest side, which only experiments have), teardown becomes `teardown --all`, and any other verb the command of
    its experiment.
    """
    images = dict(trial.images)
    min_side = images.pop("min_side", None)
    upright = images.pop("upright", False)
    if trial.repeat or images or not upright:
        return command_line("teardown", "--all") if verb == "teardown" else command_line("run", "EXPERIMENT")
    words = [verb, f"{trial.provider}:{trial.variant}", trial.dataset]
    words.append("all" if trial.shots is None else str(trial.shots))
    options = {"--fold": trial.fold or None, "--seed": trial.seed or None, "--test-limit": trial.test_limit}
    for name, value in {**options, "--min-side": min_side}.items():
        if value is not None:
            words += [name, str(value)]
    adopted = trial.variant_settings.get("adopted_endpoint")
    if adopted and verb in ("invoke", "parallel"):
        words += ["--endpoint", str(adopted)]
    return command_line(*words)
