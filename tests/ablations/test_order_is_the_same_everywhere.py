"""One order a class: from the content id, the seed, the fold and the label, and from nothing else."""

from __future__ import annotations

import hashlib
import json
import os
import random
import subprocess
import sys
import unicodedata
from collections import Counter
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automl_bench.ablations.order import class_key, leading_words, ranks
from automl_bench.ablations.plan import order_classes, plan_subsets
from automl_bench.errors import DatasetError

MASK = (1 << 64) - 1

GOLDEN_KEY = (10711150738931961908, 3252913330494666390)
GOLDEN_RANKS = [5802021081058914240, 1188166834290566405, 13335634382709908936]
GOLDEN_TRAIN = [
    *(f"train/cat/{number:05}.txt" for number in (5, 7, 2, 4, 6)),
    *(f"train/dog/{number:05}.txt" for number in (3, 4, 1, 6, 5)),
]
GOLDEN_VALIDATION = ["train/cat/00000.txt", "train/dog/00007.txt"]
"""Computed once; a change of any of these values would change everybody's subsets."""


def mix_slowly(value: int) -> int:
    """splitmix64's finaliser with Python's whole numbers."""
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & MASK
    return value ^ (value >> 31)


def rank_slowly(sample_id: str, seed: int, fold: int, label: str) -> int:
    text = f"{seed}\0{fold}\0{unicodedata.normalize('NFC', label)}".encode()
    key = hashlib.blake2b(text, digest_size=16, person=b"automl-bench").hexdigest()
    first, second = int(key[:16], 16), int(key[16:], 16)
    return mix_slowly(mix_slowly(int(sample_id[:16], 16) ^ first) ^ second)


def ids_of(manifest, rows):
    return manifest.table.column("sample_id").take(pa.array(rows)).to_pylist()


def test_keys_and_ranks_have_the_documented_values():
    assert class_key(0, 0, "cat") == GOLDEN_KEY
    ids = pa.array([hashlib.sha256(text).hexdigest() for text in (b"a", b"b", b"c")])
    classes = np.zeros(3, dtype=np.int32)
    assert ranks(leading_words(ids), classes, ("cat",), seed=0, fold=0).tolist() == GOLDEN_RANKS


def test_the_twenty_shot_subset_of_a_known_dataset_is_always_this_one(build, numbered):
    manifest = build(numbered(cat=9, dog=8))
    subset = plan_subsets(manifest, shots=[6], fold=1, seed=42).subset(6)
    paths = manifest.table.column("path")
    assert [paths[int(row)].as_py() for row in subset.train_rows] == GOLDEN_TRAIN
    assert [paths[int(row)].as_py() for row in subset.validation_rows] == GOLDEN_VALIDATION


@settings(deadline=None)
@given(
    st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=20),
    st.integers(-5, 2**70),
    st.integers(0, 9),
    st.text(st.characters(codec="utf-8"), max_size=8),
)
def test_vectorised_ranks_equal_those_computed_one_by_one(contents, seed, fold, label):
    ids = [content.hex() for content in contents]
    found = ranks(leading_words(pa.array(ids)), np.zeros(len(ids), dtype=np.int32), (label,), seed=seed, fold=fold)
    assert found.tolist() == [rank_slowly(sample_id, seed, fold, label) for sample_id in ids]


def test_ids_are_read_from_any_slice_and_any_chunks():
    ids = [hashlib.sha256(bytes([number])).hexdigest() for number in range(20)]
    expected = [int(sample_id[:16], 16) for sample_id in ids]
    chunked = pa.chunked_array([pa.array(ids[:7]), pa.array([], pa.string()), pa.array(ids[7:])])
    assert leading_words(pa.array(ids).slice(3, 9)).tolist() == expected[3:12]
    assert leading_words(chunked.slice(5, 10)).tolist() == expected[5:15]
    assert leading_words(pa.array(ids, pa.large_string())).tolist() == expected


@pytest.mark.parametrize("bad", ["", "abc", "g" * 64, "A" * 64, "é" * 32, "0" * 63, "0" * 65, None])
def test_a_malformed_content_id_is_named_with_its_row(bad):
    good = "0" * 64
    with pytest.raises(DatasetError, match="row 3 of the manifest"):
        leading_words(pa.chunked_array([pa.array([good]), pa.array([good, bad], pa.string())]))


def test_order_of_rows_and_names_of_files_do_not_matter(build, numbered):
    manifest = build(numbered(cat=30, dog=30), numbered("test ", cat=5, dog=5))
    expected = plan_subsets(manifest, shots=[20], fold=0, seed=1).subset(20)
    shuffled_rows = list(range(manifest.table.num_rows))
    random.Random(3).shuffle(shuffled_rows)
    table = manifest.table.take(pa.array(shuffled_rows))
    names = pa.array([f"renamed/{number}" for number in range(table.num_rows)])
    other = replace(manifest, table=table.set_column(table.column_names.index("path"), "path", names))
    found = plan_subsets(other, shots=[20], fold=0, seed=1).subset(20)
    assert ids_of(other, found.train_rows) == ids_of(manifest, expected.train_rows)
    assert ids_of(other, found.validation_rows) == ids_of(manifest, expected.validation_rows)


def test_a_table_in_chunks_with_dictionaries_of_their_own_gives_the_same_plan(build, numbered):
    manifest = build(numbered(cat=11, dog=12, eel=13))
    table = manifest.table
    parts = [table.slice(0, 15), table.slice(15)]
    apart = [
        part.cast(pa.schema([(f.name, pa.string()) for f in table.schema if f.name in ("split", "label")]))
        for part in (piece.select(["split", "label"]) for piece in parts)
    ]
    columns = {
        name: pa.chunked_array([piece.column(name).combine_chunks().dictionary_encode() for piece in reversed(apart)])
        for name in ("split", "label")
    }
    columns["sample_id"] = pa.chunked_array(
        [chunk for part in reversed(parts) for chunk in part.column("sample_id").chunks]
    )
    other = replace(manifest, table=pa.table(columns))
    found = plan_subsets(other, shots=[10], fold=0, seed=1).subset(10)
    expected = plan_subsets(manifest, shots=[10], fold=0, seed=1).subset(10)
    assert ids_of(other, found.train_rows) == ids_of(manifest, expected.train_rows)


def test_new_samples_move_nobody_relative_to_anybody_else(build, numbered):
    few, many = build(numbered(cat=40)), build(numbered(cat=60))
    before = ids_of(few, plan_subsets(few, shots=(), fold=0, seed=5).rows)
    after = ids_of(many, plan_subsets(many, shots=(), fold=0, seed=5).rows)
    assert [sample_id for sample_id in after if sample_id in set(before)] == before


@pytest.mark.parametrize("change", [{"fold": 1, "seed": 0}, {"fold": 0, "seed": 1}])
def test_another_fold_or_seed_is_another_draw(build, numbered, change):
    manifest = build(numbered(cat=40, dog=40))
    first = plan_subsets(manifest, shots=[20], fold=0, seed=0).subset(20)
    second = plan_subsets(manifest, shots=[20], **change).subset(20)
    assert set(ids_of(manifest, first.train_rows)) != set(ids_of(manifest, second.train_rows))


def test_an_accent_in_one_code_point_or_two_gives_the_same_order():
    assert class_key(0, 0, "café") == class_key(0, 0, "cafe\u0301")
    assert class_key(0, 0, "café") != class_key(0, 0, "cafe")


def test_seed_fold_and_label_cannot_be_mistaken_for_each_other():
    keys = {class_key(1, 11, "a"), class_key(11, 1, "a"), class_key(1, 1, "1a"), class_key(1, 1, "1\0a")}
    assert len(keys) == 4


def test_every_sample_has_the_same_chance_to_be_first():
    words = leading_words(pa.array([hashlib.sha256(bytes([number])).hexdigest() for number in range(10)]))
    classes = np.zeros(10, dtype=np.int32)
    firsts = Counter(int(np.argmin(ranks(words, classes, ("a",), seed=seed, fold=0))) for seed in range(2000))
    # 200 are expected of each, with a standard deviation of 13.4; the draws are fixed, so this cannot flicker.
    assert all(140 < firsts[number] < 260 for number in range(10))


def test_equal_leading_digits_are_settled_by_the_whole_id(build, numbered):
    manifest = build(numbered(cat=6))
    ids = ["0" * 16 + f"{number:048x}" for number in (5, 3, 4, 1, 2, 0)]
    table = manifest.table.set_column(0, "sample_id", pa.chunked_array([ids]))
    plan = plan_subsets(replace(manifest, table=table), shots=[6], fold=0, seed=0)
    assert [ids[int(row)] for row in plan.rows] == sorted(ids)
    assert plan.notes == ()


def test_ranks_that_differ_only_below_the_sorted_bits_are_still_sorted():
    class Known:
        classes = np.array([0, 0, 1, 0], dtype=np.int32)

        @staticmethod
        def sample_id(index: int) -> str:
            return f"{index:064x}"

    place = np.array([0b111, 0b110, 0b001, 0b101], dtype=np.uint64)  # three bits go to the class number
    order, positions, counts = order_classes(Known, place, 5)  # type: ignore[arg-type]
    assert order.tolist() == [3, 1, 0, 2]
    assert positions.tolist() == [0, 1, 2, 0]
    assert counts.tolist() == [3, 1, 0, 0, 0]


SCRIPT = """
import json, random, sys
from dataclasses import replace
from pathlib import Path
import pyarrow as pa
from automl_bench.ablations.plan import plan_subsets
from automl_bench.datasets.manifest import read_manifest
manifest = read_manifest(Path(sys.argv[1]))
rows = list(range(manifest.table.num_rows))
random.Random(sys.argv[2]).shuffle(rows)
manifest = replace(manifest, table=manifest.table.take(pa.array(rows)))
subset = plan_subsets(manifest, shots=[20], fold=1, seed=9).subset(20)
ids = manifest.table.column("sample_id")
print(json.dumps([[ids[int(row)].as_py() for row in half] for half in (subset.train_rows, subset.validation_rows)]))
"""


def test_processes_with_other_hash_seeds_and_row_orders_agree(place, numbered):
    labels = {f"class {number} é": 25 for number in range(8)}
    manifest = place(numbered(**labels), numbered("test ", **labels))
    answers = []
    for hash_seed in ("0", "1", "4242"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        command = [sys.executable, "-c", SCRIPT, str(manifest.folder), hash_seed]
        answers.append(json.loads(subprocess.run(command, env=environment, check=True, capture_output=True).stdout))
    subset = plan_subsets(manifest, shots=[20], fold=1, seed=9).subset(20)
    expected = [ids_of(manifest, subset.train_rows), ids_of(manifest, subset.validation_rows)]
    assert answers == [expected] * 3


def test_files_made_in_another_directory_order_give_the_same_subset(place, numbered):
    train = numbered(cat=12, dog=12)
    forward = place(train, name="forward")
    backward = place({label: contents[::-1] for label, contents in reversed(train.items())}, name="backward")
    ids = [
        ids_of(manifest, plan_subsets(manifest, shots=[10], fold=0, seed=0).subset(10).train_rows)
        for manifest in (forward, backward)
    ]
    assert ids[0] == ids[1]
    assert forward.fingerprint == backward.fingerprint
