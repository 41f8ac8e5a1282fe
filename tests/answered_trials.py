"""Finished trials whose answers are given one by one."""

from __future__ import annotations

import hashlib

from automl_bench.contract import Stage
from automl_bench.store.records import (
    CallTiming,
    Invocation,
    Outcome,
    StageRecord,
    StageStatus,
    TrialRecord,
    TrialStatus,
)


def answer(
    store,
    variant,
    told,
    *,
    provider="local",
    dataset="pets",
    shots=20,
    fold=0,
    repeat=0,
    labels=("cat", "dog"),
    content="f",
    at="2026-01-01",
):
    """Store a finished trial whose answers are given: a label, True for a right one, False for a wrong one."""
    name = f"{variant}{dataset}{shots}{fold}{content}{repeat or ''}"
    trial_id = hashlib.sha256(name.encode()).hexdigest()[:12]
    store.save_trial(
        TrialRecord(
            trial_id,
            provider,
            variant,
            dataset,
            content * 64,
            shots,
            fold=fold,
            repeat=repeat,
            created_at=f"{at}T00:00:00+00:00",
        )
    )
    calls = []
    for number, one in enumerate(told):
        truth, wrong = labels[number % len(labels)], labels[(number + 1) % len(labels)]
        predicted = one if isinstance(one, str) else truth if one else wrong
        sample = hashlib.sha256(f"{dataset} {number}".encode()).hexdigest()
        timing = CallTiming(1000 + number, 2_000_000 + number)
        calls.append(Invocation(trial_id, sample, truth, predicted, 0.9, Outcome.OK, timing, at=f"{number:09}"))
    store.add_invocations(calls)
    store.finish_stage(StageRecord(trial_id, Stage.INVOKE, StageStatus.DONE))
    store.set_trial_status(trial_id, TrialStatus.DONE, "")


def right(count, of=100):
    return [True] * count + [False] * (of - count)
