"""What a variant may set: the training and the instance that serves it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from automl_bench.contract import Json, Modality, Setting, SettingKind, Variant
from automl_bench.toolkit.setting_values import variant_settings_of

BASE_MODEL = "google/vit-base-patch16-224-in21k"
TEXT_MODEL = "google-bert/bert-base-uncased"
UV_IMAGE = "ghcr.io/astral-sh/uv:python3.12-bookworm"
"""Holds `uv`, which the command of the job needs."""

CPU_FLAVORS = ("cpu-",)
"""How the names of hardware without a GPU begin."""

SELECTORS = ("accuracy", "loss")


def _key(name: str, default: str, description: str, kind: SettingKind = SettingKind.TEXT, **more: Any) -> Setting:
    return Setting(name, description, default=default, kind=kind, **more)


VARIANT_SETTINGS = (
    _key("flavor", "t4-small", "Hardware of the training job."),
    _key(
        "timeout_minutes",
        "120",
        "Minutes after which the service ends the job: the bound of what a training can cost.",
        SettingKind.INTEGER,
        minimum=1,
    ),
    _key("image", UV_IMAGE, "Container image of the job."),
    _key("base_model", BASE_MODEL, "Model to start from for images."),
    _key("text_model", TEXT_MODEL, "Model to start from for texts."),
    _key(
        "max_tokens",
        "256",
        "Tokens of a text that are learned from and classified; the rest is cut off.",
        SettingKind.INTEGER,
        minimum=8,
    ),
    _key("from_scratch", "false", "Whether to take only its configuration, with random weights.", SettingKind.FLAG),
    _key("epochs", "10", "Maximum number of passes over the training half.", SettingKind.INTEGER, minimum=1),
    _key("batch_size", "16", "Samples of one step.", SettingKind.INTEGER, minimum=1),
    _key("learning_rate", "5e-5", "Highest learning rate.", SettingKind.NUMBER, minimum=1e-12, maximum=1),
    _key("warmup_ratio", "0.1", "Part of the steps in which it rises.", SettingKind.NUMBER, minimum=0, maximum=1),
    _key("weight_decay", "0", "Weight decay of AdamW.", SettingKind.NUMBER, minimum=0),
    _key(
        "select_by",
        "accuracy",
        "Measure of the validation half that chooses the best epoch.",
        SettingKind.CHOICE,
        choices=SELECTORS,
    ),
    _key("patience", "0", "Epochs without progress after which to stop; 0 for never.", SettingKind.INTEGER, minimum=0),
    _key("threshold", "0", "Smallest change that counts as progress.", SettingKind.NUMBER, minimum=0),
    _key("seed", "-1", "Seed of the training; negative for the experiment's own.", SettingKind.INTEGER),
    _key("vendor", "aws", "Cloud of the endpoint."),
    _key("region", "us-east-1", "Its region."),
    _key("accelerator", "cpu", '"cpu", "gpu" or another of the service\'s words.'),
    _key("instance_type", "intel-spr", "The service's name of the instance."),
    _key("instance_size", "x4", "The service's name of its size."),
    _key(
        "scale_to_zero_minutes",
        "60",
        "Minutes without a request after which nothing runs any more; 0 for never, then one replica always runs.",
        SettingKind.INTEGER,
        minimum=0,
    ),
)


@dataclass(frozen=True, slots=True)
class Recipe:
    """The settings of a variant, all of them; `VARIANT_SETTINGS` says what each is."""

    flavor: str
    timeout_minutes: int
    image: str
    base_model: str
    text_model: str
    max_tokens: int
    from_scratch: bool
    epochs: int
    batch_size: int
    learning_rate: float
    warmup_ratio: float
    weight_decay: float
    select_by: str
    patience: int
    threshold: float
    seed: int
    vendor: str
    region: str
    accelerator: str
    instance_type: str
    instance_size: str
    scale_to_zero_minutes: int

    @classmethod
    def of(cls, variant: Variant) -> Recipe:
        """Read a variant.

        Raises:
            SettingsError: If a key is unknown or a value cannot be used.
        """
        return cls(**variant_settings_of(VARIANT_SETTINGS, variant))

    def model_for(self, modality: Modality) -> str:
        """Return the model to start from."""
        return self.text_model if modality is Modality.TEXT else self.base_model

    @property
    def trains_on_gpu(self) -> bool:
        """Whether the job's hardware has a GPU, going by its name."""
        return not self.flavor.startswith(CPU_FLAVORS)

    @property
    def instance(self) -> str:
        """The endpoint's hardware in one word, as the price table names it."""
        return f"{self.vendor}-{self.instance_type}-{self.instance_size}"


DEFAULTS = asdict(Recipe.of(Variant("huggingface", "default")))

# All settings are spelled out: a trial's record then says what it was, whatever a later version makes the default.
VARIANTS: Mapping[str, Mapping[str, Json]] = {
    "default": DEFAULTS,
    # AutoTrain 0.8.36's published defaults for image and for text classification; its augmentation is not reproduced.
    "autotrain": {
        **DEFAULTS,
        "base_model": "google/vit-base-patch16-224",
        "max_tokens": 128,
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
