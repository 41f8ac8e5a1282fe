"""The test split that the import draws: stratified, seeded, no content on both sides, nobody moves without need."""

from __future__ import annotations

import hashlib
import json
import random
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from automl_bench.datasets.importing import import_dataset, leaking_ids
from automl_bench.datasets.splitting import choose_test

CLASS_NAMES = st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=8).filter(str.strip)
SAMPLES = st.lists(
    st.tuples(
        st.integers(0, 40).map(lambda n: hashlib.sha256(str(n).encode()).hexdigest()),
        st.sampled_from(["a", "b", "B", "é ü", "日"]),
    ),
    min_size=1,
    max_size=120,
)


@given(SAMPLES, st.floats(0.05, 0.95), st.integers(0, 5), st.randoms(use_true_random=False))
def test_choice_depends_on_contents_and_seed_only(
    samples: list[tuple[str, str]], share: float, seed: int, chance: random.Random
) -> None:
    chosen = choose_test(samples, test_share=share, seed=seed)
    assert choose_test(chance.sample(samples, len(samples)), test_share=share, seed=seed) == chosen


@given(SAMPLES, st.floats(0.05, 0.95), st.integers(0, 5))
def test_every_class_keeps_training_samples_and_ambiguous_contents_stay_in_train(
    samples: list[tuple[str, str]], share: float, seed: int
) -> None:
    chosen = choose_test(samples, test_share=share, seed=seed)
    labels = defaultdict(set)
    for sample_id, label in samples:
        labels[sample_id].add(label)
    assert all(len(labels[sample_id]) == 1 for sample_id in chosen)
    for label in {label for _, label in samples}:
        assert any(sample_id not in chosen for sample_id, other in samples if other == label)


@given(st.integers(2, 300), st.sampled_from([0.1, 0.2, 0.25, 0.5]), st.integers(0, 9))
def test_share_of_each_class_is_exact_without_copies(number: int, share: float, seed: int) -> None:
    samples = [(f"{n:064x}", label) for label in "ab" for n in range(ord(label) * 1000, ord(label) * 1000 + number)]
    chosen = choose_test(samples, test_share=share, seed=seed)
    counts = Counter(label for sample_id, label in samples if sample_id in chosen)
    assert counts["a"] == counts["b"] == min(max(1, round(share * number)), number - 1)


def test_adding_samples_moves_few_others() -> None:
    samples = [(hashlib.sha256(str(n).encode()).hexdigest(), "a") for n in range(1100)]
    before = choose_test(samples[:1000], test_share=0.2, seed=0)
    after = choose_test(samples, test_share=0.2, seed=0)
    moved = sum((sample_id in before) != (sample_id in after) for sample_id, _ in samples[:1000])
    assert moved < 50


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    classes=st.dictionaries(
        CLASS_NAMES.filter(lambda n: "/" not in n and n not in (".", "..") and not n.startswith((".", "__MACOSX"))),
        st.lists(st.integers(0, 30), min_size=1, max_size=12),
        min_size=1,
        max_size=5,
    ),
    seed=st.integers(0, 3),
)
def test_odd_datasets_are_imported_whole_and_without_leaks(
    classes: dict[str, list[int]], seed: int, tmp_path_factory: pytest.TempPathFactory, make_image: Callable[..., bytes]
) -> None:
    work = tmp_path_factory.mktemp("odd")
    lines = ["path\tlabel"]
    for folder, (label, numbers) in enumerate(classes.items()):
        (work / str(folder)).mkdir()
        for position, number in enumerate(numbers):
            (work / str(folder) / f"{position}.png").write_bytes(make_image(number))
            lines.append(f"{folder}/{position}.png\t" + '"' + label.replace('"', '""') + '"')
    (work / "list.tsv").write_text("\n".join(lines), encoding="utf-8")
    manifest = import_dataset("odd", work / "list.tsv", work / "data").manifest
    assert manifest.labels == tuple(sorted(classes))
    assert manifest.table.num_rows == sum(map(len, classes.values()))
    assert not leaking_ids(manifest.table)
    folders = [path.name.casefold() for path in (manifest.folder / "train").iterdir()]
    assert len(set(folders)) == len(classes)
    for row in manifest.table.to_pylist():
        content = (manifest.folder / row["path"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == row["sample_id"]


def test_copies_of_one_image_stay_on_one_side(tmp_path: Path, make_image: Callable[..., bytes]) -> None:
    for label in "ab":
        (tmp_path / "t" / label).mkdir(parents=True)
        for copy in range(20):
            (tmp_path / "t" / label / f"{copy}.png").write_bytes(make_image(copy // 2 + 100 * (label == "b")))
    manifest = import_dataset("ds", tmp_path / "t", tmp_path / "data").manifest
    assert manifest.counts() == {"train": {"a": 16, "b": 16}, "test": {"a": 4, "b": 4}}
    assert not leaking_ids(manifest.table)


def test_thousand_classes_are_no_trouble(tmp_path: Path, make_image: Callable[..., bytes]) -> None:
    lines = ["path,label"]
    (tmp_path / "p").mkdir()
    for number in range(2000):
        (tmp_path / "p" / f"{number}.png").write_bytes(make_image(number, size=(3, 3)))
        lines.append(f"p/{number}.png,class {number % 1000}")
    (tmp_path / "l.csv").write_text("\n".join(lines))
    manifest = import_dataset("ds", tmp_path / "l.csv", tmp_path / "data").manifest
    assert len(manifest.labels) == 1000
    assert set(manifest.counts()["test"].values()) == {1}


def test_other_processes_with_other_hash_seeds_draw_the_same_split(
    tmp_path: Path, make_tree: Callable[..., Path]
) -> None:
    tree = make_tree({"a": 20, "b": 20, "B": 10})
    code = (
        "import json, sys; from pathlib import Path; from automl_bench.datasets.importing import import_dataset;"
        "m = import_dataset('ds', Path(sys.argv[1]), Path(sys.argv[2])).manifest;"
        "print(json.dumps([m.fingerprint, m.table['path'].to_pylist()]))"
    )
    answers = [
        json.loads(
            subprocess.run(
                [sys.executable, "-c", code, str(tree), str(tmp_path / f"data{seed}")],
                env={"PYTHONHASHSEED": seed},
                capture_output=True,
                check=True,
                text=True,
            ).stdout
        )
        for seed in ("1", "2")
    ]
    assert answers[0] == answers[1]
