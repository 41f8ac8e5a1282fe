"""Answers of trials, read once, judged by a metric and paired by draw and test image."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from automl_bench.report.labels import Labelled
from automl_bench.statistics.contributions import Metric, contributions

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from automl_bench.store import Store


class Answers:
    """The answers of a results file, as they are asked for.

    Args:
        store: The results file.
        metric: What the answers are judged by.
    """

    def __init__(self, store: Store, metric: Metric = Metric.ACCURACY) -> None:
        self._store = store
        self.metric = metric
        self._read: dict[str, _Trial] = {}

    def tables(
        self, a: Sequence[Labelled], b: Sequence[Labelled]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
        """Return what each image contributes to the score of A and of B, over what both have answered for.

        For accuracy these are the shares of right answers over the repeats of a draw.

        Args:
            a: The trials of A at one point: all draws and repeats.
            b: Those of B.

        Returns:
            Two tables, (draws, images); None if no draw and image is common to both.
        """
        import numpy as np

        of_a, of_b = self._by_draw(a), self._by_draw(b)
        draws = [draw for draw in of_a if draw in of_b]
        if not draws:
            return None
        images = _common([one.samples for draw in draws for own in (of_a, of_b) for one in own[draw]])
        if not len(images):
            return None
        left, right = (
            np.stack([np.mean([one.judged(images, self.metric) for one in own[draw]], axis=0) for draw in draws])
            for own in (of_a, of_b)
        )
        return left, right

    def _by_draw(self, trials: Sequence[Labelled]) -> dict[Hashable, list[_Trial]]:
        repeats: dict[Hashable, list[_Trial]] = defaultdict(list)
        for one in trials:
            if one.row["trial_id"]:
                repeats[one.draw].append(self._trial(one.row["trial_id"]))
        return repeats

    def _trial(self, trial_id: str) -> _Trial:
        if trial_id not in self._read:
            calls = self._store.answer_columns(trial_id)
            self._read[trial_id] = _Trial(calls.sample[calls.last], calls.label[calls.last], calls.told())
        return self._read[trial_id]


@dataclass(frozen=True, slots=True)
class _Trial:
    """The answers of one trial: keys of samples in ascending order, codes of true and answered labels, (samples,)."""

    samples: NDArray[np.int64]
    truth: NDArray[np.int64]
    told: NDArray[np.int64]

    def judged(self, images: NDArray[np.int64], metric: Metric) -> NDArray[np.float64]:
        """Return what some of these samples contribute to the score over them."""
        import numpy as np

        truth, told = self.truth, self.told
        if images is not self.samples:
            places = np.searchsorted(self.samples, images)
            truth, told = truth[places], told[places]
        # A label that is true for no sample is off the list: wrong, and nobody's false alarm.
        return contributions(truth, np.where(np.isin(told, self.truth), told, -1), metric)


def _common(many: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Return the samples that stand in all of these, ascending."""
    import numpy as np

    common = many[0]
    for one in many[1:]:
        if not np.array_equal(common, one):
            common = np.intersect1d(common, one, assume_unique=True)
    return common
