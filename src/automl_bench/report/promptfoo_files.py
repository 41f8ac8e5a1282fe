"""promptfoo's result file (`promptfoo eval -o results.json`), read as predictions.

Each test of such a file is one sample, named by one of its variables; each pair of prompt and provider is a variant.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from automl_bench.errors import UsageError
from automl_bench.report.predictions import Answered

SAMPLE = "sample"
"""Variable of a test that names the sample, unless another one is named."""

_REMEDY = "Make it with `promptfoo eval -o results.json`."


def is_promptfoo(path: Path) -> bool:
    """Say whether a file is JSON, and so to be read as promptfoo's."""
    return path.suffix.lower() == ".json"


def read_promptfoo(path: Path, variable: str = SAMPLE) -> dict[str, list[Answered]]:
    """Read a result file.

    Args:
        path: The file.
        variable: The variable of its tests that names the test sample.

    Returns:
        The answers by variant: the provider's label or id, with the prompt's number where there are several.

    Raises:
        UsageError: If it is no such file, or a test does not name its sample.
    """
    results = _results(path)
    columns = sorted({(one.get("promptIdx", 0), _provider(one)) for one in results})
    found: dict[tuple[int, str], list[Answered]] = {column: [] for column in columns}
    for number, one in enumerate(results, start=1):
        found[one.get("promptIdx", 0), _provider(one)].append(_answered(path, f"result {number}", one, variable))
    return {_name(column, columns): answers for column, answers in found.items()}


def _name(column: tuple[int, str], columns: Sequence[tuple[int, str]]) -> str:
    """Return the provider's name, with the number of the prompt where it was given several."""
    own = [other for other in columns if other[1] == column[1]]
    return column[1] if len(own) == 1 else f"{column[1]}-prompt{own.index(column) + 1}"


def _results(path: Path) -> list[dict[str, Any]]:
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise UsageError(f"{path} does not exist.", remedy="Check the path.") from error
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.", remedy="Give a readable file.") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} is not readable JSON.", remedy=_REMEDY) from error
    outer = content.get("results") if isinstance(content, dict) else None
    results = outer.get("results") if isinstance(outer, dict) else None
    if not isinstance(results, list) or not all(isinstance(one, dict) for one in results):
        raise UsageError(f"{path} is no result file of promptfoo.", remedy=_REMEDY)
    if not results:
        raise UsageError(f"{path} holds no results.", remedy="Give its tests something to do.")
    if not all(isinstance(one.get("promptIdx", 0), int) for one in results):
        raise UsageError(f"{path} is no result file of promptfoo: a promptIdx is no number.", remedy=_REMEDY)
    return results


def _provider(one: dict[str, Any]) -> str:
    """Return the provider's label, or its id, as a name: "openai:gpt-4" is "openai-gpt-4"."""
    told = one.get("provider")
    text = (told.get("label") or told.get("id")) if isinstance(told, dict) else told
    return re.sub(r"[^\w.-]+", "-", str(text or "unknown"), flags=re.ASCII).strip("-._")[:60] or "unknown"


def _answered(path: Path, place: str, one: dict[str, Any], variable: str) -> Answered:
    values = one.get("vars")
    values = values if isinstance(values, dict) else {}
    sample = values.get(variable)
    if not isinstance(sample, str) or not sample:
        known = ", ".join(map(str, values)) or "none"
        raise UsageError(
            f"{path} {place}: its test has no text in the variable {variable!r}, which is to name the test sample.",
            remedy=f"Name the right variable with --sample-variable; the test has: {known}.",
        )
    response = one.get("response")
    response = response if isinstance(response, dict) else {}
    error = response.get("error") or (one.get("error") if "output" not in response else "") or ""
    told = one.get("latencyMs")
    # An answer from promptfoo's cache says nothing of how long the service takes.
    milliseconds = told if isinstance(told, int | float) and not response.get("cached") else 0
    return Answered(
        place,
        sample,
        None if error else _label(response.get("output")),
        seconds=max(0.0, milliseconds / 1000),
        error=str(error),
        usd=_cost(one.get("cost", response.get("cost"))),
    )


def _cost(told: Any) -> float | None:
    """Return the dollars of one answer; promptfoo writes 0 where it knows no price."""
    known = isinstance(told, int | float) and not isinstance(told, bool) and math.isfinite(told) and told > 0
    return float(told) if known else None


def _label(output: Any) -> str | None:
    """Return the answer as a label: text without the blanks around it, other JSON as it is written."""
    text = output if isinstance(output, str) else "" if output is None else json.dumps(output, ensure_ascii=False)
    return text.strip() or None
