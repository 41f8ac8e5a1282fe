"""Fields: the columns of a function of tables. Samples hold cells by a field's id, predictions by its name."""

from __future__ import annotations

from collections.abc import Sequence

from automl_bench.contract import Column, TrialContext
from automl_bench.errors import RequestRefused
from automl_bench_nyckel.contents import field_type
from automl_bench_nyckel.control import Control
from automl_bench_nyckel.functions import bare, path_of
from automl_bench_nyckel.named_things import ensure_named, listed

WORD = "field"


def path_to_fields(function_id: str) -> str:
    """Return the path of a function's fields."""
    return f"{path_of(function_id)}/fields"


def ensure_fields(
    context: TrialContext, control: Control, function_id: str, columns: Sequence[Column]
) -> dict[str, str]:
    """Create the fields that are not there, wait until all show, and return their ids without prefix by name.

    Of two fields of one name the one that is listed first counts.

    Raises:
        ProviderError: If the service refuses one, or they do not show.
    """
    if not columns:
        return {}
    bodies = {column.name: {"name": column.name, "type": field_type(column)} for column in columns}
    there = ensure_named(context, control, path_to_fields(function_id), bodies, WORD)
    return {str(field.get("name", "")): bare(str(field.get("id", ""))) for field in reversed(there)}


def require_fields(control: Control, function_id: str, columns: Sequence[Column]) -> None:
    """Check that a function given with --endpoint has a field for each column.

    Raises:
        RequestRefused: If one is lacking, or has another type.
    """
    if not columns:
        return
    types = {
        str(field.get("name", "")): field.get("type") for field in listed(control, path_to_fields(function_id), WORD)
    }
    for column in columns:
        found = types.get(column.name)
        if found != field_type(column):
            has = "no field" if found is None else f"a field of type {found}"
            raise RequestRefused(
                f"The function {function_id} has {has} for the column {column.name!r}, not one of type "
                f"{field_type(column)}.",
                remedy="Give a function that was made for the columns of this table.",
            )
