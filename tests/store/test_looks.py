"""Looks of `watch` are numbered by trial, come back as they were stored, and go along in a merge."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from answered_trials import answer, right

from automl_bench.store import open_store
from automl_bench.store.looks_table import Look, LookAnswer, LookFinding
from automl_bench.store.merging import merge

ANSWERS = [LookAnswer("a" * 64, "cat", "cat", "m-1"), LookAnswer("b" * 64, "dog", None)]


def test_looks_come_back_and_go_along_in_a_merge(tmp_path: Path) -> None:
    with open_store(tmp_path / "theirs.sqlite") as store:
        answer(store, "svc", right(3, of=4))
        (trial,) = store.trials()
        first = Look(trial.trial_id, "2026-11-30T00:00:00+00:00", LookFinding.REFERENCE, usd=0.5)
        later = replace(
            first, finding=LookFinding.SAME, compared=2, worsened=1, improved=0, p=1.0, level=0.01, reference=1
        )
        assert [store.add_look(one, ANSWERS) for one in (first, later)] == [1, 2]
        kept = [replace(first, number=1, reference=1), replace(later, number=2)]
        assert store.looks(trial.trial_id) == kept
        assert store.look_answers(trial.trial_id, 2) == ANSWERS
        assert [one.right for one in ANSWERS] == [True, False]
    with open_store(tmp_path / "ours.sqlite") as store:
        assert merge(store, tmp_path / "theirs.sqlite", mark="from").added == [trial.trial_id]
        assert store.looks(trial.trial_id) == kept
        assert store.look_answers(trial.trial_id, 1) == ANSWERS
