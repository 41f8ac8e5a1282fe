"""A resource is taken for gone neither while it may still come up nor from another place."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from automl_bench.contract import Resource
from automl_bench.errors import RequestRefused
from automl_bench.toolkit.certainty import is_young, require_same_scope


def made(since: str) -> Resource:
    return Resource("endpoint", "automl-bench-3fa94c-0123456789ab-endpoint", since=since)


@pytest.mark.parametrize(
    ("seconds_ago", "young"),
    [(0.0, True), (90.0, False), (-20.0, True), (-3 * 86_400.0, False)],  # the service's clock may be ahead of ours
)
def test_what_was_just_made_may_not_show_yet(seconds_ago: float, young: bool) -> None:
    moment = datetime.now(UTC) - timedelta(seconds=seconds_ago)
    assert is_young(made(moment.isoformat()), 60.0) is young
    assert is_young(made(moment.replace(tzinfo=None).isoformat()), 60.0) is young


@pytest.mark.parametrize("since", ["", "yesterday"])
def test_without_a_time_nothing_is_young(since: str) -> None:
    assert not is_young(made(since), 60.0)


def test_another_scope_is_refused_and_named() -> None:
    resource = Resource("endpoint", "name", scope={"region": "eu-west-1", "account": "1"})
    require_same_scope(resource, {"region": "eu-west-1", "account": "1", "host": "h"})
    with pytest.raises(RequestRefused, match="region eu-west-1, and the settings lead to us-east-1") as refused:
        require_same_scope(resource, {"region": "us-east-1", "account": "1"})
    assert refused.value.remedy == "Set the region to eu-west-1 and run the same command again."


def test_a_resource_recorded_before_scopes_were_is_held_to_what_its_id_says() -> None:
    old = Resource("endpoint", "name")
    require_same_scope(old, {"region": "us-east-1"})
    with pytest.raises(RequestRefused):
        require_same_scope(old, {"region": "us-east-1"}, known={"region": "eu-west-1"})
