"""What a look at a watched service means, held against its reference, in numbers and in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from automl_bench.statistics.changes import DIFFERENCE, Change, change, power_of
from automl_bench.store.looks_table import Look, LookAnswer, LookFinding
from automl_bench.store.records import TrialRecord
from automl_bench.trials.looking import Seen


@dataclass(frozen=True, slots=True)
class Judged:
    """A look, judged.

    Attributes:
        look: What is stored.
        power: Chance that one look finds a change of 5 points, 0 to 1; None where it could not look.
        unsteady: Share of answers seen to turn right or wrong without a change, 0 to 1; None where nothing was
            compared.
    """

    look: Look
    power: float | None = None
    unsteady: float | None = None


def reference_of(looks: Sequence[Look]) -> Look | None:
    """Return the look that the next one is held against; None if it becomes the reference itself."""
    return next((one for one in reversed(looks) if one.finding is LookFinding.REFERENCE), None)


def first_look(trial_id: str, seen: Seen, level: float) -> Judged:
    """Return the look that later ones are held against."""
    look = Look(trial_id, seen.at, LookFinding.REFERENCE, level=level, usd=seen.usd)
    return Judged(look, power_of(len(seen.answers), level))


def judged(
    trial_id: str, seen: Seen, reference: Look, known: Sequence[LookAnswer], before: Sequence[Look], level: float
) -> Judged:
    """Hold a look against its reference.

    Args:
        trial_id: The trial.
        seen: What the look brought back.
        reference: The reference.
        known: Its answers.
        before: Earlier looks: how steady the answers are is read off those that found no change.
        level: Of this look's test.
    """
    found = change(_right(known), _right(seen.answers), level)
    new_models = _models(seen.answers) - _models(known) if _models(known) else set()
    finding = LookFinding.CHANGED if found.found or new_models else LookFinding.SAME
    look = Look(
        trial_id,
        seen.at,
        finding,
        reason=_reason(found, new_models, _models(known)) if finding is LookFinding.CHANGED else "",
        compared=found.compared,
        worsened=found.worsened,
        improved=found.improved,
        p=found.p,
        level=level,
        usd=seen.usd,
        reference=reference.number,
    )
    steady = [one for one in before if one.reference == reference.number and one.finding is LookFinding.SAME]
    unsteady = _unsteady([*steady, *([look] if finding is LookFinding.SAME else [])])
    return Judged(look, power_of(found.compared, level, unsteady=unsteady or 0.0), unsteady)


def no_look(trial_id: str, at: str, reason: str, reference: Look | None) -> Judged:
    """Return a look that learned nothing."""
    number = 0 if reference is None else reference.number
    return Judged(Look(trial_id, at, LookFinding.NOT_LOOKED, reason=reason, reference=number))


def _right(answers: Iterable[LookAnswer]) -> dict[str, bool]:
    return {one.sample_id: one.right for one in answers}


def _models(answers: Iterable[LookAnswer]) -> set[str]:
    return {one.model for one in answers if one.model}


def _unsteady(looks: Sequence[Look]) -> float | None:
    compared = sum(one.compared or 0 for one in looks)
    turned = sum((one.worsened or 0) + (one.improved or 0) for one in looks)
    return turned / compared if compared else None


def _reason(found: Change, new_models: set[str], old_models: set[str]) -> str:
    parts = []
    if new_models:
        parts.append(f"{_listed(new_models)} answers now, and {_listed(old_models)} did in the reference")
    if found.found:
        parts.append(
            f"accuracy changed by {found.difference * 100:+.1f} points: of {found.compared} probes {found.worsened} are"
            f" wrong that were right, and {found.improved} right that were wrong (p = {found.p:.2g}, alarm at"
            f" {found.level:.2g})"
        )
    return "; ".join(parts) + "."


def _listed(names: set[str]) -> str:
    return " and ".join(sorted(names))


def look_row(trial: TrialRecord, one: Judged) -> dict[str, Any]:
    """Return a look as JSON."""
    look = one.look
    return {
        "trial_id": look.trial_id,
        "provider": trial.provider,
        "variant": trial.variant,
        "dataset": trial.dataset,
        "shots": trial.shots,
        "fold": trial.fold,
        "repeat": trial.repeat,
        "at": look.at,
        "number": look.number,
        "reference": look.reference,
        "finding": look.finding.value,
        "reason": look.reason,
        "compared": look.compared,
        "worsened": look.worsened,
        "improved": look.improved,
        "p": look.p,
        "level": look.level,
        "power": one.power,
        "power_for_points": DIFFERENCE * 100,
        "unsteady": one.unsteady,
        "usd": look.usd,
    }


def look_words(row: Mapping[str, Any], label: str) -> str:
    """Return a look in one line for people."""
    head = f"{label}: "
    if row["finding"] == LookFinding.NOT_LOOKED:
        return f"{head}could not look: {row['reason']}"
    cost = "" if row["usd"] is None else f" This look cost ${row['usd']:.2g}."
    if row["finding"] == LookFinding.REFERENCE:
        return f"{head}this is the reference; later looks are held against it. {_power_words(row)}{cost}"
    if row["finding"] == LookFinding.CHANGED:
        return f"{head}changed: {row['reason']}{cost}"
    turned = f"{row['worsened']} wrong that were right, {row['improved']} right that were wrong"
    return (
        f"{head}no change found: of {row['compared']} probes {turned} (p = {row['p']:.2g}). {_power_words(row)}{cost}"
    )


def _power_words(row: Mapping[str, Any]) -> str:
    points = f"{row['power_for_points']:g} points"
    if row["unsteady"] is None:
        ground = "if it answers the same question alike each time"
    else:
        ground = f"with {row['unsteady']:.1%} of its answers varying as they do now"
    return f"One look finds a change of {points} with a chance of {row['power']:.0%}, {ground}."
