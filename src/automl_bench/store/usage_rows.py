"""How what an answer used becomes a row, a row becomes a `Usage` again, and the rows of a trial become sums."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from automl_bench.border.texts import clean
from automl_bench.contract import LONGEST_ANSWER, Usage
from automl_bench.store.call_rows import PHASE_CODES
from automl_bench.store.records import CallPhase
from automl_bench.store.results_file import ResultsFile, SqlValue

USAGE_COLUMNS = (
    "u.input_tokens, u.cached_tokens, u.output_tokens, u.reasoning_tokens, u.images, u.told_usd, u.model,"
    " u.finish_reason, u.text"
)
"""Columns of the table `usages`, called u, behind the key of the call."""
USAGE_WIDTH = 4 + 9
"""Columns of the table: the key of the call, then `USAGE_COLUMNS`."""


def usage_values(usage: Usage) -> tuple[SqlValue, ...]:
    """Return the values of `USAGE_COLUMNS`; words from outside are cleaned."""
    return (
        usage.input_tokens,
        usage.cached_tokens,
        usage.output_tokens,
        usage.reasoning_tokens,
        usage.images,
        usage.usd,
        clean(usage.model),
        clean(usage.finish_reason),
        clean(usage.text, longest=LONGEST_ANSWER),
    )


def usage_from(values: Sequence[Any]) -> Usage | None:
    """Return the usage of the values of `USAGE_COLUMNS`; None where a call has none."""
    return None if values[-1] is None else Usage(*values)


@dataclass(frozen=True, slots=True)
class UsageSums:
    """What the answers of a trial used, as far as they say.

    Attributes:
        answers: Answers that say anything.
        tokens: Sums by kind: input, cached, output, reasoning; a kind that no answer tells is absent.
        models: Answers by served model.
        endings: Answers by the way they ended.
    """

    answers: int
    tokens: Mapping[str, int]
    models: Mapping[str, int]
    endings: Mapping[str, int]


class UsagesTable(ResultsFile):
    """Reads what answers used."""

    def usage_sums(self, trial_id: str) -> UsageSums:
        """Return what the measured answers of a trial used."""
        where = (
            "FROM usages JOIN trials USING (trial_key)"
            f" WHERE trial_id = ? AND phase = {PHASE_CODES[CallPhase.MEASURED]}"
        )
        kinds = ("input", "cached", "output", "reasoning")
        sums = ", ".join(f"sum({kind}_tokens)" for kind in kinds)
        ((answers, *found),) = self._read(f"SELECT count(*), {sums} {where}", (trial_id,))

        def by(column: str) -> dict[str, int]:
            sql = f"SELECT {column}, count(*) {where} GROUP BY {column} ORDER BY count(*) DESC, {column}"
            return {name: count for name, count in self._read(sql, (trial_id,)) if name}

        tokens = {kind: total for kind, total in zip(kinds, found, strict=True) if total is not None}
        return UsageSums(answers, tokens, by("model"), by("finish_reason"))
