"""What a deployment of texts or rows needs beside the model: our scoring script, and the training's own packages.

The script is a *code* asset over two blobs in the trial's folder. The *environment* is made of the list of packages
that the AutoML job itself has written for its best model, so that what was pickled there can be read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.resources import files
from typing import TYPE_CHECKING

from automl_bench.contract import Json
from automl_bench_azure import assets
from automl_bench_azure.endpoints import SCRIPT
from automl_bench_azure.jobs import EXPERIMENT
from automl_bench_azure.naming import CODE, ENVIRONMENT, FOLDER, first_of, trial_folder

if TYPE_CHECKING:
    from automl_bench.contract import Resource, TrialContext
    from automl_bench_azure.account import Account

PACKAGES = "outputs/conda_env_v_1_0_0.yml"
"""Where an AutoML job writes the packages that its model needs."""


def code_folder(name: str) -> str:
    """Return where a trial's scoring script lies in the container, by any of its resources' names."""
    return f"{trial_folder(first_of(name, FOLDER))}code/"


def prepare(account: Account, context: TrialContext, *, child: str, uploaded: Mapping[str, Json]) -> dict[str, str]:
    """Register script and environment, each in the ledger first, and return what the deployment is told of them.

    Args:
        account: The workspace.
        context: The trial.
        child: Job that trained the best model.
        uploaded: Result of the upload.
    """
    code = context.resources.ensure(
        CODE,
        find=lambda name: assets.find(account, CODE, name),
        create=lambda name: _create_code(account, context, name, uploaded),
        hourly_usd=0.0,
    )
    environment = context.resources.ensure(
        ENVIRONMENT,
        find=lambda name: assets.find(account, ENVIRONMENT, name),
        create=lambda name: assets.create_environment(
            account,
            name,
            image=account.serving_image,
            packages=account.arm.read_text(_address_of_packages(account, child)),
            owner=context.owner,
        ),
        hourly_usd=0.0,
    )
    return {"code": code.resource_id, "environment": environment.resource_id}


def _create_code(account: Account, context: TrialContext, name: str, uploaded: Mapping[str, Json]) -> Resource:
    folder = code_folder(name)
    script = files("automl_bench_azure").joinpath(SCRIPT).read_bytes()
    account.storage.write(f"{folder}{SCRIPT}", script, "text/x-python")
    told = json.dumps({"numbers": uploaded["numbers"]}, ensure_ascii=False).encode()
    account.storage.write(f"{folder}columns.json", told, "application/json")
    return assets.create_code(account, name, folder=f"{account.storage.url}/{folder}", owner=context.owner)


def _address_of_packages(account: Account, child: str) -> str:
    answer = account.arm.ask(
        "GET", f"{account.history_url}/experiments/{EXPERIMENT}/runs/{child}/artifacts/contentinfo", {"path": PACKAGES}
    )
    return str(answer.get("contentUri") or "")
