"""What a variant may ask for, checked before anything happens."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from automl_bench.contract import Variant
from automl_bench.errors import RequestRefused

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

MOST_TRIALS = 1000
MOST_INSTANCES = 20
MOST_MINUTES = 7 * 24 * 60


@dataclass(frozen=True, slots=True)
class Options:
    """A variant's settings.

    Attributes:
        model_name: Network to train, or "" to leave the choice to the service (its AutoMode, with more than one trial).
        max_trials: Configurations that the service may try, one after the other.
        timeout_minutes: Longest training; the service ends the job then. It bounds the bill.
        compute_size: VM size of the training cluster; it must have a GPU.
        low_priority: Whether to train on low-priority machines: cheaper, and may be taken away.
        instance_type: VM size that serves the model.
        instances: How many of them; each is billed by the hour from deployment to teardown.
        probe_delay_seconds: How long a deployment may take to load the model before the service looks whether it lives.
    """

    model_name: str = "vitb16r224"
    max_trials: int = 1
    timeout_minutes: int = 120
    compute_size: str = "Standard_NC4as_T4_v3"
    low_priority: bool = False
    instance_type: str = "Standard_DS3_v2"
    instances: int = 1
    probe_delay_seconds: int = 2000

    @classmethod
    def of(cls, variant: Variant) -> Options:
        """Read a variant's settings.

        Raises:
            RequestRefused: If a key is unknown or a value cannot be.
        """
        unknown = sorted(set(variant.settings) - set(_CHECKS))
        if unknown:
            raise RequestRefused(
                f"{variant}: {unknown[0]!r} is not a setting of a variant.", remedy=f"Known: {', '.join(_CHECKS)}."
            )
        for name, value in variant.settings.items():
            check, wanted = _CHECKS[name]
            if not check(value):
                raise RequestRefused(f"{variant}: {name} is {value!r}.", remedy=f"Use {wanted}.")
        found = cls(**variant.settings)
        if not found.model_name and found.max_trials == 1:
            raise RequestRefused(
                f"{variant}: neither a model_name nor more than one trial is asked for.",
                remedy=f"Name one of {', '.join(MODELS)}, or set max_trials above 1 to let the service choose.",
            )
        return found


def _whole(most: int) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= most


def _size(value: Any) -> bool:
    return isinstance(value, str) and value.startswith("Standard_")


_CHECKS: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "model_name": (lambda value: value == "" or value in MODELS, f'one of {", ".join(MODELS)}, or ""'),
    "max_trials": (_whole(MOST_TRIALS), f"a whole number from 1 to {MOST_TRIALS}"),
    "timeout_minutes": (_whole(MOST_MINUTES), f"a whole number of minutes from 1 to {MOST_MINUTES}"),
    "compute_size": (_size, "a VM size such as Standard_NC4as_T4_v3"),
    "low_priority": (lambda value: isinstance(value, bool), "true or false"),
    "instance_type": (_size, "a VM size such as Standard_DS3_v2"),
    "instances": (_whole(MOST_INSTANCES), f"a whole number from 1 to {MOST_INSTANCES}"),
    "probe_delay_seconds": (_whole(7200), "a whole number of seconds from 1 to 7200"),
}
