"""The samples of a trial: drawn, and re-encoded alike for every provider, once for all trials that share them."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

from automl_bench.ablations.blinding import blind, blind_path, has_file
from automl_bench.ablations.images import ImageSetting, decoded_by_services, foreseen, prepare
from automl_bench.ablations.selection import samples_of, test_samples, training_set
from automl_bench.border.command_lines import quoted_command
from automl_bench.contract import Json, LabelledSample, Modality, ProviderDescription, Sample, TrainingSet
from automl_bench.datasets.manifest import Manifest, read_manifest
from automl_bench.datasets.pixel_identity import find_copies, known_copies
from automl_bench.datasets.unchanged import require_unchanged
from automl_bench.errors import AutomlBenchError
from automl_bench.numbers_in_words import counted, number_of
from automl_bench.providers.feasibility import test_obstacles, training_obstacles
from automl_bench.store.records import TrialRecord

T = TypeVar("T")

KEPT = 8
"""Ablations kept in memory at once; a trial needs one, and neighbours in the plan share it."""


@dataclass(frozen=True, slots=True)
class Material:
    """What one trial learns from and is judged by.

    Attributes:
        training_set: The ablation.
        test: Test samples with their labels. The labels never leave the host.
        modality: What one sample is.
        blind_dir: Folder of the files that invokers get, under names that say nothing.
    """

    training_set: TrainingSet
    test: tuple[tuple[Sample, str], ...]
    modality: Modality
    blind_dir: Path

    def training_calls(self) -> tuple[tuple[Sample, str], ...]:
        """Return the training half as it is asked for: like test samples, in files whose names say nothing."""
        samples = blind([item.sample for item in self.training_set.train], self.blind_dir)
        labels = (item.label for item in self.training_set.train)
        return tuple(zip(samples, labels, strict=True))


def obstacle(description: ProviderDescription, material: Material, of_test: Sequence[str] | None = None) -> str:
    """Return the first thing that stands in a trial's way, with its remedy; empty if it can run. No request is sent.

    Args:
        description: The provider.
        material: The trial's samples.
        of_test: What `obstacles_of_test` found, where another trial has asked for the same test set before.
    """
    found = training_obstacles(description, material.training_set, material.modality)
    if not found and material.modality in description.modalities:
        found = list(obstacles_of_test(description, material) if of_test is None else of_test)
    return next(iter(found), "")


def obstacles_of_test(description: ProviderDescription, material: Material) -> list[str]:
    """Return what in the test set alone stands in the way."""
    return test_obstacles(description, [sample for sample, _ in material.test], material.modality)


class MaterialSource:
    """Reads datasets and draws ablations, remembering the last few.

    Args:
        data_dir: Folder of the datasets.
        cache_dir: Folder for re-encoded images.
        writes: Whether files may be made. Without, images that are yet to be re-encoded are described as they will be,
            with 0 bytes for a size that is not known.
    """

    def __init__(self, data_dir: Path, cache_dir: Path, *, writes: bool = True) -> None:
        self._data_dir = data_dir
        self._cache_dir = cache_dir
        self._writes = writes
        self._lock = threading.Lock()
        self._manifest: Callable[[str], Manifest] = lru_cache(maxsize=KEPT)(self._read)
        self._drawn = lru_cache(maxsize=KEPT)(self._draw)
        self._tests = lru_cache(maxsize=KEPT)(self._draw_test)

    def manifest(self, dataset: str) -> Manifest:
        """Return a dataset's manifest."""
        with self._lock:
            return self._manifest(dataset)

    def modality_of(self, trial: TrialRecord) -> Modality | None:
        """Return what one sample of a trial is; None if its dataset cannot be read."""
        try:
            return self.manifest(trial.dataset).modality
        except AutomlBenchError:
            return None

    def picture_remarks(self, dataset: str, images: Mapping[str, Json]) -> list[str]:
        """Say what services may see differently in a dataset's pictures, and what is not known of them yet.

        Args:
            dataset: Its name.
            images: An experiment's images setting, as recorded.
        """
        manifest = self.manifest(dataset)
        if manifest.modality is not Modality.IMAGE:
            return []
        remarks = []
        samples = samples_of(manifest, range(manifest.table.num_rows))
        count, reasons = decoded_by_services(samples, ImageSetting.of(images))
        if count:
            named = ", ".join(f"{number:,} {reason}" for reason, number in reasons.items())
            remarks.append(
                f"{dataset}: {count:,} of {number_of(len(samples), 'image')} {counted('[goes|go]', count)} to services "
                f"as original bytes that each of them may decode differently ({named}); "
                'images.format = "png" sends everyone the same pixels.'
            )
        if known_copies(manifest) is None:
            remarks.append(
                f"{dataset}: its images have not all been decoded yet; `run` does that before it sends anything, "
                f"{quoted_command('data', 'check', dataset)} does it now."
            )
        return remarks

    def material(self, trial: TrialRecord) -> Material:
        """Return a trial's samples."""
        images = _image_key(trial.images)
        with self._lock:
            drawn = self._drawn(trial.dataset, trial.shots, trial.fold, trial.seed, images)
            test = self._tests(trial.dataset, trial.test_limit, trial.seed, images)
            folder = self._blind_dir(ImageSetting.of(dict(images)))
            return Material(drawn, test, self._manifest(trial.dataset).modality, folder)

    def _read(self, dataset: str) -> Manifest:
        return read_manifest(self._data_dir / dataset)

    def _decoded(self, dataset: str) -> Manifest:
        """Return a manifest whose images have all been decoded: by the import, or here before anything is sent."""
        manifest = self._manifest(dataset)
        if self._writes and manifest.modality is Modality.IMAGE:
            find_copies(manifest, processes=os.cpu_count() or 1)
        return manifest

    def _draw(
        self, dataset: str, shots: int | None, fold: int, seed: int, images: tuple[tuple[str, Json], ...]
    ) -> TrainingSet:
        drawn = training_set(self._decoded(dataset), shots=shots, fold=fold, seed=seed)
        self._require_unchanged(dataset, [item.sample for item in (*drawn.train, *drawn.validation)])
        setting = ImageSetting.of(dict(images))
        train, validation = self._prepared(drawn.train, setting), self._prepared(drawn.validation, setting)
        return replace(drawn, train=train, validation=validation)

    def _prepared(self, labelled: tuple[LabelledSample, ...], setting: ImageSetting) -> tuple[LabelledSample, ...]:
        samples = self._encoded([item.sample for item in labelled], setting)
        return tuple(LabelledSample(sample, item.label) for sample, item in zip(samples, labelled, strict=True))

    def _draw_test(
        self, dataset: str, limit: int | None, seed: int, images: tuple[tuple[str, Json], ...]
    ) -> tuple[tuple[Sample, str], ...]:
        pairs = test_samples(self._decoded(dataset), limit=limit, seed=seed)
        self._require_unchanged(dataset, [sample for sample, _ in pairs])
        setting = ImageSetting.of(dict(images))
        prepared = self._encoded([sample for sample, _ in pairs], setting)
        if self._writes:
            prepared = blind(prepared, self._blind_dir(setting))
        else:
            folder = self._blind_dir(setting)
            prepared = [replace(one, path=blind_path(one, folder)) if has_file(one) else one for one in prepared]
        return tuple((sample, label) for sample, (_, label) in zip(prepared, pairs, strict=True))

    def _require_unchanged(self, dataset: str, samples: Sequence[Sample]) -> None:
        """Refuse files that are not those of the fingerprint any more; a plan, which uses none, leaves them alone."""
        if self._writes:
            require_unchanged(self._data_dir / dataset, samples)

    def _encoded(self, samples: Sequence[Sample], setting: ImageSetting) -> list[Sample]:
        """Return pictures as the images setting wants them, and texts and rows as they are."""
        if not any(map(has_file, samples)):
            return list(samples)
        folder = self._cache_dir / "images"
        return prepare(samples, setting, folder) if self._writes else foreseen(samples, setting, folder)

    def _blind_dir(self, setting: ImageSetting) -> Path:
        """Return the folder of test files; re-encoded ones have another content under the same id."""
        if setting.changes_nothing:
            return self._cache_dir / "test" / "as-they-are"
        parts = [f"{name}-{value}" for name, value in setting.recorded().items()]
        return self._cache_dir / "test" / "_".join(parts)


def _image_key(images: Mapping[str, Json]) -> tuple[tuple[str, Json], ...]:
    return tuple(sorted(images.items()))
