"""Texts that are nearly alike: equal but for capitals and signs, or sharing most of their pieces of five characters.

MinHash (Broder 1997) with 128 permutations, from the library rensa; texts that agree in one of 16 bands of 8 are
compared piece by piece, so that a pair that is named is one (Leskovec, Rajaraman and Ullman, Mining of Massive
Datasets, 3.4).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from automl_bench.datasets.check_report import Finding, Severity, findings_of
from automl_bench.datasets.columnar.content_file import Contents
from automl_bench.datasets.manifest import Manifest

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

ALIKE = 0.7
"""Share of common pieces among all pieces of two texts, from which on they are nearly alike."""
PIECE = 5
PERMUTATIONS, BANDS, SEED = 128, 16, 42
MOST_TEXTS = 200_000
"""Texts that are compared; of more, the first by id."""
MOST_TOGETHER = 50
"""Texts that share a band and are compared with each other; of more, each only with the next ones."""
_STEP = 10_000


def near_findings(manifest: Manifest, contents: Contents) -> list[Finding]:
    """Compare the texts of a dataset.

    Args:
        manifest: The dataset.
        contents: The texts.
    """
    ids = contents.ids().slice(0, MOST_TEXTS).to_pylist()
    keys = _keys(contents.column(contents.names[0]).slice(0, MOST_TEXTS))
    first: dict[str, int] = {}
    pairs = [(at, first[key]) for at, key in enumerate(keys) if key and first.setdefault(key, at) != at]
    pairs += _alike(list(first.values()), keys)
    rows = manifest.table.select(["sample_id", "path", "split"]).to_pydict()
    where = {one: (path, split) for one, path, split in zip(*rows.values(), strict=True)}
    across: list[list[str]] = []
    inside: list[list[str]] = []
    for one, other in pairs:
        (path, split), (other_path, other_split) = where[ids[one]], where[ids[other]]
        (inside if split == other_split else across).append(sorted((path, other_path)))
    return [
        *findings_of(
            "near_duplicates_across",
            Severity.WARNING,
            "{n} [pair|pairs] of texts in train and test [is|are] nearly alike; look at [it|them] before you trust the "
            "scores",
            sorted(across),
            " ~ ".join,
        ),
        *findings_of(
            "near_duplicates",
            Severity.WARNING,
            "{n} [pair|pairs] of texts within a split [is|are] nearly alike",
            sorted(inside),
            " ~ ".join,
        ),
    ]


def _keys(texts: pa.ChunkedArray) -> list[str]:
    """Return texts in lower case with one space for all that is neither letter nor digit."""
    import pyarrow.compute as pc

    plain = pc.replace_substring_regex(pc.utf8_lower(texts), r"[^\pL\pN]+", " ")
    found: list[str] = pc.utf8_trim_whitespace(plain).to_pylist()
    return found


def _alike(places: list[int], keys: list[str]) -> list[tuple[int, int]]:
    """Return pairs of places whose keys share enough pieces; later place first."""
    places = [at for at in places if len(keys[at]) >= 2 * PIECE]
    if len(places) < 2:
        return []
    found = []
    pieces: dict[int, set[str]] = {}
    for one, other in _candidates(_digests([keys[at] for at in places])):
        mine, its = (pieces.setdefault(at, _pieces(keys[at])) for at in (places[one], places[other]))
        if len(mine & its) >= ALIKE * len(mine | its):
            found.append((max(places[one], places[other]), min(places[one], places[other])))
    return found


def _pieces(key: str) -> set[str]:
    return {key[at : at + PIECE] for at in range(len(key) - PIECE + 1)}


def _digests(keys: list[str]) -> npt.NDArray[np.uint32]:
    """Return the MinHash of each key: uint32, shape (n, PERMUTATIONS)."""
    import numpy as np
    from rensa import RMinHash

    steps = []
    for start in range(0, len(keys), _STEP):
        sets = [list(_pieces(key)) for key in keys[start : start + _STEP]]
        steps.append(np.array(RMinHash.digest_matrix_from_token_sets(sets, PERMUTATIONS, SEED).to_rows(), np.uint32))
    return np.concatenate(steps)


def _candidates(digests: npt.NDArray[np.uint32]) -> Iterator[tuple[int, int]]:
    """Yield each pair of rows that agree in a band once."""
    import numpy as np

    width = PERMUTATIONS // BANDS
    seen: set[tuple[int, int]] = set()
    for band in range(BANDS):
        part = np.ascontiguousarray(digests[:, band * width : (band + 1) * width])
        _, group = np.unique(part.view([("", part.dtype)] * width).ravel(), return_inverse=True)
        order = np.argsort(group, kind="stable")
        for rows in np.split(order, np.flatnonzero(np.diff(group[order])) + 1):
            for at, one in enumerate(rows.tolist()):
                for other in rows[at + 1 : at + MOST_TOGETHER].tolist():
                    if (one, other) not in seen:
                        seen.add((one, other))
                        yield one, other
