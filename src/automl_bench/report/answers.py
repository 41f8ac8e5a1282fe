"""Right and wrong answers of trials, read once and paired by draw and test image."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from automl_bench.report.labels import Labelled

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from automl_bench.store import Store


class Answers:
    """The answers of a results file, as they are asked for."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._read: dict[str, _Shares] = {}

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
        images = _common([own[draw].samples for draw in draws for own in (of_a, of_b)])
        if not len(images):
            return None
        left, right = (np.stack([own[draw].of(images) for draw in draws]) for own in (of_a, of_b))
        return left, right

    def _by_draw(self, trials: Sequence[Labelled]) -> dict[Hashable, _Shares]:
        """Return, by draw, the share of right answers over the repeats of that draw."""
        repeats: dict[Hashable, list[_Shares]] = defaultdict(list)
        for one in trials:
            if one.row["trial_id"]:
                repeats[one.draw].append(self._trial(one.row["trial_id"]))
        return {draw: _mean(many) for draw, many in repeats.items()}

    def _trial(self, trial_id: str) -> _Shares:
        if trial_id not in self._read:
            calls = self._store.answer_columns(trial_id)
            right = (calls.told() == calls.label[calls.last]).astype(float)
            self._read[trial_id] = _Shares(calls.sample[calls.last], right)
        return self._read[trial_id]


@dataclass(frozen=True, slots=True)
class _Shares:
    """Shares of right answers by sample: keys in ascending order, and the share of each, (samples,)."""

    samples: NDArray[np.int64]
    right: NDArray[np.float64]

    def of(self, images: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the shares of some of these samples."""
        import numpy as np

        return self.right if images is self.samples else self.right[np.searchsorted(self.samples, images)]


def _common(many: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Return the samples that stand in all of these, ascending."""
    import numpy as np

    common = many[0]
    for one in many[1:]:
        if not np.array_equal(common, one):
            common = np.intersect1d(common, one, assume_unique=True)
    return common


def _mean(repeats: Sequence[_Shares]) -> _Shares:
    if len(repeats) == 1:
        return repeats[0]
    import numpy as np

    common = _common([one.samples for one in repeats])
    return _Shares(common, np.mean([one.of(common) for one in repeats], axis=0))
