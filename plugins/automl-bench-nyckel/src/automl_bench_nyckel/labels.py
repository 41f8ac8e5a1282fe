"""Labels: every class is created before the first sample names it."""

from __future__ import annotations

from collections.abc import Sequence

from automl_bench.contract import TrialContext
from automl_bench_nyckel.control import Control
from automl_bench_nyckel.functions import bare, path_of
from automl_bench_nyckel.named_things import ensure_named


def ensure_labels(context: TrialContext, control: Control, function_id: str, wanted: Sequence[str]) -> dict[str, str]:
    """Create the labels that are not there, wait until all show, and return their names by id without its prefix.

    Raises:
        ProviderError: If the service refuses one (402 where the plan has fewer labels), or they do not show.
    """
    bodies = {name: {"name": name, "description": None, "metadata": None} for name in wanted}
    there = ensure_named(context, control, f"{path_of(function_id)}/labels", bodies, "label")
    return {bare(str(label.get("id", ""))): str(label.get("name", "")) for label in there}
