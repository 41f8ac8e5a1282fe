"""The job: what it is told, how its time and its bill are read, what its failures say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from automl_bench_huggingface import plugin, training_jobs
from automl_bench_huggingface.naming import JOB
from hub_fake import USER, HubFake
from hub_jobs import TRAINING_SECONDS
from hub_wire import ApiError
from huggingface_trial import HuggingfaceTrial, recipe, squares

from automl_bench.contract import OperationState, Stage
from automl_bench.errors import ProviderError

PREFIX = "automl-bench-0123456789ab"


def test_the_job_says_what_to_train_and_hides_the_token(trial: HuggingfaceTrial) -> None:
    trial.upload()
    trial.train()
    (job,) = trial.fake.jobs.all
    assert job.spec["timeoutSeconds"] == 7200, "without it the service ends a job after half an hour"
    assert job.spec["secrets"] == {"HF_TOKEN": trial.fake.token}
    assert trial.fake.token not in json.dumps([job.spec["command"], job.spec["environment"], job.labels])
    assert job.labels == {
        "automl-bench": "trial",
        "name": f"{PREFIX}-train",
        "dataset-revision": trial.results[Stage.UPLOAD]["dataset_revision"],
    }
    told = json.loads(job.spec["environment"]["AUTOML_BENCH_RECIPE"])
    assert (told["seed"], told["gpu"], told["base_model"]) == (7, True, "google/vit-base-patch16-224-in21k")
    assert job.spec["environment"]["HF_ENDPOINT"] == trial.fake.url


def test_on_the_service_itself_the_job_needs_no_address() -> None:
    from automl_bench_huggingface.options import HUB_URL

    assignment = training_jobs.Assignment("u/d", "c" * 40, "u/m", 0, recipe())
    assert "HF_ENDPOINT" not in assignment.environment(HUB_URL)


def test_a_variant_is_what_the_job_is_told(hub: HubFake, tmp_path: Path) -> None:
    variant = {"flavor": "cpu-upgrade", "timeout_minutes": 90, "epochs": 3, "seed": 42, "patience": 5, "batch_size": 8}
    trial = HuggingfaceTrial(hub, tmp_path, squares(tmp_path / "images"), variant=variant)
    trial.upload()
    trial.train()
    (job,) = hub.jobs.all
    told = json.loads(job.spec["environment"]["AUTOML_BENCH_RECIPE"])
    assert (job.spec["flavor"], job.spec["timeoutSeconds"]) == ("cpu-upgrade", 5400)
    assert (told["epochs"], told["seed"], told["patience"], told["batch_size"]) == (3, 42, 5, 8)
    assert told["gpu"] is False


def test_training_time_is_the_scripts_own_and_the_bill_is_the_jobs(trial: HuggingfaceTrial) -> None:
    trial.upload()
    operation = trial.train()
    assert operation.state is OperationState.SUCCEEDED
    assert operation.work_seconds == 1234.5
    assert operation.billable_seconds == TRAINING_SECONDS == trial.fake.jobs.billed_seconds
    assert operation.queue_seconds == 25.0
    assert (
        operation.result["model_revision"]
        == trial.fake.repositories.repo("model", f"{USER}/{PREFIX}-model").commits[-1][0]
    )
    assert trial.ledger.promised == {"dataset-repo": 0.0, "model-repo": 0.0, "training-job": 0.0}


def test_the_ledger_knows_what_a_job_costs_while_it_runs_and_that_it_has_ended(hub: HubFake, tmp_path: Path) -> None:
    hub.jobs.training = 0.2
    trial = HuggingfaceTrial(hub, tmp_path, squares(tmp_path / "images"))
    trial.upload()
    operation = plugin.train(trial.context)
    assert (trial.ledger.promised[JOB], trial.ledger.made[-1].hourly_usd) == (0.40, 0.40)
    trial.wait(operation)
    assert (trial.ledger.promised[JOB], trial.ledger.made[-1].hourly_usd) == (0.0, 0.0)
    assert len([each for each in trial.ledger.made if each.kind == JOB]) == 1


def test_the_time_of_a_failed_job_stays_in_the_ledger(trial: HuggingfaceTrial) -> None:
    """No stage will say what it has cost, so its hours there do."""
    trial.upload()
    trial.fake.jobs.failing = True
    assert trial.train().state is OperationState.FAILED
    assert trial.ledger.made[-1].hourly_usd == 0.40


def test_progress_is_the_scripts_own_words(hub: HubFake, tmp_path: Path) -> None:
    hub.jobs.training = 0.3
    hub.jobs.queueing = 0.1
    trial = HuggingfaceTrial(hub, tmp_path, squares(tmp_path / "images"))
    trial.upload()
    trial.train()
    assert trial.messages[0] == "waiting for hardware"
    assert "epoch 1/10, training loss 0.5" in trial.messages


def test_a_time_out_ends_a_training_and_says_so(hub: HubFake, tmp_path: Path) -> None:
    trial = HuggingfaceTrial(hub, tmp_path, squares(tmp_path / "images"), variant={"timeout_minutes": 30})
    trial.upload()
    operation = trial.train()
    assert (operation.state, operation.message) == (OperationState.FAILED, "the job ended as ERROR: Job timeout")
    assert operation.billable_seconds == 1800


def test_a_failed_training_gives_the_scripts_last_words_and_may_be_begun_anew(trial: HuggingfaceTrial) -> None:
    trial.upload()
    trial.fake.jobs.failing = True
    operation = trial.train()
    assert operation.state is OperationState.FAILED
    assert operation.message.startswith("the job ended as ERROR: RuntimeError: the loss became nan")
    trial.fake.jobs.failing = False
    assert trial.train().state is OperationState.SUCCEEDED
    assert len(trial.fake.jobs.all) == 2


def test_a_job_that_pushed_nothing_is_a_failure(trial: HuggingfaceTrial, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial.fake.jobs.container, "train", lambda spec: None)
    trial.upload()
    operation = trial.train()
    assert (operation.state, operation.message) == (OperationState.FAILED, "the job ended without a model")


def test_a_report_without_a_time_is_no_report(trial: HuggingfaceTrial) -> None:
    trial.upload()
    trial.train()
    repo_id = str(trial.results[Stage.TRAIN]["model"])
    for content in (b"[]", b"{}", b'{"training_seconds": "long"}', b'{"training_seconds": -1}', b"\x00"):
        trial.fake.repositories.put("model", repo_id, {"training.json": content})
        with pytest.raises(ProviderError):
            trial.poll(plugin.train(trial.context))


def test_a_training_goes_on_while_its_log_cannot_be_read(hub: HubFake, tmp_path: Path) -> None:
    hub.jobs.training = 0.3
    hub.fail("job_logs", ApiError(500, "no log"), times=99)
    trial = HuggingfaceTrial(hub, tmp_path, squares(tmp_path / "images"))
    trial.upload()
    assert trial.train().state is OperationState.SUCCEEDED
    assert "starting" in trial.messages


def test_a_job_is_found_again_by_name_and_commit(trial: HuggingfaceTrial) -> None:
    trial.upload()
    trial.train()
    trial.train()
    assert len(trial.fake.jobs.all) == 1
    trial.tear_down()
    # The same trial again: the ended job stays in the service's history and belongs to a commit that is gone.
    trial.upload()
    assert trial.train().state is OperationState.SUCCEEDED
    assert len(trial.fake.jobs.all) == 2


def test_no_money_no_job(trial: HuggingfaceTrial) -> None:
    trial.upload()
    trial.fake.jobs.broke = True
    with pytest.raises(ProviderError, match="balance is not positive. Add a payment method"):
        trial.train()
