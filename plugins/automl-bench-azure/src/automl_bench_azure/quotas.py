"""Whether the region has cores left for a variant's machines: asked before anything that costs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from automl_bench.errors import PermissionDenied, QuotaExceeded, RequestRefused, ResourceMissing
from automl_bench.numbers_in_words import number_of

if TYPE_CHECKING:
    from automl_bench_azure.account import Account
    from automl_bench_azure.options import Options

SPARE = 1.2
"""A deployment needs a fifth more cores than it runs on, for upgrades."""

REMEDY = "Ask for more quota of this VM size in the Azure portal (Azure ML, Quotas), or set a smaller size."


def check(account: Account, options: Options) -> tuple[str, ...]:
    """Compare the cores that a trial needs with what the region's quota leaves, and return what could not be asked.

    Training and deployment do not run at the same time, so each is held to the quota on its own.

    Raises:
        QuotaExceeded: If the quota of a machine's family does not suffice.
    """
    place = f"{account.subscription_path}/providers/Microsoft.MachineLearningServices/locations/{account.location}"
    try:
        sizes = {str(item["name"]).lower(): item for item in account.arm.pages(f"{place}/vmSizes")}
        left = {_name(item).lower(): _left(item) for item in account.arm.pages(f"{place}/usages")}
    except (PermissionDenied, ResourceMissing, RequestRefused):
        return ("the core quota is unknown: these credentials may not read the region's usage; see the portal",)
    notes = []
    for size, count, spare in (
        (options.compute_size, 0 if options.low_priority else 1, 1.0),
        (options.instance_type, options.instances, SPARE),
    ):
        machine = sizes.get(size.lower())
        family = str(machine.get("family", "")) if machine else ""
        free = left.get(family.lower())
        if machine is None or free is None:
            notes.append(f"the core quota of {size} is not listed in {account.location}")
            continue
        cores = math.ceil(int(machine.get("vCPUs") or 0) * count * spare)
        if cores > free:
            raise QuotaExceeded(
                f"{count} {size} need {number_of(cores, 'core')} of the family {family} in {account.location}, "
                f"and the quota leaves {free}.",
                remedy=REMEDY,
            )
    return tuple(notes)


def _name(item: dict[str, Any]) -> str:
    return str((item.get("name") or {}).get("value", ""))


def _left(item: dict[str, Any]) -> int:
    return int(item.get("limit") or 0) - int(item.get("currentValue") or 0)
