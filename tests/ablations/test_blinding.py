"""A test sample's file says nothing of its label."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from small_workspace import make_workspace

from automl_bench.ablations import files, selection
from automl_bench.ablations.blinding import blind
from automl_bench.ablations.images import ImageSetting
from automl_bench.contract import ManifestEntry, ProviderManifest, Sample
from automl_bench.datasets.manifest import read_manifest
from automl_bench.errors import DatasetError
from automl_bench.store.records import TrialRecord
from automl_bench.trials.material import MaterialSource


def test_the_path_names_the_content_and_nothing_else(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path)
    manifest = read_manifest(workspace.data / "tiny")
    samples = [sample for sample, _ in selection.test_samples(manifest)]
    cache = tmp_path / "cache"
    for before, after in zip(samples, blind(samples, cache), strict=True):
        assert after.path.relative_to(cache).parts == (before.sample_id[:2], f"{before.sample_id}.png")
        assert hashlib.sha256(after.path.read_bytes()).hexdigest() == before.sample_id
        assert after.sample_id == before.sample_id


@pytest.mark.parametrize("images", [{}, {"min_side": 16}, {"format": "jpeg", "quality": 80}])
def test_what_a_trial_shows_a_plugin_holds_no_label(tmp_path: Path, images: dict[str, object]) -> None:
    workspace = make_workspace(tmp_path)
    source = MaterialSource(workspace.data, workspace.cache)
    trial = TrialRecord("0" * 12, "p", "v", "tiny", "f", 2, images=images)
    material = source.material(trial)
    for sample, label in material.test:
        assert label not in str(sample.path.relative_to(workspace.cache))
    assert ImageSetting.of(images).changes_nothing == (not images)  # type: ignore[arg-type]


def test_a_file_that_is_gone_is_named(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path)
    manifest = read_manifest(workspace.data / "tiny")
    sample = selection.test_samples(manifest)[0][0]
    sample.path.unlink()
    with pytest.raises(DatasetError, match=f"{sample.path.name} of a test sample is gone.*import the dataset again"):
        blind([sample], tmp_path / "cache")


def test_trials_that_begin_together_make_the_same_files(tmp_path: Path) -> None:
    """Every thread finds no file at first; each writes a draft of its own, and the last one stays."""
    workspace = make_workspace(tmp_path)
    samples = [sample for sample, _ in selection.test_samples(read_manifest(workspace.data / "tiny"))]
    for number in range(20):
        together = threading.Barrier(4)

        def begin(cache: Path = tmp_path / str(number), together: threading.Barrier = together) -> list[Sample]:
            together.wait()
            return blind(samples, cache)

        with ThreadPoolExecutor(4) as pool:
            made = [future.result() for future in [pool.submit(begin) for _ in range(4)]]
        assert made[0] == made[1] == made[2] == made[3]
        assert all(hashlib.sha256(one.path.read_bytes()).hexdigest() == one.sample_id for one in made[0])
        assert len([path for path in (tmp_path / str(number)).rglob("*") if path.is_file()]) == len(samples)


def test_an_exporter_sees_no_label_of_a_test_sample(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path)
    manifest = read_manifest(workspace.data / "tiny")
    seen: list[ManifestEntry] = []

    def export(dataset: str, entries: Sequence[ManifestEntry]) -> ProviderManifest:
        seen.extend(entries)
        return ProviderManifest([{"path": str(entry.sample.path)} for entry in entries], label_at=("label",))

    files.write(manifest, shots=[2], exporters={"some": export})
    tests = [entry for entry in seen if entry.split == "test"]
    assert len(tests) == 12
    for entry in tests:
        assert (manifest.folder / "ablations" / entry.sample.path).is_file()
        assert not any(label in str(entry.sample.path) for label in manifest.labels)
