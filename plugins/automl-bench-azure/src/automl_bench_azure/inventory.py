"""What exists at Azure under a name prefix, found with no local file to help."""

from __future__ import annotations

from typing import TYPE_CHECKING

from automl_bench.contract import Resource
from automl_bench_azure import assets, computes, endpoints, folders, jobs
from automl_bench_azure.naming import CODE, ENVIRONMENT, MODEL, TRAIN_DATA, VALIDATION_DATA

if TYPE_CHECKING:
    from automl_bench_azure.account import Account


def list_everything(account: Account, prefix: str) -> list[Resource]:
    """List our resources in the order in which a trial makes them, so that the reverse order can be deleted."""
    return [
        *folders.listed(account, prefix),
        *assets.listed(account, TRAIN_DATA, prefix),
        *assets.listed(account, VALIDATION_DATA, prefix),
        *computes.listed(account, prefix),
        *jobs.listed(account, prefix),
        *assets.listed(account, MODEL, prefix),
        *assets.listed(account, CODE, prefix),
        *assets.listed(account, ENVIRONMENT, prefix),
        *endpoints.listed(account, prefix),
    ]
