"""The small datasets of the conformance kit, one for each modality: noisy coloured squares, sentences, rows."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from automl_bench.contract import ColumnKind, Modality

NAMES: Mapping[Modality, str] = {Modality.IMAGE: "squares", Modality.TEXT: "sentences", Modality.TABULAR: "rows"}
LABELS = ("zz-amber", "zz-cobalt", "zz-maroon")
"""Words that occur nowhere else, so that a label in a request is no coincidence."""
COLOURS = ((250, 190, 0), (20, 60, 190), (130, 10, 30))
TEST_PER_CLASS = 3
WORDS = ("honey wheat straw butter lemon", "ocean winter night harbour sail", "cherry wine brick velvet rose")
"""What sentences of each class are made of."""
FILLING = [
    "the",
    "a",
    "of",
    "some",
    "and",
    "with",
    "under",
    "over",
    "very",
    "quite",
    "small",
    "large",
    "old",
    "new",
    "near",
    "far",
]


def labels_for(classes: int) -> list[str]:
    """Return so many labels, three at least."""
    return [*LABELS, *(f"zz-shade-{number:02d}" for number in range(classes - len(LABELS)))]


def make_toy_dataset(modality: Modality, folder: Path, data: Path, *, shots: int, classes: int, side: int) -> None:
    """Import a dataset for trials of so many shots under the modality's name.

    Args:
        modality: What a sample is.
        folder: Where its source is made.
        data: Folder of the datasets.
        shots: Labelled samples per class that trials ask for.
        classes: Number of classes.
        side: Pixels of a square.
    """
    from automl_bench.datasets.columnar.options import ColumnOptions
    from automl_bench.datasets.importing import ImportOptions, import_dataset
    from automl_bench.datasets.layouts import LayoutHints

    labels = labels_for(classes)
    counts = (("train", shots + 2), ("test", TEST_PER_CLASS))
    if modality is Modality.IMAGE:
        _draw_squares(folder, labels, counts, side)
        import_dataset(NAMES[modality], folder, data)
        return
    folder.mkdir(parents=True)
    file = folder / f"{NAMES[modality]}.csv"
    if modality is Modality.TEXT:
        _write(file, ("text", "label", "split"), _sentences(labels, counts))
        columns = ColumnOptions(text="text", label="label")
    else:
        _write(file, ("weight", "shade", "seen", "note", "label", "split"), _rows(labels, counts))
        columns = ColumnOptions(target="label", kinds={"note": ColumnKind.TEXT})
    import_dataset(NAMES[modality], file, data, ImportOptions(hints=LayoutHints(columns=columns)))


def _draw_squares(folder: Path, labels: Sequence[str], counts: Sequence[tuple[str, int]], side: int) -> None:
    import numpy as np
    from PIL import Image

    draw = np.random.default_rng(4)
    for number, label in enumerate(labels):
        colour = COLOURS[number] if number < len(COLOURS) else tuple(draw.integers(0, 255, 3))
        for split, count in counts:
            place = folder / split / label
            place.mkdir(parents=True)
            for index in range(count):
                noise = draw.integers(-40, 40, (side, side, 3))
                pixels = (np.asarray(colour) + noise).clip(0, 255).astype("uint8")
                Image.fromarray(pixels).save(place / f"{index}.png")


def _sentences(labels: Sequence[str], counts: Sequence[tuple[str, int]]) -> list[tuple[str, ...]]:
    """Sentences of words that their class uses, among words that all do, with a number that no other has."""
    import numpy as np

    draw = np.random.default_rng(4)
    rows: list[tuple[str, ...]] = []
    for number, label in enumerate(labels):
        own = WORDS[number].split() if number < len(WORDS) else [f"{word}{number}" for word in FILLING[:5]]
        for split, count in counts:
            for _ in range(count):
                words = [*draw.choice(own, 6), *draw.choice(FILLING, 4)]
                draw.shuffle(words)
                rows.append((f"{' '.join(words)}, “so” n{draw.integers(10**8, 10**9)}", label, split))
    return rows


def _rows(labels: Sequence[str], counts: Sequence[tuple[str, int]]) -> list[tuple[str, ...]]:
    """Rows whose weight and shade tell the class, with a cell missing now and then, a date and a free text."""
    import numpy as np

    draw = np.random.default_rng(4)
    rows: list[tuple[str, ...]] = []
    for number, label in enumerate(labels):
        for split, count in counts:
            for index in range(count):
                weight = f"{10 * number + draw.normal(0, 1):.6f}"
                shade = f"shade {number if draw.random() < 0.8 else draw.integers(0, len(labels))}"
                seen = f"2026-{draw.integers(1, 13):02d}-{draw.integers(1, 29):02d}"
                note = f'said "{draw.choice(FILLING)}, {draw.choice(FILLING)}"\nn{draw.integers(10**8, 10**9)}'
                rows.append((weight, "" if index % 7 == 6 else shade, seen, note, label, split))
    return rows


def _write(file: Path, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    with file.open("w", encoding="utf-8", newline="") as opened:
        csv.writer(opened).writerows([header, *rows])
