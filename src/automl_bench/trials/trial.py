"""One trial: its provider, its context, its stages up to an endpoint."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from automl_bench.ablations.selection import subset_hash
from automl_bench.border.texts import remember
from automl_bench.contract import (
    Capability,
    Endpoint,
    HttpResponse,
    Json,
    Limits,
    Operation,
    OperationState,
    Owner,
    Price,
    RequestMaker,
    SendReport,
    Stage,
    TrialContext,
    Usage,
    Variant,
    is_old_name,
)
from automl_bench.errors import (
    AutomlBenchError,
    DeploymentFailed,
    Infeasible,
    Interrupted,
    LeaseLost,
    OperationUnfinished,
    OtherScope,
    ProviderError,
    ResourceMissing,
    TrainingFailed,
)
from automl_bench.providers.feasibility import limits_for
from automl_bench.store.elapsed import Instant, clock_stamp, seconds_between
from automl_bench.store.records import StageRecord, StageStatus, TrialRecord
from automl_bench.trials.claims import require_lease
from automl_bench.trials.environment import RAN_IN, SUBSET
from automl_bench.trials.error_meaning import Meaning, Moment, meaning_of
from automl_bench.trials.experiment import Learning, computes_here, learning_of
from automl_bench.trials.ledger import TrialLedger
from automl_bench.trials.machine import Use
from automl_bench.trials.material import Material, obstacle
from automl_bench.trials.price_records import PRICES, TOLD_USD, table_as_json, usd_of_usage
from automl_bench.trials.surroundings import BoundProvider, Surroundings
from automl_bench.trials.waiting import (
    CONTROL_SECONDS,
    LAG_SECONDS,
    Patience,
    first_sentence,
    wait_for,
    work_left,
)

__all__ = ["BUILDING_STAGES", "BoundProvider", "Surroundings", "Trial"]

log = logging.getLogger(__name__)

BUILDING_STAGES = (Stage.UPLOAD, Stage.TRAIN, Stage.DEPLOY)
"""The stages that leave something at the provider."""

FAILURES = {Stage.UPLOAD: ProviderError, Stage.TRAIN: TrainingFailed, Stage.DEPLOY: DeploymentFailed}


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
        self.admitted = False
        """Whether the credentials were good when the trial began: a refusal later on is a login that expired."""
        self.resumed = False
        """Whether an earlier command had done some of the building stages."""
        self._prices: tuple[Price, ...] | None = None

    @property
    def here(self) -> bool:
        """Whether its variant computes on this machine."""
        return computes_here(self.bound.provider.description, self._variant)

    @property
    def learning(self) -> Learning:
        """What its variant makes of the training samples."""
        return learning_of(self.bound.provider.description, self._variant)

    @property
    def _variant(self) -> Variant:
        return Variant(self.record.provider, self.record.variant, self.record.variant_settings)

    @property
    def limits(self) -> Limits:
        """What the provider accepts of samples like its own."""
        return limits_for(self.bound.provider.description, self.material.modality)

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
            bound=self.bound,
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
            columns=self.material.training_set.columns,
            results=results,
            resources=ledger,
            send=self.send,
            owner=self._owner(),
            training_set=self.material.training_set,
        )
        return context

    def usd_of(self, usage: Usage | None) -> float | None:
        """Return what one answer costs: as it says itself, else by its tokens at today's prices; None if unknown."""
        if usage is None or usage.usd is not None:
            return None if usage is None else usage.usd
        if self._prices is None:
            try:
                self._prices = tuple(self.bound.provider.price(self.context(Stage.INVOKE)))
            except AutomlBenchError as error:
                log.warning("%s: its prices are not known: %s", self.record.label, error)
                self._prices = ()
        return usd_of_usage(self._prices, usage)

    def _owner(self) -> Owner | None:
        """Return the owner for new names; None for a trial that has names of the old form, so that they are found."""
        lines = self.around.store.ledger(trial_id=self.record.trial_id, open_only=True)
        old = any(is_old_name(line.name) for line in lines)
        return None if old else self.bound.whose()

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
        known = [self.around.store.stage(self.record.trial_id, stage) for stage in self.stages()]
        self.resumed = self.resumed or any(record is not None and record.status is StageStatus.DONE for record in known)
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
        except (Interrupted, LeaseLost, OperationUnfinished, OtherScope):
            raise
        except Exception as error:
            begun_there = (now_known := self.around.store.stage(self.record.trial_id, stage)) and now_known.token
            if begun_there and meaning_of(error, Moment.WATCH) is Meaning.HERE:
                raise work_left(self.what(stage), error) from error
            if isinstance(error, ResourceMissing):
                # What an earlier stage made is gone: done or not, it is to be made again, or this is said for ever.
                self.around.store.mark_stages_undone(self.record.trial_id, self.stages()[: self.stages().index(stage)])
            self._finish(
                StageRecord(self.record.trial_id, stage, StageStatus.FAILED, message=first_sentence(error)), begun
            )
            raise
        done = StageRecord(
            trial_id=self.record.trial_id,
            stage=stage,
            status=StageStatus.DONE,
            token=operation.token,
            result={**operation.result, **_told_usd(operation), **self._kept_with(stage, context)},
            started_at=started_at,
            queue_seconds=operation.queue_seconds,
            work_seconds=operation.work_seconds,
            billable_seconds=operation.billable_seconds,
            message=operation.message,
        )
        return self._finish(done, begun)

    def _kept_with(self, stage: Stage, context: TrialContext) -> dict[str, Json]:
        """Return what is kept with the first stage: what was learnt from, and today's prices."""
        if stage is not (*self.stages(), Stage.INVOKE)[0]:
            return {}
        drawn = self.material.training_set
        kept: dict[str, Json] = {
            "train_samples": len(drawn.train) + len(drawn.validation),
            SUBSET: subset_hash(drawn),
        }
        try:
            table = self.bound.provider.price(context)
        except AutomlBenchError as error:
            log.warning("%s: its prices are not kept: %s", self.record.label, error)
            return kept
        return {**kept, PRICES: table_as_json(table)} if table else kept

    def what(self, stage: Stage) -> str:
        """Return what is done in a stage, for messages."""
        return f"{stage} of {self.record.label}"

    def patience(self, stage: Stage, moment: Moment, until: float | None = None) -> Patience:
        """Return how long calls of a stage are repeated: by default until the stage's deadline, from now."""
        return Patience(
            what=self.what(stage),
            moment=moment,
            until=time.monotonic() + self.around.longest(stage) if until is None else until,
            stop=self.around.stop,
            lag=self.bound.provider.description.settle_seconds + LAG_SECONDS,
            say=self.around.say,
        )

    def _operate(self, stage: Stage, context: TrialContext, running: StageRecord | None) -> Operation:
        provider = self.bound.provider
        patience = self.patience(stage, Moment.WATCH)

        def poll(operation: Operation) -> Operation:
            return provider.poll(context, operation)

        def note(operation: Operation) -> None:
            require_lease(self.around.store, self.record.trial_id)
            if operation.state is OperationState.RUNNING and operation.token not in noted:
                self.around.store.save_operation(self.record.trial_id, stage, operation.token)
                noted.add(operation.token)
            self.around.report(self.record, stage, 0, None, operation.message)

        noted: set[str] = set()
        operation = None
        if running is not None:
            noted.add(running.token)
            try:
                operation = patience.call(lambda: poll(Operation(OperationState.RUNNING, token=running.token)))
            except ResourceMissing:
                log.info("%s: the operation is gone, beginning anew", patience.what)
        if operation is None:
            operation = self._begin(stage, context, patience)
        ended = wait_for(operation, poll, patience=patience, on_look=note)
        if ended.state is OperationState.FAILED:
            raise FAILURES[stage](f"{patience.what} failed: {ended.message or 'the provider gives no reason'}")
        return ended

    def _begin(self, stage: Stage, context: TrialContext, patience: Patience) -> Operation:
        """Ask the provider to begin; what has begun nothing is not asked for longer than `CONTROL_SECONDS`."""
        provider = self.bound.provider
        begins: Mapping[Stage, Callable[[], Operation]] = {
            Stage.UPLOAD: lambda: provider.upload(context, self.material.training_set),
            Stage.TRAIN: lambda: provider.train(context),
            Stage.DEPLOY: lambda: provider.deploy(context),
        }
        exists = self.around.store.ledger(trial_id=self.record.trial_id, open_only=True)
        moment = Moment.BEGIN if exists or self.admitted else Moment.ACCESS
        until = min(patience.until, time.monotonic() + CONTROL_SECONDS)
        settle = provider.description.settle_seconds
        return replace(patience, moment=moment, until=until, lag=settle).call(begins[stage])

    def _finish(self, record: StageRecord, begun: float) -> StageRecord:
        known = self.around.store.stage(self.record.trial_id, record.stage)
        started_at = record.started_at or (known.started_at if known else "") or _now()
        finished_at = _now()
        whole = seconds_between(
            Instant(started_at, known.started_clock if known else ""), Instant(finished_at, clock_stamp())
        )
        ran_in = {RAN_IN: self.around.environment} if self.around.environment else {}
        record = replace(
            record,
            result={**record.result, **ran_in},
            started_at=started_at,
            finished_at=finished_at,
            wall_seconds=max(whole or 0.0, time.monotonic() - begun),
        )
        self.around.store.finish_stage(record)
        self.around.observers.tell("stage_finished", trial=self.record, stage=record)
        return record

    def finish_measuring(self, stage: Stage, begun: float, result: Mapping[str, Json], error: str = "") -> None:
        """Store the end of a measuring stage."""
        status = StageStatus.FAILED if error else StageStatus.DONE
        kept = {**result, **self._kept_with(stage, self.context(stage))}
        self._finish(StageRecord(self.record.trial_id, stage, status, result=kept, message=error), begun)

    def endpoint(self) -> Endpoint:
        """Return where predictions are asked for."""
        if self.adopted:
            url = self.adopted if "://" in self.adopted else ""
            return Endpoint(self.adopted, url=url, adopted=True)
        results = self.context(Stage.INVOKE).results
        latest: Mapping[str, Json] = next((results[stage] for stage in reversed(self.stages()) if stage in results), {})
        return Endpoint(str(latest.get("endpoint_id", "")), url=str(latest.get("url", "")), details=latest)


def _told_usd(operation: Operation) -> dict[str, Json]:
    """Return what an operation says that it cost, as it is kept with its stage."""
    return {} if operation.usd is None else {TOLD_USD: operation.usd}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
