"""A trial of coloured squares, driven hook by hook in the test's process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from automl_bench_vertex import plugin
from automl_bench_vertex.description import DESCRIPTION
from automl_bench_vertex.options import VARIANTS
from PIL import Image
from vertex_service import VertexService

from automl_bench.contract import Sample, TrainingSet, Variant
from automl_bench.settings.provider_files import ProviderFile, resolve_settings
from automl_bench.settings.secrets import Secrets
from automl_bench.testing.hook_trial import TRIAL_ID, HookTrial, coloured_squares, image_sample

COLOURS = {"7": (90, 90, 90), "brick": (160, 40, 30), "ocean blue": (20, 60, 180)}
SIZE = (16, 16)


def noise(folder: Path, side: int) -> Sample:
    """Make an image that cannot be compressed."""
    path = folder / f"noise-{side}.png"
    pixels = np.random.default_rng(1).integers(0, 256, (side, side, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return image_sample(path)


class VertexTrial(HookTrial):
    """One trial's hooks, in order; of coloured squares unless others are given."""

    def __init__(
        self,
        folder: Path,
        trial_id: str = TRIAL_ID,
        shots: int = 10,
        variant: str = "default",
        drawn: TrainingSet | None = None,
        variant_settings: dict[str, Any] | None = None,
        **settings: Any,
    ) -> None:
        super().__init__(
            plugin,
            folder,
            coloured_squares(folder, shots, COLOURS, SIZE) if drawn is None else drawn,
            variant=Variant("vertex", variant, {**VARIANTS[variant], **(variant_settings or {})}),
            settings=resolve_settings(DESCRIPTION, ProviderFile(settings=settings, path=folder / "vertex.toml")),
            secrets=Secrets("vertex", DESCRIPTION.settings),
            trial_id=trial_id,
        )


def enter(service: VertexService, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a service's addresses into this process's environment."""
    for name in ("GOOGLE_CLOUD_QUOTA_PROJECT", "AUTOML_BENCH_VERTEX_ANONYMOUS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in service.environment().items():
        monkeypatch.setenv(name, value)
