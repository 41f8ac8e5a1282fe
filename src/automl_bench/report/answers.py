"""Right and wrong answers of trials, read once and paired by draw and test image."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING

from automl_bench.report.labels import Labelled
from automl_bench.report.rows import ANSWER_COLUMNS, final_answers

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from automl_bench.store import Store


class Answers:
    """The answers of a results file, as they are asked for."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._read: dict[str, dict[str, float]] = {}

    def tables(
        self, a: Sequence[Labelled], b: Sequence[Labelled]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
        """Return the shares of right answers of A and of B, each (draws, images), over what both have answered for.

        Args:
            a: The trials of A at one point: all draws and repeats.
            b: Those of B.

        Returns:
            None if no draw and image is common to both.
        """
        import numpy as np

        of_a, of_b = self._by_draw(a), self._by_draw(b)
        draws = [draw for draw in of_a if draw in of_b]
        if not draws:
            return None
        images = sorted(set.intersection(*(of_a[draw].keys() & of_b[draw].keys() for draw in draws)))
        if not images:
            return None
        left, right = (np.array([[own[draw][image] for image in images] for draw in draws]) for own in (of_a, of_b))
        return left, right

    def _by_draw(self, trials: Sequence[Labelled]) -> dict[Hashable, dict[str, float]]:
        """Return draw → sample → share of right answers over the repeats of that draw."""
        repeats: dict[Hashable, list[dict[str, float]]] = defaultdict(list)
        for one in trials:
            if one.row["trial_id"]:
                repeats[one.draw].append(self._trial(one.row["trial_id"]))
        found: dict[Hashable, dict[str, float]] = {}
        for draw, many in repeats.items():
            if len(many) == 1:
                found[draw] = many[0]
            else:
                common = set.intersection(*map(set, many))
                found[draw] = {sample: sum(one[sample] for one in many) / len(many) for sample in common}
        return found

    def _trial(self, trial_id: str) -> dict[str, float]:
        if trial_id not in self._read:
            answers = final_answers(self._store.invocation_columns([trial_id], only=ANSWER_COLUMNS))
            self._read[trial_id] = {
                sample: float(truth == predicted) for sample, (truth, predicted, _) in answers.items()
            }
        return self._read[trial_id]
