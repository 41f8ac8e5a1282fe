"""The calls of one trial as numbers: what was answered, read by the million.

SQLite joins a column into one text and numpy parses it: a tenth of the time that a Python object a value takes.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from automl_bench.border.texts import scrub
from automl_bench.store.call_rows import OUTCOME_CODES, OUTCOMES, PHASE_CODES
from automl_bench.store.records import CallPhase, Outcome
from automl_bench.store.results_file import ResultsFile
from automl_bench.store.sql_errors import own_errors

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_OK, _MEASURED, _COLD = OUTCOME_CODES[Outcome.OK], PHASE_CODES[CallPhase.MEASURED], PHASE_CODES[CallPhase.COLD]
_TRAINING = PHASE_CODES[CallPhase.TRAINING]
_NUMBERS = ("phase", "sample_key", "outcome", "service_ns", "coalesce(true_rank, -1)")
_TEXTS = ("label", "predicted")
_OF_TRIAL = "invocations i JOIN trials USING (trial_key) WHERE trial_id = ?"
_OF_KEY = "invocations WHERE trial_key = (SELECT trial_key FROM trials WHERE trial_id = ?)"
_TOLD_USD = f"total(usd), count(usd), total(usd IS NULL AND outcome = {_OK})"
# The whole texts are joined in the order read, that of the primary key. SQLite promises none, so it is checked.
_JOINED = ", ".join(
    (
        *(f"CAST(group_concat({name}) AS BLOB)" for name in _NUMBERS),
        *(f"CAST(json_group_array({name}) AS BLOB)" for name in _TEXTS),
        _TOLD_USD,
    )
)
_BY_KEY = "ORDER BY phase, sample_key, attempt"
_SENT = "ORDER BY at, sent_ns, attempt"


class ToldUsd(NamedTuple):
    """What answers say that they cost.

    Attributes:
        usd: US dollars, together.
        telling: Calls that say so.
        silent: Answered calls that do not.
    """

    usd: float
    telling: int
    silent: int


@dataclass(frozen=True, slots=True)
class AnswerColumns:
    """All calls of a trial by phase, sample and attempt; arrays are (calls,) and int64 unless said otherwise.

    Attributes:
        measured: Whether a call is of the accuracy pass, bool.
        sample: Key of the sample within the results file; the same sample has one key in all trials.
        outcome: Code of `OUTCOMES`.
        service_ns: Service time in nanoseconds.
        label: Place of the true label in `names`.
        predicted: Place of the label answered in `names`, -1 where there is none.
        names: True and answered labels.
        last: Whether a call is the last measured attempt for its sample, bool: the one that is scored.
        training: Whether a call is the last attempt for a training sample, bool; it is in no score.
        true_rank: Place of the true label among the scores of an answer; 0 if not among them, -1 without scores.
        told_usd: What the answers cost by their own account.
        confidence: float64, NaN if unknown; None unless asked for.
    """

    measured: NDArray[np.bool_]
    sample: NDArray[np.int64]
    outcome: NDArray[np.int64]
    service_ns: NDArray[np.int64]
    label: NDArray[np.int64]
    predicted: NDArray[np.int64]
    names: Sequence[str]
    last: NDArray[np.bool_]
    training: NDArray[np.bool_]
    true_rank: NDArray[np.int64]
    told_usd: ToldUsd
    confidence: NDArray[np.float64] | None = None

    @property
    def answered(self) -> NDArray[np.bool_]:
        """Whether a call was answered, be it without a label; (calls,)."""
        import numpy as np

        return np.equal(self.outcome, _OK)

    def told(self) -> NDArray[np.int64]:
        """Return what the scored calls say: place in `names`, -1 where there is no answer; one a sample."""
        import numpy as np

        return np.where(self.answered[self.last], self.predicted[self.last], -1)

    def pairs(self) -> dict[tuple[str, str | None], int]:
        """Return (true label, label answered or None) → samples, over the scored calls."""
        import numpy as np

        width = len(self.names) + 1
        codes, counts = np.unique(self.label[self.last] * width + self.told() + 1, return_counts=True)
        shown = (*self.names, None)  # -1 is the last one
        return {
            (self.names[code // width], shown[code % width - 1]): count
            for code, count in zip(codes.tolist(), counts.tolist(), strict=True)
        }

    def top(self, k: int) -> float | None:
        """Return the share of samples whose true label is among the k highest scores; unanswered ones count as wrong.

        Returns:
            None where an answer has no scores, or there are no answers.
        """
        rank, answered = self.true_rank[self.last], self.answered[self.last]
        if not answered.any() or (rank[answered] < 0).any():
            return None
        return float((answered & (rank >= 1) & (rank <= k)).mean())

    def training_score(self) -> tuple[int, int]:
        """Return how many training samples were asked for, and how many of them were answered right."""
        right = self.answered & (self.predicted == self.label) & self.training
        return int(self.training.sum()), int(right.sum())

    def outcomes(self) -> dict[str, int]:
        """Return outcome → measured calls, all outcomes."""
        import numpy as np

        counts = np.bincount(self.outcome[self.measured], minlength=len(OUTCOMES)).tolist()
        return {one.value: counts[OUTCOME_CODES[one]] for one in Outcome}


class AnswersTable(ResultsFile):
    """Reads what was answered."""

    _kept: dict[str, AnswerColumns] | None = None

    @contextmanager
    def answers_read_once(self) -> Iterator[None]:
        """Read the calls of each trial once until the block ends: for a page that needs the same ones several times.

        A million calls take about 60 MB. What is written meanwhile may be missing from what is read.
        """
        self._kept = {}
        try:
            yield
        finally:
            self._kept = None

    def answer_columns(self, trial_id: str, *, confidence: bool = False) -> AnswerColumns:
        """Return all calls of a trial as numbers; nobody changes the arrays.

        Args:
            trial_id: The trial.
            confidence: Read the confidences, too.

        Raises:
            CorruptRecord: The file is damaged.
        """
        kept = self._kept
        if kept is None or confidence:
            return self._answer_columns(trial_id, confidence=confidence)
        if trial_id not in kept:
            kept[trial_id] = self._answer_columns(trial_id, confidence=False)
        return kept[trial_id]

    def _answer_columns(self, trial_id: str, *, confidence: bool) -> AnswerColumns:
        import numpy as np

        found = self._read(f"SELECT {_JOINED} FROM {_OF_KEY}", (trial_id,))
        phase, sample = (_whole(data) for data in found[0][:2])
        if not _ascending(phase, sample):
            ordered = f"SELECT {_JOINED} FROM (SELECT * FROM {_OF_KEY} {_BY_KEY})"
            found = self._read(ordered, (trial_id,))
        ((*numbers, labels, predicted, usd, telling, silent),) = found
        phase, sample, outcome, service, rank = (_whole(data) for data in numbers)
        place: dict[str | None, int] = {None: -1}
        with own_errors(self.path):
            label, told = _places(_texts(labels), place), _places(_texts(predicted), place)
        # Attempts at a sample stand one after the other, so the last one is followed by another sample or phase.
        newest = np.ones(len(sample), dtype=bool)
        newest[:-1] = (sample[1:] != sample[:-1]) | (phase[1:] != phase[:-1])
        measured = phase == _MEASURED
        sure = None
        if confidence:
            rows = self._read(f"SELECT confidence FROM {_OF_TRIAL} {_BY_KEY}", (trial_id,))
            sure = np.array([value for (value,) in rows], dtype=np.float64)
        names = [scrub(name) for name in place if name is not None]
        return AnswerColumns(
            measured=measured,
            sample=sample,
            outcome=outcome,
            service_ns=service,
            label=label,
            predicted=told,
            names=names,
            last=measured & newest,
            training=(phase == _TRAINING) & newest,
            true_rank=rank,
            told_usd=ToldUsd(usd, telling, int(silent)),
            confidence=sure,
        )

    def answers_usd(self, trial_id: str) -> ToldUsd:
        """Return what a trial's answers cost by their own account."""
        ((usd, telling, silent),) = self._read(f"SELECT {_TOLD_USD} FROM {_OF_TRIAL}", (trial_id,))
        return ToldUsd(usd, telling, int(silent))

    def cold_ns(self, trial_id: str) -> list[int]:
        """Return the service times of a trial's cold calls that were answered, in nanoseconds, in the order sent."""
        where = f"{_OF_TRIAL} AND phase = {_COLD} AND outcome = {_OK}"
        return [value for (value,) in self._read(f"SELECT service_ns FROM {where} {_SENT}", (trial_id,))]

    def unanswered(self, trial_id: str) -> list[str]:
        """Return why samples had no answer: the words of the last measured attempt of each, in the order sent."""
        later = (
            "SELECT 1 FROM invocations n WHERE n.trial_key = i.trial_key AND n.phase = i.phase"
            " AND n.sample_key = i.sample_key AND n.attempt > i.attempt"
        )
        where = f"{_OF_TRIAL} AND phase = {_MEASURED} AND outcome <> {_OK} AND NOT EXISTS ({later})"
        rows = self._read(f"SELECT error, outcome FROM {where} {_SENT}", (trial_id,))
        return [error or OUTCOMES[outcome].value for error, outcome in rows]


def _whole(data: bytes | None) -> NDArray[np.int64]:
    """Return the numbers of "3,1,4"; None is no row."""
    import numpy as np

    return np.fromstring((data or b"").decode("ascii"), dtype=np.int64, sep=",")


def _ascending(phase: NDArray[np.int64], sample: NDArray[np.int64]) -> bool:
    later = phase[1:] > phase[:-1]
    return bool((later | ((phase[1:] == phase[:-1]) & (sample[1:] >= sample[:-1]))).all())


def _texts(data: bytes) -> list[str | None]:
    try:
        return json.loads(data)  # type: ignore[no-any-return]  # an array of texts and nulls, as the query makes it
    except ValueError as error:
        # Told as SQLite's own reading tells it, so that it is known for damage.
        raise sqlite3.OperationalError(f"Could not decode to UTF-8: {error}") from error


def _places(texts: Sequence[str | None], place: dict[Any, int]) -> NDArray[np.int64]:
    """Return the place of each text among the distinct ones, which are added to `place`."""
    import numpy as np

    for text in dict.fromkeys(texts):
        place.setdefault(text, len(place) - 1)
    return np.fromiter(map(place.__getitem__, texts), dtype=np.int64, count=len(texts))
