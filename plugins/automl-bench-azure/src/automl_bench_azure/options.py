"""What a variant may ask for, checked before anything happens."""

from __future__ import annotations

from dataclasses import dataclass, replace

from automl_bench.contract import Modality, Setting, SettingKind, Variant
from automl_bench.errors import InvalidSetting
from automl_bench.toolkit.setting_values import variant_settings_of

MODELS = (
    "mobilenetv2",
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
    "resnet152",
    "resnest50",
    "resnest101",
    "seresnext",
    "vits16r224",
    "vitb16r224",
    "vitl16r224",
)
"""Networks that the AutoML job itself knows; models of Hugging Face run as other jobs and are left out."""

VARIANT_SETTINGS = (
    Setting(
        "model_name",
        'Network to train, or "" to leave the choice to the service (its AutoMode, with more than one trial).',
        default="vitb16r224",
        kind=SettingKind.CHOICE,
        choices=(*MODELS, ""),
    ),
    Setting(
        "max_trials",
        "Configurations that the service may try, one after the other.",
        default="1",
        kind=SettingKind.INTEGER,
        minimum=1,
        maximum=1000,
    ),
    Setting(
        "timeout_minutes",
        "Minutes after which the service ends the training job; it bounds the bill.",
        default="120",
        kind=SettingKind.INTEGER,
        minimum=1,
        maximum=7 * 24 * 60,
    ),
    Setting(
        "compute_size",
        "VM size of the training cluster; it must have a GPU.",
        default="Standard_NC4as_T4_v3",
        pattern="Standard_.+",
        example="Standard_NC4as_T4_v3",
    ),
    Setting(
        "low_priority",
        "Whether to train on low-priority machines: cheaper, and they may be taken away.",
        default="false",
        kind=SettingKind.FLAG,
    ),
    Setting(
        "instance_type",
        "VM size that serves the model.",
        default="Standard_DS3_v2",
        pattern="Standard_.+",
        example="Standard_DS3_v2",
    ),
    Setting(
        "instances",
        "How many of them; each is billed by the hour from deployment to teardown.",
        default="1",
        kind=SettingKind.INTEGER,
        minimum=1,
        maximum=20,
    ),
    Setting(
        "probe_delay_seconds",
        "How long a deployment may take to load the model before the service looks whether it lives.",
        default="2000",
        kind=SettingKind.INTEGER,
        minimum=1,
        maximum=7200,
    ),
    Setting(
        "text_language",
        "Language of the texts, in three letters.",
        default="eng",
        pattern="[a-z]{3}",
        example="eng",
    ),
    Setting(
        "table_max_trials",
        "Pipelines that the service may try on a table; with four or more it also tries ensembles of them.",
        default="10",
        kind=SettingKind.INTEGER,
        minimum=1,
        maximum=1000,
    ),
    Setting(
        "table_timeout_minutes",
        "Minutes after which the service ends a training on a table; it bounds the bill.",
        default="60",
        kind=SettingKind.INTEGER,
        minimum=15,
        maximum=7 * 24 * 60,
    ),
    Setting(
        "table_compute_size",
        "VM size of the cluster that trains on a table; it needs no GPU.",
        default="Standard_DS3_v2",
        pattern="Standard_.+",
        example="Standard_DS3_v2",
    ),
)


@dataclass(frozen=True, slots=True)
class Options:
    """A variant's settings; `VARIANT_SETTINGS` says what each is."""

    model_name: str
    max_trials: int
    timeout_minutes: int
    compute_size: str
    low_priority: bool
    instance_type: str
    instances: int
    probe_delay_seconds: int
    text_language: str
    table_max_trials: int
    table_timeout_minutes: int
    table_compute_size: str

    @classmethod
    def of(cls, variant: Variant, modality: Modality | None = None) -> Options:
        """Read a variant's settings; cluster, trials and time are those for samples of a kind.

        Raises:
            SettingsError: If a key is unknown or a value cannot be.
        """
        found = cls(**variant_settings_of(VARIANT_SETTINGS, variant))
        if modality is Modality.TABULAR:
            return replace(
                found,
                compute_size=found.table_compute_size,
                max_trials=found.table_max_trials,
                timeout_minutes=found.table_timeout_minutes,
            )
        if modality is Modality.TEXT:
            return replace(found, max_trials=1)  # one model a job: the service selects none
        if not found.model_name and found.max_trials == 1:
            raise InvalidSetting(
                f"{variant}: neither a model_name nor more than one trial is asked for.",
                remedy=f"Name one of {', '.join(MODELS)}, or set max_trials above 1 to let the service choose.",
            )
        return found
