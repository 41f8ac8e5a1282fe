"""Images go up in parallel, under their content's name, whole, and each once."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from automl_bench_vertex import plugin, shipping
from vertex_service import VertexService
from vertex_trial import VertexTrial

from automl_bench.contract import LabelledSample, Sample, TrainingSet
from automl_bench.errors import PermissionDenied, RequestRefused, ServiceUnavailable
from automl_bench.testing.hook_trial import image_sample


def test_several_uploads_are_under_way_at_once(trial: VertexTrial, vertex: VertexService) -> None:
    vertex.storage.latency = 0.1
    begun = time.monotonic()
    plugin.upload(trial.context, trial.set)
    assert time.monotonic() - begun < 30 * 0.1, "thirty images, a tenth of a second each, in less than their sum"


def test_an_upload_that_was_cut_off_sends_the_rest_only(
    trial: VertexTrial, vertex: VertexService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shipping, "IN_FLIGHT", 1)  # so that nothing is under way when it is cut off
    vertex.storage.fail("POST", 403, reason="forbidden", times=10**6, part=trial.set.train[5].sample.sample_id)
    with pytest.raises(PermissionDenied):
        plugin.upload(trial.context, trial.set)
    arrived = len(vertex.storage.uploads(200))
    assert 0 < arrived < 30
    vertex.storage.heal()
    trial.upload()
    assert len(vertex.storage.uploads(200)) == 30, "none was sent twice"
    assert len(vertex.training_samples()) == 30


def test_what_fails_in_passing_is_sent_again(trial: VertexTrial, vertex: VertexService) -> None:
    vertex.storage.fail("POST", 503, times=3, part="images")
    vertex.storage.fail("POST", 429, reason="rateLimitExceeded", times=3, part="images")
    trial.upload()
    assert len(vertex.storage.uploads(200)) == 30
    assert len(vertex.storage.uploads(503)) == len(vertex.storage.uploads(429)) == 3


def test_an_image_that_arrives_damaged_is_not_taken_for_stored(
    trial: VertexTrial, vertex: VertexService, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, damaged = shipping.media_upload, threading.Event()

    def damage(*arguments: object) -> object:
        request = real(*arguments)  # type: ignore[arg-type]
        if damaged.is_set():
            return request
        damaged.set()
        return type(request)(request.url, headers=request.headers, body=request.body[:-1] + b"!")

    monkeypatch.setattr(shipping, "media_upload", damage)
    ended = trial.upload()
    assert ended.result["data_items"] == 30
    assert len(vertex.storage.uploads(200)) == 31, "the damaged one was sent again"


def test_an_answer_without_a_checksum_is_no_success(trial: VertexTrial, vertex: VertexService) -> None:
    vertex.storage.fail("POST", 200, times=10**6, part="images")
    with pytest.raises(ServiceUnavailable, match="cannot be read"):
        plugin.upload(trial.context, trial.set)


def test_copies_go_up_once_and_are_counted(trial: VertexTrial, vertex: VertexService, tmp_path: Path) -> None:
    first, held = trial.set.train[0], trial.set.validation[0]
    twins = [
        LabelledSample(first.sample, first.label),
        LabelledSample(first.sample, "brick"),
        LabelledSample(held.sample, held.label),
    ]
    trial.set = TrainingSet("squares", trial.set.labels, (*trial.set.train, *twins[:2]), (*trial.set.validation,))
    ended = trial.upload()
    assert (ended.result["images"], ended.result["collapsed"], ended.result["contradicting"]) == (30, 2, 1)
    assert len(vertex.storage.uploads()) == 30
    assert "2 samples have the same content as another one and stay out, 1 of them" in " ".join(trial.lines)


def test_names_that_need_quoting_and_files_that_are_gone(trial: VertexTrial, tmp_path: Path) -> None:
    odd = tmp_path / "ünicode & co.png"
    shutil.copy(trial.set.train[0].sample.path, odd)
    assert image_sample(odd).sample_id == trial.set.train[0].sample.sample_id
    gone = Sample("0" * 64, tmp_path / "gone.png", 1, "image/png")
    trial.set = TrainingSet("squares", trial.set.labels, (LabelledSample(gone, "brick"),), ())
    with pytest.raises(RequestRefused, match="gone.png"):
        plugin.upload(trial.context, trial.set)


def test_large_images_are_sent_fewer_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    path.touch()
    with path.open("r+b") as file:
        file.truncate(30_000_000)
    images = {"large": shipping.Image(path, "", "image/png")}
    assert shipping.in_flight(images) == 4
    small = tmp_path / "small.png"
    small.write_bytes(b"x")
    assert shipping.in_flight({"small": shipping.Image(small, "", "image/png")}) == shipping.IN_FLIGHT


def test_importing_and_describing_the_plugin_loads_no_sdk() -> None:
    code = (
        "import sys\n"
        "from automl_bench_vertex import plugin\n"
        "plugin.describe_provider()\n"
        "heavy = ('google.auth', 'google.api_core', 'google.protobuf', 'google.cloud.storage', "
        "'google.cloud.aiplatform_v1', 'grpc', 'proto', 'requests')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"
