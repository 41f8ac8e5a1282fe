"""Every label gets a name that the service takes, no two the same, and comes back from the name alone."""

from __future__ import annotations

import re

import pytest
from automl_bench_vertex import labels
from hypothesis import given
from hypothesis import strategies as st
from vertex_service import spoken

ALLOWED = re.compile(r"^[A-Za-z][A-Za-z0-9_]*$")
TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("cat", "cat"),
        ("Big_Cat2", "Big_Cat2"),
        ("7", "x_7"),
        ("golden retriever", "x_golden_20retriever"),
        ("zz-amber", "x_zz_2damber"),
        ("_under", "x__5funder"),
        ("café", "x_caf_c3_a9"),
        ("x_ray", "x_x_5fray"),
        ("x_", "x_x_5f"),
        ("xray", "xray"),
    ],
)
def test_a_label_is_spelled_as_documented(label: str, name: str) -> None:
    assert labels.to_service(label) == name
    assert labels.from_service(name) == label


@given(TEXT)
def test_any_label_is_allowed_and_comes_back(label: str) -> None:
    name = labels.to_service(label)
    assert ALLOWED.fullmatch(name)
    assert labels.from_service(name) == label
    assert spoken(name) == label, "another reading of the rule agrees"


@given(st.lists(TEXT, unique=True, max_size=20))
def test_no_two_labels_are_spelled_alike(some: list[str]) -> None:
    assert len({labels.to_service(label) for label in some}) == len(some)


@pytest.mark.parametrize("name", ["x_cat!", "x_ff_zz", "x_caf_c3", "daisy", "A label"])
def test_a_name_that_is_not_ours_stays_as_it_is(name: str) -> None:
    assert labels.from_service(name) == name


def test_an_adopted_model_may_know_a_label_as_it_is() -> None:
    known = labels.labels_by_name(["7", "cat"])
    assert known["7"] == known["x_7"] == "7"
    assert known["cat"] == "cat"


def test_our_own_spelling_wins_where_both_could_be_meant() -> None:
    assert labels.labels_by_name(["7", "x_7"])["x_7"] == "7"


def test_the_manifest_s_spelling_answers_for_any_label() -> None:
    spelling = labels.Spelling()
    assert spelling.get("7", "otherwise") == "x_7"
    assert spelling.get("cat", "otherwise") == "cat"
    assert list(spelling.values()) == []
