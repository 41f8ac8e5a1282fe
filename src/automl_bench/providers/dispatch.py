"""One provider as the host sees it: each hook goes to exactly its plugin, behind the capability gate."""

from __future__ import annotations

import errno
import importlib
import logging
import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pluggy

from automl_bench.border.command_lines import quoted_command
from automl_bench.border.streams import divert
from automl_bench.border.texts import clean, clean_all, printable
from automl_bench.border.values import fault_of
from automl_bench.contract import (
    CONTRACT_VERSION,
    AccessReport,
    CallInvoker,
    Capability,
    Deletion,
    Endpoint,
    HttpInvoker,
    Invoker,
    Lanes,
    ManifestEntry,
    Operation,
    Price,
    ProviderContext,
    ProviderDescription,
    ProviderManifest,
    Resource,
    TrainingSet,
    TrialContext,
)
from automl_bench.errors import (
    AutomlBenchError,
    ContractViolation,
    MissingDependency,
    ProviderError,
    UnsupportedCapability,
    UsageError,
    WorkspaceError,
)
from automl_bench.providers import simulation
from automl_bench.providers.discovery import UPDATE, PluginRegistry, needs_newer, requirement_of
from automl_bench.providers.faults import no_way_out, said, violation
from automl_bench.providers.guarded import GuardedLanes, guarded

log = logging.getLogger(__name__)

DISK_FAULTS = frozenset({errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EPERM, errno.EDQUOT})
"""Faults of this machine's disk, not of the plugin."""

NAME = re.compile(r"^[a-z][a-z0-9-]*$")

SLOW_SECONDS = 30.0
"""A hook that must neither wait nor sleep and takes longer is named in the log."""
MEETINGS = 5
"""How often a hook is called again that met a half-imported module."""

_importing = threading.Lock()

QUICK_HOOKS = frozenset({"describe_provider", "check_access", "price", "cautions", "poll", "invoke", "parallel"})


class Provider:
    """A loaded provider.

    Args:
        registry: The registry that holds its plugin.
        name: Its name.

    Raises:
        ContractViolation: If it does not describe itself as the contract asks.
        UsageError: If there is no plugin of that name, or it is no provider.
    """

    def __init__(self, registry: PluginRegistry, name: str) -> None:
        registry.load(name)
        if registry.only_listens(name):
            raise UsageError(
                f"{name!r} is no provider: it listens to what happens.",
                remedy=f"See {quoted_command('providers', 'list')}.",
            )
        self.name = name
        self._manager = registry.manager
        self.description = self._describe()

    def import_heavy_modules(self) -> None:
        """Import what the description names, one module at a time over all threads; call it before threads start."""
        divert()
        for module in self.description.imports:
            with _importing:
                try:
                    with no_way_out(lambda what, module=module: self._violation(f"importing {module}", what)):  # type: ignore[misc]  # bound now
                        importlib.import_module(module)
                except Exception as error:  # noqa: BLE001  # the hook that needs it says so, with a remedy
                    log.info("%s: %s cannot be imported: %s", self.name, module, said(error))

    def check_access(self, context: ProviderContext) -> AccessReport:
        """Try the credentials."""
        report: AccessReport = self._call("check_access", AccessReport, Capability.CHECK_ACCESS, context=context)
        return replace(report, account=clean(report.account), notes=clean_all(report.notes))

    def price(self, context: ProviderContext) -> Sequence[Price]:
        """Return the price table; empty if the plugin has none."""
        if Capability.PRICE not in self.description.capabilities:
            return ()
        table: Sequence[Price] = self._call("price", Sequence[Price], Capability.PRICE, context=context)
        return [replace(price, unit=clean(price.unit), source=clean(price.source)) for price in table]

    def cautions(self, context: ProviderContext) -> Sequence[str]:
        """Return what to know before a variant is used; nothing if the plugin has no such hook."""
        if not self._implements("cautions"):
            return ()
        return clean_all(self._call("cautions", Sequence[str], None, context=context))

    def upload(self, context: TrialContext, training_set: TrainingSet) -> Operation:
        """Begin the upload."""
        return self._operation("upload", Capability.UPLOAD, context=context, training_set=training_set)

    def train(self, context: TrialContext) -> Operation:
        """Begin the training."""
        return self._operation("train", Capability.TRAIN, context=context)

    def deploy(self, context: TrialContext) -> Operation:
        """Begin the deployment."""
        return self._operation("deploy", Capability.DEPLOY, context=context)

    def poll(self, context: TrialContext, operation: Operation) -> Operation:
        """Look once at an operation."""
        return self._operation("poll", None, context=context, operation=operation)

    def wake(self, context: TrialContext, endpoint: Endpoint) -> Operation | None:
        """Begin to wake an endpoint; None if the plugin has no such hook."""
        if not self._implements("wake"):
            return None
        return self._operation("wake", None, context=context, endpoint=endpoint)

    def invoke(self, context: TrialContext, endpoint: Endpoint) -> Invoker:
        """Return the invoker of an endpoint."""
        if endpoint.adopted:
            self._require(Capability.ADOPT_ENDPOINT, "adopt an endpoint made by hand")
        invoker: Any = self._call("invoke", object, Capability.INVOKE, context=context, endpoint=endpoint)
        if not isinstance(invoker, (HttpInvoker, CallInvoker)):
            raise self._violation("invoke", "returned neither an HttpInvoker nor a CallInvoker")
        return guarded(self.name, invoker)

    def parallel(self, context: TrialContext, endpoint: Endpoint, lanes: int) -> Lanes | None:
        """Return the provider's own lanes, or None if the host should make them from the invoker."""
        if Capability.PARALLEL not in self.description.capabilities:
            return None
        own: Any = self._call("parallel", object, Capability.PARALLEL, context=context, endpoint=endpoint, lanes=lanes)
        if not (hasattr(own, "open") and hasattr(own, "close")):
            raise self._violation("parallel", "returned something without open and close")
        return GuardedLanes(self.name, own)

    def export_manifest(
        self, context: ProviderContext, dataset: str, entries: Sequence[ManifestEntry]
    ) -> ProviderManifest:
        """Describe samples in the provider's own format."""
        manifest: ProviderManifest = self._call(
            "export_manifest",
            ProviderManifest,
            Capability.EXPORT_MANIFEST,
            context=context,
            dataset=dataset,
            entries=entries,
        )
        return manifest

    def resource_scope(self, context: ProviderContext) -> Mapping[str, str] | None:
        """Return where these settings and credentials lead, or None if the plugin does not say."""
        if not self._implements("resource_scope"):
            return None
        scope = self._call("resource_scope", Mapping, None, context=context)
        if not all(isinstance(part, str) for pair in scope.items() for part in pair):
            raise self._violation("resource_scope", "returned something else than texts by text")
        return dict(scope)

    def list_resources(self, context: ProviderContext, prefix: str) -> Sequence[Resource]:
        """List what exists at the provider under a prefix."""
        listed: Sequence[Resource] = self._call(
            "list_resources", Sequence[Resource], Capability.LIST_RESOURCES, context=context, prefix=prefix
        )
        return listed

    def delete_resource(self, context: ProviderContext, resource: Resource) -> Deletion:
        """Delete one resource."""
        deletion: Deletion = self._call("delete_resource", Deletion, None, context=context, resource=resource)
        return deletion

    def _describe(self) -> ProviderDescription:
        description: ProviderDescription = self._call("describe_provider", ProviderDescription, None)
        if description.name != self.name:
            raise self._violation(
                "describe_provider", f"calls itself {description.name!r}; it must equal the entry point"
            )
        if not NAME.match(description.name):
            raise self._violation("describe_provider", "has a name that is not lower-case letters, digits and dashes")
        if description.default_variant not in description.variants:
            raise self._violation("describe_provider", f"has no variant {description.default_variant!r}, its default")
        if description.contract_version > CONTRACT_VERSION:
            raise violation(
                self.name,
                "describe_provider",
                f"asks for version {description.contract_version} of the contract, and this automl-bench has"
                f" {CONTRACT_VERSION}",
                UPDATE,
            )
        simulation.note(description)
        return description

    def _operation(self, hook: str, capability: Capability | None, **arguments: Any) -> Operation:
        operation: Operation = self._call(hook, Operation, capability, **arguments)
        return replace(operation, message=clean(operation.message))

    def _require(self, capability: Capability, what: str) -> None:
        if capability not in self.description.capabilities:
            raise UnsupportedCapability(
                f"{self.name} cannot {what}.",
                remedy=f"See what it can do: {quoted_command('providers', 'show', self.name)}",
                provider=self.name,
            )

    def _call(self, hook: str, kind: Any, capability: Capability | None, **arguments: Any) -> Any:
        """Call a hook of this plugin alone and look at its answer.

        Raises:
            ProviderError: What the plugin raised, in cleaned words.
            ContractViolation: If it raised something else, tried to end the process, or answered with what does not
                fit `kind`.
            MissingDependency: If something it imports is not installed.
            WorkspaceError: If the disk refused it.
        """
        if capability is not None:
            self._require(capability, capability.value.replace("_", " "))
        caller = self._caller(hook)
        begun = time.monotonic()
        try:
            with no_way_out(lambda what: self._violation(hook, what)):
                answer = _called(caller, arguments)
        except ProviderError as error:
            error.provider = error.provider or self.name
            error.hook = error.hook or hook
            raise _cleaned(error) from error.__cause__
        except AutomlBenchError:
            raise
        except ImportError as error:
            raise self._missing(hook, error) from error
        except pluggy.HookCallError as error:
            raise self._violation(hook, f"cannot be called: {error}") from error
        except OSError as error:
            if error.errno in DISK_FAULTS:
                raise WorkspaceError(
                    f"{self.name} could not write {error.filename or 'a file'}: {error.strerror}.",
                    remedy="Make room or change the permissions, then run the same command again.",
                ) from error
            raise self._violation(hook, f"raised {said(error)}") from error
        except Exception as error:
            if needs_newer(error):
                raise violation(self.name, hook, f"was written for a newer automl-bench: {error}", UPDATE) from error
            raise self._violation(hook, f"raised {said(error)}") from error
        took = time.monotonic() - begun
        if hook in QUICK_HOOKS and took > SLOW_SECONDS:
            log.warning("the plugin of %s: %s took %.0f s; hooks may neither wait nor sleep", self.name, hook, took)
        if answer is None:
            raise self._violation(hook, "is declared but not implemented, or returned None")
        if fault := fault_of(answer, kind):
            raise self._violation(hook, fault)
        return answer

    def _missing(self, hook: str, error: ImportError) -> AutomlBenchError:
        if needs_newer(error):
            return violation(self.name, hook, f"was written for a newer automl-bench: {error}", UPDATE)
        description = getattr(self, "description", None)
        requirement = description.requires if description is not None and description.requires else ""
        return MissingDependency(
            f"{self.name} needs {error.name or error}, which is not installed.",
            remedy=f"pip install '{requirement or requirement_of(self.name) or error.name}'",
        )

    def _caller(self, hook: str) -> pluggy.HookCaller:
        others = [plugin for name, plugin in self._manager.list_name_plugin() if name != self.name and plugin]
        return self._manager.subset_hook_caller(hook, remove_plugins=others)

    def _implements(self, hook: str) -> bool:
        """Whether the plugin has an optional hook that no capability declares."""
        return bool(self._caller(hook).get_hookimpls())

    def _violation(self, hook: str, what: str) -> ContractViolation:
        return violation(self.name, hook, what)


def _called(caller: Callable[..., Any], arguments: dict[str, Any]) -> Any:
    """Call a hook, again where it met a module that another thread was still importing: hooks may be called again."""
    for _ in range(MEETINGS):
        try:
            return caller(**arguments)
        except ImportError as error:
            if "partially initialized module" not in str(error):
                raise
            with _importing:
                time.sleep(0.1)
    return caller(**arguments)


def _cleaned(error: ProviderError) -> ProviderError:
    """Take secrets and control characters out of the words of an error, wherever they come from."""
    error.message, error.remedy = clean(error.message), clean(error.remedy)
    error.args = (error.message,)
    error.resource, error.request_id = printable(error.resource), printable(error.request_id)
    return error
