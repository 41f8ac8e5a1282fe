"""Names and tags carry the owner, within every service's limits, and are read back."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl_bench.contract import (
    Owner,
    Resource,
    owner_from_tags,
    owner_of,
    owner_tags,
    parse_name,
    resource_name,
)

WORKSPACES = st.from_regex(r"[0-9a-f]{6}", fullmatch=True)
TRIALS = st.from_regex(r"[0-9a-f]{12}", fullmatch=True)
KINDS = st.from_regex(r"[a-z]+(-[a-z]+)*", fullmatch=True)


def test_a_name_carries_workspace_trial_and_kind() -> None:
    name = resource_name("3fa94c", "0123456789ab", "endpoint")
    assert name == "automl-bench-3fa94c-0123456789ab-endpoint"
    parts = parse_name(name)
    assert parts is not None
    assert (parts.workspace, parts.trial_id, parts.kind) == ("3fa94c", "0123456789ab", "endpoint")


def test_names_of_the_old_form_are_still_read_and_their_workspace_is_unknown() -> None:
    parts = parse_name("automl-bench-0123456789ab-deployed-model")
    assert parts is not None
    assert (parts.workspace, parts.trial_id, parts.kind) == (None, "0123456789ab", "deployed-model")
    assert resource_name(None, "0123456789ab", "deployed-model") == "automl-bench-0123456789ab-deployed-model"


@given(WORKSPACES, TRIALS, KINDS, st.integers(28, 80), st.sampled_from("-_"))
def test_every_name_fits_is_read_back_and_tells_workspaces_and_trials_apart(
    workspace: str, trial: str, kind: str, longest: int, separator: str
) -> None:
    name = resource_name(workspace, trial, kind, max_length=longest, separator=separator)
    assert len(name) <= longest
    parts = parse_name(name, separator)
    assert parts is not None
    assert parts.workspace == workspace
    assert parts.is_of(trial)
    assert kind.startswith(parts.kind.rstrip("-"))
    assert len(parts.trial_id) == min(12, longest - 20)


@pytest.mark.parametrize(
    ("longest", "name"),
    [
        (63, "automl-bench-3fa94c-0123456789ab-endpoint"),
        (36, "automl-bench-3fa94c-0123456789ab-end"),
        (33, "automl-bench-3fa94c-0123456789ab"),
        (32, "automl-bench-3fa94c-0123456789ab"),
        (30, "automl-bench-3fa94c-0123456789"),
        (28, "automl-bench-3fa94c-01234567"),
    ],
)
def test_a_short_limit_drops_the_kind_first_and_then_digits_of_the_trial(longest: int, name: str) -> None:
    assert resource_name("3fa94c", "0123456789ab", "endpoint", max_length=longest) == name


@pytest.mark.parametrize(("workspace", "longest"), [("3fa94c", 27), (None, 24)])
def test_a_limit_that_would_make_trials_alike_is_refused(workspace: str | None, longest: int) -> None:
    with pytest.raises(ValueError, match="cannot carry"):
        resource_name(workspace, "0123456789ab", "endpoint", max_length=longest)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "automl-bench",
        "automl-bench-",
        "automl-bench-unclaimed-images",
        "automl-bench-3fa94c",
        "automl-bench-3fa94c-model",
        "automl-bench-3FA94C-0123456789ab-model",
        "automl-bench-3fa94c-0123456-model",
        "other-3fa94c-0123456789ab-model",
    ],
)
def test_a_name_that_is_none_of_ours_says_nothing(name: str) -> None:
    assert parse_name(name) is None


@given(WORKSPACES, st.text(), st.text())
def test_tags_keep_to_the_strictest_charset_and_are_read_back(workspace: str, user: str, host: str) -> None:
    tags = owner_tags(Owner(workspace, user, host, "2026-11-29T18:20:31+00:00"))
    for key, value in tags.items():
        assert re.fullmatch(r"[a-z][a-z0-9-]{0,62}", key)
        assert re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", value)
    owner = owner_from_tags(tags)
    assert owner is not None
    assert (owner.workspace, owner.since) == (workspace, "2026-11-29T18:20:31+00:00")


def test_people_and_machines_are_recognisable_in_tags() -> None:
    owner = owner_from_tags(owner_tags(Owner("3fa94c", "Jörg.Müller", "Lab_2.example", "")))
    assert owner == Owner("3fa94c", "jorg-muller", "lab-2-example", "")


@pytest.mark.parametrize("tags", [{}, {"automl-bench-workspace": "nobody"}, {"team": "vision"}])
def test_tags_without_a_workspace_name_no_owner(tags: dict[str, str]) -> None:
    assert owner_from_tags(tags) is None


def test_tags_win_over_the_name_and_an_old_name_has_no_known_owner() -> None:
    name = "automl-bench-3fa94c-0123456789ab-model"
    assert owner_of(Resource("model", name)) == Owner("3fa94c")
    tagged = Owner("aaaaaa", "anna", "lab", "")
    assert owner_of(Resource("model", name, owner=tagged)) == tagged
    assert owner_of(Resource("model", "automl-bench-0123456789ab-model")) is None
