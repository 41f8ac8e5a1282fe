"""The null provider: a complete provider whose service takes no time, and the measurement of the measuring itself."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
from call_scripts import make_samples
from typer.testing import CliRunner

from automl_bench.contract import (
    CallInvoker,
    Deletion,
    Endpoint,
    HttpInvoker,
    LabelledSample,
    Modality,
    OperationState,
    Resource,
    Stage,
    TrainingSet,
    TrialContext,
    Variant,
)
from automl_bench.measurement.accuracy_pass import PassLane, PassSettings, run_pass
from automl_bench.providers.discovery import Installed, PluginRegistry
from automl_bench.providers.dispatch import Provider
from automl_bench.simulation import null_plugin
from automl_bench.store.records import Invocation

PATIENCE = 20.0


class PlainRecorder:
    """A ResourceRecorder without a ledger."""

    def __init__(self) -> None:
        self.created: list[Resource] = []

    def ensure(self, kind, *, find, create, name=None, hourly_usd=None):  # type: ignore[no-untyped-def]  # a protocol
        found = find(name or f"automl-bench-{'a' * 12}-{kind}")
        if found is None:
            found = create(name or f"automl-bench-{'a' * 12}-{kind}")
            self.created.append(found)
        return found


def context(folder: Path, variant: str, recorder: PlainRecorder, results: dict[Stage, dict[str, str]]) -> TrialContext:
    return TrialContext(
        variant=Variant("null", variant),
        settings={},
        secrets=lambda name: "",
        cache_dir=folder,
        progress=lambda done, total, unit: None,
        log=lambda line: None,
        trial_id="a" * 12,
        dataset="toy",
        labels=("cat", "dog"),
        shots=5,
        fold=0,
        seed=0,
        modality=Modality.IMAGE,
        results=results,
        resources=recorder,
    )


@pytest.fixture
def provider() -> Provider:
    return Provider(PluginRegistry([Installed("null", "automl-bench", lambda: null_plugin)]), "null")


def training_set() -> TrainingSet:
    [(sample, label)] = make_samples(1)
    return TrainingSet("toy", ("cat", "dog"), (LabelledSample(sample, label),), ())


def through_all_stages(provider: Provider, folder: Path, variant: str) -> tuple[TrialContext, Endpoint, PlainRecorder]:
    recorder = PlainRecorder()
    results: dict[Stage, dict[str, str]] = {}
    here = context(folder, variant, recorder, results)  # type: ignore[arg-type]
    results[Stage.UPLOAD] = dict(provider.upload(here, training_set()).result)
    results[Stage.TRAIN] = dict(provider.train(here).result)
    operation = provider.deploy(here)
    deadline = time.monotonic() + PATIENCE
    while operation.state is OperationState.RUNNING and time.monotonic() < deadline:
        time.sleep(0.02)
        operation = provider.poll(here, operation)
    assert operation.state is OperationState.SUCCEEDED
    result = operation.result
    return here, Endpoint(result["endpoint_id"], result.get("url", ""), result), recorder


def delete(provider: Provider, here: TrialContext, resource: Resource) -> list[Deletion]:
    answers = [provider.delete_resource(here, resource)]
    deadline = time.monotonic() + PATIENCE
    while answers[-1] is Deletion.PENDING and time.monotonic() < deadline:
        time.sleep(0.02)
        answers.append(provider.delete_resource(here, resource))
    return answers


def test_in_process_it_answers_at_once_and_makes_no_resource(provider: Provider, tmp_path: Path) -> None:
    here, endpoint, recorder = through_all_stages(provider, tmp_path, "in-process")
    invoker = provider.invoke(here, endpoint)
    assert isinstance(invoker, CallInvoker)
    rows: list[Invocation] = []
    [summary] = run_pass([PassLane("t", invoker)], make_samples(200), settings=PassSettings(), record=rows.append)
    assert summary.correct == 200
    assert sorted(row.timing.service_ns for row in rows)[100] < 100_000
    assert recorder.created == []


def test_over_http_its_server_is_a_resource_that_is_found_again_and_deleted(provider: Provider, tmp_path: Path) -> None:
    here, endpoint, recorder = through_all_stages(provider, tmp_path, "http")
    [resource] = recorder.created
    try:
        invoker = provider.invoke(here, endpoint)
        assert isinstance(invoker, HttpInvoker)
        assert invoker.parse
        again = provider.deploy(here)
        assert again.state is OperationState.SUCCEEDED
        assert len(recorder.created) == 1
        listed = provider.list_resources(here, "automl-bench-")
        assert [(one.name, one.resource_id) for one in listed] == [(resource.name, resource.resource_id)]
        assert provider.list_resources(here, "somebody-else") == []
    finally:
        answers = delete(provider, here, resource)
    assert answers[0] is Deletion.PENDING
    assert answers[-1] is Deletion.ALREADY_GONE
    assert provider.list_resources(here, "automl-bench-") == []
    assert delete(provider, here, resource) == [Deletion.ALREADY_GONE]


def test_a_process_that_took_over_the_number_is_left_alone(provider: Provider, tmp_path: Path) -> None:
    here = context(tmp_path, "http", PlainRecorder(), {})  # type: ignore[arg-type]
    stranger = Resource("server", "automl-bench-x-server", resource_id=str(os.getpid()))
    assert provider.delete_resource(here, stranger) is Deletion.ALREADY_GONE


def test_bench_self_prints_a_table_and_keeps_its_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import typer

    from automl_bench.calibration import self_measurement
    from automl_bench.cli.bench_self import bench_self

    monkeypatch.setenv("AUTOML_BENCH_WORKSPACE", str(tmp_path))
    monkeypatch.setattr(self_measurement, "HIGHEST_RATE_SECONDS", 0.7)
    monkeypatch.setattr(self_measurement, "LATENESS_SECONDS", 1.5)
    app = typer.Typer()
    app.command()(bench_self)
    answer = CliRunner().invoke(app, ["--json"])
    assert answer.exit_code == 0, answer.output
    printed = json.loads(answer.stdout)
    assert printed == json.loads((tmp_path / "results" / "self.json").read_text())
    for part in ("one_at_a_time", "ten_in_flight"):
        cell = printed[part]["overhead_ms"]["p50"]
        assert 0 < cell["low"] <= cell["value"] <= cell["high"] < 20
        assert cell["n"] >= 399
    assert printed["in_process"]["overhead_us"]["p50"]["value"] < 100
    assert printed["highest_rate"]["per_second"]["value"] > 1000
    assert printed["lateness"]["late_ms"]["n"] > 300
    assert printed["machine"]["cores"] == os.cpu_count()
    assert len(self_measurement.table_rows(printed)) == 5


def test_bench_self_in_a_folder_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    from automl_bench.cli.bench_self import _keep
    from automl_bench.errors import WorkspaceError

    blocked = tmp_path / "results"
    blocked.write_text("a file where the folder should be")
    with pytest.raises(WorkspaceError, match=r"cannot write .*self\.json"):
        _keep(blocked / "self.json", {})
