"""The seeded order of the samples of a class: a keyed hash of the content id, the same on every machine.

The place of a sample depends on its content id, the seed, the fold and its label, and on nothing else: not on file
names, not on the order of rows, not on `PYTHONHASHSEED`, not on the byte order of the processor. Samples that are added
later slip in between; they move nobody relative to anybody else.

The hash, so that anyone can write it again: with `x` the first 16 hex digits of the content id (a SHA-256, hence
uniform) as an unsigned 64-bit number, and `k1`, `k2` the two big-endian halves of

    blake2b(f"{seed}\\0{fold}\\0{NFC(label)}" in UTF-8, digest_size=16, person=b"automl-bench")

the rank is `mix(mix(x ^ k1) ^ k2)`, where `mix` is the finaliser of splitmix64 (Steele, Lea and Flood 2014, "Fast
splittable pseudorandom number generators", variant 13 of Stafford's mixers). A class is sorted by rank. Each step is a
bijection, so two ranks are equal only if the first 64 bits of two ids are; then the full id decides.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from automl_bench.datasets.content_ids import leading_words as leading_words
from automl_bench.datasets.content_ids import mix

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

PERSON = b"automl-bench"


def class_key(seed: int, fold: int, label: str) -> tuple[int, int]:
    """Return the two 64-bit keys of a class.

    The label is brought to Unicode's composed form (NFC) first: an accented name means the same on file systems that
    store it in one code point or in two.
    """
    text = f"{seed}\0{fold}\0{unicodedata.normalize('NFC', label)}"
    digest = hashlib.blake2b(text.encode(), digest_size=16, person=PERSON).digest()
    return int.from_bytes(digest[:8], "big"), int.from_bytes(digest[8:], "big")


def ranks(
    id_words: npt.NDArray[np.uint64],
    classes: npt.NDArray[np.integer[Any]],
    labels: Sequence[str],
    *,
    seed: int,
    fold: int,
) -> npt.NDArray[np.uint64]:
    """Return the rank of each sample inside its class.

    Args:
        id_words: First 64 bits of each content id, shape (n,).
        classes: Index into `labels` of each sample, shape (n,).
        labels: The class names.
        seed: Seed of the experiment.
        fold: Which draw.

    Returns:
        Ranks, shape (n,); only ranks of one class may be compared.
    """
    import numpy as np

    keys = np.array([class_key(seed, fold, label) for label in labels], dtype=np.uint64).reshape(len(labels), 2)
    values = keys[:, 0][classes]
    values ^= id_words
    mix(values)
    values ^= keys[:, 1][classes]
    return mix(values)
