"""What a trial made is found by its name alone and goes; until then it is billed, afterwards not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from automl_bench_huggingface import plugin, repositories
from automl_bench_huggingface.naming import DATASET, JOB, MODEL
from hub_fake import ORGANIZATION, USER, HubFake, Pace
from hub_jobs import TRAINING_SECONDS
from hub_wire import ApiError
from huggingface_trial import HuggingfaceTrial, squares

from automl_bench.contract import Deletion, Resource
from automl_bench.errors import (
    PermissionDenied,
    RequestRefused,
    ServiceUnavailable,
)

PREFIX = "automl-bench-0123456789ab"


def test_everything_is_found_by_name_and_goes(trial: HuggingfaceTrial) -> None:
    trial.up()
    found = plugin.list_resources(trial.context, "automl-bench")
    assert [(each.kind, each.name) for each in found] == [(each.kind, each.name) for each in trial.ledger.made]
    assert all(each.delete_by_hand.startswith("hf ") for each in found)
    assert [each.hourly_usd for each in found] == [0.0, 0.0, 0.0, 0.134], "the job has ended"
    assert plugin.list_resources(trial.context, f"{PREFIX}-model") == [each for each in found if each.kind == MODEL]
    assert plugin.list_resources(trial.context, "automl-bench-ffffffffffff") == []
    for resource in reversed(found):
        assert trial.delete(resource) in (Deletion.DELETED, Deletion.ALREADY_GONE)
        assert trial.delete(resource) is Deletion.ALREADY_GONE
    assert trial.fake.names() == []
    assert plugin.list_resources(trial.context, "automl-bench") == [], "nor does the job's history count"


def test_a_running_job_is_found_without_its_repositories_and_called_off(hub: HubFake, tmp_path: Path) -> None:
    hub.jobs.training = 60.0
    trial = HuggingfaceTrial(hub, tmp_path, squares(tmp_path / "images"), variant={"flavor": "l4x1"})
    trial.upload()
    plugin.train(trial.context)
    trial.variant = replace(trial.variant, settings={})  # whoever looks for leftovers does not know the variant
    for resource in trial.ledger.made:
        if resource.kind != JOB:
            trial.delete(resource)
    (job,) = plugin.list_resources(trial.context, "automl-bench")
    assert (job.kind, job.name, job.hourly_usd) == (JOB, f"{PREFIX}-train", 0.80)
    assert hub.costing()
    assert trial.delete(replace(job, resource_id="", details={})) is Deletion.DELETED, "by its name alone"
    assert hub.costing() == []


def test_a_job_that_lists_do_not_show_yet_is_called_off_by_its_id(hub: HubFake, tmp_path: Path) -> None:
    hub.jobs.training, hub.jobs.listing = 60.0, 60.0
    trial = HuggingfaceTrial(hub, tmp_path, squares(tmp_path / "images"))
    trial.upload()
    plugin.train(trial.context)
    job = next(each for each in trial.ledger.made if each.kind == JOB)
    assert trial.delete(job) is Deletion.DELETED
    assert hub.costing() == []


def test_an_endpoint_that_may_not_be_deleted_is_paused(trial: HuggingfaceTrial) -> None:
    trial.up()
    trial.fake.fail("delete_endpoint", ApiError(403, "protected"))
    endpoint = trial.ledger.made[-1]
    with pytest.raises(PermissionDenied, match="It is paused, so it is not billed"):
        trial.delete(endpoint)
    assert trial.fake.costing() == []
    trial.fake.fail("delete_endpoint", ApiError(403, "protected"))
    trial.fake.fail("pause_endpoint", ApiError(403, "protected"))
    with pytest.raises(PermissionDenied) as caught:
        trial.delete(endpoint)
    assert "paused" not in str(caught.value)


def test_a_deletion_that_takes_a_while_is_pending(hub: HubFake, tmp_path: Path) -> None:
    hub.endpoints.deleting = 0.3
    trial = HuggingfaceTrial(hub, tmp_path, squares(tmp_path / "images"))
    trial.up()
    endpoint = trial.ledger.made[-1]
    assert plugin.delete_resource(trial.context, endpoint) is Deletion.PENDING
    assert plugin.delete_resource(trial.context, endpoint) is Deletion.PENDING
    assert trial.delete(endpoint) in (Deletion.DELETED, Deletion.ALREADY_GONE)


def test_a_kind_of_another_provider_is_refused(trial: HuggingfaceTrial) -> None:
    with pytest.raises(RequestRefused, match="'bucket' is no kind"):
        plugin.delete_resource(trial.context, Resource("bucket", f"{PREFIX}-x"))
    with pytest.raises(RequestRefused, match="not one of the provider"):
        trial.poll(replace(plugin.upload(trial.context, trial.set), token='{"kind": "import"}'))


def test_an_organization_owns_what_is_made_for_it(hub: HubFake, tmp_path: Path) -> None:
    trial = HuggingfaceTrial(hub, tmp_path, squares(tmp_path / "images"), namespace=ORGANIZATION)
    trial.up()
    assert {repo_id.split("/")[0] for _, repo_id in hub.repositories.all} == {ORGANIZATION}
    assert hub.count("whoami") == 0
    trial.tear_down()
    assert hub.names() == []


def test_the_bill_is_the_time_that_things_ran(tmp_path: Path) -> None:
    with HubFake(Pace(listing=0.0, deleting=0.0)) as hub:
        trial = HuggingfaceTrial(hub, tmp_path, squares(tmp_path / "images"))
        trial.up()
        hub.stop_the_clock_at(1800.0)
        trial.tear_down()
        assert hub.endpoints.usd == pytest.approx(0.134 / 2, rel=0.01)
        assert hub.jobs.billed_seconds == TRAINING_SECONDS
        hub.stop_the_clock_at(3600.0)
        hub.names()
        assert hub.endpoints.usd == pytest.approx(0.134 / 2, rel=0.01), "nothing runs on"


def test_two_repositories_at_a_moment_are_made_one_after_the_other(trial: HuggingfaceTrial) -> None:
    """The service answers a second creation of one owner with a conflict; the SDK by itself would ask without end."""
    busy = ApiError(409, "Cannot create repo: another conflicting operation is in progress")
    trial.fake.fail("create_repo", busy)
    with pytest.raises(ServiceUnavailable, match="another conflicting operation"):
        trial.upload()
    assert trial.fake.count("create_repo") == 1
    trial.upload()
    assert trial.fake.repositories.created == [f"dataset-repo {PREFIX}-dataset"]


def test_a_repository_that_was_made_meanwhile_is_taken(trial: HuggingfaceTrial) -> None:
    trial.fake.repositories.make("dataset", f"{USER}/{PREFIX}-dataset")
    made = repositories.create(trial.account, DATASET, f"{PREFIX}-dataset")
    assert made.resource_id == f"{USER}/{PREFIX}-dataset"
