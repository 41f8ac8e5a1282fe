"""The text of a first experiment's file: short, with every line explained, to be changed by hand."""

from __future__ import annotations

import json
from dataclasses import dataclass

from automl_bench.border.command_lines import quoted_command

SIZES = (5, 20, 80)
MOST_TESTS = 500
"""Test samples of a first experiment: enough for differences of some points, few enough to be quick."""


@dataclass(frozen=True, slots=True)
class Draft:
    """What a first experiment asks for.

    Attributes:
        name: Its name.
        datasets: Names of datasets.
        providers: Providers or variants.
        smallest_class: Training samples of the smallest class, or None if not known yet.
        tests: Test samples of the largest dataset, or None if not known yet.
    """

    name: str
    datasets: tuple[str, ...]
    providers: tuple[str, ...]
    smallest_class: int | None = None
    tests: int | None = None

    @property
    def shots(self) -> list[int]:
        """Labelled samples per class: as many of the usual sizes as the smallest class has."""
        most = max(SIZES) if self.smallest_class is None else self.smallest_class
        return [size for size in SIZES if size <= most] or [max(most, 1)]

    def text(self) -> str:
        """Return the file."""
        limit = f"test_limit = {MOST_TESTS}" if self.tests is None or self.tests > MOST_TESTS else "# test_limit = 500"
        return f"""\
# An experiment of automl-bench: every provider trains on the same samples and answers the same test set.
name = {json.dumps(self.name)}

# Datasets of the workspace.
datasets = {_listed(self.datasets)}

# Providers, or provider:variant. {quoted_command("providers", "list")} shows what is installed.
providers = {_listed(self.providers)}

# Labelled samples per class, training and validation together; "all" is allowed, too.
shots = {self.shots}

# Draws of the training samples. Three or more tell a better method from a lucky draw.
folds = 3

# Test samples to use at most, drawn by seed. Without it, all: smaller differences show, and more calls are paid.
{limit}

# How you will use the service: what it costs a month is computed from this.
# [use]
# calls_per_month = 100_000
# hours_per_day = 24
"""


def _listed(names: tuple[str, ...]) -> str:
    return "[" + ", ".join(json.dumps(name) for name in names) + "]"
