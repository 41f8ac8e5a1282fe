"""Names of splits, as folders, files and cells carry them: `train`, `training_set`, `seg_train`, `val2017`…"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache


def _words(text: str) -> list[str]:
    return text.split()


SPLIT_WORDS: Mapping[str, str] = {
    "train": "train",
    "training": "train",
    "trn": "train",
    "test": "test",
    "testing": "test",
    "tst": "test",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "dev": "validation",
    "eval": "evaluation",
    "evaluation": "evaluation",
    "holdout": "evaluation",
}
"""Words that name a split, compared without case. Validation samples join the training samples; "evaluation" is the
test set where no other split is called test, and else a validation set (`settled`)."""

_BESIDE = frozenset(
    _words("set sets data dataset images image imgs img pictures photos pics seg split x y folder dir new final full")
)
"""Words that may stand beside the split's in a name without making it another name."""
_PARTS = re.compile(r"[A-Za-z]+|[^\W\d_]+")


def split_of(name: str, further: Mapping[str, str] | None = None) -> str:
    """Return "train", "validation", "test", "evaluation", or "" for a name that is no split's.

    Args:
        name: Name of a folder or file without its ending, or a cell.
        further: Names that the user or the catalogue declared, in lower case.
    """
    lowered = name.strip().lower()
    if further and lowered in further:
        return further[lowered]
    return _by_its_words(lowered)


@lru_cache(maxsize=4096)
def _by_its_words(name: str) -> str:
    parts = _PARTS.findall(name.replace("hold-out", "holdout").replace("hold_out", "holdout"))
    found = {SPLIT_WORDS[part] for part in parts if part in SPLIT_WORDS}
    others = [part for part in parts if part not in SPLIT_WORDS and part not in _BESIDE]
    return found.pop() if len(found) == 1 and not others else ""


def settled(found: Iterable[str]) -> dict[str, str]:
    """Say for each kind of split that a source has which of train, validation and test it is."""
    kinds = set(found) - {""}
    evaluation = "validation" if "test" in kinds else "test"
    return {kind: evaluation if kind == "evaluation" else kind for kind in kinds}
