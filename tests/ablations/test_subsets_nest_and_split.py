"""The invariants of the subsets, on odd datasets."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from automl_bench.ablations.plan import default_shots, plan_subsets
from automl_bench.ablations.shots import DEFAULT_SHOTS, in_order, parse_shots, spell, split_sizes
from automl_bench.errors import NotEnoughShots, UsageError

LABELS = st.one_of(
    st.sampled_from(["cat", "Cat", "CAT", "cat ", " cat", "новый", "日本 語", "a,b", 'q"q', "é", "e\u0301", "ß", "SS"]),
    st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=6),
)
CONTENTS = st.lists(st.integers(0, 60).map(str), min_size=1, max_size=25)
DATASETS = st.dictionaries(LABELS, CONTENTS, min_size=1, max_size=5)

odd_datasets = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def contents_of(manifest, rows):
    return [manifest.table.column("sample_id")[int(row)].as_py() for row in rows]


def labels_at(manifest, rows):
    return [manifest.table.column("label")[int(row)].as_py() for row in rows]


@odd_datasets
@given(train=DATASETS, test=st.dictionaries(LABELS, CONTENTS, max_size=3), seed=st.integers(0, 99), data=st.data())
def test_every_invariant_holds_on_any_dataset(build, train, test, seed, data):
    manifest = build(train, test)
    plan = plan_subsets(manifest, shots=(), fold=0, seed=seed)
    fewest = min(plan.class_sizes.values())
    if fewest == 0:
        with pytest.raises(NotEnoughShots):
            plan.subset(None)
        return
    chosen = data.draw(st.lists(st.integers(1, fewest), max_size=3).map(lambda found: (*in_order(found), None)))
    test_contents = set(
        contents_of(
            manifest, [row for row, split in enumerate(manifest.table.column("split").to_pylist()) if split == "test"]
        )
    )
    smaller_train, smaller_validation = set(), set()
    for size in chosen:
        subset = plan.subset(size)
        learnt, judged = contents_of(manifest, subset.train_rows), contents_of(manifest, subset.validation_rows)
        assert len({*learnt, *judged}) == len(learnt) + len(judged), "a content stands twice"
        assert not test_contents & {*learnt, *judged}
        assert smaller_train <= set(learnt)
        assert smaller_validation <= set(judged)
        in_train, in_validation = labels_at(manifest, subset.train_rows), labels_at(manifest, subset.validation_rows)
        for label in manifest.labels:
            of_class = plan.class_sizes[label] if size is None else size
            assert (in_train.count(label), in_validation.count(label)) == split_sizes(of_class)
        smaller_train, smaller_validation = set(learnt), set(judged)


@pytest.mark.parametrize(("size", "halves"), [(1, (1, 0)), (4, (4, 0)), (5, (4, 1)), (20, (16, 4)), (24, (20, 4))])
def test_four_fifths_are_for_training(build, numbered, size, halves):
    subset = plan_subsets(build(numbered(cat=30)), shots=[size], fold=0, seed=0).subset(size)
    assert (len(subset.train_rows), len(subset.validation_rows)) == halves == split_sizes(size)


def test_one_class_with_one_image_is_a_dataset(build):
    plan = plan_subsets(build({"only": ["one"]}), shots=[1, None], fold=0, seed=0)
    assert [len(subset.train_rows) for subset in plan.subsets()] == [1, 1]
    assert [len(subset.validation_rows) for subset in plan.subsets()] == [0, 0]


def test_a_thousand_classes_each_give_their_share(build):
    train = {f"class {number}": [f"{number}/{sample}" for sample in range(6)] for number in range(1000)}
    subset = plan_subsets(build(train), shots=[5], fold=0, seed=0).subset(5)
    assert (len(subset.train_rows), len(subset.validation_rows)) == (4000, 1000)


def test_names_that_differ_only_in_case_are_different_classes(build, numbered):
    manifest = build(numbered(cat=10, Cat=10, CAT=10))
    subset = plan_subsets(manifest, shots=[10], fold=0, seed=0).subset(10)
    found = labels_at(manifest, subset.train_rows)
    assert {label: found.count(label) for label in set(found)} == {"cat": 8, "Cat": 8, "CAT": 8}


def test_all_takes_everything_of_unequal_classes(build, numbered):
    subset = plan_subsets(build(numbered(cat=7, dog=13)), shots=[None], fold=0, seed=0).subset(None)
    assert len(subset.train_rows) + len(subset.validation_rows) == 20
    assert len(subset.validation_rows) == 7 // 5 + 13 // 5


def test_default_sizes_stop_where_the_smallest_class_ends_and_say_so(build, numbered):
    plan = plan_subsets(build(numbered(cat=100, dog=85)), shots=(), fold=0, seed=0)
    sizes, note = default_shots(plan)
    assert sizes == (5, 20, 80)
    assert "80 shots" in note
    assert "'dog'" in note
    assert "85" in note


def test_default_sizes_are_complete_without_a_note_where_they_fit(build, numbered):
    plan = plan_subsets(build(numbered(cat=1280)), shots=(), fold=0, seed=0)
    assert default_shots(plan) == (DEFAULT_SHOTS, "")


def test_a_class_too_small_for_any_default_leaves_all(build, numbered):
    plan = plan_subsets(build(numbered(cat=100, dog=3)), shots=(), fold=0, seed=0)
    sizes, note = default_shots(plan)
    assert sizes == (None,)
    assert "'dog'" in note


def test_asking_for_more_than_a_class_has_names_the_class_its_size_and_the_way_out(build, numbered):
    manifest = build(numbered(cat=100, dog=12))
    with pytest.raises(NotEnoughShots) as caught:
        plan_subsets(manifest, shots=[5, 20], fold=0, seed=0)
    assert "'dog'" in caught.value.message
    assert "12 distinct training samples" in caught.value.message
    assert "20" in caught.value.message
    assert "at most 12" in caught.value.remedy


def test_a_class_that_only_the_test_set_has_cannot_be_learnt(build, numbered):
    manifest = build(numbered(cat=10), numbered("test ", cat=2, dog=2))
    with pytest.raises(NotEnoughShots, match="'dog'") as caught:
        plan_subsets(manifest, shots=[None], fold=0, seed=0)
    assert "0 distinct training samples" in caught.value.message


@pytest.mark.parametrize(
    ("text", "sizes"),
    [("5", (5,)), ("20, 5,all", (5, 20, None)), ("ALL", (None,)), ("5,5,10", (5, 10))],
)
def test_sizes_are_read_from_the_command_line(text, sizes):
    assert parse_shots(text) == sizes


@pytest.mark.parametrize("text", ["", "0", "-5", "5,,20", "five", "5.5", "5;20", "１２"])
def test_sizes_that_make_no_sense_are_refused(text):
    with pytest.raises(UsageError) as caught:
        parse_shots(text)
    assert "--shots" in caught.value.remedy


@pytest.mark.parametrize("call", [{"shots": [0], "fold": 0}, {"shots": [-1], "fold": 0}, {"shots": [5], "fold": -1}])
def test_sizes_and_folds_out_of_range_are_refused(build, numbered, call):
    with pytest.raises(UsageError):
        plan_subsets(build(numbered(cat=10)), seed=0, **call)


def test_all_is_spelt_all():
    assert [spell(size) for size in (5, None)] == ["5", "all"]
