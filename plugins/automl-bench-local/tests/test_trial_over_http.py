"""A trial of the provider, from upload to teardown, with real processes and real requests."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests
from automl_bench_local import plugin, training_sets
from local_trial import LocalTrial, our_processes, sample_of, training_set_of, wait_until

from automl_bench.contract import (
    Deletion,
    Endpoint,
    HttpInvoker,
    HttpResponse,
    OperationState,
    Prediction,
    Stage,
    TrainingSet,
)
from automl_bench.errors import RateLimited, RequestRefused, ResourceMissing, ServiceUnavailable

MakeTrial = Callable[..., LocalTrial]
Squares = Callable[[int], TrainingSet]


def ask(invoker: Any, path: Path) -> Prediction:
    assert isinstance(invoker, HttpInvoker)
    request = invoker.prepare(sample_of(path))
    answer = requests.post(request.url, data=request.body, headers=dict(request.headers), timeout=30)
    return invoker.parse(HttpResponse(answer.status_code, answer.headers, answer.content))


def invoker_of(trial: LocalTrial) -> Any:
    result = trial.results[Stage.DEPLOY]
    return plugin.invoke(trial.context, Endpoint(result["endpoint_id"], result["url"]))


def test_a_whole_trial_learns_serves_and_leaves_nothing(trial: MakeTrial, squares: Squares) -> None:
    pixels = trial("logistic-pixels")
    uploaded = pixels.upload(squares(5))
    assert (uploaded.state, uploaded.result["samples"]) == (OperationState.SUCCEEDED, 10)
    trained = pixels.train()
    assert trained.state is OperationState.SUCCEEDED, trained.message
    assert trained.work_seconds is not None
    assert trained.queue_seconds is not None
    assert 0 < trained.work_seconds < 60
    assert trained.result["features"] == "pixels"
    deployed = pixels.deploy()
    assert deployed.state is OperationState.SUCCEEDED, deployed.message
    fresh = [pair for pair in squares(20).train if pair not in squares(5).train]
    for pair in fresh:
        prediction = ask(invoker_of(pixels), pair.sample.path)
        assert prediction.label == pair.label
        assert prediction.confidence == pytest.approx(max(prediction.scores.values()))
        assert sum(prediction.scores.values()) == pytest.approx(1)
    listed = plugin.list_resources(pixels.context, "automl-bench-")
    assert [resource.kind for resource in listed] == ["training-set", "model", "server"]
    assert all(resource.hourly_usd == 0.0 and resource.since for resource in listed)
    assert [pixels.delete(resource) for resource in reversed(listed)] == [Deletion.DELETED] * 3
    assert [pixels.delete(resource) for resource in reversed(listed)] == [Deletion.ALREADY_GONE] * 3
    assert our_processes(pixels.folder) == []
    assert list(pixels.folder.iterdir()) == []


def test_every_resource_has_a_ledger_line_before_it_exists(trial: MakeTrial, squares: Squares) -> None:
    pixels = trial("logistic-pixels")
    pixels.until_deployed(squares(5))
    kinds = ("training-set", "model", "server")
    assert pixels.ledger.events == [f"creating {kind}" for kind in kinds]
    assert [each.name for each in pixels.ledger.made] == [f"automl-bench-{pixels.trial_id}-{kind}" for kind in kinds]


def test_a_stage_called_again_finds_what_is_there(trial: MakeTrial, squares: Squares) -> None:
    pixels = trial("logistic-pixels")
    pixels.until_deployed(squares(5))
    first = {stage: dict(result) for stage, result in pixels.results.items()}
    written = (pixels.folder / f"automl-bench-{pixels.trial_id}-model" / "result.json").stat().st_mtime_ns
    pixels.until_deployed(squares(5))
    assert pixels.results == first
    assert (pixels.folder / f"automl-bench-{pixels.trial_id}-model" / "result.json").stat().st_mtime_ns == written
    wait_until(lambda: len(our_processes(pixels.folder)) == 1, within=5)


def test_the_training_set_is_a_copy_and_its_order_does_not_matter(
    trial: MakeTrial, squares: Squares, tmp_path: Path
) -> None:
    whole = squares(5)
    turned = TrainingSet(whole.dataset, whole.labels, whole.train[::-1], whole.validation[::-1])
    lists = []
    for number, given in enumerate((whole, turned)):
        each = trial("logistic-pixels", trial_id=f"{number:012x}")
        folder = Path(str(each.upload(given).result["training_set"]))
        lists.append((folder / training_sets.LIST).read_text())
        assert all(sample.file.stat().st_nlink == 1 for sample in training_sets.read_training_set(folder))
    assert lists[0] == lists[1]
    splits = [row["split"] for row in json.loads(lists[0])["samples"]]
    assert (splits.count("train"), splits.count("validation")) == (8, 2)


@pytest.mark.parametrize("workers", ["0", "2"])
def test_ten_callers_at_once_get_their_own_answers(
    trial: MakeTrial, squares: Squares, model: Path, workers: str
) -> None:
    pixels = trial("logistic-pixels", options={"serving_workers": workers})
    pixels.deployed_with(model)
    invoker = invoker_of(pixels)
    pairs = [*squares(20).train] * 6
    barrier = threading.Barrier(10)

    def caller(number: int) -> list[bool]:
        barrier.wait()
        return [ask(invoker, pair.sample.path).label == pair.label for pair in pairs[number::10]]

    with ThreadPoolExecutor(10) as pool:
        right = [answer for answers in pool.map(caller, range(10)) for answer in answers]
    assert len(right) == len(pairs)
    assert all(right)


def test_the_server_refuses_what_is_no_image_and_goes_on(
    trial: MakeTrial, squares: Squares, model: Path, tmp_path: Path
) -> None:
    pixels = trial("logistic-pixels")
    url = pixels.deployed_with(model)
    bad = tmp_path / "bad.png"
    for content in (b"", b"no image"):
        bad.write_bytes(content)
        with pytest.raises(RequestRefused, match="400: not a readable image"):
            ask(invoker_of(pixels), bad)
    assert requests.get(f"{url}/health", timeout=5).json()["status"] == "ok"
    assert requests.get(f"{url}/predict", timeout=5).status_code == 405
    assert ask(invoker_of(pixels), squares(5).train[0].sample.path).label == squares(5).train[0].label


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (400, b'{"detail":"not an image"}', RequestRefused),
        (413, b'{"detail":"too big"}', RequestRefused),
        (404, b'{"detail":"Not Found"}', ResourceMissing),
        (429, b"slow down", RateLimited),
        (500, b"", ServiceUnavailable),
        (503, b"\xff\xfe", ServiceUnavailable),
        (200, b"<html>", ServiceUnavailable),
        (200, b'{"label":"a"}', ServiceUnavailable),
        (200, b"[]", ServiceUnavailable),
    ],
)
def test_every_other_answer_becomes_the_error_that_fits(status: int, body: bytes, error: type[Exception]) -> None:
    from automl_bench_local.invoking import LocalInvoker

    with pytest.raises(error) as raised:
        LocalInvoker("http://127.0.0.1:1").parse(HttpResponse(status, {"retry-after": "3"}, body))
    if error is RateLimited:
        assert raised.value.retry_after == 3.0  # type: ignore[attr-defined]


def test_an_endpoint_is_adopted_by_address_and_by_name(trial: MakeTrial, squares: Squares, model: Path) -> None:
    pixels = trial("logistic-pixels")
    url = pixels.deployed_with(model)
    pair = squares(5).train[0]
    for given in (url, f"{url}/", f"automl-bench-{pixels.trial_id}-server"):
        invoker = plugin.invoke(pixels.context, Endpoint(given, adopted=True))
        assert ask(invoker, pair.sample.path).label == pair.label
    with pytest.raises(RequestRefused, match="neither the address nor the name"):
        plugin.invoke(pixels.context, Endpoint("my endpoint", adopted=True))
    with pytest.raises(ResourceMissing, match="does not run"):
        plugin.invoke(pixels.context, Endpoint("automl-bench-000000000000-server", adopted=True))


def test_two_trials_at_once_keep_apart(trial: MakeTrial, model: Path) -> None:
    trials = [trial("logistic-pixels", trial_id=f"{number:012x}") for number in (1, 2)]
    with ThreadPoolExecutor(2) as pool:
        urls = list(pool.map(lambda each: each.deployed_with(model), trials))
    assert urls[0] != urls[1]
    trials[0].tear_down()
    assert requests.get(f"{urls[1]}/health", timeout=5).json()["name"] == "automl-bench-000000000002-server"
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{urls[0]}/health", timeout=5)


def test_another_workspace_does_not_see_nor_delete_this_ones_server(
    trial: MakeTrial, model: Path, tmp_path: Path
) -> None:
    here = trial("logistic-pixels")
    url = here.deployed_with(model)
    other = LocalTrial(tmp_path / "other workspace")
    assert plugin.list_resources(other.context, "automl-bench-") == []
    assert [other.delete(resource) for resource in here.ledger.made] == [Deletion.ALREADY_GONE]
    assert requests.get(f"{url}/health", timeout=5).status_code == 200


def test_unicode_and_commas_in_labels_come_back_as_they_are(trial: MakeTrial, squares: Squares) -> None:
    names = {"a": "Säge, groß", "b": "犬 & 'co'"}
    renamed = training_set_of([(pair.sample.path, names[pair.label]) for pair in squares(5).train])
    pixels = trial("logistic-pixels")
    pixels.until_deployed(renamed)
    for pair in renamed.train:
        assert ask(invoker_of(pixels), pair.sample.path).label == pair.label


def test_an_upload_that_meets_a_missing_image_leaves_no_folder(
    trial: MakeTrial, tmp_path: Path, squares: Squares
) -> None:
    from dataclasses import replace

    from automl_bench.errors import ProviderError

    whole = squares(5)
    gone = replace(whole.train[0], sample=replace(whole.train[0].sample, path=tmp_path / "gone.png"))
    pixels = trial("logistic-pixels")
    with pytest.raises(ProviderError, match=r"gone\.png: No such file"):
        pixels.upload(replace(whole, train=(gone, *whole.train[1:])))
    assert list(pixels.folder.iterdir()) == []


def test_drafts_of_killed_commands_are_listed_and_deleted(trial: MakeTrial) -> None:
    pixels = trial("logistic-pixels")
    (pixels.folder / f".automl-bench-{pixels.trial_id}-training-set.1a2b3c4d.new").mkdir()
    (resource,) = plugin.list_resources(pixels.context, "automl-bench-")
    assert (resource.kind, resource.name) == ("training-set", f"automl-bench-{pixels.trial_id}-training-set")
    pixels.delete(resource)
    wait_until(lambda: not list(pixels.folder.iterdir()), within=1)
