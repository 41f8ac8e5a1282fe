"""A results file with two datasets, three variants, three folds, load runs, a failure, written through the store."""

import hashlib
import random
from pathlib import Path

import pytest

from automl_bench.contract import ReportSection, Stage
from automl_bench.report.build import build_report
from automl_bench.report.decision import Decision, decision_of
from automl_bench.store import Store, open_store
from automl_bench.store.records import (
    CallPhase,
    CallTiming,
    ExperimentRecord,
    Invocation,
    LoadRun,
    Outcome,
    StageRecord,
    StageStatus,
    TrialRecord,
    TrialStatus,
)

SHOTS = (5, 20, None)
SKILL = {"auto": 1.6, "svc": 0.6, "knn <b>": 0.5}
WAIT_MS = {"auto": 9.0, "svc": 2.0, "knn <b>": 5.0}
CLASSES = ("cat", "dog", "<script>alert(1)</script>", "fox")


def sample_id(dataset: str, number: int) -> str:
    return hashlib.sha256(f"{dataset} {number}".encode()).hexdigest()


def write_trial(
    store: Store,
    *,
    variant: str,
    dataset: str = "pets",
    shots: int | None = 5,
    fold: int = 0,
    repeat: int = 0,
    samples: int = 320,
    skill: float = 1.0,
    wait_ms: float = 5.0,
    provider: str = "local",
    status: TrialStatus = TrialStatus.DONE,
    failing: int = 0,
    abstaining: int = 0,
    invoke: StageStatus = StageStatus.DONE,
    train_seconds: float = 3.0,
    settings: dict[str, object] | None = None,
    images: dict[str, object] | None = None,
    deviations: tuple[str, ...] = (),
) -> str:
    """Store one whole trial and return its id."""
    chance = random.Random(f"{provider} {variant} {dataset} {shots} {fold} {repeat}")
    trial_id = hashlib.sha256(f"{provider}{variant}{dataset}{shots}{fold}{repeat}{settings}".encode()).hexdigest()[:12]
    trial = TrialRecord(
        trial_id,
        provider,
        variant,
        dataset,
        "f" * 64,
        shots,
        fold=fold,
        repeat=repeat,
        variant_settings=settings or {},
        images=images or {},
    )
    store.save_trial(trial)
    for stage, seconds, result in (
        (Stage.UPLOAD, 0.2, {"train_samples": 640 if shots is None else 4 * shots, "deviations": list(deviations)}),
        (Stage.TRAIN, train_seconds, {}),
        (Stage.DEPLOY, 0.8, {"endpoint_id": "e"}),
    ):
        work = seconds if stage is Stage.TRAIN and provider == "local" else None
        store.finish_stage(
            StageRecord(trial_id, stage, StageStatus.DONE, result=result, wall_seconds=seconds + 0.1, work_seconds=work)
        )
    clock = 1_000_000_000
    calls = []
    for number in range(-1, samples):
        difficulty = random.Random(f"{dataset} {number}").gauss(0, 1)
        label = CLASSES[number % len(CLASSES)]
        right = chance.gauss(skill, 0.5) > difficulty
        wrong = CLASSES[(number + 1) % len(CLASSES)]
        predicted: str | None = label if right else wrong
        outcome = Outcome.OK
        if 0 <= number < failing:
            predicted, outcome = None, Outcome.FAILED
        elif failing <= number < failing + abstaining:
            predicted = None
        wait = int(1e6 * wait_ms * chance.lognormvariate(0, 0.3))
        send, receive = 120_000, 60_000
        timing = CallTiming(
            clock,
            clock + send + wait + receive,
            lookup_ns=0,
            connect_ns=0,
            tls_ns=0,
            send_ns=send,
            wait_ns=wait,
            receive_ns=receive,
            new_connection=number == -1,
        )
        clock = timing.received_ns + 200_000
        calls.append(
            Invocation(
                trial_id,
                sample_id(dataset, max(number, 0)),
                label,
                predicted,
                0.9,
                outcome,
                timing,
                phase=CallPhase.COLD if number < 0 else CallPhase.MEASURED,
                at=f"2026-01-01T00:00:{clock / 1e9:09.6f}+00:00",
            )
        )
    store.add_invocations(calls)
    store.finish_stage(StageRecord(trial_id, Stage.INVOKE, invoke, wall_seconds=clock / 1e9))
    store.set_trial_status(trial_id, status, "" if status is TrialStatus.DONE else "the endpoint went away.")
    return trial_id


def load_summary(
    rate: float, wait_ms: float, *, errors: int = 0, settings_rate: float | None = None
) -> dict[str, object]:
    """A summary as the room `measurement` writes it."""
    cell = {"value": wait_ms, "low": wait_ms * 0.97, "high": wait_ms * 1.03, "n": 1000}
    tail = {"value": wait_ms * 2.4, "low": wait_ms * 2.1, "high": wait_ms * 3.0, "n": 1000}
    quantiles = {"p50": cell, "p90": tail, "p95": tail, "p99": tail, "p99.9": {"needs": 2995, "n": 1000}}
    return {
        "n": 1000,
        "outcomes": {"ok": 1000 - errors, "throttled": errors, "timeout": 0, "refused": 0, "failed": 0},
        "throughput": {"value": rate, "low": rate * 0.96, "high": rate * 1.04},
        "service_ms": quantiles,
        "response_ms": quantiles,
        "rate": settings_rate,
    }


def write_load_run(
    store: Store,
    trial_id: str,
    *,
    name: str,
    loop: str = "closed",
    rate: float = 200.0,
    wait_ms: float = 5.0,
    complete: bool = True,
    reasons: tuple[str, ...] = (),
    settings: dict[str, object] | None = None,
    summary: dict[str, object] | None = None,
) -> None:
    run = LoadRun(
        name,
        trial_id,
        loop,
        settings or {"calls": 1000, "concurrency": 10},
        complete=complete,
        valid=not reasons if complete else None,
        reasons=reasons,
        summary=(load_summary(rate, wait_ms) if summary is None else summary) if complete else {},
    )
    store.begin_load_run(run)
    store.finish_load_run(run)


def timeline(seconds: float = 5.0, wait_ms: float = 5.0) -> list[dict[str, object]]:
    chance = random.Random(wait_ms)
    return [
        {
            "second": seconds * place / 50,
            "answered": 20,
            "errors": int(place == 30),
            "median_ms": wait_ms * chance.lognormvariate(0, 0.05),
            "slowest_ms": wait_ms * (12 if place == 30 else chance.uniform(1.8, 2.6)),
        }
        for place in range(50)
    ]


def sweep_summary(wait_ms: float, top: float) -> dict[str, object]:
    """A sweep's summary as the room `measurement` writes it: the last step is past the knee."""
    steps = []
    for place in range(8):
        rate = top / 1.6 ** (7 - place)
        late = wait_ms * (1 + 6 * (place == 7) + 0.3 * (place == 6))
        steps.append(
            {**load_summary(rate, late), "rate": rate, "knee": "queueing at the service" if place == 7 else None}
        )
    evidence = f"p95 rose from {wait_ms:.3g} ms to {7 * wait_ms:.3g} ms at {top:.3g}/s."
    knee = {"cause": "queueing at the service", "evidence": evidence, "last_good_rate": top / 1.6, "stopped_at": top}
    return {"steps": steps, "knee": knee, "n": 8000}


@pytest.fixture
def store(tmp_path: Path):
    """An empty results file."""
    with open_store(tmp_path / "results" / "automl-bench.sqlite") as opened:
        yield opened


@pytest.fixture
def make_trial(store: Store):
    """Write one trial to the results file; keyword arguments as of `write_trial`."""
    return lambda **arguments: write_trial(store, **arguments)


@pytest.fixture
def comparison(store: Store) -> Store:
    """Three variants on two datasets at three shots and three folds, one failed trial, load runs of each variant."""
    fill_comparison(store)
    return store


@pytest.fixture(scope="session")
def report_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of `comparison`, built once, with an observer's section that tries to run a script."""
    out = tmp_path_factory.mktemp("reports") / "demo"
    html = '<p id="seen">It was <strong>cheap</strong>.</p><script>window.ran = true</script>'
    with open_store(out.parent / "automl-bench.sqlite") as opened:
        fill_comparison(opened)
        build_report(opened, experiment="demo", out_dir=out, sections=[ReportSection("Costs <i>", html)])
    return out


@pytest.fixture(scope="session")
def decision(tmp_path_factory: pytest.TempPathFactory) -> Decision:
    """The decision card of `comparison`."""
    with open_store(tmp_path_factory.mktemp("decision") / "automl-bench.sqlite") as opened:
        fill_comparison(opened)
        return decision_of(opened, "demo")


def fill_comparison(store: Store) -> None:
    ids = []
    for dataset in ("pets", "beans & <i>co</i>"):
        for variant, skill in SKILL.items():
            for place, shots in enumerate(SHOTS):
                for fold in range(3):
                    broken = (variant, dataset, shots, fold) == ("svc", "pets", 20, 2)
                    ids.append(
                        write_trial(
                            store,
                            variant=variant,
                            dataset=dataset,
                            shots=shots,
                            fold=fold,
                            skill=skill + 0.35 * place - 0.5,
                            wait_ms=WAIT_MS[variant],
                            status=TrialStatus.FAILED if broken else TrialStatus.DONE,
                            invoke=StageStatus.FAILED if broken else StageStatus.DONE,
                            failing=3 if variant == "svc" else 0,
                            train_seconds=(2.0 + fold) * (1 + place),
                            deviations=("Images under 64 px were enlarged.",) if variant == "knn <b>" else (),
                        )
                    )
    for place, (variant, wait) in enumerate(WAIT_MS.items()):
        trial_id = ids[place * 9 + 6]
        rate = 10_000 / wait / 5
        reasons = ("The client's CPU was at 93 %.",) if variant == "svc" else ()
        summary = {**load_summary(rate, wait, errors=4), "timeline": timeline(wait_ms=wait)}
        write_load_run(store, trial_id, name=f"{place}a", summary=summary, reasons=reasons)
        write_load_run(store, trial_id, name=f"{place}b", complete=False)
        write_load_run(
            store,
            trial_id,
            name=f"{place}c",
            loop="sweep",
            settings={"sweep_from": 1.0, "sweep_to": rate},
            summary=sweep_summary(wait, rate),
        )
    environment = store.record_environment({"python": "3.11.9", "cpu": "Some <CPU>", "packages": {"numpy": "2.4"}})
    store.save_experiment(ExperimentRecord("demo", {"seed": 7, "shots": [5, 20, "all"]}, tuple(ids), environment))
