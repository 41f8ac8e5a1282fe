"""The hooks. A plugin implements those it needs, with `hookimpl`, in the module its entry point names.

    from automl_bench.hookspecs import hookimpl


    @hookimpl
    def describe_provider(): ...

*Provider hooks* go to exactly one plugin: the one whose entry-point name was asked for. *Observer hooks* go to all.
An implementation may leave out arguments it does not need. Arguments are only ever added. `None` means "not
implemented" and is never an answer. No argument has a default and none is keyword-only: pluggy versions differ there.

What a hook returns is held against the types of the [nouns](nouns.md) and ends its trial if it does not fit. A hook
that calls `sys.exit` has failed, no more; what it prints goes to the log (`--debug`).

SDKs are imported inside the hooks, never at the top of a plugin's module. A plugin raises only children of
`automl_bench.errors.ProviderError`; it neither sleeps nor retries: the host waits and decides.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from pathlib import Path

    import typer

    from automl_bench.contract import (
        AccessReport,
        DatasetSource,
        Deletion,
        Endpoint,
        Invoker,
        Lanes,
        ManifestEntry,
        Operation,
        Price,
        ProviderContext,
        ProviderDescription,
        ProviderManifest,
        ReportSection,
        Resource,
        TrainingSet,
        TrialContext,
    )
    from automl_bench.store.records import Invocation, LoadRun, StageRecord, TrialRecord

PROJECT_NAME = "automl_bench"
"""pluggy's project name and the entry-point group."""

hookspec = pluggy.HookspecMarker(PROJECT_NAME)
hookimpl = pluggy.HookimplMarker(PROJECT_NAME)


class ProviderHooks:
    """Hooks that are dispatched to one provider's plugin."""

    @hookspec(firstresult=True)
    def describe_provider(self) -> ProviderDescription | None:
        """Say what the provider is and can do.

        Called often and before anything else: no I/O, no SDK import, the same answer every time.
        """

    @hookspec(firstresult=True)
    def check_access(self, context: ProviderContext) -> AccessReport | None:
        """Try the credentials with one cheap request that creates nothing.

        Raises Unauthenticated or PermissionDenied with the setting to correct. Called by `providers check` (with the
        default variant) and, with each variant of an experiment, before its first trial.
        """

    @hookspec(firstresult=True)
    def price(self, context: ProviderContext) -> Sequence[Price] | None:
        """Return the dated price table. No request; an unknown price is `usd=None`.

        `per_trial` or `counted` of each line says what one trial of the context's variant takes at most: `plan` shows
        it and `run --max-cost` reserves it.
        """

    @hookspec(firstresult=True)
    def cautions(self, context: ProviderContext) -> Sequence[str] | None:
        """Say what to know before the context's variant is used, one sentence each; no request.

        That its model ends within 90 days, for example, or that its name is an alias that may lead to another model
        tomorrow. `plan` shows them as warnings, behind the variant. A plugin without any needs no such hook.
        """

    @hookspec(firstresult=True)
    def upload(self, context: TrialContext, training_set: TrainingSet) -> Operation | None:
        """Bring the training set to the provider.

        Whatever stays there is created through `context.resources.ensure`. Called again after a crash with the same
        arguments: what is already there must not be sent twice.
        """

    @hookspec(firstresult=True)
    def train(self, context: TrialContext) -> Operation | None:
        """Begin training on what `upload` brought (`context.results[Stage.UPLOAD]`) and return at once.

        `work_seconds` of the finished operation is the training time that is reported. Where the training chooses a
        kind of model or features by itself, the result says which under "chosen", in a word or two: latencies of
        models that differ are then never pooled. What was tried on the way may stand under "candidates", a list of
        objects: "candidate" (a few words), "measure" ("accuracy", "log_loss"…), "score", "sd" over "folds" parts of
        the training set, and "chosen" (true for the one taken); `results --candidates` shows them.
        """

    @hookspec(firstresult=True)
    def deploy(self, context: TrialContext) -> Operation | None:
        """Begin serving the trained model (`context.results[Stage.TRAIN]`).

        The finished operation's result holds "endpoint_id", and "url" where there is one. What costs money while
        idle is given an `hourly_usd`, and a provider-side fuse (idle time-out, scale to zero) where there is one.
        """

    @hookspec(firstresult=True)
    def poll(self, context: TrialContext, operation: Operation) -> Operation | None:
        """Look once at an operation and return its new state. Never sleeps.

        May be called in another process, a day later, with nothing but the token. A look that is refused says nothing
        of the work and is repeated; a look that begins the next step does so through `context.resources.ensure` or
        within `automl_bench.toolkit.beginnings.beginning`, and is then refused for good.
        """

    @hookspec(firstresult=True)
    def wake(self, context: TrialContext, endpoint: Endpoint) -> Operation | None:
        """Begin to wake an endpoint that may have fallen asleep, as one that scales to zero does. Optional.

        Called, untimed, right before each accuracy pass and each load run; the host polls the operation (with `poll`)
        until it has SUCCEEDED. An endpoint that is awake is answered with SUCCEEDED at once. Without this hook the host
        proves the endpoint with an untimed call, and repeats it while the answer is transient.
        """

    @hookspec(firstresult=True)
    def invoke(self, context: TrialContext, endpoint: Endpoint) -> Invoker | None:
        """Return the invoker of an endpoint: an `HttpInvoker` (the host sends and times), else a `CallInvoker`.

        For an endpoint with `adopted=True` only `endpoint_id` is known; look the rest up here.
        """

    @hookspec(firstresult=True)
    def parallel(self, context: TrialContext, endpoint: Endpoint, lanes: int) -> Lanes | None:
        """Return senders of the provider's own kind for a load run. Optional: without it the host makes lanes from
        the invoker, which is what every HTTP service wants."""

    @hookspec(firstresult=True)
    def export_manifest(
        self, context: ProviderContext, dataset: str, entries: Sequence[ManifestEntry]
    ) -> ProviderManifest | None:
        """Describe samples in the provider's own import format. The host fills in the labels and writes the file.

        No request. Where the format holds the address of an upload that has not happened, use the address it
        would have with the settings given.
        """

    @hookspec(firstresult=True)
    def resource_scope(self, context: ProviderContext) -> Mapping[str, str] | None:
        """Say to which place these settings and credentials lead: account, project, region, namespace.

        Optional. Whatever, under another value, would make the same name a different thing; a key that is the name of
        a setting lets the host name the setting to correct. May make one cheap request, such as "who am I", and
        creates nothing. The host asks once per provider and process, keeps the answer with every ledger line, and
        refuses to look up, resume or delete a resource under another scope before any request.
        """

    @hookspec(firstresult=True)
    def list_resources(self, context: ProviderContext, prefix: str) -> Sequence[Resource] | None:
        """List what exists at the provider under a name prefix, in order of creation, with no local file to help."""

    @hookspec(firstresult=True)
    def delete_resource(self, context: ProviderContext, resource: Resource) -> Deletion | None:
        """Delete one resource. "Already gone" is success; PENDING makes the host ask again. Never sleeps."""


class ObserverHooks:
    """Hooks that every plugin hears."""

    @hookspec
    def experiment_started(self, name: str, trials: Sequence[TrialRecord], folder: Path) -> None:
        """An experiment begins or continues, before the first of its trials; `folder` is the workspace."""

    @hookspec
    def trial_started(self, trial: TrialRecord) -> None:
        """A trial begins or continues."""

    @hookspec
    def stage_finished(self, trial: TrialRecord, stage: StageRecord) -> None:
        """A stage ended, well or not."""

    @hookspec
    def invocation_recorded(self, trial: TrialRecord, invocation: Invocation) -> None:
        """A measured classification is in the store. Called after the clock, outside every timing."""

    @hookspec
    def load_run_finished(self, trial: TrialRecord, load_run: LoadRun) -> None:
        """A load run ended."""

    @hookspec
    def experiment_finished(self, name: str, results: Sequence[Mapping[str, Any]]) -> None:
        """An experiment ended; `results` are the rows of `results --json`."""

    @hookspec
    def report_sections(self, results: Sequence[Mapping[str, Any]]) -> Sequence[ReportSection] | None:
        """Return sections to add to the report."""

    @hookspec
    def register_datasets(self) -> Sequence[DatasetSource] | None:
        """Return datasets that come with the plugin; no I/O."""

    @hookspec(firstresult=True)
    def embed_images(self, paths: Sequence[Path], cache_dir: Path) -> Iterable[Sequence[float]] | None:
        """Yield one vector for each image file, such that images of one kind lie close together.

        `data check --label-suspects` compares them. All have one length. `cache_dir` may keep what is costly to make.
        """

    @hookspec
    def register_commands(self, app: typer.Typer) -> None:
        """Add commands to the command line, or to a group that is there, such as `export`.

        `app.registered_groups` has the groups, each with its `name` and `typer_instance`.
        """
