"""Not knowing is not failing: every fault at every stage, with whole commands against the simulated cloud.

What holds in every cell: nothing healthy is cancelled, nothing paid is bought twice (counted at the service), nothing
that is billed by the hour stays unnamed, exit code and sentence are right, and the same command finishes afterwards.
Time is compressed (`compressed_time`): half an hour of patience is a second and a half.
"""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest
from money_lab import STAGES, Lab

from automl_bench.errors import ExitCode
from automl_bench.simulation.loopback_service import Fault, Target
from automl_bench.testing.crash import Ended


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path)


BRIEF = {
    "network away": (Fault.RESET, {"spreads": True}),
    "503": (Fault.UNAVAILABLE, {}),
    "429": (Fault.THROTTLED, {}),
    "Retry-After 1 h": (Fault.THROTTLED, {"retry_after": 3600.0}),
    "login expired": (Fault.UNAUTHENTICATED, {}),
}
"""Faults that say nothing of the work."""


def assert_finished(lab: Lab, ended: Ended) -> None:
    """The command ended well, everything was paid once, and nothing is left."""
    assert ended.returncode == ExitCode.OK, ended.stderr
    assert lab.kinds() == [], "left behind"
    assert lab.made("dataset") == lab.made("model") == 1, "paid twice"
    assert lab.trainings_billed() == pytest.approx(1.0)


def assert_nothing_is_unnamed(lab: Lab, ended: Ended) -> None:
    """Whatever is billed by the hour now is named with its price, and the exit code says so."""
    running = [thing for thing in lab.cloud.existing() if thing.kind == "endpoint"]
    for thing in running:
        assert any(thing.name in line and "an hour" in line for line in ended.stderr.splitlines()), ended.stderr
    assert bool(running) == (ended.returncode == ExitCode.RESOURCES_LEFT), (ended.returncode, running, ended.stderr)


WAITED_FOR = [(name, stage) for name in BRIEF for stage in STAGES if (name, stage) != ("login expired", "teardown")]
"""All but one: a deletion does not wait for a login, as the user is to hear at once what goes on costing."""


@pytest.mark.parametrize(("name", "stage"), WAITED_FOR)
def test_a_fault_that_passes_is_waited_for(lab: Lab, name: str, stage: str) -> None:
    fault, how = BRIEF[name]
    lab.strike(fault, stage, 1 if name == "Retry-After 1 h" else 12, **how)
    ended = lab.run()
    assert_finished(lab, ended)
    assert lab.made("endpoint") == 1
    assert not lab.cloud.is_told(), "the fault never struck"
    assert "Trying again for up to" in ended.stderr, "a wait that got long was not told"


LONG_END = {
    "upload": (ExitCode.UNFINISHED, "upload of simulated:quick tiny 5-shot fold 0 could not be begun", []),
    "train": (ExitCode.UNFINISHED, "the provider could not be asked until the deadline", ["dataset", "model"]),
    "deploy": (ExitCode.UNFINISHED, "the provider could not be asked until the deadline", ["dataset", "model"]),
    "invoke": (ExitCode.UNFINISHED, "the provider could not be asked until the deadline", ["dataset", "model"]),
    "load": (ExitCode.UNFINISHED, "the provider could not be asked until the deadline", ["dataset", "model"]),
    "teardown": (ExitCode.RESOURCES_LEFT, "may still exist and cost money", ["dataset", "endpoint", "model"]),
}


@pytest.mark.simulation
@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("name", BRIEF)
def test_a_fault_that_lasts_leaves_the_work_as_it_is(lab: Lab, name: str, stage: str) -> None:
    fault, how = BRIEF[name]
    lab.strike(fault, stage, None, **how)
    first = lab.run()
    code, words, kinds = LONG_END[stage]
    away = name == "network away" and stage not in ("upload", "train")
    if away:  # then the endpoint cannot be deleted either
        code, kinds = ExitCode.RESOURCES_LEFT, ["dataset", "endpoint", "model"]
    if stage != "upload":
        assert lab.kinds() == kinds, first.stderr
    assert first.returncode == code, first.stderr
    assert words in first.stderr
    assert "Traceback" not in first.stderr
    assert_nothing_is_unnamed(lab, first)
    lab.cloud.heal()
    assert_finished(lab, lab.run())


@pytest.mark.parametrize("stage", STAGES)
def test_a_refusal_fails_the_trial_and_what_was_paid_for_stays(lab: Lab, stage: str) -> None:
    lab.strike(Fault.FORBIDDEN, stage, 1 if stage == "teardown" else None)
    if stage in ("train", "deploy"):  # there a refusal is one of the request that begins
        lab.cloud.heal()
        lab.cloud.tell(Fault.QUOTA, Target.CONTROL, None, at=stage)
    first = lab.run()
    if stage == "teardown":  # refused once: the sweep at the end of the same run deletes it
        assert_finished(lab, first)
        return
    assert first.returncode == ExitCode.PROVIDER, first.stderr
    assert "--retry-failed" in first.stderr
    assert_nothing_is_unnamed(lab, first)
    kept = {"upload": [], "train": ["dataset"]}.get(stage, ["dataset", "model"])
    assert lab.kinds() == kept
    shown = json.loads(lab("resources", "--json").stdout)
    assert sorted(row["kind"] for row in shown) == kept
    lab.cloud.heal()
    assert lab.run().returncode == ExitCode.PROVIDER, "it is tried again only when asked"
    assert lab.kinds() == kept
    assert_finished(lab, lab.run("--retry-failed"))


@pytest.mark.parametrize(("stage", "fault"), [("train", Fault.TRAINING_FAILS), ("deploy", Fault.DEPLOYMENT_FAILS)])
def test_what_failed_once_is_made_anew(lab: Lab, stage: str, fault: Fault) -> None:
    lab.cloud.tell(fault, Target.CONTROL, 1)
    first = lab.run()
    assert first.returncode == ExitCode.PROVIDER, first.stderr
    assert lab.kinds() == (["dataset"] if stage == "train" else ["dataset", "model"])
    again = lab.run("--retry-failed")
    assert again.returncode == ExitCode.OK, again.stderr
    assert lab.made("dataset") == 1
    assert lab.made("model") == (2 if stage == "train" else 1)
    assert lab.kinds() == []


@pytest.mark.parametrize("stage", STAGES)
def test_a_stale_look_is_not_believed(lab: Lab, stage: str) -> None:
    if stage == "upload":
        lab.cloud.tell(Fault.LOST_ANSWER, Target.CONTROL, 1)  # it exists, and the list does not show it yet
    else:
        lab.strike(Fault.NOT_FOUND, stage, 5)
    assert_finished(lab, lab.run())
    assert lab.made("endpoint") == 1
    assert not lab.cloud.is_told(), "the fault never struck"


def test_a_run_after_one_that_left_something_deletes_it_and_says_so(lab: Lab) -> None:
    lab.strike(Fault.FORBIDDEN, "teardown", None)
    first = lab.run()
    assert first.returncode == ExitCode.RESOURCES_LEFT
    again = lab.run()
    assert again.returncode == ExitCode.RESOURCES_LEFT, "never 0 while something with a price is there"
    assert "deleting 3 resources that should be gone" in again.stderr
    lab.cloud.heal()
    last = lab.run()
    assert "deleting 3 resources that should be gone" in last.stderr
    assert_finished(lab, last)


def test_a_retention_that_is_over_ends_with_the_next_command(lab: Lab) -> None:
    lab.cloud.tell(Fault.QUOTA, Target.CONTROL, None, at="deploy")
    assert lab.run("--keep-trained-hours", "0.0000001").returncode == ExitCode.PROVIDER
    lab("resources")
    assert lab.kinds() == []
    lab.cloud.heal()
    assert lab.run("--retry-failed", "--keep-trained-hours", "0").returncode == ExitCode.OK


@pytest.mark.parametrize("kinds", [("model",), ("dataset", "model")])
def test_what_somebody_deleted_is_made_anew_by_the_same_command(lab: Lab, kinds: tuple[str, ...]) -> None:
    lab.cloud.tell(Fault.QUOTA, Target.CONTROL, None, at="deploy")
    assert lab.run().returncode == ExitCode.PROVIDER
    with sqlite3.connect(lab.cloud.path) as console:
        console.executemany("DELETE FROM things WHERE kind = ?", [(kind,) for kind in kinds])
    console.close()
    lab.cloud.heal()
    again = lab.run("--retry-failed")
    assert again.returncode == ExitCode.OK, again.stderr
    assert "what an earlier command made is gone; making it anew" in again.stderr
    assert lab.kinds() == []
    assert lab.made("model") == 2


def test_teardown_all_does_not_wait_for_a_retention(lab: Lab) -> None:
    lab.cloud.tell(Fault.QUOTA, Target.CONTROL, None, at="deploy")
    lab.run()
    assert lab.kinds() == ["dataset", "model"]
    assert lab("teardown", "--all").returncode == ExitCode.OK
    assert lab.kinds() == []
