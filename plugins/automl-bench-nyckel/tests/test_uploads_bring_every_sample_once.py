"""Every sample of both halves arrives once, as it is on disk, under its label; what is there is not sent again."""

from __future__ import annotations

import hashlib
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import nyckel_wire
import pytest
from automl_bench_nyckel import plugin
from automl_bench_nyckel.prices import hourly_usd
from nyckel_fake import NyckelFake
from nyckel_trial import NyckelTrial, make_sample, training_set_of

from automl_bench.contract import LabelledSample, Stage, TrainingSet
from automl_bench.errors import (
    BillingRequired,
    Interrupted,
    PermissionDenied,
    ProviderError,
    RateLimited,
    RequestRefused,
    ServiceUnavailable,
    WorkspaceError,
)


def labels_at(fake: NyckelFake) -> Counter[str]:
    function = fake.only()
    return Counter(function.labels[sample.label_id or ""][0] for sample in function.samples.values())


def test_both_halves_go_up_with_the_very_bytes_of_the_files(trial: NyckelTrial, training_set: TrainingSet) -> None:
    operation = trial.upload(training_set)
    both = [*training_set.train, *training_set.validation]
    sent = {sample.external_id: sample.digest for sample in trial.fake.only().samples.values()}
    assert sent == {item.sample.sample_id: hashlib.sha256(item.sample.path.read_bytes()).hexdigest() for item in both}
    assert labels_at(trial.fake) == {"bright": 5, "dark": 5, "middle": 5}
    assert operation.result["resized"] is False
    assert (operation.result["samples"], operation.result["distinct_samples"]) == (15, 15)
    assert trial.steps[-1] == (15, 15)


def test_the_name_and_the_idle_price_stand_in_the_ledger(trial: NyckelTrial, training_set: TrainingSet) -> None:
    trial.upload(training_set)
    assert trial.fake.names() == ["automl-bench-0123456789ab-function"]
    assert trial.ledger.promised == {"function": hourly_usd(15)}
    assert trial.ledger.promised["function"] == pytest.approx(15 * 0.0005 / 730.5)


def test_the_same_upload_again_sends_nothing(trial: NyckelTrial, training_set: TrainingSet) -> None:
    trial.fake.lag = 0.0
    trial.upload(training_set)
    again = trial.upload(training_set)
    assert trial.ledger.events == ["creating function", "found function"]
    assert trial.fake.count("create_sample") == 15
    assert trial.fake.count("create_label") == 3
    assert trial.fake.count("annotate") == 0
    assert (again.result["found_there"], again.result["distinct_samples"]) == (15, 15)


def test_an_upload_that_was_cut_off_sends_only_what_is_missing(trial: NyckelTrial, training_set: TrainingSet) -> None:
    trial.fake.lag = 0.0
    trial.fake.fail("create_sample", 402, after=6)
    with pytest.raises(BillingRequired):
        trial.upload(training_set)
    arrived = len(trial.fake.only().samples)
    assert 6 <= arrived < 15
    trial.upload(training_set)
    assert trial.fake.count("create_sample", 200) == 15
    assert labels_at(trial.fake) == {"bright": 5, "dark": 5, "middle": 5}


def test_a_larger_nested_training_set_sends_only_what_is_new(trial: NyckelTrial, items: list[LabelledSample]) -> None:
    trial.fake.lag = 0.0
    smaller = [item for item in items if not item.sample.path.stem.endswith(("3", "4"))]
    trial.upload(training_set_of(smaller))
    assert trial.fake.count("create_sample") == 9
    trial.upload(training_set_of(items))
    assert trial.fake.count("create_sample") == 15


def test_a_lost_answer_is_no_second_sample(trial: NyckelTrial, training_set: TrainingSet) -> None:
    trial.fake.fail("create_sample", nyckel_wire.LOSE, times=3, after=2)
    operation = trial.upload(training_set)
    assert len(trial.fake.only().samples) == 15
    assert trial.fake.count("create_sample", 409) == 3
    assert operation.result["distinct_samples"] == 15
    assert operation.result["collapsed"] == 0


def test_a_label_that_differs_is_put_right(trial: NyckelTrial, items: list[LabelledSample]) -> None:
    trial.fake.lag = 0.0
    wrong = [replace(item, label="dark") if number == 14 else item for number, item in enumerate(items)]
    trial.upload(training_set_of(wrong))
    operation = trial.upload(training_set_of(items))
    assert operation.result["relabelled"] == 1
    assert trial.fake.count("annotate") == 1
    assert labels_at(trial.fake) == {"bright": 5, "dark": 5, "middle": 5}


def test_a_409_for_another_external_id_is_checked_and_put_right(
    trial: NyckelTrial, items: list[LabelledSample]
) -> None:
    trial.upload(training_set_of(items))
    for sample in trial.fake.only().samples.values():
        sample.external_id = ""  # as if somebody had sent them by hand
    relabelled = [replace(item, label="dark") if number == 14 else item for number, item in enumerate(items)]
    operation = trial.upload(training_set_of(relabelled))
    assert trial.fake.count("create_sample", 409) == 15
    assert operation.result["relabelled"] == 1
    assert labels_at(trial.fake) == {"bright": 4, "dark": 6, "middle": 5}


def test_equal_images_collapse_and_the_first_label_stays(
    trial: NyckelTrial, items: list[LabelledSample], tmp_path: Path
) -> None:
    # The same content under the same id, once with its own and once with another label.
    twice = [*items, items[0], replace(items[1], label="bright")]
    # The same content under another id, as when the host has re-encoded two images to one.
    copy = tmp_path / "copy.png"
    shutil.copyfile(items[14].sample.path, copy)
    twice.append(LabelledSample(replace(items[14].sample, sample_id="f" * 64, path=copy), "bright"))
    operation = trial.upload(training_set_of(twice))
    assert len(trial.fake.only().samples) == 15
    assert operation.result["distinct_samples"] == 15
    assert operation.result["collapsed"] == 3
    assert operation.result["contradicting"] == 1
    assert labels_at(trial.fake) == {"bright": 6, "dark": 4, "middle": 5}, "the first of two labels stays"
    assert "3 of 18 samples have the same content" in trial.lines[-1]


def test_new_labels_are_waited_for_before_a_sample_names_one(trial: NyckelTrial, training_set: TrainingSet) -> None:
    trial.fake.lag = 0.6
    trial.upload(training_set)
    assert trial.fake.count("get_function", 404) >= 1, "the function did not show at first"
    assert trial.fake.count("list_labels", 200) >= 2
    assert trial.fake.count("create_sample", 404) == 0
    assert labels_at(trial.fake) == {"bright": 5, "dark": 5, "middle": 5}


def test_long_lists_are_read_page_by_page(trial: NyckelTrial, training_set: TrainingSet) -> None:
    trial.fake.page_size = 2
    trial.fake.lag = 0.0
    trial.upload(training_set)
    trial.upload(training_set)
    assert trial.fake.count("create_sample") == 15
    assert trial.fake.count("create_label") == 3
    assert trial.fake.count("list_samples") >= 8


def test_the_published_rate_is_kept(trial: NyckelTrial, tmp_path: Path) -> None:
    trial.fake.rate = 25
    trial.fake.latency = 0.06  # as over a short line; without one the control calls alone would fill a second
    folder = tmp_path / "many"
    folder.mkdir()
    many = [
        LabelledSample(make_sample(folder / f"{number}.png", 10 + number, number), "ab"[number % 2])
        for number in range(60)
    ]
    trial.upload(training_set_of(many))
    assert trial.fake.count("create_sample") == 60
    assert trial.fake.bill()["statuses"].get("429", 0) == 0


def test_a_throttle_is_obeyed_once_per_request(trial: NyckelTrial, training_set: TrainingSet) -> None:
    trial.fake.fail("create_sample", 429, times=2, after=3, headers={"Retry-After": "0.2"})
    trial.upload(training_set)
    assert trial.fake.count("create_sample") == 17


@pytest.mark.parametrize(
    ("operation", "what", "expected"),
    [
        ("create_function", 400, RequestRefused),
        ("create_function", 402, BillingRequired),
        ("create_function", 403, PermissionDenied),
        ("create_function", 429, RateLimited),
        ("create_function", 500, ServiceUnavailable),
        ("create_function", nyckel_wire.GARBAGE, ServiceUnavailable),
        ("list_functions", 403, PermissionDenied),
        ("create_label", 402, BillingRequired),
        ("create_label", 400, RequestRefused),
        ("create_sample", 400, RequestRefused),
        ("create_sample", 402, BillingRequired),
        ("create_sample", 403, PermissionDenied),
        ("list_samples", nyckel_wire.GARBAGE, ServiceUnavailable),
    ],
)
def test_a_failure_has_its_class_and_is_not_repeated(
    trial: NyckelTrial, training_set: TrainingSet, operation: str, what: int | str, expected: type[ProviderError]
) -> None:
    trial.fake.fail(operation, what)
    with pytest.raises(ProviderError) as caught:
        trial.upload(training_set)
    assert type(caught.value) is expected
    answered = what if isinstance(what, int) else 200
    assert trial.fake.count(operation, answered) >= 1
    if operation == "create_function":
        assert trial.fake.count(operation) == 1, "a hidden retry"


def test_402_ends_an_upload_before_the_rest_is_sent(trial: NyckelTrial, training_set: TrainingSet) -> None:
    trial.fake.fail("create_sample", 402, times=10**6)
    with pytest.raises(BillingRequired, match="402") as caught:
        trial.upload(training_set)
    assert trial.fake.count("create_sample") < 15
    assert "plan" in caught.value.remedy


def test_more_labels_than_the_plan_has_is_a_billing_error(trial: NyckelTrial, training_set: TrainingSet) -> None:
    trial.fake.max_labels = 2
    with pytest.raises(BillingRequired, match="no more labels"):
        trial.upload(training_set)


def test_a_label_that_exists_after_a_lost_answer_is_success(trial: NyckelTrial, training_set: TrainingSet) -> None:
    trial.fake.fail("create_label", nyckel_wire.LOSE)
    trial.upload(training_set)
    assert len(trial.fake.only().labels) == 3
    assert trial.fake.count("create_label", 409) == 1


def test_server_errors_are_sent_again_and_at_last_raised(trial: NyckelTrial, training_set: TrainingSet) -> None:
    trial.fake.fail("create_sample", 503, times=10**6)
    with pytest.raises(ServiceUnavailable):
        trial.upload(training_set)


def test_an_image_that_is_gone_is_named(trial: NyckelTrial, training_set: TrainingSet) -> None:
    gone = training_set.train[3].sample.path
    gone.unlink()
    with pytest.raises(WorkspaceError, match=gone.name):
        trial.upload(training_set)


def test_a_wish_to_stop_is_heard(trial: NyckelTrial, training_set: TrainingSet) -> None:
    trial.stop.set()
    with pytest.raises(Interrupted):
        trial.upload(training_set)
    assert trial.fake.count("create_sample") == 0


def test_a_function_of_another_kind_under_our_name_is_refused(trial: NyckelTrial, training_set: TrainingSet) -> None:
    body = {"id": "function_x", "name": "f", "input": "Text", "output": "Classification"}
    trial.fake.fail("get_function", 200, body=body)
    with pytest.raises(RequestRefused, match="input 'Text'"):
        trial.upload(training_set)


def test_a_list_that_leads_to_another_host_is_not_followed(trial: NyckelTrial, training_set: TrainingSet) -> None:
    link = '<https://elsewhere.example/v1/functions>; rel="next"'
    trial.fake.fail("list_functions", 200, body=[], headers={"Link": link})
    with pytest.raises(ProviderError, match="another host"):
        trial.upload(training_set)


def test_a_sample_whose_label_cannot_be_told_is_annotated_anew(trial: NyckelTrial, training_set: TrainingSet) -> None:
    trial.fake.lag = 0.0
    trial.upload(training_set)
    for sample in trial.fake.only().samples.values():
        sample.label_id = None
    operation = plugin.upload(trial.context, training_set)
    assert operation.result["relabelled"] == 15
    assert labels_at(trial.fake) == {"bright": 5, "dark": 5, "middle": 5}
    assert Stage.UPLOAD in trial.results
