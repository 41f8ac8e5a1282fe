"""`data check` finds what spoils a comparison of texts or rows, and nothing in data that are sound."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from automl_bench.datasets.check_report import Severity
from automl_bench.datasets.checks import check_dataset
from automl_bench.datasets.columnar.options import ColumnOptions
from automl_bench.datasets.importing import ImportOptions, import_dataset
from automl_bench.datasets.layouts import LayoutHints
from automl_bench.datasets.manifest import Manifest

WORDS = ["apple", "river", "stone", "cloud", "lamp", "garden", "music", "paper", "window", "silver", "train", "coffee"]


def manifest_of(folder: Path, header: str, rows: Sequence[Sequence[object]], columns: ColumnOptions) -> Manifest:
    source = folder / "a.csv"
    lines = [header, *(",".join(map(str, row)) for row in rows)]
    source.write_text("\n".join(lines) + "\n", encoding="utf-8")
    options = ImportOptions(hints=LayoutHints(columns=columns))
    return import_dataset("d", source, folder / "data", options).manifest


def texts(folder: Path, rows: Sequence[Sequence[object]]) -> Manifest:
    return manifest_of(folder, "text,label,split", rows, ColumnOptions(text="text", label="label"))


def sentence(number: int) -> str:
    return " ".join(np.random.default_rng(number).permutation(WORDS)) + f" {number}"


def found(manifest: Manifest, **options: object) -> dict[str, tuple[Severity, int]]:
    report = check_dataset(manifest, **options)  # type: ignore[arg-type]
    return {finding.check: (finding.severity, finding.count) for finding in report.findings}


def sound(count: int = 40) -> list[tuple[object, ...]]:
    return [(sentence(n), "ab"[n % 2], "test" if n % 5 == 0 else "train") for n in range(count)]


def test_sound_texts_have_no_finding(tmp_path: Path) -> None:
    assert found(texts(tmp_path, sound())) == {}


def test_texts_that_leak_contradict_or_are_nearly_alike(tmp_path: Path) -> None:
    near = sentence(1).replace("apple", "apples")
    odd = [
        (sentence(0), "a", "train"),
        (sentence(1).upper() + "!", "b", "test"),
        (near, "b", "train"),
        (sentence(2), "b", "train"),
        ("!!! ???", "a", "train"),
        ("cafÃ© offer", "a", "train"),
        (sentence(3) * 150, "b", "train"),
    ]
    checks = found(texts(tmp_path, [*sound(), *odd]), most_bytes={"acme": 2000})
    assert checks["leak"] == (Severity.LEAK, 1)
    assert checks["two_labels"] == (Severity.ERROR, 1)
    near_pairs = checks["near_duplicates_across"][1] + checks["near_duplicates"][1]
    assert near_pairs == 3, "in capitals, with another word, and repeated 150 times"
    assert checks["nothing_to_read"][1] == 1
    assert checks["wrong_encoding"][1] == 1
    assert checks["odd_length"][1] == 1
    assert checks["too_long"][1] == 1


def test_columns_that_say_nothing_or_all(tmp_path: Path) -> None:
    draw = np.random.default_rng(1)
    rows = []
    for n in range(400):
        label = "ab"[n % 2]
        rare = "odd" if n == 7 else f"kind {n // 3 % 4}"
        leak = {"a": 1.0, "b": 2.0}[label] + draw.random() / 3
        rows.append((n, "same", "" if n % 2 == 0 or n % 3 else n, rare, f"{leak:.4f}", f"{draw.normal():.4f}", label))
    header = "row,constant,mostly_missing,category,leak,noise,label"
    manifest = manifest_of(tmp_path, header, rows, ColumnOptions(target="label"))
    report = check_dataset(manifest)
    said = {finding.check: " ".join(map(str, finding.items)) for finding in report.findings}
    assert said["constant"] == "constant"
    assert said["identifiers"].startswith("row ")
    assert said["missing"].startswith("mostly_missing")
    assert said["rare_categories"].startswith("category")
    assert said["gives_away"].startswith("leak ")
    assert "noise" not in " ".join(said.values())


def test_rows_that_contradict_each_other_but_for_a_key(tmp_path: Path) -> None:
    rows = [(n, n % 10, "x" if n % 3 else "y", "ab"[n % 7 == 0]) for n in range(100)]
    checks = found(manifest_of(tmp_path, "key,size,word,label", rows, ColumnOptions(target="label")))
    assert checks["contradicting_rows"][1] > 10
    assert "leak" not in checks
