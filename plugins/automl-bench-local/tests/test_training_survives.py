"""A training is a process of its own: it outlives the command, is found again, and is never begun twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from automl_bench_local import jobs, plugin
from local_trial import LocalTrial, our_processes, wait_until

from automl_bench.contract import Deletion, Operation, OperationState, TrainingSet
from automl_bench.errors import ResourceMissing

MakeTrial = Callable[..., LocalTrial]
Squares = Callable[[int], TrainingSet]

GATED = """
import pathlib, time
from sklearn.dummy import DummyClassifier
class Gated(DummyClassifier):
    '''Says that it fits, and fits once the gate is there.'''
    def fit(self, X, y):
        here = pathlib.Path(__file__).parent
        with (here / 'fits').open('a') as fits:
            fits.write('x')
        while not (here / 'gate').exists():
            time.sleep(0.02)
        return super().fit(X, y)
class Broken(DummyClassifier):
    def fit(self, X, y):
        raise ValueError('there is nothing\\nto learn here')
class Crashing(DummyClassifier):
    def fit(self, X, y):
        import os
        print('out of memory, say', flush=True)
        os._exit(9)
"""


@pytest.fixture
def gated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with classifiers of the user's own, on the path of this process and of those it starts."""
    folder = tmp_path / "own"
    folder.mkdir()
    name = f"own_{os.getpid()}_{tmp_path.name.replace('-', '_')}"
    (folder / f"{name}.py").write_text(GATED)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("PYTHONPATH", str(folder))
    return folder


def own(folder: Path, name: str) -> dict[str, str]:
    (module,) = folder.glob("own_*.py")
    return {"estimator": f"{module.stem}.{name}"}


def started(trial: LocalTrial, training_set: TrainingSet, folder: Path) -> Operation:
    trial.upload(training_set)
    operation = plugin.train(trial.context)
    assert operation.state is OperationState.RUNNING
    wait_until((folder / "fits").exists, within=30)
    return operation


def test_a_training_killed_in_the_middle_is_a_failure_and_train_begins_it_anew(
    trial: MakeTrial, squares: Squares, gated: Path
) -> None:
    slow = trial("slow", own(gated, "Gated"))
    operation = started(slow, squares(5), gated)
    (pid,) = our_processes(slow.folder)
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: plugin.poll(slow.context, operation).state is OperationState.FAILED, within=5)
    failed = plugin.poll(slow.context, operation)
    assert failed.message.startswith("The training process ended early: fitting own_")
    (gated / "gate").touch()
    assert slow.train().state is OperationState.SUCCEEDED
    assert (gated / "fits").read_text() == "xx"


def test_a_running_training_is_found_and_none_is_started_beside_it(
    trial: MakeTrial, squares: Squares, gated: Path
) -> None:
    slow = trial("slow", own(gated, "Gated"))
    first = started(slow, squares(5), gated)
    again = [plugin.train(slow.context) for _ in range(5)]
    assert {operation.token for operation in again} == {first.token}
    assert len(our_processes(slow.folder)) == 1
    (gated / "gate").touch()
    assert slow.wait(again[0]).state is OperationState.SUCCEEDED
    assert (gated / "fits").read_text() == "x"


def test_a_training_outlives_its_command_and_another_process_polls_it(
    trial: MakeTrial, squares: Squares, gated: Path
) -> None:
    slow = trial("slow", own(gated, "Gated"))
    slow.upload(squares(5))
    command = textwrap.dedent(f"""
        import os, sys
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        from pathlib import Path
        from local_trial import LocalTrial
        from automl_bench.contract import Stage
        from automl_bench_local import plugin
        trial = LocalTrial(Path({str(slow.folder)!r}), "slow", {own(gated, "Gated")!r})
        trial.results[Stage.UPLOAD] = {dict(plugin.upload(slow.context, squares(5)).result)!r}
        print(plugin.train(trial.context).token, flush=True)
        os.kill(os.getpid(), 9)
    """)
    done = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL, done.stderr
    token = done.stdout.strip()
    look = plugin.poll(slow.context, Operation(OperationState.RUNNING, token=token))
    assert look.state is OperationState.RUNNING
    (gated / "gate").touch()
    assert slow.wait(look).state is OperationState.SUCCEEDED
    assert (gated / "fits").read_text() == "x"


def test_a_refusal_of_the_estimator_is_one_line_and_the_next_train_tries_again(
    trial: MakeTrial, squares: Squares, gated: Path
) -> None:
    broken = trial("broken", own(gated, "Broken"))
    broken.upload(squares(5))
    for _ in range(2):
        failed = broken.train()
        assert (failed.state, failed.message) == (OperationState.FAILED, "there is nothing to learn here")


def test_a_crash_without_a_word_of_python_is_told_by_the_log(trial: MakeTrial, squares: Squares, gated: Path) -> None:
    crashing = trial("crashing", own(gated, "Crashing"))
    crashing.upload(squares(5))
    failed = crashing.train()
    assert failed.state is OperationState.FAILED
    assert failed.message == "The training process ended early: out of memory, say"


def test_deleting_the_model_ends_its_training(trial: MakeTrial, squares: Squares, gated: Path) -> None:
    slow = trial("slow", own(gated, "Gated"))
    operation = started(slow, squares(5), gated)
    (pid,) = our_processes(slow.folder)
    model = next(
        resource for resource in plugin.list_resources(slow.context, "automl-bench-") if resource.kind == "model"
    )
    assert model.details["pid"] == pid
    assert slow.delete(model) is Deletion.DELETED
    assert our_processes(slow.folder) == []
    assert not psutil.pid_exists(pid)
    with pytest.raises(ResourceMissing, match="no training job"):
        plugin.poll(slow.context, operation)


def test_a_training_is_found_in_the_process_table_when_its_folder_is_gone(
    trial: MakeTrial, squares: Squares, gated: Path
) -> None:
    import shutil

    slow = trial("slow", own(gated, "Gated"))
    started(slow, squares(5), gated)
    shutil.rmtree(slow.folder)
    (model,) = plugin.list_resources(slow.context, "automl-bench-")
    assert model.kind == "model"
    assert slow.delete(model) is Deletion.DELETED
    assert our_processes(slow.folder) == []
    slow.folder.mkdir()


def test_cached_embeddings_do_not_make_a_training_look_faster(trial: MakeTrial, squares: Squares) -> None:
    results = []
    for number in range(2):
        each = trial("logistic-embedding", trial_id=f"{number:012x}")
        results.append(each.until_trained(squares(5)))
    computed, found = results
    assert (computed.result["cached_embeddings"], found.result["cached_embeddings"]) == (0, 10)
    assert found.result["cache_spared_seconds"] > 0
    assert found.work_seconds is not None
    assert found.work_seconds > found.result["cache_spared_seconds"]


def test_a_damaged_embedding_cache_only_costs_its_benefit(trial: MakeTrial, squares: Squares) -> None:
    each = trial("logistic-embedding")
    (each.folder / "embeddings.sqlite").write_bytes(b"this is no database" * 100)
    assert each.until_trained(squares(5)).state is OperationState.SUCCEEDED


def test_one_shot_per_class_trains_with_the_documented_default(trial: MakeTrial, squares: Squares) -> None:
    each = trial("auto")
    result = each.until_trained(squares(1)).result
    assert (result["features"], result["cv_folds"], result["c"]) == ("embedding", 0, 10.0)


def test_an_unreadable_training_image_is_named(trial: MakeTrial, squares: Squares, tmp_path: Path) -> None:
    from local_trial import training_set_of

    bad = tmp_path / "bad.png"
    bad.write_bytes(b"no image")
    files = [(pair.sample.path, pair.label) for pair in squares(5).train]
    each = trial("logistic-pixels")
    failed = each.until_trained(training_set_of([*files, (bad, "a")]))
    assert failed.state is OperationState.FAILED
    assert ".png (a): not a readable image" in failed.message


def test_a_token_of_another_provider_is_refused(trial: MakeTrial) -> None:
    with pytest.raises(ResourceMissing, match="names no operation"):
        plugin.poll(trial().context, Operation(OperationState.RUNNING, token="projects/1/operations/2"))
    assert jobs.TOKEN.endswith(":")
