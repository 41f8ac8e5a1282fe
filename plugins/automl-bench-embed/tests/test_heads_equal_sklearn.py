"""The head gives what plain scikit-learn gives on the same vectors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from automl_bench_embed.heads import Head, fit
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier


def clouds(labels: int, each: int, spread: float) -> tuple[np.ndarray, list[str]]:
    chance = np.random.default_rng(labels)
    centres = chance.normal(size=(labels, 12))
    vectors = np.concatenate([centre + chance.normal(size=(each, 12)) * spread for centre in centres])
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors, [f"class {n}" for n in range(labels) for _ in range(each)]


@pytest.mark.parametrize("labels", [2, 3, 7])
def test_logistic_regression_with_the_chosen_c(labels: int, tmp_path: Path) -> None:
    vectors, names = clouds(labels, 8, 0.8)
    head = fit(vectors, names)
    head.save(tmp_path / "head.npz")
    kept = Head.load(tmp_path / "head.npz")
    if head.neighbours:
        plain = KNeighborsClassifier(head.neighbours, metric="cosine", algorithm="brute").fit(vectors, names)
    else:
        c = float(head.words.rpartition("= ")[2])
        plain = LogisticRegression(C=c, max_iter=2000).fit(vectors, names)
    asked = clouds(labels, 20, 1.5)[0]
    wanted = plain.predict_proba(asked)
    found = np.array([[kept.scores(one)[name] for name in plain.classes_] for one in asked])
    assert found == pytest.approx(wanted, abs=1e-9)


def test_neighbours_are_taken_where_they_are_better() -> None:
    # Two rings: no line through the origin of each class parts them, the nearest neighbour does.
    angles = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    names = ["even" if n % 4 < 2 else "odd" for n in range(40)]
    head = fit(vectors, names)
    assert head.neighbours
    assert head.words.startswith("kNN")
    for vector, name in zip(vectors, names, strict=True):
        scores = head.scores(vector)
        if head.neighbours == 1:
            assert max(scores, key=lambda label: scores[label]) == name


def test_one_sample_a_label_leaves_nothing_to_compare() -> None:
    vectors, names = clouds(3, 1, 0.5)
    assert fit(vectors, names).words == "logistic, C = 10"
