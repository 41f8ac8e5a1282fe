"""What an error means for the work it hit: one table for all stages and all providers.

Not knowing is not failing. A broken network, a throttle or an expired login says nothing about a training that goes on
at the provider: the host looks on until the stage's deadline and then leaves the work as it is (exit code 7). Only what
the service says of the work itself, or of a request that has begun nothing, ends a trial.
"""

from __future__ import annotations

from enum import StrEnum

from automl_bench.errors import (
    AutomlBenchError,
    BillingRequired,
    ContractViolation,
    DeploymentFailed,
    Infeasible,
    Interrupted,
    LeaseLost,
    OperationUnfinished,
    OtherScope,
    PermissionDenied,
    PluginError,
    ProviderError,
    QuotaExceeded,
    RateLimited,
    RecordsError,
    RequestRefused,
    ResourceConflict,
    ResourceMissing,
    SettingsError,
    TrainingFailed,
    TransientProviderError,
    Unauthenticated,
    UnsupportedCapability,
    WorkspaceError,
)


class Moment(StrEnum):
    """What was being done when an error came."""

    ACCESS = "access"
    """Nothing of the trial exists: the check of the credentials, the price table, the first request of an upload."""
    BEGIN = "begin"
    """A stage is asked to begin, and earlier stages have left something at the provider."""
    WATCH = "watch"
    """A training or a deployment that was begun is looked at."""
    NEXT = "next"
    """A look at what was begun has come to its next step, and asks for that to begin."""
    SERVE = "serve"
    """An endpoint exists: it is woken, called, loaded."""
    DELETE = "delete"
    """Something is looked up to be deleted, or deleted."""
    HELD = "held"
    """Something is deleted of whose trial a thing that was made later is known to remain."""


class Meaning(StrEnum):
    """What an error says of the work."""

    UNKNOWN = "unknown"
    """Nothing: ask again until the deadline, then leave the work as it is."""
    MISSING = "missing"
    """It is not there, or not shown yet: ask again as long as the provider's lists may lag, then believe it."""
    HERE = "here"
    """The fault is on this side and asking again does not help: leave the work as it is, at once."""
    FINAL = "final"
    """The service says that it failed, or refuses: no further request changes that."""


_U, _M, _H, _F = Meaning.UNKNOWN, Meaning.MISSING, Meaning.HERE, Meaning.FINAL
_MOMENTS = tuple(Moment)

TABLE: tuple[tuple[type[Exception], tuple[Meaning, ...]], ...] = (
    # class of error          ACCESS BEGIN WATCH NEXT SERVE DELETE HELD
    (RateLimited, (_U, _U, _U, _U, _U, _U, _U)),
    (TransientProviderError, (_U, _U, _U, _U, _U, _U, _U)),
    # Wrong from the first request on is a refusal; later it is a login that expired and can be renewed meanwhile.
    # A deletion does not wait for that: the user is to hear at once what goes on costing.
    (Unauthenticated, (_F, _U, _U, _U, _U, _F, _F)),
    # A permission that is taken away during a training does not make the training fail; one that the deployment after
    # it lacks is a refusal.
    (PermissionDenied, (_F, _F, _U, _F, _F, _F, _F)),
    (ResourceMissing, (_F, _M, _M, _M, _M, _M, _M)),
    # "Busy" passes where something exists; a name that is taken does not, nor "in use" by what is known to remain.
    (ResourceConflict, (_F, _F, _U, _U, _U, _U, _F)),
    (QuotaExceeded, (_F, _F, _F, _F, _F, _F, _F)),
    (BillingRequired, (_F, _F, _F, _F, _F, _F, _F)),
    (RequestRefused, (_F, _F, _F, _F, _F, _F, _F)),
    (TrainingFailed, (_F, _F, _F, _F, _F, _F, _F)),
    (DeploymentFailed, (_F, _F, _F, _F, _F, _F, _F)),
    (UnsupportedCapability, (_F, _F, _F, _F, _F, _F, _F)),
    (Infeasible, (_F, _F, _F, _F, _F, _F, _F)),
    (ProviderError, (_F, _F, _U, _U, _F, _F, _F)),
    # A broken answer: the plugin could not read what the service said of the work.
    (ContractViolation, (_F, _F, _H, _H, _F, _F, _F)),
    (PluginError, (_F, _H, _H, _H, _H, _F, _F)),
    (SettingsError, (_F, _H, _H, _H, _H, _F, _F)),
    (WorkspaceError, (_F, _H, _H, _H, _F, _F, _F)),
    (RecordsError, (_F, _H, _H, _H, _H, _F, _F)),
    # These say themselves what becomes of the work, and are passed on as they are.
    (LeaseLost, (_F, _F, _F, _F, _F, _F, _F)),
    (OtherScope, (_F, _F, _F, _F, _F, _F, _F)),
    (OperationUnfinished, (_F, _F, _F, _F, _F, _F, _F)),
    (Interrupted, (_F, _F, _F, _F, _F, _F, _F)),
    (AutomlBenchError, (_F, _F, _H, _H, _F, _F, _F)),
    (Exception, (_F, _F, _H, _H, _F, _F, _F)),
)
"""The first line whose class fits counts, as in `except` clauses."""


def meaning_of(error: BaseException, moment: Moment) -> Meaning:
    """Return what an error says of the work that was being done."""
    if moment is Moment.WATCH and isinstance(error, ProviderError) and error.begins:
        moment = Moment.NEXT
    place = _MOMENTS.index(moment)
    return next((meanings[place] for kind, meanings in TABLE if isinstance(error, kind)), Meaning.FINAL)


def needs_the_user(error: BaseException) -> bool:
    """Whether waiting alone does not help: the user has to do something meanwhile, and is told at once."""
    return isinstance(error, (Unauthenticated, PermissionDenied))
