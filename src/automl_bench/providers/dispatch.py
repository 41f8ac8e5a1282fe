"""One provider as the host sees it: each hook goes to exactly its plugin, behind the capability gate."""

from __future__ import annotations

import errno
import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import pluggy

from automl_bench.contract import (
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
    WorkspaceError,
)
from automl_bench.providers.discovery import PluginRegistry

T = TypeVar("T")

DISK_FAULTS = frozenset({errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EPERM, errno.EDQUOT})
"""Faults of this machine's disk, not of the plugin."""

NAME = re.compile(r"^[a-z][a-z0-9-]*$")


class Provider:
    """A loaded provider.

    Args:
        registry: The registry that holds its plugin.
        name: Its name.

    Raises:
        ContractViolation: If it does not describe itself as the contract asks.
    """

    def __init__(self, registry: PluginRegistry, name: str) -> None:
        registry.load(name)
        self.name = name
        self._manager = registry.manager
        self.description = self._describe()

    def check_access(self, context: ProviderContext) -> AccessReport:
        """Try the credentials."""
        return self._call("check_access", AccessReport, Capability.CHECK_ACCESS, context=context)

    def price(self, context: ProviderContext) -> Sequence[Price]:
        """Return the price table; empty if the plugin has none."""
        if Capability.PRICE not in self.description.capabilities:
            return ()
        return self._call("price", (list, tuple), Capability.PRICE, context=context)

    def upload(self, context: TrialContext, training_set: TrainingSet) -> Operation:
        """Begin the upload."""
        return self._call("upload", Operation, Capability.UPLOAD, context=context, training_set=training_set)

    def train(self, context: TrialContext) -> Operation:
        """Begin the training."""
        return self._call("train", Operation, Capability.TRAIN, context=context)

    def deploy(self, context: TrialContext) -> Operation:
        """Begin the deployment."""
        return self._call("deploy", Operation, Capability.DEPLOY, context=context)

    def poll(self, context: TrialContext, operation: Operation) -> Operation:
        """Look once at an operation."""
        return self._call("poll", Operation, None, context=context, operation=operation)

    def wake(self, context: TrialContext, endpoint: Endpoint) -> Operation | None:
        """Begin to wake an endpoint; None if the plugin has no such hook."""
        if not self._implements("wake"):
            return None
        return self._call("wake", Operation, None, context=context, endpoint=endpoint)

    def invoke(self, context: TrialContext, endpoint: Endpoint) -> Invoker:
        """Return the invoker of an endpoint."""
        if endpoint.adopted:
            self._require(Capability.ADOPT_ENDPOINT, "adopt an endpoint made by hand")
        invoker: Any = self._call("invoke", object, Capability.INVOKE, context=context, endpoint=endpoint)
        if not isinstance(invoker, (HttpInvoker, CallInvoker)):
            raise self._violation("invoke", "returned neither an HttpInvoker nor a CallInvoker")
        return invoker

    def parallel(self, context: TrialContext, endpoint: Endpoint, lanes: int) -> Lanes | None:
        """Return the provider's own lanes, or None if the host should make them from the invoker."""
        if Capability.PARALLEL not in self.description.capabilities:
            return None
        own: Any = self._call("parallel", object, Capability.PARALLEL, context=context, endpoint=endpoint, lanes=lanes)
        if not (hasattr(own, "open") and hasattr(own, "close")):
            raise self._violation("parallel", "returned something without open and close")
        lanes_of_its_own: Lanes = own
        return lanes_of_its_own

    def export_manifest(
        self, context: ProviderContext, dataset: str, entries: Sequence[ManifestEntry]
    ) -> ProviderManifest:
        """Describe samples in the provider's own format."""
        return self._call(
            "export_manifest",
            ProviderManifest,
            Capability.EXPORT_MANIFEST,
            context=context,
            dataset=dataset,
            entries=entries,
        )

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
        return self._call("list_resources", (list, tuple), Capability.LIST_RESOURCES, context=context, prefix=prefix)

    def delete_resource(self, context: ProviderContext, resource: Resource) -> Deletion:
        """Delete one resource."""
        return self._call("delete_resource", Deletion, None, context=context, resource=resource)

    def _describe(self) -> ProviderDescription:
        description = self._call("describe_provider", ProviderDescription, None)
        if description.name != self.name:
            raise self._violation(
                "describe_provider", f"calls itself {description.name!r}; it must equal the entry point"
            )
        if not NAME.match(description.name):
            raise self._violation("describe_provider", "has a name that is not lower-case letters, digits and dashes")
        if description.default_variant not in description.variants:
            raise self._violation("describe_provider", f"has no variant {description.default_variant!r}, its default")
        return description

    def _require(self, capability: Capability, what: str) -> None:
        if capability not in self.description.capabilities:
            raise UnsupportedCapability(
                f"{self.name} cannot {what}.",
                remedy=f"See what it can do: automl-bench providers show {self.name}",
                provider=self.name,
            )

    def _call(self, hook: str, kind: type[T] | tuple[type, ...], capability: Capability | None, **arguments: Any) -> T:
        if capability is not None:
            self._require(capability, capability.value.replace("_", " "))
        caller = self._caller(hook)
        try:
            answer = caller(**arguments)
        except ProviderError as error:
            error.provider = error.provider or self.name
            error.hook = error.hook or hook
            raise
        except AutomlBenchError:
            raise
        except ImportError as error:
            requirement = self.description.requires or f"automl-bench[{self.name}]"
            raise MissingDependency(
                f"{self.name} needs {error.name or error}, which is not installed.",
                remedy=f"pip install '{requirement}'",
            ) from error
        except pluggy.HookCallError as error:
            raise self._violation(hook, f"cannot be called: {error}") from error
        except OSError as error:
            if error.errno in DISK_FAULTS:
                raise WorkspaceError(
                    f"{self.name} could not write {error.filename or 'a file'}: {error.strerror}.",
                    remedy="Make room or change the permissions, then run the same command again.",
                ) from error
            raise self._violation(hook, f"raised {type(error).__name__}: {error}") from error
        except Exception as error:
            raise self._violation(hook, f"raised {type(error).__name__}: {error}") from error
        if answer is None:
            raise self._violation(hook, "is declared but not implemented, or returned None")
        if not isinstance(answer, kind):
            raise self._violation(hook, f"returned {type(answer).__name__}")
        return answer  # type: ignore[return-value]  # a tuple of types cannot be bound to T

    def _caller(self, hook: str) -> pluggy.HookCaller:
        others = [plugin for name, plugin in self._manager.list_name_plugin() if name != self.name and plugin]
        return self._manager.subset_hook_caller(hook, remove_plugins=others)

    def _implements(self, hook: str) -> bool:
        """Whether the plugin has an optional hook that no capability declares."""
        return bool(self._caller(hook).get_hookimpls())

    def _violation(self, hook: str, what: str) -> ContractViolation:
        return ContractViolation(
            f"the plugin of {self.name}: {hook} {what}.", remedy="Report it to the plugin's authors."
        )
