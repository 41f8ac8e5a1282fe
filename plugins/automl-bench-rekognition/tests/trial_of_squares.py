"""A trial of coloured squares, driven hook by hook in the test's process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from automl_bench_rekognition import plugin
from automl_bench_rekognition.description import DESCRIPTION

from automl_bench.contract import LabelledSample, Variant
from automl_bench.settings.provider_files import ProviderFile, resolve_settings
from automl_bench.settings.secrets import Secrets
from automl_bench.testing.hook_trial import COLOURS, TRIAL_ID, HookTrial, coloured_square, coloured_squares

SIZE = (64, 64)


def sample(folder: Path, label: str, number: int, size: tuple[int, int] = SIZE) -> LabelledSample:
    """Make one square; the same label and number give the same bytes in every run."""
    return coloured_square(folder, label, number, COLOURS[label], size)


class Trial(HookTrial):
    """One trial's hooks, in order; settings that are not given are those of the environment."""

    def __init__(self, folder: Path, trial_id: str = TRIAL_ID, shots: int = 5, **settings: Any) -> None:
        super().__init__(
            plugin,
            folder,
            coloured_squares(folder, shots, size=SIZE),
            variant=Variant("rekognition", "default", {"inference_units": 1}),
            settings=resolve_settings(DESCRIPTION, ProviderFile(settings=settings, path=folder / "rekognition.toml")),
            secrets=Secrets("rekognition", DESCRIPTION.settings),
            trial_id=trial_id,
        )
