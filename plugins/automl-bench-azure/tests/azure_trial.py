"""A trial of coloured squares, driven hook by hook in the test's process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from automl_bench_azure import plugin
from automl_bench_azure.description import DESCRIPTION

from automl_bench.contract import LabelledSample, Operation, TrainingSet, Variant
from automl_bench.errors import ServiceUnavailable
from automl_bench.settings.provider_files import ProviderFile, resolve_settings
from automl_bench.settings.secrets import Secrets
from automl_bench.testing.hook_trial import COLOURS, TRIAL_ID, HookTrial, coloured_square, coloured_squares


def sample(folder: Path, label: str, number: int) -> LabelledSample:
    """Make one square; the same label and number give the same bytes in every run."""
    return coloured_square(folder, label, number, COLOURS[label])


class AzureTrial(HookTrial):
    """One trial's hooks, in order; the settings are those of the environment."""

    def __init__(
        self,
        folder: Path,
        trial_id: str = TRIAL_ID,
        shots: int = 5,
        variant: dict[str, Any] | None = None,
        drawn: TrainingSet | None = None,
    ) -> None:
        super().__init__(
            plugin,
            folder,
            coloured_squares(folder, shots) if drawn is None else drawn,
            variant=Variant("azure", "default", variant or {}),
            settings=resolve_settings(DESCRIPTION, ProviderFile(settings={}, path=folder / "azure.toml")),
            secrets=Secrets("azure", DESCRIPTION.settings),
            trial_id=trial_id,
        )

    def poll(self, operation: Operation) -> Operation:
        """Poll once; after a passing fault the operation goes on, as it does for the host."""
        try:
            return super().poll(operation)
        except ServiceUnavailable:
            return operation
