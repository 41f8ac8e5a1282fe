"""What a trial works with: a provider with its settings resolved, and what all trials of one command share."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from automl_bench.border.texts import remember
from automl_bench.contract import Modality, Owner, ProviderContext, Stage, Variant
from automl_bench.providers.dispatch import Provider
from automl_bench.providers.host import Observers
from automl_bench.store import Store
from automl_bench.store.records import TrialRecord
from automl_bench.trials.extent import DEADLINES
from automl_bench.trials.machine import Machine
from automl_bench.trials.waiting import Insistence, patiently, undisturbed

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class BoundProvider:
    """A provider with its settings resolved.

    Attributes:
        provider: The provider.
        settings: Its settings, no secrets.
        secrets: Gives a declared secret's value.
        cache_dir: Its own folder.
        budget: The most dollars that one trial may cost, by item of the price table, in the user's own judgement.
        whose: Gives the owner of what is created, once the workspace has an id.
    """

    provider: Provider
    settings: Mapping[str, str]
    secrets: Callable[[str], str] = field(repr=False)
    cache_dir: Path
    budget: Mapping[str, float] = field(default_factory=dict)
    whose: Callable[[], Owner | None] = field(default=lambda: None, repr=False)

    def context(self, variant: Variant | None = None, modality: Modality | None = None) -> ProviderContext:
        """Return the context of hooks that belong to no trial."""
        name = self.provider.name
        return ProviderContext(
            variant=variant or Variant(name, self.provider.description.default_variant),
            settings=self.settings,
            secrets=self.secrets,
            cache_dir=self.cache_dir,
            progress=lambda done, total, unit: None,
            log=lambda line: log.info("%s: %s", name, line),
            hide=remember,
            owner=self.whose(),
            modality=modality,
        )

    @cached_property
    def scope(self) -> Mapping[str, str]:
        """Where the settings lead, asked once; empty if the provider does not say."""
        found = patiently(
            lambda: self.provider.resource_scope(self.context()), None, what=f"scope of {self.provider.name}"
        )
        return {} if found is None else found


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
        say: Tells the user one line: a wait that gets long, something that could not be written.
        environment: Key of the environment that this process runs in; "" if it is not recorded.
    """

    store: Store
    machine: Machine
    observers: Observers
    stop: threading.Event
    report: Callable[[TrialRecord, Stage, int, int | None, str], None]
    deadlines: Mapping[Stage, float] = field(default_factory=lambda: DEADLINES)
    say: Callable[[str], None] = field(default=lambda text: None)
    environment: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "report", undisturbed(self.report))
        object.__setattr__(self, "say", undisturbed(self.say))

    @property
    def insistence(self) -> Insistence:
        """How long deletions are tried."""
        return Insistence(self.stop, self.say)

    def longest(self, stage: Stage) -> float:
        """Return the longest wait of a stage in seconds."""
        # A load run shares the deadline of the accuracy pass before it.
        stage = Stage.INVOKE if stage is Stage.PARALLEL else stage
        return self.deadlines.get(stage, DEADLINES[stage])
