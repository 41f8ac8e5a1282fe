"""What a variant may set: the training and the instance that serves it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from automl_bench.contract import Json, Variant
from automl_bench.errors import RequestRefused

BASE_MODEL = "google/vit-base-patch16-224-in21k"
UV_IMAGE = "ghcr.io/astral-sh/uv:python3.12-bookworm"
"""Holds `uv`, which the command of the job needs."""

CPU_FLAVORS = ("cpu-",)
"""How the names of hardware without a GPU begin."""

SELECTORS = ("accuracy", "loss")


@dataclass(frozen=True, slots=True)
class Recipe:
    """The settings of a variant, all of them.

    Attributes:
        flavor: Hardware of the training job.
        timeout_minutes: After so many minutes the service ends the job: the bound of what a training can cost.
        image: Container image of the job.
        base_model: Model to start from.
        from_scratch: Whether to take only its configuration, with random weights.
        epochs: Most passes over the training half.
        batch_size: Images of one step.
        learning_rate: Highest learning rate.
        warmup_ratio: Part of the steps in which it rises.
        weight_decay: Of AdamW.
        select_by: "accuracy" or "loss" of the validation half, which chooses the best epoch.
        patience: Epochs without progress after which to stop; 0 for never.
        threshold: Least change that counts as progress.
        seed: Seed of the training; negative for the experiment's own.
        vendor: Cloud of the endpoint.
        region: Its region.
        accelerator: "cpu", "gpu" or another of the service's words.
        instance_type: The service's name of the instance.
        instance_size: The service's name of its size.
        scale_to_zero_minutes: The fuse: after so many minutes without a request nothing runs any more; 0 for none,
            then one replica always runs.
    """

    flavor: str = "t4-small"
    timeout_minutes: int = 120
    image: str = UV_IMAGE
    base_model: str = BASE_MODEL
    from_scratch: bool = False
    epochs: int = 10
    batch_size: int = 16
    learning_rate: float = 5e-5
    warmup_ratio: float = 0.1
    weight_decay: float = 0.0
    select_by: str = "accuracy"
    patience: int = 0
    threshold: float = 0.0
    seed: int = -1
    vendor: str = "aws"
    region: str = "us-east-1"
    accelerator: str = "cpu"
    instance_type: str = "intel-spr"
    instance_size: str = "x4"
    scale_to_zero_minutes: int = 60

    @classmethod
    def of(cls, variant: Variant) -> Recipe:
        """Read a variant.

        Raises:
            RequestRefused: If a key is unknown or a value cannot be used.
        """
        known = {each.name: each.default for each in fields(cls)}
        for key, value in variant.settings.items():
            if key not in known:
                raise RequestRefused(
                    f"{variant}: {key!r} is not a setting of a variant.", remedy=f"Known: {', '.join(known)}."
                )
            _check_type(variant, key, value, known[key])
        recipe = cls(**variant.settings)
        recipe._check_values(variant)
        return recipe

    @property
    def trains_on_gpu(self) -> bool:
        """Whether the job's hardware has a GPU, going by its name."""
        return not self.flavor.startswith(CPU_FLAVORS)

    @property
    def instance(self) -> str:
        """The endpoint's hardware in one word, as the price table names it."""
        return f"{self.vendor}-{self.instance_type}-{self.instance_size}"

    def _check_values(self, variant: Variant) -> None:
        least = {
            "timeout_minutes": 1,
            "epochs": 1,
            "batch_size": 1,
            "patience": 0,
            "scale_to_zero_minutes": 0,
            "warmup_ratio": 0,
            "weight_decay": 0,
            "threshold": 0,
        }
        for key, smallest in least.items():
            if getattr(self, key) < smallest:
                raise RequestRefused(f"{variant}: {key} is {getattr(self, key)}.", remedy=f"Use {smallest} or more.")
        if not 0 < self.learning_rate < 1 or self.warmup_ratio > 1:
            raise RequestRefused(
                f"{variant}: learning_rate is {self.learning_rate} and warmup_ratio {self.warmup_ratio}.",
                remedy="Both lie between 0 and 1.",
            )
        if self.select_by not in SELECTORS:
            raise RequestRefused(
                f"{variant}: select_by is {self.select_by!r}.", remedy=f"Use {' or '.join(SELECTORS)}."
            )
        empty = [each.name for each in fields(self) if getattr(self, each.name) == ""]
        if empty:
            raise RequestRefused(f"{variant}: {empty[0]} is empty.", remedy="Give it a value or leave it out.")


def _check_type(variant: Variant, key: str, value: Any, default: Any) -> None:
    wanted = (int, float) if isinstance(default, float) else (type(default),)
    if not isinstance(value, wanted) or (isinstance(value, bool) and not isinstance(default, bool)):
        word = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}[type(default)]
        raise RequestRefused(f"{variant}: {key} is {value!r}.", remedy=f"Use {word}.")


DEFAULTS = asdict(Recipe())

# All settings are spelled out: a trial's record then says what it was, whatever a later version makes the default.
VARIANTS: Mapping[str, Mapping[str, Json]] = {
    "default": DEFAULTS,
    # AutoTrain 0.8.36's published defaults for image classification; its augmentation is not reproduced.
    "autotrain": {
        **DEFAULTS,
        "base_model": "google/vit-base-patch16-224",
        "epochs": 3,
        "batch_size": 8,
        "learning_rate": 5e-5,
        "warmup_ratio": 0.1,
        "weight_decay": 0.0,
        "select_by": "loss",
        "patience": 5,
        "threshold": 0.01,
        "seed": 42,
    },
    "gpu-endpoint": {**DEFAULTS, "accelerator": "gpu", "instance_type": "nvidia-t4", "instance_size": "x1"},
}
