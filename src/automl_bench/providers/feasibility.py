"""Holding a provider's published limits against the data, before any request."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from automl_bench.ablations.blinding import has_file
from automl_bench.contract import LabelledSample, Limits, Modality, ProviderDescription, Sample, TrainingSet

BASE64_GROWTH = 4 / 3
"""How much a body grows in base64; the size of a request is judged with it, as most services want it."""


def obstacles(
    description: ProviderDescription, training_set: TrainingSet, test: Sequence[Sample], modality: Modality
) -> list[str]:
    """Return why this provider cannot run this trial, one sentence each with its remedy; empty if it can."""
    training = training_obstacles(description, training_set, modality)
    return (
        training
        if modality not in description.modalities
        else [*training, *test_obstacles(description, test, modality)]
    )


def limits_for(description: ProviderDescription, modality: Modality) -> Limits:
    """Return what a provider accepts of one modality."""
    return description.modality_limits.get(modality, description.limits)


def training_obstacles(description: ProviderDescription, training_set: TrainingSet, modality: Modality) -> list[str]:
    """Return what in the training set stands in the way; only that where the modality itself does."""
    if modality not in description.modalities:
        kinds = ", ".join(sorted(description.modalities))
        why = description.not_taken.get(modality)
        told = f" ({why})" if why else ""
        return [f"{description.name} learns from {kinds}, not from {modality}{told}: choose another dataset."]
    labelled = (*training_set.train, *training_set.validation)
    limits = limits_for(description, modality)
    return [
        *_class_obstacles(limits, training_set.labels),
        *_count_obstacles(limits, labelled),
        *_sample_obstacles(limits, [item.sample for item in labelled], "training", limits.max_train_bytes),
    ]


def test_obstacles(
    description: ProviderDescription,
    test: Sequence[Sample],
    modality: Modality = Modality.IMAGE,  # noqa: PT028 - not a test of pytest's
) -> list[str]:
    """Return what in the test set stands in the way; all ablations of a dataset share it."""
    limits = limits_for(description, modality)
    return list(_sample_obstacles(limits, test, "test", _request_limit(limits)))


test_obstacles.__test__ = False  # type: ignore[attr-defined]  # pytest would collect it where a test imports it


def _request_limit(limits: Limits) -> int | None:
    return None if limits.max_request_bytes is None else int(limits.max_request_bytes / BASE64_GROWTH)


def _class_obstacles(limits: Limits, labels: Sequence[str]) -> Iterable[str]:
    if limits.min_classes is not None and len(labels) < limits.min_classes:
        yield f"it needs at least {limits.min_classes} classes and there are {len(labels)}: choose another dataset."
    if limits.max_classes is not None and len(labels) > limits.max_classes:
        yield f"it takes at most {limits.max_classes} classes and there are {len(labels)}: choose another dataset."


def _count_obstacles(limits: Limits, labelled: Sequence[LabelledSample]) -> Iterable[str]:
    if limits.max_samples is not None and len(labelled) > limits.max_samples:
        yield f"it takes at most {limits.max_samples:,} samples and there are {len(labelled):,}: ask for fewer shots."
    if limits.min_samples is not None and labelled and len(labelled) < limits.min_samples:
        yield (
            f"it needs at least {limits.min_samples:,} samples in all and there are {len(labelled):,}: ask for more "
            "shots."
        )
    if limits.min_samples_per_class is not None and labelled:
        label, fewest = min(Counter(item.label for item in labelled).items(), key=lambda pair: (pair[1], pair[0]))
        if fewest < limits.min_samples_per_class:
            yield (
                f"it needs at least {limits.min_samples_per_class} samples per class and {label!r} has {fewest}: "
                f"ask for at least {limits.min_samples_per_class} shots."
            )


def _sample_obstacles(limits: Limits, samples: Sequence[Sample], role: str, max_bytes: int | None) -> Iterable[str]:
    if samples and not has_file(samples[0]):
        return _text_obstacles(samples, role, max_bytes)
    return _image_obstacles(limits, samples, role, max_bytes)


def _text_obstacles(samples: Sequence[Sample], role: str, max_bytes: int | None) -> Iterable[str]:
    largest = max(samples, key=lambda sample: sample.size_bytes)
    if max_bytes is not None and largest.size_bytes > max_bytes:
        kind = "rows" if largest.text is None else "texts"
        yield (
            f"it takes {role} {kind} of at most {max_bytes:,} bytes and one has {largest.size_bytes:,}: shorten what "
            "is longer, or leave it out, and import the dataset again."
        )


def _image_obstacles(limits: Limits, samples: Sequence[Sample], role: str, max_bytes: int | None) -> Iterable[str]:
    sides = [side for sample in samples for side in (sample.width, sample.height) if side is not None]
    if limits.min_side_px is not None and sides and min(sides) < limits.min_side_px:
        yield (
            f"it refuses images with a side under {limits.min_side_px} px and a {role} image has {min(sides)} px: "
            f"set images.min_side = {limits.min_side_px} in the experiment, for all providers alike."
        )
    if limits.max_side_px is not None and sides and max(sides) > limits.max_side_px:
        yield (
            f"it refuses images with a side over {limits.max_side_px} px and a {role} image has {max(sides)} px: "
            f"set images.max_side = {limits.max_side_px} in the experiment, for all providers alike."
        )
    if max_bytes is not None and samples:
        largest = max(samples, key=lambda sample: sample.size_bytes)
        if largest.size_bytes > max_bytes:
            yield (
                f"it takes {role} images of at most {max_bytes:,} bytes and {largest.path.name} has "
                f"{largest.size_bytes:,}: set images.max_side or images.quality in the experiment."
            )
    if limits.media_types:
        odd = sorted({sample.media_type for sample in samples} - set(limits.media_types))
        if odd:
            accepted = ", ".join(limits.media_types)
            yield f"it takes {accepted} and there are {role} images of {odd[0]}: set images.format in the experiment."
