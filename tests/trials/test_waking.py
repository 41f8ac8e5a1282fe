"""An endpoint is proven awake before it is measured; what says nothing of the model is never scored."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from money_lab import EXPERIMENT, Lab

from automl_bench.contract import CallPhase
from automl_bench.errors import ExitCode
from automl_bench.simulation.loopback_service import Fault, Target
from automl_bench.store import open_store

PASS_ALONE = EXPERIMENT.replace("[parallel]", "[parallel]\nenabled = false")
GROUP = PASS_ALONE.replace('["simulated:quick"]', '["simulated:quick", "simulated:thrifty"]').replace(
    "[deadlines]", "[invoke]\ninterleave = true\n[deadlines]"
)


def test_answers_of_an_endpoint_that_wakes_up_are_not_scored(tmp_path: Path) -> None:
    lab = Lab(tmp_path, PASS_ALONE)
    lab.cloud.tell(Fault.UNAVAILABLE, Target.PREDICTION, 10, at="predict")
    ended = lab.run("--json")
    assert ended.returncode == ExitCode.OK, ended.stderr
    (row,) = json.loads(ended.stdout)["results"]
    assert (row["test_samples"], row["failed"]) == (6, 0)
    assert not lab.cloud.is_told()
    with open_store(lab.workspace.store_path, read_only=True) as store:
        (trial,) = store.trials()
        calls = store.invocations(trial.trial_id)
    assert [call.outcome.value for call in calls if call.phase is CallPhase.COLD] == ["ok"], "the first answer is cold"
    assert sum(call.outcome.value == "failed" for call in calls) == 10, "they are stored, as they may cost"


def test_what_was_asked_while_a_login_had_expired_is_asked_again(tmp_path: Path) -> None:
    lab = Lab(tmp_path, PASS_ALONE)
    lab.cloud.tell(Fault.UNAUTHENTICATED, Target.PREDICTION, 4, at="predict", skip=6)  # proof, warm-up, two samples
    ended = lab.run("--json")
    assert ended.returncode == ExitCode.OK, ended.stderr
    (row,) = json.loads(ended.stdout)["results"]
    assert (row["test_samples"], row["failed"]) == (6, 0)
    assert not lab.cloud.is_told()
    assert lab.made("endpoint") == 1


def test_an_endpoint_that_falls_asleep_in_the_middle_is_asked_again_after_the_pass(tmp_path: Path) -> None:
    lab = Lab(tmp_path, PASS_ALONE.replace("[deadlines]", "[invoke]\nmax_attempts = 2\n[deadlines]"))
    lab.cloud.tell(Fault.UNAVAILABLE, Target.PREDICTION, 4, at="predict", skip=6)  # proof, warm-up, two samples
    ended = lab.run("--json")
    assert ended.returncode == ExitCode.OK, ended.stderr
    (row,) = json.loads(ended.stdout)["results"]
    assert (row["test_samples"], row["failed"]) == (6, 0)
    assert not lab.cloud.is_told()
    with open_store(lab.workspace.store_path, read_only=True) as store:
        (trial,) = store.trials()
        calls = [call for call in store.invocations(trial.trial_id) if call.phase is CallPhase.MEASURED]
    assert sorted(call.attempt for call in calls) == [1] * 6 + [2, 2] + [3, 3], "every attempt is a row"


def test_a_sample_that_never_gets_an_answer_is_asked_once_more_and_scored(tmp_path: Path) -> None:
    lab = Lab(tmp_path, PASS_ALONE.replace("[deadlines]", "[invoke]\nmax_attempts = 2\n[deadlines]"))
    lab.cloud.tell(Fault.SERVER_ERROR, Target.PREDICTION, 2, at="predict", skip=9)  # the last sample
    lab.cloud.tell(Fault.SERVER_ERROR, Target.PREDICTION, 2, at="predict", skip=13)  # proven, warm, and again
    ended = lab.run("--json")
    assert ended.returncode == ExitCode.OK, ended.stderr
    (row,) = json.loads(ended.stdout)["results"]
    assert row["failed"] == 1


@pytest.mark.parametrize("fault", [Fault.FORBIDDEN, Fault.SERVER_ERROR])
def test_one_trial_of_a_group_that_cannot_be_called_ends_alone(tmp_path: Path, fault: Fault) -> None:
    lab = Lab(tmp_path, GROUP)
    lab.cloud.tell(fault, Target.CONTROL, 1, at="invoke")
    ended = lab.run("--json")
    tally = json.loads(ended.stdout)["tally"]
    if fault is Fault.SERVER_ERROR:  # it says nothing of the endpoint
        assert (tally["done"], len(tally["failed"])) == (2, 0), ended.stderr
        return
    assert (tally["done"], len(tally["failed"])) == (1, 1), ended.stderr
    assert "endpoint" not in lab.kinds()
    assert lab.kinds() == ["dataset", "model"], "what the failed one has paid for stays, and nothing else"
    again = lab.run("--retry-failed")
    assert again.returncode == ExitCode.OK, again.stderr
    assert lab.made("model") == 2
    assert lab.kinds() == []
