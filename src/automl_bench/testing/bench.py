"""Where the emulated tier works: a workspace with a small dataset of one modality, and the real commands."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl_bench.contract import Limits, Modality, ProviderContext, ProviderDescription
from automl_bench.providers.feasibility import limits_for
from automl_bench.simulation.loopback_service import Fault, LoopbackService, Target
from automl_bench.testing.crash import CrashAt, Ended, ForkServer
from automl_bench.testing.toy_data import LABELS, NAMES, make_toy_dataset

if TYPE_CHECKING:
    from automl_bench.cli.session import Session
    from automl_bench.store.records import LedgerEntry
    from automl_bench.trials.trial import BoundProvider, Trial

ADDED_CLASSES = 50


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a conformance class asks for; see `ProviderConformance`."""

    provider: str
    variant: str = ""
    image_side: int = 16
    shots: int = 5
    modality: Modality = Modality.IMAGE
    settings: Mapping[str, Any] = field(default_factory=dict)
    variant_settings: Mapping[str, Any] = field(default_factory=dict)
    python_path: tuple[str, ...] = ()


class Bench:
    """A workspace, the commands that run in it, and the service they talk to.

    Args:
        root: An empty folder.
        wishes: What to run.
        service: The stand-in.
        fork_server: What runs commands.
    """

    def __init__(self, root: Path, wishes: Wishes, service: LoopbackService, fork_server: ForkServer) -> None:
        self.root = root
        self.wishes = wishes
        self.service = service
        self._fork_server = fork_server
        self._make_dataset()
        self._write_settings()
        self.outputs: list[str] = []
        """All that commands printed so far."""
        self.made: list[str] = []
        """Faults that the stand-in was asked for and can make."""
        self.cannot: list[str] = []
        """Faults that it cannot make: what they would show was left out."""

    # --- what there is ------------------------------------------------------------------------------------------

    @cached_property
    def session(self) -> Session:
        """The workspace as a command sees it, in this process."""
        from automl_bench.cli.session import Session
        from automl_bench.settings.workspace import Workspace

        return Session(Workspace(self.root))

    @cached_property
    def bound(self) -> BoundProvider:
        """The provider with its settings resolved, in this process."""
        bound = self.session.bind(self.wishes.provider)
        bound.cache_dir.mkdir(parents=True, exist_ok=True)
        return bound

    @property
    def description(self) -> ProviderDescription:
        """What the provider says of itself."""
        return self.session.provider(self.wishes.provider).description

    @property
    def variant(self) -> str:
        """Name of the variant at work."""
        return self.wishes.variant or self.description.default_variant

    @property
    def dataset(self) -> str:
        """Name of the dataset."""
        return NAMES[self.wishes.modality]

    @property
    def shots(self) -> int:
        """Labelled samples per class."""
        return max(self.wishes.shots, self.least_shots)

    @property
    def least_shots(self) -> int:
        """Labelled samples per class without which a trial cannot be, by the published limits."""
        limits = self._limits
        return max(limits.min_samples_per_class or 1, -(-(limits.min_samples or 0) // self._classes))

    @property
    def provider_context(self) -> ProviderContext:
        """The context of hooks that belong to no trial."""
        from automl_bench.trials.teardown import provider_context

        return provider_context(self.bound)

    @property
    def secrets(self) -> list[str]:
        """The planted secrets: credentials in the stand-in's environment."""
        declared = {setting.env for setting in self.description.settings if setting.secret}
        telling = ("SECRET", "TOKEN", "PASSWORD", "API_KEY")
        return [
            value
            for name, value in self.service.environment().items()
            if len(value) >= 8 and (name in declared or any(word in name.upper() for word in telling))
        ]

    def can(self, fault: Fault, target: Target = Target.CONTROL) -> bool:
        """Whether the stand-in can make a fault; the table of results tells of those it cannot."""
        possible = fault in self.service.faults(target)
        (self.made if possible else self.cannot).append(fault.value)
        return possible

    # --- commands -----------------------------------------------------------------------------------------------

    def command(self, *arguments: str, crash: CrashAt | None = None, root: Path | None = None) -> Ended:
        """Run one `automl-bench` command in a process of its own.

        Args:
            arguments: What follows "automl-bench".
            crash: Where to strike it.
            root: Workspace; by default this bench's.
        """
        root = root or self.root
        places = [*self.wishes.python_path, *(place for place in sys.path if place)]
        environment = {
            **os.environ,
            **self.service.environment(),
            "AUTOML_BENCH_WORKSPACE": str(root),
            "PYTHONPATH": os.pathsep.join(places),
            "COLUMNS": "200",
        }
        ended = self._fork_server.run(*arguments, environment=environment, folder=root, crash=crash)
        self.outputs.extend((ended.stdout, ended.stderr))
        return ended

    def run(self, *options: str, crash: CrashAt | None = None, root: Path | None = None, shots: int = 0) -> Ended:
        """Run the experiment: one trial, from upload to teardown."""
        path = (root or self.root) / "conformance.toml"
        path.write_text(
            f'name = "conformance"\ndatasets = ["{self.dataset}"]\n'
            f'providers = ["{self.wishes.provider}:{self.variant}"]\n'
            f"shots = [{shots or self.shots}]\n[parallel]\nenabled = false\n",
            encoding="utf-8",
        )
        return self.command("run", str(path), *options, crash=crash, root=root)

    def results(self, ended: Ended) -> list[dict[str, Any]]:
        """Return the result rows of `run --json`."""
        return list(json.loads(ended.stdout)["results"])

    def twin(self, name: str) -> Path:
        """Make another workspace with the same dataset and settings."""
        root = self.root / "twins" / name
        root.mkdir(parents=True)
        for folder in ("data", "configs"):
            shutil.copytree(self.root / folder, root / folder)
        return root

    # --- hooks in this process ----------------------------------------------------------------------------------

    @contextmanager
    def trial(self) -> Iterator[Trial]:
        """Give a trial to drive stage by stage in this process; what it left is torn down at the end."""
        import threading

        from automl_bench.providers.host import Observers
        from automl_bench.settings.experiment_files import read_experiment
        from automl_bench.trials.machine import Machine
        from automl_bench.trials.teardown import tear_down
        from automl_bench.trials.trial import Surroundings, Trial

        path = self.root / "direct.toml"
        path.write_text(
            f'name = "direct"\ndatasets = ["{self.dataset}"]\nproviders = ["{self.wishes.provider}:{self.variant}"]\n'
            f"shots = [{self.shots}]\n",
            encoding="utf-8",
        )
        (record,) = self.session.trials(read_experiment(path))
        with self.session.store() as store:
            store.save_trial(record)
            around = Surroundings(
                store=store,
                machine=Machine(),
                observers=Observers(self.session.registry),
                stop=threading.Event(),
                report=lambda trial, stage, done, total, note: None,
            )
            trial = Trial(record, self.bound, self.session.source.material(record), around)
            try:
                yield trial
            finally:
                self.service.heal()
                tear_down(store, {self.bound.provider.name: self.bound}, store.ledger(open_only=True))

    def open_lines(self, root: Path | None = None) -> list[LedgerEntry]:
        """Return the ledger lines of a workspace that are not closed."""
        from automl_bench.settings.workspace import Workspace
        from automl_bench.store import open_store

        with open_store(Workspace(root or self.root).store_path, read_only=True) as store:
            return store.ledger(open_only=True)

    def duplicates(self, before: Sequence[str]) -> list[str]:
        """Return what was made more than once since `creations()` was `before`."""
        made = list(self.service.creations())[len(before) :]
        return sorted({name for name in made if made.count(name) > 1})

    # --- the workspace ------------------------------------------------------------------------------------------

    def _make_dataset(self) -> None:
        limits = self._limits
        make_toy_dataset(
            self.wishes.modality,
            self.root / "source",
            self.root / "data",
            shots=self.shots,
            classes=self._classes,
            side=max(self.wishes.image_side, limits.min_side_px or 1),
        )

    @property
    def _limits(self) -> Limits:
        return limits_for(self.description, self.wishes.modality)

    @property
    def _classes(self) -> int:
        return max(len(LABELS), min(self._limits.min_classes or 0, ADDED_CLASSES))

    def _write_settings(self) -> None:
        lines = []
        tables = {"settings": self.wishes.settings, f"variants.{self.wishes.variant}": self.wishes.variant_settings}
        for table, content in tables.items():
            if content:
                lines.append(f"[{table}]")
                lines.extend(f"{key} = {json.dumps(value)}" for key, value in content.items())
        folder = self.root / "configs" / "providers"
        folder.mkdir(parents=True)
        (folder / f"{self.wishes.provider}.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")
