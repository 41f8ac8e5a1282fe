"""A list of many pages keeps to the account's rate and comes to its end; a function that failed is not waited for."""

from __future__ import annotations

import time

import pytest
from automl_bench_nyckel import control, functions, plugin
from automl_bench_nyckel.control import Control
from nyckel_fake import NyckelFake
from nyckel_trial import NyckelTrial
from nyckel_wire import Function

from automl_bench.contract import LabelledSample, OperationState, Resource, TrainingSet
from automl_bench.errors import RateLimited, ServiceUnavailable


def make_functions(fake: NyckelFake, count: int) -> None:
    with fake.lock:
        for number in range(count):
            fake.functions[f"{number:04d}"] = Function(
                f"{number:04d}", f"automl-bench-{number:012x}-function", 0.0, 0.0
            )


def test_a_list_of_many_pages_goes_on_where_it_was_broken_off(trial: NyckelTrial, fake: NyckelFake) -> None:
    make_functions(fake, 250)
    fake.page_size = 7  # 36 pages
    names: list[str] = []
    while not names:
        try:
            with Control.of(trial.context) as asked:
                names = [str(function["name"]) for function in functions.listed(asked, "automl-bench")]
        except RateLimited as limited:
            time.sleep(limited.retry_after or 0.0)  # what the host does
    assert names == [f"automl-bench-{number:012x}-function" for number in range(250)]
    assert fake.count("list_functions") == 36, "no page is asked for twice"
    assert fake.count("list_functions", 429) == 0


def test_a_throttle_in_the_middle_of_a_list_loses_no_page(trial: NyckelTrial, fake: NyckelFake) -> None:
    make_functions(fake, 30)
    fake.page_size = 10
    fake.fail("list_functions", 429, after=1)
    with Control.of(trial.context) as asked:
        with pytest.raises(RateLimited):
            functions.listed(asked, "")
        assert len(functions.listed(asked, "")) == 30
        assert fake.count("list_functions", 200) == 3
        assert len(functions.listed(asked, "")) == 30
        assert fake.count("list_functions", 200) == 6, "a list that has ended is read anew"


def test_pages_of_long_ago_are_not_used(trial: NyckelTrial, fake: NyckelFake, monkeypatch: pytest.MonkeyPatch) -> None:
    make_functions(fake, 30)
    fake.page_size = 10
    fake.fail("list_functions", 429, after=1)
    monkeypatch.setattr(control, "KEPT_SECONDS", 0.0)
    with Control.of(trial.context) as asked:
        with pytest.raises(RateLimited):
            functions.listed(asked, "")
        assert len(functions.listed(asked, "")) == 30
    assert fake.count("list_functions", 200) == 4


def test_a_function_that_failed_ends_the_training_at_once_and_is_made_anew(
    trial: NyckelTrial, fake: NyckelFake, training_set: TrainingSet, items: list[LabelledSample]
) -> None:
    trial.upload(training_set)
    fake.training_fails = True
    failed = trial.train()
    assert failed.state is OperationState.FAILED
    assert "state Failed" in failed.message
    spoiled = fake.only().function_id
    fake.heal()
    trial.upload(training_set)
    assert fake.only().function_id != spoiled, "deleted with its samples"
    assert trial.train().state is OperationState.SUCCEEDED
    assert len(fake.only().samples) == len(items)


def test_a_404_that_is_not_the_service_s_own_deletes_nothing(trial: NyckelTrial, fake: NyckelFake) -> None:
    fake.fail("delete_function", 404, body={"page": "not found"})
    resource = Resource("function", "automl-bench-0123456789ab-function", resource_id="function_abc")
    with pytest.raises(ServiceUnavailable) as caught:
        plugin.delete_resource(trial.context, resource)
    assert "check the addresses" in caught.value.remedy
