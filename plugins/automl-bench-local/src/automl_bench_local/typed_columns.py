"""Rows of a table as numbers, column by column according to its kind. Training and serving share this module.

A transformer of scikit-learn, so that what it learns (medians, categories, scales) is learned anew in every fold of a
cross-validation. One row takes some ten microseconds; no data frame is made for it.
"""

from __future__ import annotations

import datetime
import math
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sklearn.base import BaseEstimator, TransformerMixin

from automl_bench.contract import Column, ColumnKind

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Row = Mapping[str, Any]

MOST_CATEGORIES = 50
"""Categories of one column that get a number of their own; rarer ones share what no category has: all zeros."""

NEARLY_ALL_DIFFERENT = 0.5
"""A text column with more distinct values than this share of the rows says nothing of rows not seen: on titanic the
passengers' names cost 2 to 5 points."""

MOST_WORDS = 200
"""Words of a text column that was asked for."""


class TypedColumns(TransformerMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Turns rows into a matrix of float64.

    Numbers: missing ones become the median, with a flag beside it; scaled to mean 0 and deviation 1. Categories: one
    number each, missing being one of them. Dates: days, weekday, month and hour, as numbers. Texts: left out where
    nearly every row has its own, else categories; words where the column was asked for. Identifiers: left out unless
    asked for, then categories.

    Args:
        columns: Pairs of name and kind, in any order.
        wanted: Columns of texts or identifiers to use all the same.
        most_categories: Categories of one column that get a number of their own.
    """

    def __init__(
        self,
        columns: Sequence[tuple[str, str]] = (),
        wanted: Sequence[str] = (),
        most_categories: int = MOST_CATEGORIES,
    ) -> None:
        self.columns = columns
        self.wanted = wanted
        self.most_categories = most_categories

    def fit(self, rows: Sequence[Row], classes: Any = None) -> TypedColumns:
        """Learn medians, scales, categories and words; the classes are not looked at.

        Raises:
            ValueError: If no column is left to learn from.
        """
        encoders: list[_Encoder] = []
        for name, kind in self.columns:
            cells = [row.get(name) for row in rows]
            encoders += _encoders(name, kind, cells, wanted=name in self.wanted, most=self.most_categories)
        if not encoders:
            raise ValueError(
                "the table has no column to learn from: all are identifiers, or texts that differ in nearly every row"
                " (name some in use_columns)"
            )
        self.encoders_ = encoders
        return self

    def transform(self, rows: Sequence[Row]) -> NDArray[np.float64]:
        """Return the rows' numbers, (rows, numbers). A column that a row lacks is missing there."""
        import numpy as np

        matrix: NDArray[np.float64] = np.hstack(
            [encoder.encode([row.get(encoder.name) for row in rows]) for encoder in self.encoders_]
        )
        return matrix

    def used(self) -> tuple[str, ...]:
        """Return the names of the columns that are learned from, after `fit`."""
        return tuple(dict.fromkeys(encoder.name for encoder in self.encoders_))


class _Encoder(ABC):
    """One column as numbers."""

    name: str

    @abstractmethod
    def encode(self, cells: Sequence[Any]) -> NDArray[np.float64]:
        """Return (rows, numbers)."""


class _Numbers(_Encoder):
    """Parts of a value that are numbers: the number itself, or the parts of a date."""

    def __init__(self, name: str, cells: Sequence[Any], read: Any, parts: int) -> None:
        import numpy as np

        self.name = name
        self._read = read
        self._parts = parts
        values = self._values(cells)
        known = ~np.isnan(values)
        self._flagged = bool((~known).any())
        self._medians = np.array(
            [np.median(values[known[:, part], part]) if known[:, part].any() else 0.0 for part in range(parts)]
        )
        filled = np.where(known, values, self._medians)
        self._means = filled.mean(axis=0)
        deviations = filled.std(axis=0)
        self._scales = np.where(deviations > 0, deviations, 1.0)

    def _values(self, cells: Sequence[Any]) -> NDArray[np.float64]:
        import numpy as np

        return np.array([self._read(cell) for cell in cells], dtype=np.float64).reshape(len(cells), self._parts)

    def encode(self, cells: Sequence[Any]) -> NDArray[np.float64]:
        import numpy as np

        values = self._values(cells)
        missing = np.isnan(values)
        scaled = (np.where(missing, self._medians, values) - self._means) / self._scales
        return np.hstack([scaled, missing[:, :1].astype(np.float64)]) if self._flagged else scaled


class _Categories(_Encoder):
    """A number for each of the most frequent values, 1 where the cell has it."""

    def __init__(self, name: str, cells: Sequence[Any], most: int) -> None:
        self.name = name
        counts = Counter(_word(cell) for cell in cells)
        # ties by name: the order of the rows must not change a model
        frequent = sorted(counts, key=lambda word: (-counts[word], word))[:most]
        self._place = {word: place for place, word in enumerate(sorted(frequent))}

    def encode(self, cells: Sequence[Any]) -> NDArray[np.float64]:
        import numpy as np

        matrix = np.zeros((len(cells), len(self._place)))
        for number, cell in enumerate(cells):
            place = self._place.get(_word(cell))
            if place is not None:
                matrix[number, place] = 1.0
        return matrix


class _Words(_Encoder):
    """Weights of the most frequent words of a text column."""

    def __init__(self, name: str, cells: Sequence[Any]) -> None:
        from sklearn.feature_extraction.text import TfidfVectorizer

        self.name = name
        self._vectorizer = TfidfVectorizer(max_features=MOST_WORDS, token_pattern=r"\w+", sublinear_tf=True)
        self._vectorizer.fit([_word(cell) for cell in cells])

    def encode(self, cells: Sequence[Any]) -> NDArray[np.float64]:
        matrix: NDArray[np.float64] = self._vectorizer.transform([_word(cell) for cell in cells]).toarray()
        return matrix


def _encoders(name: str, kind: str, cells: Sequence[Any], *, wanted: bool, most: int) -> list[_Encoder]:
    known = [cell for cell in cells if cell is not None]
    if not known:
        return []
    if kind == ColumnKind.NUMBER:
        return [_Numbers(name, cells, _number, 1)]
    if kind == ColumnKind.DATE:
        return [_Numbers(name, cells, _date_parts, 4)]
    if kind == ColumnKind.IDENTIFIER:
        return [_Categories(name, cells, most)] if wanted else []
    if kind == ColumnKind.TEXT:
        if wanted and any(character.isalnum() for cell in known for character in _word(cell)):
            return [_Words(name, cells)]
        if len({_word(cell) for cell in known}) > NEARLY_ALL_DIFFERENT * len(known):
            return []
    return [_Categories(name, cells, most)]


def _word(cell: Any) -> str:
    """Return a cell's value as a text; 1 and 1.0 are one category, and missing is one."""
    if cell is None:
        return ""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell)


def _number(cell: Any) -> float:
    try:
        value = float(cell)
    except (TypeError, ValueError):
        return math.nan
    return value if math.isfinite(value) else math.nan


def _date_parts(cell: Any) -> tuple[float, float, float, float]:
    """Return days since the year 1, weekday, month and hour; none of them where the cell is no date."""
    try:
        moment = datetime.datetime.fromisoformat(cell)
    except (TypeError, ValueError):
        return (math.nan,) * 4
    return (float(moment.toordinal()), float(moment.weekday()), float(moment.month), moment.hour + moment.minute / 60)


def pairs_of(columns: Sequence[Column]) -> tuple[tuple[str, str], ...]:
    """Return columns as `TypedColumns` takes them."""
    return tuple((column.name, str(column.kind)) for column in columns)


class PairProducts(TransformerMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Adds the product of each two numbers, so that a linear model can say "a man of the third class".

    Args:
        up_to: Numbers of a row beyond which no products are added: they would be too many to learn from few rows.
    """

    def __init__(self, up_to: int = 30) -> None:
        self.up_to = up_to

    def fit(self, matrix: NDArray[np.float64], classes: Any = None) -> PairProducts:
        """Find the pairs."""
        import numpy as np

        width = matrix.shape[1]
        self.pairs_ = np.triu_indices(width, 1) if width <= self.up_to else (np.array([], int), np.array([], int))
        return self

    def transform(self, matrix: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the matrix with the products behind it."""
        import numpy as np

        first, second = self.pairs_
        both: NDArray[np.float64] = np.hstack([matrix, matrix[:, first] * matrix[:, second]])
        return both
