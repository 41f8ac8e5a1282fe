"""From upload to teardown, hook by hook: what is asked of Azure, what is made, what it costs."""

from __future__ import annotations

from pathlib import Path

from automl_bench_azure import plugin
from azure_service import AzureService
from azure_trial import AzureTrial

from automl_bench.contract import OperationState


def test_a_whole_trial(azure: AzureService, tmp_path: Path) -> None:
    trial = AzureTrial(tmp_path)
    report = plugin.check_access(trial.context)
    assert report.ok
    done = trial.up()
    assert done.state is OperationState.SUCCEEDED
    assert azure.billing()
    trial.tear_down()
    assert azure.resources() == []
    assert azure.blob_names() == []
