"""Which samples there are to choose from: each content once, and none that is in the test set.

A row of the manifest is a file; what counts here is what the file holds. The rules, in this order:

* files that decode to the same pixels hold the same content, as far as that is known (`datasets.pixel_identity`);
* a content that is in the test set is in no training subset;
* where samples belong to groups, a sample whose group is in the test set is in no training subset;
* a content under several labels of one split is kept under the first of them, in code-point order;
* a content that repeats under one label counts once: the row with the first path, in code-point order, stands for it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from automl_bench.ablations.order import leading_words
from automl_bench.datasets.manifest import GROUP
from automl_bench.datasets.pixel_identity import Copies, known_copies

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

    from automl_bench.datasets.manifest import Manifest


@dataclass(frozen=True, slots=True, eq=False)
class Contents:
    """Samples of one split, each content once.

    Attributes:
        rows: Row of the manifest of each; int64, shape (n,), ascending.
        words: First 64 bits of each content id; uint64, shape (n,).
        classes: Index of each label in `Manifest.labels`; int32, shape (n,).
        ids: The manifest's column of content ids.
    """

    rows: npt.NDArray[np.int64]
    words: npt.NDArray[np.uint64]
    classes: npt.NDArray[np.int32]
    ids: pa.ChunkedArray

    def sample_id(self, index: int) -> str:
        """Return the full content id of one sample."""
        return str(self.ids[int(self.rows[index])].as_py())


@dataclass(frozen=True, slots=True, eq=False)
class SplitContents:
    """Both splits, and what was left out.

    Attributes:
        train: Samples that may be learnt from.
        test: Samples that score.
        notes: What was left out and why, one sentence each.
        train_groups: Group of each of `train` ("" for none), or None for a dataset without groups.
    """

    train: Contents
    test: Contents
    notes: tuple[str, ...]
    train_groups: list[str] | None = None


@dataclass(slots=True)
class _Left:
    """How many rows were left out, by reason, with one example each."""

    in_test: int = 0
    in_test_example: str = ""
    group_in_test: int = 0
    two_labels: int = 0
    two_labels_example: str = ""
    repeated: int = 0

    def notes(self, split: str) -> Iterable[str]:
        if self.in_test:
            yield (
                f"{_files(self.in_test)} of the training split left out, as the test set has the same content "
                f"(for example {self.in_test_example})."
            )
        if self.group_in_test:
            yield (
                f"{_files(self.group_in_test)} of the {split} split left out, as the test set has samples of the same "
                "group."
            )
        if self.two_labels:
            yield (
                f"{_files(self.two_labels)} of the {split} split left out, as the same content stands under another "
                f"label, first in order ({self.two_labels_example})."
            )
        if self.repeated:
            yield f"{_files(self.repeated)} of the {split} split repeat a content of their class and count once."


def _files(count: int) -> str:
    return f"{count:,} file{'' if count == 1 else 's'}"


def distinct_contents(manifest: Manifest) -> SplitContents:
    """Return the samples of both splits, each content once and none of the test set's in training.

    Raises:
        DatasetError: If a content id is malformed.
    """
    import numpy as np

    ids = manifest.table.column("sample_id")
    words = leading_words(ids)
    classes = codes_of(manifest.table.column("label"), manifest.labels)
    in_train = codes_of(manifest.table.column("split"), ("test", "train")).astype(bool)
    keep, train_left, test_left = _keep_once(manifest, words, classes, in_train)

    groups = _groups_of(manifest)
    if groups is not None:
        tested = {group for group, learnt in zip(groups, in_train.tolist(), strict=True) if group and not learnt}
        crossing = np.array([group in tested for group in groups], dtype=bool) & in_train
        keep = np.ones(words.size, dtype=bool) if keep is None else keep
        train_left.group_in_test = int(np.count_nonzero(crossing & keep))
        keep &= ~crossing

    def chosen(mask: npt.NDArray[np.bool_]) -> Contents:
        rows = np.flatnonzero(mask)
        return Contents(rows=rows, words=words[rows], classes=classes[rows], ids=ids)

    everything = keep is None
    train = chosen(in_train if everything else in_train & keep)
    return SplitContents(
        train=train,
        test=chosen(~in_train if everything else ~in_train & keep),
        notes=(*train_left.notes("training"), *test_left.notes("test")),
        train_groups=None if groups is None else [groups[row] for row in train.rows.tolist()],
    )


def _groups_of(manifest: Manifest) -> list[str] | None:
    """Return the group of each row, or None for a dataset without groups."""
    if GROUP not in manifest.table.column_names:
        return None
    return [group or "" for group in manifest.table.column(GROUP).to_pylist()]


def codes_of(column: pa.ChunkedArray, names: tuple[str, ...]) -> npt.NDArray[np.int32]:
    """Return each value's index in `names`; int32, shape (n,).

    Works on Arrow's dictionary codes, chunk by chunk, as chunks may have dictionaries of their own.
    """
    import numpy as np
    import pyarrow as pa

    index = {name: code for code, name in enumerate(names)}
    codes = np.empty(len(column), dtype=np.int32)
    begin = 0
    for chunk in column.chunks:
        coded = chunk if pa.types.is_dictionary(chunk.type) else chunk.dictionary_encode()
        translate = np.array([index.get(name, -1) for name in coded.dictionary.to_pylist()], dtype=np.int32)
        codes[begin : begin + len(chunk)] = translate[_numbers(coded.indices)]
        begin += len(chunk)
    return codes


def _numbers(indices: pa.Array) -> npt.NDArray[np.integer[Any]]:
    """Return whole numbers without nulls as NumPy's, without a copy.

    Arrow's own `to_numpy` imports pandas on the way, which takes longer than the plan.
    """
    import numpy as np

    buffer = indices.buffers()[1]
    if buffer is None or not len(indices):
        return np.empty(0, dtype=np.int32)
    everything = np.frombuffer(buffer, dtype=indices.type.to_pandas_dtype())
    part: npt.NDArray[np.integer[Any]] = everything[indices.offset : indices.offset + len(indices)]
    return part


def _keep_once(
    manifest: Manifest,
    words: npt.NDArray[np.uint64],
    classes: npt.NDArray[np.int32],
    in_train: npt.NDArray[np.bool_],
) -> tuple[npt.NDArray[np.bool_] | None, _Left, _Left]:
    """Return the rows to keep, or None for all, and what was left out of training and of test.

    One sort of the first 64 bits finds the few rows that may share their content with another; only those are looked
    at by full id.
    """
    import numpy as np

    train_left, test_left = _Left(), _Left()
    copies = known_copies(manifest) or {}
    if copies:
        words = _words_of_contents(manifest, words, copies)
    ordered = np.sort(words)
    repeated = ordered[1:][ordered[1:] == ordered[:-1]]
    if not repeated.size:
        return None, train_left, test_left
    suspects = np.flatnonzero(np.isin(words, repeated))
    keep = np.ones(words.size, dtype=bool)
    for rows in _same_content(manifest, suspects, copies):
        tested = [row for row in rows if not in_train[row]]
        learnt = [row for row in rows if in_train[row]]
        if tested and learnt:
            train_left.in_test += len(learnt)
            train_left.in_test_example = train_left.in_test_example or _name_of(manifest, learnt[0])
            keep[learnt] = False
            learnt = []
        for group, left in ((tested, test_left), (learnt, train_left)):
            _keep_first(manifest, group, classes, keep, left)
    return keep, train_left, test_left


def _words_of_contents(manifest: Manifest, words: npt.NDArray[np.uint64], copies: Copies) -> npt.NDArray[np.uint64]:
    """Return the words with those of the file that stands for all files with the same pixels."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    ids = manifest.table.column("sample_id")
    found = pc.is_in(ids, pa.array(sorted(copies)))
    rows = np.array([row for row, hit in enumerate(found.to_pylist()) if hit], np.int64)
    first = [copies[sample_id] for sample_id in ids.take(pa.array(rows)).to_pylist()]
    words = words.copy()
    words[rows] = [int(sample_id[:16], 16) for sample_id in first]
    return words


def _same_content(manifest: Manifest, suspects: npt.NDArray[np.int64], copies: Copies) -> Iterable[list[int]]:
    """Return groups of rows that share a content; each sorted by path."""
    import pyarrow as pa

    column = manifest.table.column("sample_id").take(pa.array(suspects)).to_pylist()
    groups: dict[str, list[int]] = {}
    for sample_id, row in zip(column, suspects.tolist(), strict=True):
        groups.setdefault(copies.get(sample_id, sample_id), []).append(row)
    shared = [rows for rows in groups.values() if len(rows) > 1]
    if "path" in manifest.table.column_names:  # without paths the manifest's own order, which is by path, decides
        wanted = [row for rows in shared for row in rows]
        paths = manifest.table.column("path").take(pa.array(wanted, pa.int64())).to_pylist()
        path_of = dict(zip(wanted, paths, strict=True))
        for rows in shared:
            rows.sort(key=lambda row: (path_of[row], row))
    return shared


def _keep_first(
    manifest: Manifest,
    rows: list[int],
    classes: npt.NDArray[np.int32],
    keep: npt.NDArray[np.bool_],
    left: _Left,
) -> None:
    """Keep one of the rows of one split that share their content."""
    if len(rows) < 2:
        return
    first_class = min(int(classes[row]) for row in rows)
    same = [row for row in rows if classes[row] == first_class]
    others = [row for row in rows if classes[row] != first_class]
    keep[same[1:]] = False
    keep[others] = False
    left.repeated += len(same) - 1
    if others:
        left.two_labels += len(others)
        names = [manifest.labels[first_class], manifest.labels[int(classes[others[0]])]]
        left.two_labels_example = left.two_labels_example or f"for example once {names[0]!r} and once {names[1]!r}"


def _name_of(manifest: Manifest, row: int) -> str:
    column = "path" if "path" in manifest.table.column_names else "sample_id"
    return str(manifest.table.column(column)[row].as_py())
