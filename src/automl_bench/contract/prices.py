"""Lines of a price table."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

TOKENS_A_UNIT = 1_000_000
"""Tokens are priced by the million."""


class Counted(StrEnum):
    """What the host counts of one trial, at most, to reserve money for a line of a price table.

    Tokens are priced by the million. What answers took of them they say themselves (`Usage`); money is reserved for the
    most that each call takes (`Price.units_each`, in tokens).
    """

    CALLS = "calls"
    """Prediction requests: the accuracy pass with its repetitions, and the load run."""
    SAMPLES = "samples"
    """Labelled samples that are uploaded."""
    TRAINING_HOURS = "training_hours"
    """Hours from the begin of the training to the host's deadline for it, and the longest deletion after that. Only
    where deleting what `train` made ends the billing."""
    INPUT_TOKENS = "input_tokens"
    """Tokens that answers say they read, without cached ones where those have a price; to reserve, calls."""
    CACHED_TOKENS = "cached_tokens"
    """Tokens that answers say they took from a cache; nothing is reserved for them, as they cost less than others."""
    OUTPUT_TOKENS = "output_tokens"
    """Tokens that answers say they wrote; to reserve, calls."""
    IMAGES = "images"
    """Images that answers say they read; to reserve, calls."""
    SERVING_HOURS = "serving_hours"
    """Hours from the begin of the deployment to the host's deadlines for it and for measuring, and the longest deletion
    after that. Only where deleting what `deploy` made ends the billing."""


@dataclass(frozen=True, slots=True)
class Price:
    """One line of a provider's dated price table. An unknown price is None, never 0.

    Attributes:
        item: Stable key: "train_hour", "endpoint_hour", "call", "sample_month".
        usd: US dollars per unit, or None if unknown.
        unit: What is counted, for people: "node hour", "1 call".
        as_of: ISO date on which the source was read.
        source: Where it was read.
        per_trial: Units that one trial of the variant asked for takes at most, as a reservation for --max-cost; None
            if that cannot be said. 0 for what a trial does not add to, such as a plan's monthly fee.
        counted: What the host counts instead, where `per_trial` is None; an item "call" is counted in calls anyway.
        units_each: Units that each counted thing takes: 2 for two nodes an hour. Of tokens and images, the most that
            one call takes: money is reserved for so many, and what was used is told by the answers (`Usage`).
        monthly: Whether it is a fee for a month, whatever is run; for what a month of use costs, not for a trial.
        plan: The plan that it belongs to, where a user pays by one of several; empty for what everyone pays.
        included: Units a month that the plan's fee covers.
    """

    item: str
    usd: float | None
    unit: str
    as_of: str
    source: str
    per_trial: float | None = None
    counted: Counted | None = None
    units_each: float = 1.0
    monthly: bool = False
    plan: str = ""
    included: float = 0.0
