"""Every error automl-bench raises on purpose, and the exit code each one ends the command with.

    AutomlBenchError
      UsageError                    wrong arguments, unknown provider or dataset ("did you mean …")
      SettingsError                 a settings file, variable or secret
        MissingSecret
        UnknownSetting
        InvalidSetting
      DatasetError                  the data on disk or on their way to it
        DatasetNotFound
        ChecksumMismatch
        UnsafeArchive
        NotEnoughShots
        LeakyDataset
      PluginError                   a provider package, not the provider
        PluginLoadFailed
        MissingDependency
        ContractViolation
      ProviderError                 the service; carries provider, hook, resource and request id
        Unauthenticated
        PermissionDenied
        QuotaExceeded
        BillingRequired
        RequestRefused              the request is wrong, repeating it is useless
        ResourceMissing
        ResourceConflict
        RateLimited                 carries retry_after
        TransientProviderError
          ServiceUnavailable
          ConnectionLost
          RequestTimedOut
        TrainingFailed
        DeploymentFailed
        UnsupportedCapability       not declared by the provider; refused before any request
        Infeasible                  the provider's limits do not admit this trial; refused before any request
      OperationUnfinished           a deadline passed; the same command continues
        WorkLeft                    the work may go on there, and this side cannot follow it; the same command continues
      DeadlinePassed                a deadline passed, and the trial was torn down
      BudgetExceeded
      InvalidMeasurement            numbers exist but may not be compared
      GateFailed                    a condition of `results check` holds
      ProviderChanged               `watch` found other answers, or another model, than in its reference
      CouldNotLook                  `watch` learned nothing: network, login, quota
      NotReproduced                 `reproduce` found other answers than were recorded
      RecordsError                  the results file
        CorruptRecord
        UnknownFormatVersion
        NoResults                   there are none yet, or none that match
      WorkspaceError                a folder or file that cannot be read or written
      LeaseLost                     another process has taken the trial over
      ResourcesLeft                 what still exists at a provider, and what it costs
        OtherScope                  it lies in another account, region or namespace
      Interrupted                   Ctrl-C or SIGTERM, after teardown

A message is one sentence of fact; `remedy` is one sentence of what to do. The command line prints both and no
traceback. Plugins raise only `ProviderError` and its children.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from automl_bench.exit_codes import ExitCode as ExitCode


class AutomlBenchError(Exception):
    """Base of every error raised on purpose.

    Args:
        message: One sentence of fact, naming the file, line or setting.
        remedy: One sentence of what to do about it, or empty.
    """

    exit_code: ClassVar[ExitCode] = ExitCode.UNEXPECTED

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}".strip()


class UsageError(AutomlBenchError):
    """The command line asks for something that does not exist or does not fit."""

    exit_code = ExitCode.USAGE


class SettingsError(AutomlBenchError):
    """A settings file, environment variable or secret cannot be used."""

    exit_code = ExitCode.SETTINGS


class MissingSecret(SettingsError):
    """A secret that the provider needs is not set."""


class UnknownSetting(SettingsError):
    """A settings file holds a key that nobody reads."""


class InvalidSetting(SettingsError):
    """A setting has a value of the wrong type or outside its range."""


class DatasetError(AutomlBenchError):
    """The data cannot be used as they are."""

    exit_code = ExitCode.DATASET


class DatasetNotFound(DatasetError):
    """No dataset of that name is in the workspace."""


class ChecksumMismatch(DatasetError):
    """A downloaded file is not the one the catalogue describes."""


class UnsafeArchive(DatasetError):
    """An archive holds a path outside its target, a link that escapes, or too much data."""


class NotEnoughShots(DatasetError):
    """A class has fewer training samples than the shots asked for."""


class LeakyDataset(DatasetError):
    """The same content stands in training and test."""


class PluginError(AutomlBenchError):
    """A provider's package is at fault, not the provider."""

    exit_code = ExitCode.PLUGIN


class PluginLoadFailed(PluginError):
    """A plugin could not be imported or registered."""


class MissingDependency(PluginError):
    """A plugin's SDK is not installed; the remedy is a pip line."""


class ContractViolation(PluginError):
    """A plugin returned or raised something the contract does not allow."""


class ProviderError(AutomlBenchError):
    """The service failed or refused. Plugins raise this and its children only.

    Args:
        message: One sentence of fact, in the provider's words where it has some; never a secret.
        remedy: One sentence of what to do.
        provider: Name of the provider; the host fills it in.
        hook: Hook in which it happened; the host fills it in.
        resource: Provider's id of the resource concerned.
        request_id: Provider's id of the request, for its support.

    Attributes:
        begins: Whether the request was to begin or create something; see `automl_bench.toolkit.beginnings`.
    """

    exit_code = ExitCode.PROVIDER

    def __init__(
        self,
        message: str,
        *,
        remedy: str = "",
        provider: str = "",
        hook: str = "",
        resource: str = "",
        request_id: str = "",
    ) -> None:
        super().__init__(message, remedy=remedy)
        self.provider = provider
        self.hook = hook
        self.resource = resource
        self.request_id = request_id
        self.begins = False


class Unauthenticated(ProviderError):
    """The credentials are missing, wrong or expired."""


class PermissionDenied(ProviderError):
    """The credentials are good but may not do this."""


class QuotaExceeded(ProviderError):
    """A total allowance is used up; waiting does not help. Ends the trial."""


class BillingRequired(ProviderError):
    """The service wants a paid plan or a valid payment method. Ends the trial."""


class RequestRefused(ProviderError):
    """The request is wrong; repeating it is useless."""


class ResourceMissing(ProviderError):
    """The resource does not exist (any more)."""


class ResourceConflict(ProviderError):
    """The resource exists already, or is busy."""


class RateLimited(ProviderError):
    """Too many requests; the host waits and tries again outside every timing.

    Args:
        message: One sentence of fact.
        retry_after: Seconds the service asked to wait, or None if it did not say.
    """

    def __init__(
        self,
        message: str,
        *,
        retry_after: float | None = None,
        remedy: str = "",
        provider: str = "",
        hook: str = "",
        resource: str = "",
        request_id: str = "",
    ) -> None:
        super().__init__(message, remedy=remedy, provider=provider, hook=hook, resource=resource, request_id=request_id)
        self.retry_after = retry_after


class TransientProviderError(ProviderError):
    """A passing fault; the host tries again."""


class ServiceUnavailable(TransientProviderError):
    """The service answered that it cannot serve now (5xx)."""


class ConnectionLost(TransientProviderError):
    """No connection, or it broke before the whole answer came."""


class RequestTimedOut(TransientProviderError):
    """No whole answer within the request's time limit."""


class TrainingFailed(ProviderError):
    """The provider ended the training without a model."""


class DeploymentFailed(ProviderError):
    """The provider could not serve the model."""


class UnsupportedCapability(ProviderError):
    """The provider does not declare what was asked for; no request was sent."""


class Infeasible(ProviderError):
    """The provider's limits do not admit this trial; no request was sent."""


class OperationUnfinished(AutomlBenchError):
    """A deadline passed while the provider was still working."""

    exit_code = ExitCode.UNFINISHED


class WorkLeft(OperationUnfinished):
    """Something on this side, or a login, keeps us from following work that may go on well at the provider."""


class DeadlinePassed(AutomlBenchError):
    """A deadline passed and the trial was torn down, as going on would cost more than was reserved for it."""

    exit_code = ExitCode.UNFINISHED


class BudgetExceeded(AutomlBenchError):
    """Going on would pass the budget."""

    exit_code = ExitCode.BUDGET


class InvalidMeasurement(AutomlBenchError):
    """Numbers exist but may not be compared.

    Args:
        message: One sentence of fact.
        reasons: Why the measurement is not valid, one sentence each.
    """

    exit_code = ExitCode.INVALID_MEASUREMENT

    def __init__(self, message: str, *, reasons: Sequence[str] = (), remedy: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.reasons = tuple(reasons)


class GateFailed(AutomlBenchError):
    """A condition that was to fail `results check` holds."""

    exit_code = ExitCode.GATE_FAILED


class ProviderChanged(AutomlBenchError):
    """A watched service answers otherwise than in the reference look, or with another model."""

    exit_code = ExitCode.PROVIDER_CHANGED


class CouldNotLook(AutomlBenchError):
    """A watched service could not be asked; nothing is known of a change."""

    exit_code = ExitCode.NOT_LOOKED


class NotReproduced(AutomlBenchError):
    """Trials that were run again did not give the answers that were recorded."""

    exit_code = ExitCode.NOT_REPRODUCED


class RecordsError(AutomlBenchError):
    """The results file cannot be used."""

    exit_code = ExitCode.SETTINGS


class CorruptRecord(RecordsError):
    """The results file is damaged."""


class UnknownFormatVersion(RecordsError):
    """The results file was written by a newer automl-bench."""


class NoResults(RecordsError):
    """There are no results yet, or none that match what was asked for."""

    exit_code = ExitCode.NO_RESULTS


class WorkspaceError(AutomlBenchError):
    """A folder or file of the workspace cannot be read or written (permissions, full disk)."""

    exit_code = ExitCode.SETTINGS


class LeaseLost(AutomlBenchError):
    """Another process has taken a trial over; nothing more of it may be written or deleted here."""

    exit_code = ExitCode.UNFINISHED


class ResourcesLeft(AutomlBenchError):
    """Something remains at a provider after teardown.

    Args:
        message: One sentence of fact.
        items: One line for each resource: kind, name, hourly price, the command that deletes it by hand.
    """

    exit_code = ExitCode.RESOURCES_LEFT

    def __init__(self, message: str, *, items: Sequence[str] = (), remedy: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.items = tuple(items)


class OtherScope(ResourcesLeft):
    """What exists lies in another account, region or namespace than the settings lead to; nothing was asked there."""


class Interrupted(AutomlBenchError):
    """Ctrl-C, SIGTERM or a closed terminal; teardown has run."""

    exit_code = ExitCode.INTERRUPTED
