"""Where the trials of an experiment were run, and in what two environments differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from automl_bench.contract import Stage
from automl_bench.trials.environment import RAN_IN

if TYPE_CHECKING:
    from automl_bench.store import Store
    from automl_bench.store.records import TrialRecord

MAKES_THE_MODEL = (Stage.TRAIN, Stage.INVOKE, Stage.DEPLOY, Stage.UPLOAD)
"""Stages by what they tell of where predictions come from, the most telling first."""

OF_THE_MACHINE = ("python", "implementation", "system", "platform", "processor", "architecture", "cores")


@dataclass(frozen=True, slots=True)
class Recorded:
    """An environment in which trials of one experiment were run.

    Attributes:
        content: As `trials.environment.describe_environment` gives it.
        trials: How many of them.
    """

    content: Mapping[str, Any]
    trials: int


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing in which two environments differ.

    Attributes:
        what: Its name: "python", "blas openblas", or that of a package.
        recorded: What was recorded; "" for nothing.
        here: What is here; "" for nothing.
        package: Whether it is a package.
    """

    what: str
    recorded: str
    here: str
    package: bool = False

    def __str__(self) -> str:
        return f"{self.what} {self.recorded or 'not there'} → {self.here or 'not there'}"


def key_of(store: Store, trial_id: str) -> str:
    """Return the key of the environment that a trial's model was made in; "" where none was recorded."""
    results = {one.stage: one.result for one in store.stages(trial_id)}
    return next((str(results[stage][RAN_IN]) for stage in MAKES_THE_MODEL if RAN_IN in results.get(stage, {})), "")


def recorded_environments(
    store: Store, trials: Sequence[TrialRecord], environment_id: int | None = None
) -> list[Recorded]:
    """Return the environments that trials were run in, that of most of them first.

    Args:
        store: The results file.
        trials: The trials.
        environment_id: That of their experiment's last run: it stands for trials of an older automl-bench, which
            recorded none of their own.
    """
    counts = Counter(key_of(store, trial.trial_id) for trial in trials)
    silent = counts.pop("", 0)
    found = [
        Recorded(content, number)
        for key, number in counts.most_common()
        if (content := store.environment_of_key(key)) is not None
    ]
    last = None if environment_id is None else store.environment(environment_id)
    if not found and last is not None:
        found.append(Recorded(last, silent))
    return found


def differences(recorded: Mapping[str, Any], here: Mapping[str, Any]) -> list[Difference]:
    """Return in what an environment differs from a recorded one.

    The machine comes first, then BLAS and threads, packages of another version, and packages that are not here. A
    package counts where what was recorded needed it; one that is here alone does not. What was not recorded is not
    held against what is here.
    """
    found = [
        Difference(name, str(recorded[name]), str(here.get(name, "")))
        for name in OF_THE_MACHINE
        if name in recorded and recorded[name] != here.get(name)
    ]
    for group in ("blas", "threads"):
        before, now = recorded.get(group), here.get(group) or {}
        if before is None:
            continue
        found += [
            Difference(f"{group} {name}", words(before.get(name)), words(now.get(name)))
            for name in sorted({*before, *now})
            if before.get(name) != now.get(name)
        ]
    installed = {**here.get("other_packages", {}), **here.get("packages", {})}
    packages = [
        Difference(name, version, installed.get(name, ""), package=True)
        for name, version in recorded.get("packages", {}).items()
        if installed.get(name) != version
    ]
    # Another version says more than a package of an extra that nobody missed.
    return found + sorted(packages, key=lambda one: not one.here)


def words(value: Any) -> str:
    """Return what is recorded under one name as words: "0.3.31 SkylakeX, 2 threads" of a BLAS."""
    if value is None:
        return ""
    if isinstance(value, Mapping):
        threads = value.get("threads")
        name = " ".join(str(value[key]) for key in ("version", "architecture") if value.get(key))
        return name if threads is None else f"{name}, {threads} thread{'' if threads == 1 else 's'}"
    return str(value)
