"""What the plugin says of itself, what it brings along, and what importing it costs."""

from __future__ import annotations

import hashlib
import importlib.metadata
import io
import subprocess
import sys
import tarfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from automl_bench_local import plugin
from local_trial import LocalTrial, sample_of
from PIL import Image

from automl_bench.contract import Capability, ManifestEntry, TrainingSet

PLUGIN = Path(__file__).parents[1]


def test_importing_and_describing_loads_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from automl_bench_local import plugin\n"
        "plugin.describe_provider(); plugin.register_datasets()\n"
        "heavy = {'numpy', 'sklearn', 'skimage', 'onnxruntime', 'onnx', 'fastapi', 'uvicorn', 'PIL', 'psutil'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_entry_point_is_the_described_name() -> None:
    (entry,) = importlib.metadata.entry_points(group="automl_bench", name="local")
    assert entry.load() is plugin
    assert plugin.describe_provider().name == entry.name


def test_the_description_holds_what_the_host_relies_on() -> None:
    description = plugin.describe_provider()
    assert description is plugin.describe_provider()
    assert description.on_this_machine
    assert description.default_variant in description.variants
    assert {Capability.UPLOAD, Capability.TRAIN, Capability.DEPLOY, Capability.INVOKE} <= description.capabilities


def test_the_page_names_every_setting_key_and_variant() -> None:
    text = (PLUGIN.parents[1] / "docs" / "providers" / "local.md").read_text(encoding="utf-8")
    description = plugin.describe_provider()
    names = [word for setting in description.settings for word in (setting.name, setting.env)]
    names += [setting.name for setting in description.variant_settings or ()]
    missing = [word for word in (*names, *description.variants) if f"`{word}`" not in text]
    assert missing == []


def test_every_price_is_known_dated_and_zero() -> None:
    assert {price.item for price in plugin.price()} == {"train_hour", "endpoint_hour", "call"}
    assert all(price.usd == 0.0 and price.as_of and "your own machine" in price.source for price in plugin.price())


def test_check_access_names_the_versions(trial: Callable[..., LocalTrial]) -> None:
    report = plugin.check_access(trial("svc").context)
    assert report.ok
    assert {note.split()[0] for note in report.notes} >= {"scikit-learn", "onnxruntime", "fastapi"}


def test_the_manifest_is_one_that_data_import_takes(
    trial: Callable[..., LocalTrial], squares: Callable[[int], TrainingSet]
) -> None:
    pairs = squares(2).train
    manifest = plugin.export_manifest([ManifestEntry(pair.sample, "train") for pair in pairs])
    assert (manifest.file_format, manifest.header, manifest.label_at) == ("csv", True, ("label",))
    assert [row["path"] for row in manifest.rows] == [str(pair.sample.path) for pair in pairs]
    assert all(list(row) == ["path", "label"] and row["label"] == "" for row in manifest.rows)


def test_fashion_mini_has_ten_classes_of_100_and_30_different_images_in_under_a_megabyte() -> None:
    source = next(source for source in plugin.register_datasets() if source.name == "fashion-mini")
    assert source.path is not None
    assert source.path.stat().st_size < 1_000_000
    assert source.licence == "MIT"
    assert "MIT License" in source.path.with_name("fashion-mini.LICENSE.txt").read_text(encoding="utf-8")
    counts: Counter[tuple[str, str]] = Counter()
    contents = set()
    with tarfile.open(source.path) as archive:
        for entry in archive:
            split, label, _ = entry.name.split("/")
            file = archive.extractfile(entry)
            assert file is not None
            content = file.read()
            counts[split, label] += 1
            contents.add(hashlib.sha256(content).hexdigest())
            with Image.open(io.BytesIO(content)) as image:
                assert (image.size, image.mode, image.format) == ((28, 28), "L", "PNG")
    assert len({label for _, label in counts}) == 10
    assert {split: {counts[key] for key in counts if key[0] == split} for split in ("train", "test")} == {
        "train": {100},
        "test": {30},
    }
    assert len(contents) == 1300


@pytest.mark.parametrize("variant", ["auto", "svc"])
def test_a_folder_that_cannot_be_made_is_said_with_the_remedy(variant: str, tmp_path: Path) -> None:
    from automl_bench.errors import ProviderError

    (tmp_path / "file").touch()
    with pytest.raises(ProviderError, match=r"file/cache: Not a directory") as refused:
        plugin.check_access(LocalTrial(tmp_path / "file" / "cache", variant).context)
    assert refused.value.remedy
    assert sample_of(tmp_path / "file").size_bytes == 0
