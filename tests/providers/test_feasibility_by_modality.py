"""A provider is held to what it takes of each modality, before any request."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import automl_bench
from automl_bench.contract import LabelledSample, Limits, Modality, ProviderDescription, Sample, TrainingSet
from automl_bench.providers.feasibility import obstacles

SOURCE = Path(automl_bench.__file__).parent
PROVIDER = ProviderDescription("acme", "Acme", frozenset(), limits=Limits(min_side_px=64, media_types=("image/png",)))


def sample(number: int, text: str) -> Sample:
    return Sample(f"{number:064d}", Path(), len(text), "text/plain", text=text)


def training_set(count: int) -> TrainingSet:
    items = tuple(LabelledSample(sample(n, f"text {n}"), "ab"[n % 2]) for n in range(count))
    return TrainingSet("mails", ("a", "b"), items[2:], items[:2], modality=Modality.TEXT)


def found(description: ProviderDescription, count: int = 10, test: str = "short") -> list[str]:
    return obstacles(description, training_set(count), [sample(99, test)], Modality.TEXT)


def test_nothing_that_handles_samples_takes_the_limits_of_another_modality() -> None:
    of_the_provider = {"cli/plan.py", "cli/providers.py", "providers/feasibility.py", "trials/conductor.py"}
    readers = {
        path.relative_to(SOURCE).as_posix()
        for path in SOURCE.rglob("*.py")
        if "description.limits" in path.read_text(encoding="utf-8") and "testing" not in path.parts
    }
    assert readers == of_the_provider, "others ask limits_for(description, modality)"


def test_a_modality_that_is_not_taken_is_one_sentence() -> None:
    assert len(found(PROVIDER)) == 1
    assert "acme" in found(PROVIDER)[0]
    assert "text" in found(PROVIDER)[0]


def test_limits_of_images_do_not_bind_texts() -> None:
    assert found(replace(PROVIDER, modalities=frozenset(Modality))) == []


def test_limits_of_a_modality_stand_in_for_the_others() -> None:
    limits = {Modality.TEXT: Limits(min_samples=100, max_request_bytes=40)}
    described = replace(PROVIDER, modalities=frozenset(Modality), modality_limits=limits)
    few, long = found(described, test="x" * 200)
    assert "at least 100 samples in all and there are 10" in few
    assert "test texts of at most 30 bytes and one has 200" in long
    assert found(described, count=100) == []
