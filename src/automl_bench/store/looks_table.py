"""Looks: what `watch` asked a trial's service, what it answered, and what was found."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from automl_bench.border.texts import clean
from automl_bench.store.results_file import ResultsFile


class LookFinding(StrEnum):
    """What came of a look."""

    REFERENCE = "reference"
    """The first one, which later ones are held against."""
    SAME = "no_change_found"
    CHANGED = "changed"
    NOT_LOOKED = "could_not_look"


@dataclass(frozen=True, slots=True)
class LookAnswer:
    """What one probe was answered.

    Attributes:
        sample_id: The probe.
        label: The true label.
        predicted: The answer; None where the service gave none that can be read.
        model: The model that answered, where the service says so.
    """

    sample_id: str
    label: str
    predicted: str | None
    model: str = ""

    @property
    def right(self) -> bool:
        """Whether the answer is the true label."""
        return self.predicted == self.label


@dataclass(frozen=True, slots=True)
class Look:
    """One look at one trial.

    Attributes:
        trial_id: The trial.
        at: ISO 8601, UTC.
        finding: What came of it.
        reason: One sentence: why it could not look, or what changed.
        compared: Probes compared with the reference; None where nothing was.
        worsened: Of these, right in the reference and wrong now.
        improved: Of these, wrong in the reference and right now.
        p: Exact p of "nothing changed".
        level: Up to which p this look raises an alarm.
        usd: What its answers cost; None if unknown.
        number: From 1, by trial; given when it is stored.
        reference: Number of the look it was held against; its own where it is one, 0 where there was none.
    """

    trial_id: str
    at: str
    finding: LookFinding
    reason: str = ""
    compared: int | None = None
    worsened: int | None = None
    improved: int | None = None
    p: float | None = None
    level: float | None = None
    usd: float | None = None
    number: int = 0
    reference: int = 0


_COLUMNS = "at, finding, reason, compared, worsened, improved, p, level, usd, number, reference"


class LooksTable(ResultsFile):
    """Reads and writes looks."""

    def add_look(self, look: Look, answers: Sequence[LookAnswer]) -> int:
        """Store a look with its answers, and return its number.

        Raises:
            LeaseLost: If another process works on the trial.
        """

        def job(connection: sqlite3.Connection) -> int:
            key = self._leased_key(connection, look.trial_id)
            sql = "SELECT coalesce(max(number), 0) + 1 FROM looks WHERE trial_key = ?"
            number = int(connection.execute(sql, (key,)).fetchone()[0])
            reference = number if look.finding is LookFinding.REFERENCE else look.reference
            values = (look.at, look.finding.value, clean(look.reason), look.compared, look.worsened, look.improved)
            connection.execute(
                f"INSERT INTO looks (trial_key, {_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (key, *values, look.p, look.level, look.usd, number, reference),
            )
            keys = self._keys.samples(connection, [answer.sample_id for answer in answers])
            connection.executemany(
                "INSERT INTO look_answers VALUES (?, ?, ?, ?, ?, ?)",
                [(key, number, keys[one.sample_id], one.label, one.predicted, clean(one.model)) for one in answers],
            )
            return number

        return self._write(job)

    def looks(self, trial_id: str) -> list[Look]:
        """Return all looks at a trial, oldest first."""
        of = "trial_key = (SELECT trial_key FROM trials WHERE trial_id = ?)"
        sql = f"SELECT {_COLUMNS} FROM looks WHERE {of} ORDER BY number"
        return [Look(trial_id, at, LookFinding(finding), *rest) for at, finding, *rest in self._read(sql, (trial_id,))]

    def look_answers(self, trial_id: str, number: int) -> list[LookAnswer]:
        """Return the answers of one look, by sample id."""
        sql = (
            "SELECT sample_id, label, predicted, model FROM look_answers JOIN trials USING (trial_key)"
            " JOIN samples USING (sample_key) WHERE trial_id = ? AND number = ? ORDER BY sample_id"
        )
        return [LookAnswer(*row) for row in self._read(sql, (trial_id, number))]
