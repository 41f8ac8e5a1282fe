"""Labels that people take for one and a program for two: `cat` and ` cat`, `1` and `1.0`, composed and decomposed."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace

from automl_bench.datasets.listing import Incoming, Listing

_LOOK_ALIKES = str.maketrans(
    "АВЕКМНОРСТУХЅІЈаеорсухѕіјΑΒΕΖΗΙΚΜΝΟΡΤΥΧονρ‐‑‒–—’‘ʼ",
    "ABEKMHOPCTYXSIJaeopcyxsijABEZHIKMNOPTYXovp-----'''",
)
"""Letters of other scripts, dashes and apostrophes that look like ones of ASCII."""
_NUMBER = re.compile(r"[+-]?\d+(\.0*)?")


def looks(label: str) -> str:
    """Return what two labels share if people take them for one.

    Ignored: spaces at the ends and repeated ones, capitals, Unicode composition and width, invisible characters,
    letters of other scripts that look the same, and `.0` behind a whole number.
    """
    text = unicodedata.normalize("NFKC", label)
    text = "".join(character for character in text if unicodedata.category(character) != "Cf")
    text = " ".join(text.translate(_LOOK_ALIKES).split()).casefold()
    return text.split(".")[0] if _NUMBER.fullmatch(text) else text


def similar_labels(labels: Iterable[str]) -> list[tuple[str, ...]]:
    """Return the sets of labels that look alike, each with the plainest spelling first."""
    found: dict[str, list[str]] = {}
    for label in labels:
        found.setdefault(looks(label), []).append(label)
    return sorted(tuple(sorted(same, key=_plainness)) for same in found.values() if len(same) > 1)


def told_apart(label: str) -> str:
    """Return a label in quotes, with escapes for what looks like something else."""
    return ascii(label)


def _plainness(label: str) -> tuple[bool, bool, bool, str]:
    """Sort first what has no spaces at the ends, is composed (NFC) and has no letters that look like others."""
    return (
        label != " ".join(label.split()),
        label != unicodedata.normalize("NFC", label),
        label != label.translate(_LOOK_ALIKES) or any(unicodedata.category(c) == "Cf" for c in label),
        label,
    )


def merged(listing: Listing) -> tuple[Listing, tuple[str, ...]]:
    """Give labels that look alike one spelling, the plainest.

    Returns:
        The listing, and a note for each set of labels that was merged.
    """
    spelling: dict[str, str] = {}
    notes = []
    for same in similar_labels(listing.labels):
        spelling |= dict.fromkeys(same, same[0])
        notes.append(f"Merged {', '.join(map(repr, same[1:]))} into the class {same[0]!r}.")
    if not spelling:
        return listing, ()
    labels = tuple(dict.fromkeys(spelling.get(label, label) for label in listing.labels))
    left_out = tuple(replace(entry, label=spelling.get(entry.label, entry.label)) for entry in listing.left_out)
    return replace(listing, labels=labels, samples=_spelt(listing, spelling), left_out=left_out), tuple(notes)


def _spelt(listing: Listing, spelling: Mapping[str, str]) -> Callable[[], Iterator[Incoming]]:
    def samples() -> Iterator[Incoming]:
        for sample in listing.samples():
            label = spelling.get(sample.label)
            yield sample if label is None else sample._replace(label=label)

    return samples
