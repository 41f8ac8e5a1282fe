"""What is ours is found by its name, described with its price, and deleted; what the provider says of itself holds."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import requests
from automl_bench_nyckel import plugin
from automl_bench_nyckel.failures import no_answer, retry_after
from automl_bench_nyckel.prices import hourly_usd, price_table
from nyckel_trial import NyckelTrial

from automl_bench.contract import Deletion, LabelledSample, ManifestEntry, Resource, TrainingSet
from automl_bench.errors import (
    ConnectionLost,
    InvalidSetting,
    PermissionDenied,
    ProviderError,
    RequestRefused,
    RequestTimedOut,
    ServiceUnavailable,
)
from automl_bench.providers.feasibility import obstacles

NAME = "automl-bench-0123456789ab-function"


def test_ours_are_listed_page_by_page_with_what_they_cost(trial: NyckelTrial, training_set: TrainingSet) -> None:
    trial.fake.page_size = 1
    trial.fake.lag = 0.0
    trial.upload(training_set)
    for name in ("somebody-elses", "automl-bench-ffffffffffff-function"):
        trial.fake.create_function({"input": "Image", "output": "Classification", "name": name}, {})
    found = plugin.list_resources(trial.context, "automl-bench-")
    assert [resource.name for resource in found] == [NAME, "automl-bench-ffffffffffff-function"]
    assert [resource.hourly_usd for resource in found] == [hourly_usd(15), 0.0]
    assert found[0].resource_id in found[0].delete_by_hand
    assert "Bearer $TOKEN" in found[0].delete_by_hand


def test_a_list_does_without_the_price_if_the_metrics_do_not_come(
    trial: NyckelTrial, training_set: TrainingSet
) -> None:
    trial.upload(training_set)
    trial.fake.fail("metrics", 500)
    (found,) = plugin.list_resources(trial.context, NAME)
    assert found.hourly_usd is None


def test_a_function_is_deleted_once_and_then_gone(trial: NyckelTrial, training_set: TrainingSet) -> None:
    trial.upload(training_set)
    (found,) = plugin.list_resources(trial.context, NAME)
    assert plugin.delete_resource(trial.context, found) is Deletion.DELETED
    assert trial.fake.names() == []
    assert plugin.delete_resource(trial.context, found) is Deletion.ALREADY_GONE
    assert plugin.delete_resource(trial.context, replace(found, resource_id="", details={})) is Deletion.ALREADY_GONE


def test_a_function_whose_id_never_came_is_deleted_by_its_name(trial: NyckelTrial, training_set: TrainingSet) -> None:
    trial.upload(training_set)
    assert plugin.delete_resource(trial.context, Resource("function", NAME)) is Deletion.DELETED
    assert trial.fake.names() == []


def test_a_404_for_what_was_created_a_moment_ago_is_not_believed(trial: NyckelTrial) -> None:
    trial.fake.lag = 0.4
    made = trial.fake.create_function({"input": "Image", "output": "Classification", "name": NAME}, {})
    young = Resource("function", NAME, made["id"], since=datetime.now(UTC).isoformat())
    assert plugin.delete_resource(trial.context, young) is Deletion.PENDING
    while (state := plugin.delete_resource(trial.context, young)) is Deletion.PENDING:
        pass
    assert state is Deletion.DELETED
    old = replace(young, since=(datetime.now(UTC) - timedelta(minutes=5)).isoformat())
    assert plugin.delete_resource(trial.context, old) is Deletion.ALREADY_GONE


@pytest.mark.parametrize(("status", "expected"), [(403, PermissionDenied), (503, ServiceUnavailable)])
def test_a_deletion_that_fails_is_raised(
    trial: NyckelTrial, training_set: TrainingSet, status: int, expected: type[ProviderError]
) -> None:
    trial.upload(training_set)
    trial.fake.fail("delete_function", status)
    (found,) = plugin.list_resources(trial.context, NAME)
    with pytest.raises(expected):
        plugin.delete_resource(trial.context, found)
    assert trial.fake.count("delete_function") == 1


def test_access_is_checked_without_creating_anything(trial: NyckelTrial) -> None:
    report = plugin.check_access(trial.context)
    assert report.ok
    assert report.notes == ("0 functions",)
    assert trial.fake.client_id not in repr(report)
    assert {entry.operation for entry in trial.fake.recorded} == {"token", "list_functions"}


@pytest.mark.parametrize(
    "url", ["http://www.nyckel.com", "ftp://www.nyckel.com", "https://user:word@www.nyckel.com", ""]
)
def test_an_address_that_would_betray_the_secret_is_refused(trial: NyckelTrial, url: str) -> None:
    trial.settings["server_url"] = url
    with pytest.raises(InvalidSetting, match="not an https address"):
        plugin.check_access(trial.context)
    assert trial.fake.recorded == []


@pytest.mark.parametrize("seconds", ["0", "-1", "often", "nan", "601"])
def test_a_poll_interval_out_of_range_is_refused(trial: NyckelTrial, seconds: str) -> None:
    trial.settings["poll_seconds"] = seconds
    with pytest.raises(InvalidSetting, match="poll_seconds"):
        plugin.check_access(trial.context)


def test_a_service_that_is_not_there_is_a_lost_connection(trial: NyckelTrial) -> None:
    trial.settings["server_url"] = "http://127.0.0.1:9"
    with pytest.raises(ConnectionLost):
        plugin.check_access(trial.context)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (requests.ConnectTimeout(), RequestTimedOut),
        (requests.ReadTimeout(), RequestTimedOut),
        (requests.ConnectionError(), ConnectionLost),
        (requests.exceptions.ChunkedEncodingError(), ConnectionLost),
        (requests.exceptions.ContentDecodingError(), ConnectionLost),
        (requests.exceptions.SSLError(), ConnectionLost),
        (requests.exceptions.InvalidURL(), RequestRefused),
    ],
)
def test_a_request_without_answer_has_its_class(
    error: requests.RequestException, expected: type[ProviderError]
) -> None:
    assert type(no_answer(error, what="list the functions")) is expected


def test_retry_after_may_be_a_date() -> None:
    assert retry_after({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}) == 0.0


def test_prices_are_dated_and_the_unknown_stays_unknown() -> None:
    by_item = {price.item: price for price in price_table()}
    assert by_item["sample_month"].usd == 0.0005
    assert by_item["plan_month_enterprise"].usd is None
    assert all(price.source and price.as_of for price in by_item.values())
    assert tuple(plugin.price()) == price_table()


def test_one_sample_of_a_class_is_infeasible(items: list[LabelledSample]) -> None:
    lonely = TrainingSet("shades", ("dark", "middle"), (items[0], items[1], items[5]), ())
    (found,) = obstacles(plugin.describe_provider(), lonely, [], plugin.DESCRIPTION.modalities.__iter__().__next__())
    assert "at least 2 samples per class" in found


def test_one_class_is_infeasible(items: list[LabelledSample]) -> None:
    alone = TrainingSet("shades", ("dark",), tuple(items[:5]), ())
    (found,) = obstacles(plugin.describe_provider(), alone, [], plugin.DESCRIPTION.modalities.__iter__().__next__())
    assert "at least 2 classes" in found


def test_the_manifest_is_file_and_label(items: list[LabelledSample]) -> None:
    manifest = plugin.export_manifest([ManifestEntry(item.sample, "train") for item in items[:2]])
    assert list(manifest.rows) == [{"file": str(item.sample.path), "label": ""} for item in items[:2]]
    assert manifest.label_at == ("label",)


def test_the_policy_names_every_call(trial: NyckelTrial, training_set: TrainingSet) -> None:
    policy = plugin.describe_provider().policy
    for call in ("POST   /connect/token", "DELETE /v1/functions/{id}", "capture=false", "/v0.9/functions/{id}"):
        assert call in policy
