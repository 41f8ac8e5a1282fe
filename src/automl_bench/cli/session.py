"""What a command works with: the workspace, its plugins, its providers with their settings, its trials."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from importlib import metadata
from typing import TYPE_CHECKING, Any

from automl_bench.border.command_lines import quoted_command
from automl_bench.border.names import did_you_mean
from automl_bench.contract import Capability, ManifestEntry, Modality, Owner, ProviderManifest, Variant
from automl_bench.errors import AutomlBenchError, DatasetNotFound, InvalidSetting, SettingsError, UsageError
from automl_bench.providers.discovery import PluginRegistry
from automl_bench.providers.dispatch import Provider
from automl_bench.providers.host import Observers
from automl_bench.settings.provider_files import (
    ProviderFile,
    read_provider_file,
    resolve_settings,
    resolve_variant,
)
from automl_bench.settings.secrets import Secrets
from automl_bench.settings.workspace import Workspace

if TYPE_CHECKING:
    from automl_bench.ablations.provider_files import ManifestExporter
    from automl_bench.store import Store
    from automl_bench.store.records import TrialRecord
    from automl_bench.trials.experiment import Experiment
    from automl_bench.trials.machine_lock import MachineLock
    from automl_bench.trials.material import MaterialSource
    from automl_bench.trials.trial import BoundProvider


class Session:
    """One command's view of the workspace.

    Args:
        workspace: The workspace; by default the current one.
        registry: The plugins; by default all installed ones.
    """

    def __init__(self, workspace: Workspace | None = None, registry: PluginRegistry | None = None) -> None:
        self.workspace = workspace or Workspace.current()
        self.registry = registry or PluginRegistry()
        self._providers: dict[str, Provider] = {}
        self._owner: Owner | None = None

    @cached_property
    def observers(self) -> Observers:
        """The observer hooks of every plugin that loads."""
        self.registry.load_all()
        return Observers(self.registry)

    @cached_property
    def source(self) -> MaterialSource:
        """Where samples come from."""
        from automl_bench.trials.material import MaterialSource

        return MaterialSource(self.workspace.data, self.workspace.cache)

    def store(self) -> Store:
        """Open the results file for writing; the workspace has an id from then on.

        Raises:
            WorkspaceError: If it cannot be written to, or belongs to another workspace.
        """
        from automl_bench.cli.output import say
        from automl_bench.cli.parting import remember
        from automl_bench.settings.workspace_identity import owner_here, settle
        from automl_bench.store import open_store

        store = open_store(self.workspace.store_path)
        try:
            settled = settle(self.workspace, store)
        except BaseException:
            store.close()
            raise
        self._owner = owner_here(settled.workspace_id)
        if settled.copy_of:
            left = settled.left_to_original
            say(
                f"this workspace is a copy of workspace {settled.copy_of} and gets an id of its own, "
                f"{settled.workspace_id}; {left or 'no'} resource{'' if left == 1 else 's'} that existed when it was "
                f"copied {'is' if left == 1 else 'are'} left to the original"
            )
        remember(store)
        return store

    def machine_lock(self, say: Callable[[str], None]) -> MachineLock:
        """Return the lock over this machine that processes and workspaces share."""
        from automl_bench.trials.machine_lock import MachineLock

        return MachineLock(str(self.workspace.root), say)

    def owner(self) -> Owner | None:
        """Return who asks, or None while the workspace has no id yet."""
        from automl_bench.settings.workspace_identity import owner_here, read_marker

        if self._owner is None and (marker := read_marker(self.workspace)) is not None:
            self._owner = owner_here(marker.workspace_id)
        return self._owner

    def environment(self, providers: Iterable[str]) -> dict[str, Any]:
        """Describe this machine and the versions at work, with what `bench-self` found here.

        Args:
            providers: Names of the providers at work.
        """
        from automl_bench.trials.environment import describe_environment

        wanted = set(providers)
        packages = {plugin.package.split()[0] for plugin in self.registry.plugins if plugin.name in wanted}
        found: dict[str, Any] = describe_environment(self.workspace.root, {"automl-bench", *packages})
        path = self.workspace.results / "self.json"
        if path.is_file():
            found["bench_self"] = json.loads(path.read_text(encoding="utf-8"))
        return found

    def store_to_read(self) -> Store:
        """Open the results file for reading.

        Raises:
            NoResults: If nothing has been run here yet.
        """
        from automl_bench.store import open_store

        return open_store(self.workspace.store_path, read_only=True)

    def provider(self, name: str) -> Provider:
        """Return a provider by name, loading its plugin.

        Raises:
            UsageError: If there is none.
            PluginError: If its plugin does not load.
        """
        if name not in self._providers:
            self._providers[name] = Provider(self.registry, name)
        return self._providers[name]

    def provider_file(self, name: str) -> ProviderFile:
        """Return what the provider's settings file says."""
        return read_provider_file(self.workspace.config_files("providers").get(name))

    def bind(self, name: str) -> BoundProvider:
        """Return a provider with its settings resolved."""
        from automl_bench.trials.trial import BoundProvider

        provider = self.provider(name)
        description, file = provider.description, self.provider_file(name)
        return BoundProvider(
            provider=provider,
            settings=resolve_settings(description, file),
            secrets=Secrets(name, description.settings),
            cache_dir=self.workspace.cache / name,
            budget=file.budget,
            whose=self.owner,
        )

    def bind_as_far_as_possible(self, name: str) -> tuple[BoundProvider, list[str]]:
        """Return a provider with every setting that can be used, and what keeps it from being used here.

        Raises:
            PluginError: If its plugin does not load.
        """
        from automl_bench.providers.discovery import requirement_of
        from automl_bench.trials.trial import BoundProvider

        description = self.provider(name).description
        wanted = description.requires or requirement_of(name)
        problems = [
            f"it needs {package}, which is not installed: pip install '{wanted or package}'"
            for package in self.missing_packages(name)
        ]
        secrets = Secrets(name, description.settings)
        problems += [f"{variable} is not set." for variable in secrets.missing()]
        file = self.provider_file(name)
        faults: list[SettingsError] = []
        bound = BoundProvider(
            self.provider(name),
            resolve_settings(description, file, on_fault=faults.append),
            secrets,
            self.workspace.cache / name,
            budget=file.budget,
        )
        return bound, [*problems, *(f"{fault} `run` stops at this until it is corrected." for fault in faults)]

    def missing_packages(self, name: str) -> list[str]:
        """Return what a provider's package requires and is not installed, as far as that can be told by names alone."""
        missing = []
        for package in {plugin.package.split()[0] for plugin in self.registry.plugins if plugin.name == name}:
            try:
                requirements = metadata.requires(package) or []
            except metadata.PackageNotFoundError:
                continue
            # A requirement under a condition (an extra, another platform) may not concern this machine.
            names = [_package_name(text) for text in requirements if ";" not in text]
            missing += [one for one in names if not _is_installed(one)]
        return sorted(missing)

    def variant(self, text: str) -> Variant:
        """Return the variant that `provider` or `provider:variant` names."""
        name, _, variant = text.partition(":")
        provider = self.provider(name)
        return resolve_variant(provider.description, self.provider_file(name), variant or None)

    def require_dataset(self, name: str) -> None:
        """Check that a dataset is in the workspace.

        Raises:
            DatasetNotFound: With the command that brings it, if it is in the catalogue.
        """
        if (self.workspace.dataset(name) / "manifest.csv").is_file():
            return
        here = sorted(path.parent.name for path in self.workspace.data.glob("*/manifest.csv"))
        known = sorted(set(here) | set(self.workspace.config_files("datasets")))
        if name in known:
            remedy = f"Bring it: {quoted_command('data', 'fetch', name)}"
        else:
            own = f"Bring your own: {quoted_command('data', 'import', name, 'PATH')}"
            remedy = did_you_mean(name, known, own)
        raise DatasetNotFound(f"there is no dataset {name!r} in {self.workspace.data}.", remedy=remedy)

    def trials(self, experiment: Experiment, variants: Sequence[Variant] | None = None) -> list[TrialRecord]:
        """Return the experiment's trials; checks that its datasets and variants exist.

        Args:
            experiment: What it asks for.
            variants: Only these of its variants; by default all.
        """
        from automl_bench.trials.experiment import Learning, expand, learning_of

        if variants is None:
            variants = [self.variant(text) for text in experiment.providers]
        fingerprints = {}
        for dataset in experiment.datasets:
            self.require_dataset(dataset)
            fingerprints[dataset] = self.source.manifest(dataset).fingerprint

        def learning(variant: Variant) -> Learning:
            return learning_of(self.provider(variant.provider).description, variant)

        if set(experiment.shots) == {0}:
            for variant in variants:
                if learning(variant) is Learning.NEEDED:
                    raise InvalidSetting(
                        f"{experiment.name}: {variant} needs training samples, and only 0 shots are asked for.",
                        remedy="Add other shots, or take it out of providers.",
                    )
        return list(expand(experiment, variants, fingerprints, experiment.images.recorded(), learning))

    def manifest_exporters(self, modality: Modality) -> tuple[dict[str, ManifestExporter], dict[str, AutomlBenchError]]:
        """Return, for every provider that has a manifest format, the function that describes samples in it.

        Returns:
            The functions, and why other providers cannot be asked: a setting is missing, for example, or the provider
            does not learn from the modality.
        """
        from automl_bench.trials.teardown import provider_context

        self.registry.load_all()
        exporters: dict[str, ManifestExporter] = {}
        left_out: dict[str, AutomlBenchError] = {}
        for name in self.registry.names():
            if name in self.registry.failures or self.registry.only_listens(name):
                continue
            try:
                description = self.provider(name).description
                if Capability.EXPORT_MANIFEST not in description.capabilities:
                    continue
                if modality not in description.modalities:
                    kinds = ", ".join(sorted(description.modalities))
                    raise UsageError(f"{name} learns from {kinds}, not from {modality}.", remedy="Leave it out.")
                bound = self.bind(name)
            except AutomlBenchError as error:
                left_out[name] = error
                continue
            exporters[name] = _exporter(bound, provider_context(bound))
        return exporters, left_out


def _exporter(bound: BoundProvider, context: Any) -> ManifestExporter:
    def export(dataset: str, entries: Sequence[ManifestEntry]) -> ProviderManifest:
        return bound.provider.export_manifest(context, dataset, entries)

    return export


def _package_name(requirement: str) -> str:
    return re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0]


def _is_installed(package: str) -> bool:
    try:
        metadata.version(package)
    except metadata.PackageNotFoundError:
        return False
    return True


def parse_shots(text: str) -> int | None:
    """Return samples per class; None for "all".

    Raises:
        UsageError: If it is neither a whole number nor "all".
    """
    if text == "all":
        return None
    if text.isascii() and text.isdigit():
        return int(text)
    raise UsageError(f"SHOTS is {text!r}.", remedy='Give a whole number of samples per class, or "all".')


def canonical(value: Any) -> Any:
    """Return a value as plain JSON data."""
    return json.loads(json.dumps(value, default=str))
