"""Files that differ but show the same pixels: on one side of every split, and decoded before anything is sent."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from automl_bench.ablations.images import ImageSetting
from automl_bench.ablations.plan import plan_subsets
from automl_bench.ablations.selection import rows_of_test
from automl_bench.datasets import pixel_identity
from automl_bench.datasets.decoding import decode
from automl_bench.datasets.image_inspection import pixel_id
from automl_bench.datasets.importing import Imported, ImportOptions, import_dataset
from automl_bench.datasets.pixel_identity import known_copies
from automl_bench.errors import DatasetError
from automl_bench.store.records import TrialRecord
from automl_bench.trials.material import MaterialSource

KINDS = (
    {"format": "PNG"},
    {"format": "BMP"},
    {"format": "PNG", "compress_level": 0},
    {"format": "WEBP", "lossless": True},
)


def write(path: Path, seed: int, **options: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (9, 7, 3), np.uint8)
    Image.fromarray(pixels).save(path, **options)  # type: ignore[arg-type]


@pytest.fixture
def copies(tmp_path: Path) -> Path:
    """Forty pictures in two classes, each in several files of other bytes."""
    for seed in range(40):
        for number, options in enumerate(KINDS[: 1 + seed % 4]):
            write(
                tmp_path / "in" / "ab"[seed % 2] / f"{seed}-{number}.{str(options['format']).lower()}", seed, **options
            )
    return tmp_path / "in"


def load(tmp_path: Path, source: Path, **options: object) -> Imported:
    return import_dataset("ds", source, tmp_path / "data", ImportOptions(**options))  # type: ignore[arg-type]


def splits_by_pixels(imported: Imported) -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    table = imported.manifest.table
    for path, split in zip(table["path"].to_pylist(), table["split"].to_pylist(), strict=True):
        found[pixel_id(decode(imported.manifest.folder / path))].add(split)
    return found


@pytest.mark.parametrize("seed", range(5))
def test_a_drawn_test_split_never_shares_pixels_with_training(copies: Path, tmp_path: Path, seed: int) -> None:
    imported = load(tmp_path, copies, seed=seed)
    splits = splits_by_pixels(imported)
    assert len(splits) == 40
    assert all(len(sides) == 1 for sides in splits.values())
    assert not imported.warnings


def test_a_given_split_that_shares_pixels_is_told_and_its_training_files_are_left_out(tmp_path: Path) -> None:
    for seed in range(12):
        write(tmp_path / "in" / "train" / "ab"[seed % 2] / f"{seed}.png", seed)
    write(tmp_path / "in" / "test" / "a" / "copy.bmp", 0)
    write(tmp_path / "in" / "test" / "b" / "own.png", 100)
    write(tmp_path / "in" / "train" / "a" / "again.png", 2, compress_level=0)
    imported = load(tmp_path, tmp_path / "in")
    assert any("1 image stands in both train and test" in warning for warning in imported.warnings)
    plan = plan_subsets(imported.manifest, shots=(), fold=0, seed=0)
    subset = plan.subset(None)
    learnt = {
        imported.manifest.table["path"][int(row)].as_py() for row in (*subset.train_rows, *subset.validation_rows)
    }
    assert "train/a/0.png" not in learnt
    assert len({"train/a/2.png", "train/a/again.png"} & learnt) == 1
    assert len(learnt) == 11
    assert len(rows_of_test(imported.manifest)) == 2
    assert any("the test set has the same content" in note for note in plan.notes)


def trial(images: dict[str, object] | None = None) -> TrialRecord:
    return TrialRecord("0" * 12, "p", "v", "ds", "f", 2, images=images or {})  # type: ignore[arg-type]


def test_what_a_large_import_did_not_decode_is_decoded_before_the_first_use(
    copies: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = load(tmp_path, copies, seed=3)
    expected = known_copies(small.manifest)
    assert expected
    monkeypatch.setattr(pixel_identity, "MOST_FILES", 10)
    large = load(tmp_path, copies, seed=3, replace=True)
    assert known_copies(large.manifest) is None
    looking = MaterialSource(tmp_path / "data", tmp_path / "cache", writes=False)
    assert any("not all been decoded" in remark for remark in looking.picture_remarks("ds", {}))
    looking.material(trial())
    assert known_copies(large.manifest) is None, "a plan writes nothing"
    MaterialSource(tmp_path / "data", tmp_path / "cache").material(trial())
    assert known_copies(large.manifest) == expected
    assert looking.picture_remarks("ds", {}) == []


def test_an_image_that_cannot_be_decoded_stops_a_trial_before_it_begins(
    copies: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pixel_identity, "MOST_FILES", 0)
    manifest = load(tmp_path, copies).manifest
    path = manifest.folder / manifest.table["path"][0].as_py()
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(DatasetError, match=rf"{path.name} is (truncated or damaged|no image)") as caught:
        MaterialSource(tmp_path / "data", tmp_path / "cache").material(trial())
    assert "data check ds" in caught.value.remedy


def test_what_was_found_belongs_to_one_fingerprint_and_one_rule(copies: Path, tmp_path: Path) -> None:
    manifest = load(tmp_path, copies).manifest
    file = manifest.folder / pixel_identity.FILE_NAME
    values = json.loads(file.read_text())
    for key in ("fingerprint", "decoding_rule"):
        file.write_text(json.dumps({**values, key: "other"}))
        assert known_copies(manifest) is None
    file.write_text("{")
    assert known_copies(manifest) is None


def test_plan_says_how_many_pictures_services_may_see_differently(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    for seed in range(6):
        write(tmp_path / "in" / "ab"[seed % 2] / f"{seed}.png", seed)
    write(tmp_path / "in" / "a" / "turned.jpg", 50, exif=exif)
    Image.new("RGBA", (8, 8), (1, 2, 3, 100)).save(tmp_path / "in" / "a" / "clear.png")
    load(tmp_path, tmp_path / "in")
    source = MaterialSource(tmp_path / "data", tmp_path / "cache", writes=False)
    (remark,) = source.picture_remarks("ds", ImageSetting().recorded())
    assert "1 of 8 images" in remark
    assert "1 transparent" in remark
    (remark,) = source.picture_remarks("ds", ImageSetting(upright=False).recorded())
    assert "2 of 8 images" in remark
    assert "1 turned by EXIF, 1 transparent" in remark
    assert source.picture_remarks("ds", ImageSetting(format="png").recorded()) == []
