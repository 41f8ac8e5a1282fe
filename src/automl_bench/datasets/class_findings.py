"""What `data check` finds in the classes and groups of a dataset, whatever its samples are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from automl_bench.contract import Modality
from automl_bench.datasets.check_report import Finding, Severity, findings_of
from automl_bench.datasets.groups import crossing_groups
from automl_bench.datasets.manifest import SPLITS, Manifest
from automl_bench.datasets.similar_labels import similar_labels, told_apart

THINGS: Mapping[Modality, str] = {Modality.IMAGE: "images", Modality.TEXT: "texts", Modality.TABULAR: "rows"}
"""What samples are called, in the plural."""

IMBALANCE_RATIO = 10.0
"""Largest class over smallest class in train, above which it is a remark."""


def class_findings(manifest: Manifest, shots: Sequence[int]) -> list[Finding]:
    """Find classes that are too small, missing, alike or very unequal."""
    counts = manifest.counts()
    train = counts["train"]
    things = THINGS[manifest.modality]
    findings = []
    for number in sorted(set(shots)):
        small = [f"{label} has {train[label]}" for label in manifest.labels if train[label] < number]
        text = f"{{n}} [class has|classes have] fewer than the {number} training {things} asked for"
        findings += findings_of(f"too_few_for_{number}", Severity.ERROR, text, small)
    for split in SPLITS:
        empty = [label for label in manifest.labels if not counts[split][label]]
        findings += findings_of(
            f"no_{split}", Severity.WARNING, f"{{n}} [class has|classes have] no {split} {things}", empty
        )
    if len(manifest.labels) == 1:
        findings += findings_of("one_class", Severity.WARNING, "there is {n} class only", list(manifest.labels))
    findings += _similar_labels(manifest)
    findings += _imbalance(train, things)
    return findings


def group_findings(manifest: Manifest) -> list[Finding]:
    """Find groups on both sides of the split, and columns that look as if they named groups."""
    candidates = list(manifest.card.group_candidates)
    unused = (
        "{n} unused [column of the list looks as if it|columns of the list look as if they] said which samples belong "
        "together: import with --group"
    )
    return [
        *findings_of(
            "group_leak",
            Severity.LEAK,
            f"{{n}} [group has|groups have] {THINGS[manifest.modality]} in both train and test",
            crossing_groups(manifest.table),
        ),
        *findings_of("unused_group", Severity.WARNING, unused, candidates),
    ]


def _similar_labels(manifest: Manifest) -> list[Finding]:
    counts = manifest.counts()
    alike = [
        " ~ ".join(f"{told_apart(label)} ({counts['train'][label] + counts['test'][label]:,})" for label in same)
        for same in similar_labels(manifest.labels)
    ]
    text = (
        "{n} [set|sets] of labels [looks|look] alike and are different classes: import with --merge-labels if they are "
        "one"
    )
    return findings_of("similar_labels", Severity.WARNING, text, alike)


def _imbalance(train: Mapping[str, int], things: str) -> list[Finding]:
    filled = {label: number for label, number in train.items() if number}
    if not filled:
        return []
    largest, smallest = max(filled, key=lambda x: filled[x]), min(filled, key=lambda x: filled[x])
    ratio = filled[largest] / filled[smallest]
    if ratio < IMBALANCE_RATIO:
        return []
    text = f"the largest training class has {ratio:.0f} times as many {things} as the smallest"
    sizes = [f"{label}: {filled[label]:,}" for label in (largest, smallest)]
    return [Finding("imbalance", Severity.WARNING, 1, text, tuple(sizes), tuple(sizes))]
