"""What goes wrong with a service, in the same words for every stand-in, and a trial that walks through it hook by hook.

    service.begin(Trouble.UNAVAILABLE, Stage.TRAIN)    # until service.heal()
    service.bought()                                   # every training and deployment that was ever begun
    service.destroyed()                                # every deletion and cancellation that was asked for

A stand-in says with `can` which troubles it has at which stage.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, ClassVar, Protocol

import pytest

from automl_bench.contract import (
    Capability,
    Deletion,
    Endpoint,
    Operation,
    OperationState,
    Owner,
    Prediction,
    Resource,
    Sample,
    Stage,
    TrainingSet,
    TrialContext,
    parse_name,
)
from automl_bench.errors import (
    BillingRequired,
    ProviderError,
    QuotaExceeded,
    RateLimited,
    RequestRefused,
    ResourceConflict,
    TransientProviderError,
    Unauthenticated,
)
from automl_bench.testing import Fault, LoopbackService, Target
from automl_bench.transport import Transport, TransportOptions

OWNER = Owner("3fa94c", "anna", "lab-2", "2026-11-29T18:00:00+00:00")
PATIENCE_SECONDS = 60.0
AN_HOUR = 3600.0
LATE_SECONDS = 1.0
"""How long the stand-ins show what was before, where they are told to."""


class Trouble(StrEnum):
    """What goes wrong."""

    NETWORK_AWAY = "network away"
    UNAVAILABLE = "503"
    THROTTLED = "429"
    THROTTLED_FOR_AN_HOUR = "429 with Retry-After of an hour"
    LOGIN_EXPIRED = "login expired"
    NO_QUOTA = "no quota"
    FAILED_ONCE = "failed once"
    STALE_LISTING = "stale listing"


FAULTS: Mapping[Trouble, Fault] = {
    Trouble.NETWORK_AWAY: Fault.RESET,
    Trouble.UNAVAILABLE: Fault.UNAVAILABLE,
    Trouble.THROTTLED: Fault.THROTTLED,
    Trouble.LOGIN_EXPIRED: Fault.UNAUTHENTICATED,
}
"""Troubles that every request meets, and the kit's word for them."""

UNKNOWN: Mapping[Trouble, type[ProviderError]] = {
    Trouble.NETWORK_AWAY: TransientProviderError,
    Trouble.UNAVAILABLE: TransientProviderError,
    Trouble.THROTTLED: RateLimited,
    Trouble.THROTTLED_FOR_AN_HOUR: RateLimited,
    Trouble.LOGIN_EXPIRED: Unauthenticated,
}
"""The class that a plugin owes for troubles that say nothing about the work."""

BEGINNING = (Stage.UPLOAD, Stage.TRAIN, Stage.DEPLOY)
CALLING = (Stage.INVOKE, Stage.PARALLEL)
CELLS = tuple((trouble, stage) for trouble in Trouble for stage in Stage)

OFTEN = (Trouble.NO_QUOTA, Trouble.FAILED_ONCE)
"""Troubles that the ordinary tests of each plugin go through at every stage; the others at one, and whole only in the
simulations."""


def hook_cells(stand_in: type[Troubled]) -> list[Any]:
    """Return the cells that a stand-in has, as a plugin's own tests take them.

    Hook by hook, a load run is a prediction like any other.
    """
    ordinary = {(Trouble.UNAVAILABLE, Stage.TRAIN), (Trouble.STALE_LISTING, Stage.TEARDOWN)}
    return [
        pytest.param(
            trouble,
            stage,
            marks=[] if trouble in OFTEN or (trouble, stage) in ordinary else [pytest.mark.simulation],
        )
        for trouble, stage in CELLS
        if stage is not Stage.PARALLEL and stand_in.can(trouble, stage)
    ]


class Troubled(LoopbackService, Protocol):
    """A stand-in that can be told what goes wrong at a stage.

    Attributes:
        paid: First words in `creations` of what is paid for: trainings and deployments.
        fails_at: Stages at which work can be accepted and fail.
        limited_at: Stages at which a quota is found used up.
    """

    paid: ClassVar[tuple[str, ...]]
    fails_at: ClassVar[tuple[Stage, ...]]
    limited_at: ClassVar[tuple[Stage, ...]]

    @classmethod
    def can(cls, trouble: Trouble, stage: Stage) -> bool:
        """Whether the stand-in has a trouble at a stage."""
        if trouble is Trouble.FAILED_ONCE:
            return stage in cls.fails_at
        if trouble is Trouble.NO_QUOTA:
            return stage in cls.limited_at
        return trouble is not Trouble.STALE_LISTING or stage not in CALLING

    def begin(self, trouble: Trouble, stage: Stage) -> None:
        """Let something go wrong until `heal`."""
        if trouble in FAULTS:
            for target in Target:
                self.inject(FAULTS[trouble], target=target, times=None)
        elif trouble is Trouble.THROTTLED_FOR_AN_HOUR:
            self.throttle_for(AN_HOUR)
        elif trouble is Trouble.NO_QUOTA:
            self.refuse_for_quota(stage)
        elif trouble is Trouble.FAILED_ONCE:
            self.fail_work(stage)
        else:
            self.show_late(LATE_SECONDS)

    def train_for(self, seconds: float) -> None:
        """Let a training take so long from now on."""
        ...

    def training_has_begun(self) -> bool:
        """Whether a training was paid for."""
        return any(line.startswith(self.paid[0]) for line in self.creations())

    def upload_has_begun(self) -> bool:
        """Whether something of a trial is there."""
        return bool(self.creations())

    def throttle_for(self, seconds: float) -> None:
        """Answer every request that it comes too often, and how long to wait."""
        ...

    def refuse_for_quota(self, stage: Stage) -> None:
        """Refuse what the stage pays for, as a quota is used up."""
        ...

    def fail_work(self, stage: Stage) -> None:
        """Accept the stage's work and let it fail."""
        ...

    def show_late(self, seconds: float) -> None:
        """Show what is made or changed from now on only so much later."""
        ...

    def bought(self) -> Sequence[str]:
        """Return every training and deployment that was ever begun."""
        return [line for line in self.creations() if line.startswith(self.paid)]

    def destroyed(self) -> Sequence[str]:
        """Return every deletion and cancellation that was asked for, in the service's words."""
        ...


@dataclass
class Lines:
    """A recorder that remembers in memory, with the moment at which each line was made.

    As the host's, it looks again for what was made before: a list may not show it yet.
    """

    name_for: Callable[[str], str]
    settle_seconds: float
    made: dict[tuple[str, str], Resource] = field(default_factory=dict)

    def ensure(self, kind: str, *, find: Any, create: Any, name: str | None = None, hourly_usd: Any = None) -> Resource:
        name = name or self.name_for(kind)
        until = time.monotonic() + (self.settle_seconds if (kind, name) in self.made else 0.0)
        found: Resource | None = find(name)
        while found is None and time.monotonic() < until:
            time.sleep(0.05)
            found = find(name)
        resource: Resource = found or create(name)
        assert resource.name == name
        if resource.hourly_usd is None:
            resource = replace(resource, hourly_usd=hourly_usd)
        before = self.made.get((kind, name))
        since = before.since if before and before.resource_id == resource.resource_id else _now()
        self.made[kind, name] = replace(resource, since=since)
        return resource


class Walk:
    """A trial, hook by hook, with the host's patience: what an error says nothing about goes on.

    Args:
        plugin: The plugin's module.
        context: A context of the trial.
        training_set: What it learns from.
        service: The stand-in.
    """

    def __init__(self, plugin: Any, context: TrialContext, training_set: TrainingSet, service: Troubled) -> None:
        self.plugin = plugin
        self.set = training_set
        self.service = service
        self.results: dict[Stage, Any] = {}
        owned = replace(context, owner=OWNER)
        self.lines = Lines(owned.name_for, plugin.describe_provider().settle_seconds)
        self.context = replace(owned, results=self.results, resources=self.lines)
        capabilities = plugin.describe_provider().capabilities
        self.stages = tuple(stage for stage in BEGINNING if Capability(stage.value) in capabilities)

    def once(self, stage: Stage) -> Operation | Prediction | Deletion:
        """Do the first step of a stage, without any patience."""
        if stage in CALLING:
            return self._predict()
        if stage is Stage.TEARDOWN:
            return self._delete_once(self._dearest())
        begun = self._begin(stage)
        if begun.state is OperationState.RUNNING:  # some services are asked for nothing, and only looked at
            return self.plugin.poll(self.context, begun)  # type: ignore[no-any-return]
        return begun

    def _begin(self, stage: Stage) -> Operation:
        if stage is Stage.UPLOAD:
            return self.plugin.upload(self.context, self.set)  # type: ignore[no-any-return]
        hook = self.plugin.train if stage is Stage.TRAIN else self.plugin.deploy
        return hook(self.context)  # type: ignore[no-any-return]

    def finish(self, stage: Stage) -> Operation:
        """Do a stage to its end."""
        operation = self.patiently(lambda: self._begin(stage))
        until = time.monotonic() + PATIENCE_SECONDS
        while operation.state is OperationState.RUNNING:
            assert time.monotonic() < until, f"{stage} goes on: {operation.message}"
            operation = self.look(operation)
        self.results[stage] = operation.result
        return operation

    def look(self, operation: Operation) -> Operation:
        """Look until a look says something, as another process would: with nothing but the token."""
        time.sleep(operation.poll_after or 0.02)
        known = Operation(OperationState.RUNNING, token=operation.token)
        return self.patiently(lambda: self.plugin.poll(self.context, known))

    def patiently(self, call: Callable[[], Any]) -> Any:
        """Call again after errors that pass by themselves."""
        until = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                return call()
            except (TransientProviderError, RateLimited, ResourceConflict):
                if time.monotonic() >= until:
                    raise
                time.sleep(0.05)

    def endpoint(self) -> Endpoint:
        """Return where predictions are asked for."""
        result = self.results[self.stages[-1]]
        return Endpoint(str(result["endpoint_id"]), str(result.get("url", "")), result)

    def _predict(self) -> Prediction:
        """Ask for one prediction as the host does.

        Raises:
            ProviderError: As the invoker reads the answer, or as the transport found none.
        """
        sample: Sample = self.set.train[0].sample
        invoker = self.plugin.invoke(self.context, self.endpoint())
        transport = Transport(TransportOptions())
        try:
            answer = transport.send(invoker.prepare(sample)).response
        finally:
            transport.close()
        if answer is None:
            raise TransientProviderError("the connection broke")
        return invoker.parse(answer)  # type: ignore[no-any-return]

    def _dearest(self) -> Resource:
        """Return what costs most while it is there."""
        return max(reversed(self.lines.made.values()), key=lambda resource: resource.hourly_usd or 0.0)

    def _delete_once(self, resource: Resource) -> Deletion:
        return self.plugin.delete_resource(self.context, resource)  # type: ignore[no-any-return]

    def tear_down(self) -> None:
        """Delete everything, last made first."""
        for resource in reversed(self.lines.made.values()):
            until = time.monotonic() + PATIENCE_SECONDS
            while self.patiently(lambda: self._delete_once(resource)) is Deletion.PENDING:  # noqa: B023
                assert time.monotonic() < until, f"{resource.kind} {resource.name} does not go away"
                time.sleep(0.02)
            if resource.hourly_usd:
                assert list(self.service.billing()) == [], f"{resource.kind} is said to be gone and is billed on"


def check_cell(walk: Walk, trouble: Trouble, stage: Stage) -> None:
    """Let a trouble come at a stage and pass: what is healthy lives, nothing is bought twice, nothing is left."""
    service = walk.service
    before = walk.stages if stage not in walk.stages else walk.stages[: walk.stages.index(stage)]
    for earlier in before:
        assert walk.finish(earlier).state is OperationState.SUCCEEDED
    service.begin(trouble, stage)
    _meet(walk, trouble, stage)
    service.heal()

    for later in walk.stages[len(before) :]:
        done = walk.finish(later)
        assert done.state is OperationState.SUCCEEDED, (later, done.message)
    assert walk.patiently(walk._predict).label in walk.set.labels
    _check_what_was_bought(walk, trouble, stage)
    _check_whose_it_is(walk)
    walk.tear_down()
    assert list(service.resources()) == []
    assert list(service.billing()) == []


def _meet(walk: Walk, trouble: Trouble, stage: Stage) -> None:
    """Do the stage's first step in the midst of it, and hold the plugin to what it owes for that."""
    if trouble in UNKNOWN:
        _is_unknown(lambda: walk.once(stage), trouble)
        if stage in (Stage.TRAIN, Stage.DEPLOY):
            _is_unknown_while_it_goes_on(walk, trouble, stage)
    elif trouble is Trouble.NO_QUOTA:
        with pytest.raises((QuotaExceeded, BillingRequired)) as refused:
            walk.finish(stage)
        assert refused.value.remedy
    elif trouble is Trouble.FAILED_ONCE:
        ended = walk.finish(stage)
        assert ended.state is OperationState.FAILED
        assert ended.message
    elif stage is Stage.TEARDOWN:
        _is_deleted_only_when_it_is_off(walk)
    else:
        assert walk.finish(stage).state is OperationState.SUCCEEDED


def _is_unknown(call: Callable[[], object], trouble: Trouble) -> None:
    with pytest.raises(UNKNOWN[trouble]) as caught:
        call()
    if trouble is Trouble.THROTTLED_FOR_AN_HOUR:
        assert isinstance(caught.value, RateLimited)
        assert caught.value.retry_after == AN_HOUR


def _is_unknown_while_it_goes_on(walk: Walk, trouble: Trouble, stage: Stage) -> None:
    """Begin the stage well, and look at it in the midst of the trouble."""
    walk.service.heal()
    begun = walk.patiently(lambda: walk._begin(stage))
    walk.service.begin(trouble, stage)
    known = Operation(OperationState.RUNNING, token=begun.token)
    _is_unknown(lambda: walk.plugin.poll(walk.context, known), trouble)


def _is_deleted_only_when_it_is_off(walk: Walk) -> None:
    """Begin to serve anew while the service shows what was before, and delete at once."""
    walk.service.heal()
    walk.tear_down()
    walk.lines.made.clear()
    for stage in walk.stages[:-1]:
        walk.finish(stage)
    walk.service.begin(Trouble.STALE_LISTING, Stage.TEARDOWN)
    operation = walk.patiently(lambda: walk._begin(walk.stages[-1]))
    until = time.monotonic() + PATIENCE_SECONDS
    while not walk.service.billing() and operation.state is OperationState.RUNNING:
        assert time.monotonic() < until
        operation = walk.look(operation)
    walk.tear_down()
    assert list(walk.service.billing()) == [], "a stale look closed the ledger's line"
    walk.lines.made.clear()
    walk.service.heal()
    for stage in walk.stages:
        walk.finish(stage)


def _check_what_was_bought(walk: Walk, trouble: Trouble, stage: Stage) -> None:
    bought = Counter(line.split(" ", 1)[0] for line in walk.service.bought())
    if trouble is Trouble.STALE_LISTING and stage is Stage.TEARDOWN:
        return  # three walks in one
    if trouble is not Trouble.FAILED_ONCE:
        assert set(bought.values()) == {1}, walk.service.bought()
        if stage is not Stage.TEARDOWN:
            assert list(walk.service.destroyed()) == [], "healthy work was cancelled or deleted"
        return
    # What failed is begun once more; what was paid for before it is not.
    training, deployment = walk.service.paid
    may_be_again = {Stage.UPLOAD: "", Stage.TRAIN: training, Stage.DEPLOY: deployment}[stage]
    again = {kind: count for kind, count in bought.items() if count > 1}
    assert again in ({}, {may_be_again: 2}), walk.service.bought()


def _check_whose_it_is(walk: Walk) -> None:
    """Whatever exists is listed with its owner and place, and named after its workspace."""
    scope = walk.plugin.resource_scope(walk.context)
    until = time.monotonic() + PATIENCE_SECONDS
    while True:
        with suppress(TransientProviderError, RateLimited):
            listed = walk.plugin.list_resources(walk.context, f"automl-bench-{OWNER.workspace}")
            missing = {kind for kind, _ in walk.lines.made} - {resource.kind for resource in listed}
            if not missing:
                break
        assert time.monotonic() < until, f"not listed: {missing}"
        time.sleep(0.05)
    for resource in listed:
        parts = parse_name(resource.name)
        assert parts is not None, resource.name
        assert parts.workspace == OWNER.workspace, resource.name
        assert resource.owner is None or resource.owner == OWNER, resource
        assert resource.scope == scope, resource
    for resource in walk.lines.made.values():
        assert resource.scope == scope, resource


def check_other_scopes(walk: Walk) -> None:
    """Delete what was recorded elsewhere: it is refused, the part that differs is named, and nothing happens."""
    for stage in walk.stages:
        walk.finish(stage)
    there, asked = list(walk.service.resources()), list(walk.service.destroyed())
    for resource in walk.lines.made.values():
        for part, value in resource.scope.items():
            elsewhere = replace(resource, scope={**resource.scope, part: f"another-{value}"})
            with pytest.raises(RequestRefused, match=re.escape(f"another-{value}")) as refused:
                walk.plugin.delete_resource(walk.context, elsewhere)
            assert part.replace("_", " ") in refused.value.message
            assert refused.value.remedy
    assert list(walk.service.resources()) == there
    assert list(walk.service.destroyed()) == asked
    walk.tear_down()
    assert list(walk.service.resources()) == []


def _now() -> str:
    return datetime.now(UTC).isoformat()
