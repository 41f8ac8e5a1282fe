"""One trial: its provider, its context, its stages up to an endpoint."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from automl_bench.border.texts import remember
from automl_bench.contract import (
    Capability,
    Endpoint,
    HttpResponse,
    Json,
    Operation,
    OperationState,
    RequestMaker,
    SendReport,
    Stage,
    TrialContext,
    Variant,
)
from automl_bench.errors import (
    AutomlBenchError,
    DeploymentFailed,
    Infeasible,
    Interrupted,
    OperationUnfinished,
    ProviderError,
    ResourceMissing,
    TrainingFailed,
)
from automl_bench.providers.dispatch import Provider
from automl_bench.providers.host import Observers
from automl_bench.store import Store
from automl_bench.store.records import StageRecord, StageStatus, TrialRecord
from automl_bench.trials.extent import DEADLINES
from automl_bench.trials.ledger import TrialLedger
from automl_bench.trials.machine import Machine, Use
from automl_bench.trials.material import Material, obstacle
from automl_bench.trials.price_records import PRICES, table_as_json
from automl_bench.trials.waiting import first_sentence, patiently, wait_for

log = logging.getLogger(__name__)

BUILDING_STAGES = (Stage.UPLOAD, Stage.TRAIN, Stage.DEPLOY)
"""The stages that leave something at the provider."""

FAILURES = {Stage.UPLOAD: ProviderError, Stage.TRAIN: TrainingFailed, Stage.DEPLOY: DeploymentFailed}


@dataclass(frozen=True)
class BoundProvider:
    """A provider with its settings resolved.

    Attributes:
        provider: The provider.
        settings: Its settings, no secrets.
        secrets: Gives a declared secret's value.
        cache_dir: Its own folder.
        budget: The most dollars that one trial may cost, by item of the price table, in the user's own judgement.
    """

    provider: Provider
    settings: Mapping[str, str]
    secrets: Callable[[str], str] = field(repr=False)
    cache_dir: Path
    budget: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Surroundings:
    """What all trials of one command share.

    Attributes:
        store: The results file.
        machine: The lock over this machine's processors.
        observers: The plugins that listen.
        stop: Set when the user wants to end.
        report: Told (trial, stage, done, total, note) as work goes on.
        deadlines: Longest waits in seconds.
    """

    store: Store
    machine: Machine
    observers: Observers
    stop: threading.Event
    report: Callable[[TrialRecord, Stage, int, int | None, str], None]
    deadlines: Mapping[Stage, float] = field(default_factory=lambda: DEADLINES)


class Trial:
    """A trial at work.

    Args:
        record: What it is.
        bound: Its provider.
        material: Its samples.
        around: What all trials share.
        adopted: Id of an endpoint made by hand, or "".
    """

    def __init__(
        self, record: TrialRecord, bound: BoundProvider, material: Material, around: Surroundings, *, adopted: str = ""
    ) -> None:
        self.record = record
        self.bound = bound
        self.material = material
        self.around = around
        self.adopted = adopted

    @property
    def here(self) -> bool:
        """Whether the provider computes on this machine."""
        return self.bound.provider.description.on_this_machine

    def check_feasible(self) -> None:
        """Hold the provider's limits against the samples.

        Raises:
            Infeasible: Naming the first obstacle and its remedy; no request was sent.
        """
        found = obstacle(self.bound.provider.description, self.material)
        if found:
            raise Infeasible(f"{self.record.label}: {found}", provider=self.record.provider)

    def context(self, stage: Stage) -> TrialContext:
        """Return what the hooks of a stage get."""
        results = {
            record.stage: record.result
            for record in self.around.store.stages(self.record.trial_id)
            if record.status is StageStatus.DONE
        }
        ledger = TrialLedger(
            self.around.store,
            self.record,
            stage,
            name_for=lambda kind: context.name_for(kind),
            settle_seconds=self.bound.provider.description.settle_seconds,
            stop=self.around.stop,
        )
        context = TrialContext(
            variant=Variant(self.record.provider, self.record.variant, self.record.variant_settings),
            settings=self.bound.settings,
            secrets=self.bound.secrets,
            cache_dir=self.bound.cache_dir,
            progress=lambda done, total, unit: self.around.report(self.record, stage, done, total, unit),
            log=lambda line: log.info("%s %s: %s", self.record.label, stage, line),
            hide=remember,
            trial_id=self.record.trial_id,
            dataset=self.record.dataset,
            labels=self.material.training_set.labels,
            shots=self.record.shots,
            fold=self.record.fold,
            seed=self.record.seed,
            modality=self.material.modality,
            results=results,
            resources=ledger,
            send=self.send,
        )
        return context

    def send(
        self,
        requests: Iterable[tuple[Any, RequestMaker]],
        *,
        in_flight: int = 32,
        requests_per_second: float | None = None,
        progress: Callable[[int], None] | None = None,
        on_done: Callable[[Any, HttpResponse], None] | None = None,
        judge: Callable[[Any, HttpResponse], None] | None = None,
        attempts: int = 5,
    ) -> SendReport:
        """Send many requests for a plugin. See `automl_bench.contract.BulkSender`."""
        from automl_bench.transport.bulk import RetryPolicy, send_all

        return send_all(
            requests,
            in_flight=in_flight,
            policy=RetryPolicy(attempts=attempts),
            requests_per_second=requests_per_second,
            progress=progress,
            on_done=on_done,
            judge=judge,
            stop=self.around.stop,
        )

    def stages(self) -> list[Stage]:
        """Return the building stages this provider has, in order."""
        if self.adopted:
            return []
        declared = self.bound.provider.description.capabilities
        return [stage for stage in BUILDING_STAGES if Capability(stage.value) in declared]

    def bring_up(self) -> None:
        """Do every building stage that is not done, continuing what an ended process left running."""
        self.bound.cache_dir.mkdir(parents=True, exist_ok=True)
        for stage in self.stages():
            self.build(stage)

    def build(self, stage: Stage) -> StageRecord:
        """Do one building stage, or take it as done.

        A deployment that was done is asked for again: the plugin finds it by name, or puts back one whose fuse has
        blown since.

        Raises:
            ProviderError: If the provider failed or refused.
            OperationUnfinished: If the deadline passed.
            Interrupted: If the user wants to end.
        """
        known = self.around.store.stage(self.record.trial_id, stage)
        if known is not None and known.status is StageStatus.DONE and stage is not Stage.DEPLOY:
            return known
        context = self.context(stage)
        begun = time.monotonic()
        started_at = _now()
        running = known if known is not None and known.status is StageStatus.RUNNING and known.token else None
        if running is None:
            self.around.store.begin_stage(self.record.trial_id, stage)
        else:
            started_at = running.started_at
        self.around.report(self.record, stage, 0, None, "")
        try:
            with self.around.machine.use(Use.COMPUTE if self.here else None):
                operation = self._operate(stage, context, running)
        except (Interrupted, OperationUnfinished):
            raise
        except Exception as error:
            self._finish(
                StageRecord(self.record.trial_id, stage, StageStatus.FAILED, message=first_sentence(error)), begun
            )
            raise
        done = StageRecord(
            trial_id=self.record.trial_id,
            stage=stage,
            status=StageStatus.DONE,
            token=operation.token,
            result={**operation.result, **self._kept_with(stage, context)},
            started_at=started_at,
            queue_seconds=operation.queue_seconds,
            work_seconds=operation.work_seconds,
            billable_seconds=operation.billable_seconds,
            message=operation.message,
        )
        return self._finish(done, begun)

    def _kept_with(self, stage: Stage, context: TrialContext) -> dict[str, Json]:
        """Return what is kept with the first building stage: how many samples were learnt from, and today's prices."""
        if stage is not self.stages()[0]:
            return {}
        drawn = self.material.training_set
        kept: dict[str, Json] = {"train_samples": len(drawn.train) + len(drawn.validation)}
        try:
            table = self.bound.provider.price(context)
        except AutomlBenchError as error:
            log.warning("%s: its prices are not kept: %s", self.record.label, error)
            return kept
        return {**kept, PRICES: table_as_json(table)} if table else kept

    def _operate(self, stage: Stage, context: TrialContext, running: StageRecord | None) -> Operation:
        provider, stop = self.bound.provider, self.around.stop
        what = f"{stage} of {self.record.label}"

        def begin() -> Operation:
            if stage is Stage.UPLOAD:
                return provider.upload(context, self.material.training_set)
            return provider.train(context) if stage is Stage.TRAIN else provider.deploy(context)

        def poll(operation: Operation) -> Operation:
            return provider.poll(context, operation)

        def note(operation: Operation) -> None:
            if operation.state is OperationState.RUNNING and operation.token not in noted:
                self.around.store.save_operation(self.record.trial_id, stage, operation.token)
                noted.add(operation.token)
            self.around.report(self.record, stage, 0, None, operation.message)

        noted: set[str] = set()
        deadline = time.monotonic() + self.around.deadlines.get(stage, DEADLINES[stage])
        operation = None
        if running is not None:
            noted.add(running.token)
            try:
                operation = patiently(
                    lambda: poll(Operation(OperationState.RUNNING, token=running.token)), stop, what=what
                )
            except ResourceMissing:
                log.info("%s: the operation is gone, beginning anew", what)
        if operation is None:
            operation = patiently(begin, stop, what=what)
        ended = wait_for(operation, poll, deadline=deadline, stop=stop, on_look=note, what=what)
        if ended.state is OperationState.FAILED:
            raise FAILURES[stage](f"{what} failed: {ended.message or 'the provider gives no reason'}")
        return ended

    def _finish(self, record: StageRecord, begun: float) -> StageRecord:
        known = self.around.store.stage(self.record.trial_id, record.stage)
        started_at = record.started_at or (known.started_at if known else "") or _now()
        finished_at = _now()
        record = replace(
            record,
            started_at=started_at,
            finished_at=finished_at,
            wall_seconds=max(_seconds_between(started_at, finished_at), time.monotonic() - begun),
        )
        self.around.store.finish_stage(record)
        self.around.observers.tell("stage_finished", trial=self.record, stage=record)
        return record

    def finish_measuring(self, stage: Stage, begun: float, result: Mapping[str, Json], error: str = "") -> None:
        """Store the end of a measuring stage."""
        status = StageStatus.FAILED if error else StageStatus.DONE
        self._finish(StageRecord(self.record.trial_id, stage, status, result=dict(result), message=error), begun)

    def endpoint(self) -> Endpoint:
        """Return where predictions are asked for."""
        if self.adopted:
            url = self.adopted if "://" in self.adopted else ""
            return Endpoint(self.adopted, url=url, adopted=True)
        results = self.context(Stage.INVOKE).results
        latest: Mapping[str, Json] = next((results[stage] for stage in reversed(self.stages()) if stage in results), {})
        return Endpoint(str(latest.get("endpoint_id", "")), url=str(latest.get("url", "")), details=latest)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _seconds_between(start: str, end: str) -> float:
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()
