"""What exists at Google Cloud under a name prefix, found with no local file to help."""

from __future__ import annotations

from typing import TYPE_CHECKING

from automl_bench.contract import Resource
from automl_bench_vertex import control, datasets, endpoints, shipping, trainings
from automl_bench_vertex.naming import DEPLOYED_MODEL, sibling, stem

if TYPE_CHECKING:
    from automl_bench_vertex.account import Account


def list_everything(account: Account, prefix: str) -> list[Resource]:
    """List our resources in an order in which they can be made, so that the reverse order can be deleted."""
    ours = stem(prefix)
    found = shipping.list_folders(account, ours)
    found += [
        datasets.resource_of(account, each) for each in datasets.listed(account) if each.display_name.startswith(ours)
    ]
    for model in trainings.list_models(account):
        if model.display_name.startswith(ours):
            found.append(trainings.resource_of_model(account, model))
    found += [
        trainings.resource_of(account, each) for each in trainings.listed(account) if each.display_name.startswith(ours)
    ]
    for endpoint in endpoints.listed(account):
        if endpoint.display_name.startswith(ours):
            itself = endpoints.resource_of(account, endpoint)
            found.append(itself)
            found += [
                endpoints.deployed_resource(
                    account,
                    each.display_name,
                    endpoint.name,
                    since=each.create_time.isoformat() if each.create_time else "",
                    owner=itself.owner,
                    machine=endpoints.machine_of(each),
                )
                for each in endpoint.deployed_models
            ]
            if not endpoint.deployed_models and control.going(account, endpoint.name, control.DEPLOY):
                name = sibling(endpoint.display_name, DEPLOYED_MODEL)
                found.append(endpoints.deployed_resource(account, name, endpoint.name, owner=itself.owner))
    return [resource for resource in found if resource.name.startswith(prefix)]
