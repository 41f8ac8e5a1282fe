"""Resource Manager's routes for one workspace: what each request asks of it, and what is answered.

Every body is held to the SDK's model classes in both directions, every name to the service's rules, every query to the
one API version that is known here.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping
from typing import Any

import arm_models
from azure_http import Request
from azure_learning import BadData
from azure_rules import (
    API_VERSION,
    ASSET_NAME,
    COMPUTE_NAME,
    ENDPOINT_NAME,
    VM_SIZES,
    check_job,
    require_fit,
    require_name,
)
from azure_workspace import Job, Refusal, Thing, Workspace, moment

Json = dict[str, Any]
VERSIONS = {
    "data": "DataVersionBase",
    "models": "ModelVersion",
    "codes": "CodeVersion",
    "environments": "EnvironmentVersion",
}
CONTAINERS = {
    "data": "DataContainer",
    "models": "ModelContainer",
    "codes": "CodeContainer",
    "environments": "EnvironmentContainer",
}


class Routes:
    """Answers requests about one workspace.

    Args:
        workspace: What is in it.
        path: Its path in Resource Manager.
        location: Its region.
        datastores: Properties of its datastores by name.
        tracking_url: Address of its MLflow server.
        scoring_url: Address before an endpoint's name.
    """

    def __init__(
        self,
        workspace: Workspace,
        path: str,
        *,
        location: str,
        datastores: Mapping[str, Json],
        tracking_url: str,
        scoring_url: str,
    ) -> None:
        self.workspace, self.path, self.location = workspace, path, location
        self.datastores, self.tracking_url, self.scoring_url = datastores, tracking_url, scoring_url
        self.delete_fails = False
        self.page_size = 20
        table: list[tuple[str, str, Callable[..., tuple[int, Json | None]]]] = [
            ("GET", "", self._get_workspace),
            ("GET", "datastores/{}", self._get_datastore),
            ("GET", "computes", self._list_computes),
            ("GET", "computes/{}", self._get_compute),
            ("PUT", "computes/{}", self._put_compute),
            ("DELETE", "computes/{}", self._delete_compute),
            ("GET", "jobs", self._list_jobs),
            ("GET", "jobs/{}", self._get_job),
            ("PUT", "jobs/{}", self._put_job),
            ("POST", "jobs/{}/cancel", self._cancel_job),
            ("DELETE", "jobs/{}", self._delete_job),
            ("GET", "onlineEndpoints", self._list_endpoints),
            ("GET", "onlineEndpoints/{}", self._get_endpoint),
            ("PUT", "onlineEndpoints/{}", self._put_endpoint),
            ("PATCH", "onlineEndpoints/{}", self._patch_endpoint),
            ("POST", "onlineEndpoints/{}/listKeys", self._list_keys),
            ("DELETE", "onlineEndpoints/{}", self._delete_endpoint),
            ("GET", "onlineEndpoints/{}/deployments/{}", self._get_deployment),
            ("PUT", "onlineEndpoints/{}/deployments/{}", self._put_deployment),
            ("POST", "onlineEndpoints/{}/deployments/{}/getLogs", self._get_logs),
            ("DELETE", "onlineEndpoints/{}/deployments/{}", self._delete_deployment),
        ]
        for collection in ("data", "models", "codes", "environments"):
            table += [
                ("GET", collection, self._assets(self._list_assets, collection)),
                ("GET", f"{collection}/{{}}", self._assets(self._get_asset, collection)),
                ("DELETE", f"{collection}/{{}}", self._assets(self._delete_asset, collection)),
                ("GET", f"{collection}/{{}}/versions/{{}}", self._assets(self._get_version, collection)),
                ("PUT", f"{collection}/{{}}/versions/{{}}", self._assets(self._put_version, collection)),
                ("DELETE", f"{collection}/{{}}/versions/{{}}", self._assets(self._delete_asset, collection)),
            ]
        self._table = [
            (
                method,
                pattern,
                re.compile("/".join("([^/]+)" if part == "{}" else part for part in pattern.split("/"))),
                do,
            )
            for method, pattern, do in table
        ]

    @staticmethod
    def operation(method: str, rest: str) -> str:
        """Return the name of an operation: method and path without names."""
        parts = rest.split("/") if rest else ["workspace"]
        return f"{method} {'/'.join(parts[::2] if len(parts) != 3 else [parts[0], parts[2]])}"

    def answer(self, request: Request) -> tuple[int, Json | None]:
        """Carry a request out.

        Raises:
            Refusal: What Resource Manager would answer.
        """
        if not request.path.lower().startswith(self.path.lower()):
            asked = request.path.lower().split("/workspaces/", 1)[-1].split("/", 1)[0]
            words = f"The Resource 'Microsoft.MachineLearningServices/workspaces/{asked}' under resource group 'x'"
            raise Refusal(404, "ResourceNotFound", f"{words} was not found.")
        rest = request.path[len(self.path) :].strip("/")
        query = dict(request.query)
        if query.pop("api-version", None) != API_VERSION:
            raise Refusal(400, "InvalidApiVersionParameter", f"The api-version is not {API_VERSION}.")
        for method, pattern, expression, do in self._table:
            found = expression.fullmatch(rest)
            if method == request.method and found:
                self._check_query(pattern, method, query)
                body = self._body(request) if method in ("PUT", "PATCH") or pattern.endswith("getLogs") else None
                with self.workspace.lock:
                    self.workspace.settle()
                    if method == "DELETE" and self.delete_fails:
                        raise Refusal(403, "AuthorizationFailed", "The client may not delete this.")
                    return do(*found.groups(), *([body] if body is not None else []), **self._wants(do, query))
        raise Refusal(405, "MethodNotAllowed", f"{request.method} {rest}")

    @staticmethod
    def _wants(do: Callable[..., Any], query: Json) -> Json:
        return {"query": query} if getattr(do, "__name__", "").startswith("_list") and query is not None else {}

    @staticmethod
    def _check_query(pattern: str, method: str, query: Json) -> None:
        known = {"$skip"} if method == "GET" and "{}" not in pattern else set()
        if (method, pattern) == ("GET", "jobs"):
            known |= {"jobType", "tag", "listViewType"}
        if (method, pattern) == ("DELETE", "computes/{}"):
            if query.get("underlyingResourceAction") not in ("Delete", "Detach"):
                raise Refusal(400, "BadArgument", "underlyingResourceAction is required")
            known |= {"underlyingResourceAction"}
        if set(query) - known:
            raise Refusal(400, "BadArgument", f"unknown query {sorted(set(query) - known)}")

    @staticmethod
    def _body(request: Request) -> Json:
        if request.headers.get("content-type") != "application/json":
            raise Refusal(415, "UnsupportedMediaType", "the body is no JSON")
        try:
            return dict(json.loads(request.body))
        except (ValueError, TypeError) as error:
            raise Refusal(400, "InvalidRequestContent", "the body is no JSON object") from error

    def _assets(self, do: Callable[..., Any], collection: str) -> Callable[..., Any]:
        def bound(*arguments: Any, **more: Any) -> Any:
            return do(collection, *arguments, **more)

        bound.__name__ = do.__name__
        return bound

    # --- answers ------------------------------------------------------------------------------------------------

    def _shown(self, model: str, collection: str, name: str, more: Json, made: float) -> Json:
        shown = {
            "id": f"{self.path}/{collection}/{name}",
            "name": name.rsplit("/", 1)[-1],
            "type": f"Microsoft.MachineLearningServices/workspaces/{collection.split('/')[0]}",
            "systemData": {"createdAt": moment(made)},
            **more,
        }
        arm_models.check(model, shown, "read")
        return shown

    def _page(self, items: list[Json], collection: str, query: Json) -> tuple[int, Json]:
        begin = int(query.get("$skip", 0))
        answer: Json = {"value": items[begin : begin + self.page_size]}
        if begin + self.page_size < len(items):
            kept = "".join(f"&{name}={value}" for name, value in query.items() if name != "$skip")
            following = f"{self.path}/{collection}?api-version={API_VERSION}&$skip={begin + self.page_size}{kept}"
            answer["nextLink"] = f"{self.scoring_url.rsplit('/', 1)[0]}{following}"
        return 200, answer

    @staticmethod
    def _listed(things: Any) -> list[Any]:
        return sorted((each for each in things if time.time() >= each.shown), key=lambda each: each.made)

    # --- workspace and datastores -------------------------------------------------------------------------------

    def _get_workspace(self) -> tuple[int, Json]:
        more = {"location": self.location, "properties": {"mlFlowTrackingUri": self.tracking_url}}
        return 200, {"id": self.path, "name": self.path.rsplit("/", 1)[-1], **more}

    def _get_datastore(self, name: str) -> tuple[int, Json]:
        if name not in self.datastores:
            raise Refusal(404, "UserError", f"No datastore {name}")
        return 200, self._shown("Datastore", "datastores", name, {"properties": self.datastores[name]}, 0.0)

    # --- clusters -----------------------------------------------------------------------------------------------

    def _compute(self, thing: Thing) -> Json:
        body = thing.body
        nodes = int(self.workspace.running_on(thing.name))
        about = {**body["properties"]["properties"], "currentNodeCount": nodes}
        properties = {**body["properties"], "provisioningState": thing.state, "properties": about}
        return self._shown("ComputeResource", "computes", thing.name, {**body, "properties": properties}, thing.made)

    def _list_computes(self, query: Json) -> tuple[int, Json]:
        shown = [self._compute(each) for each in self._listed(self.workspace.computes.values())]
        return self._page(shown, "computes", query)

    def _get_compute(self, name: str) -> tuple[int, Json]:
        return 200, self._compute(self._found(self.workspace.computes, name))

    def _put_compute(self, name: str, body: Json) -> tuple[int, Json]:
        require_name(COMPUTE_NAME, name)
        require_fit("ComputeResource", body)
        about = body["properties"].get("properties") or {}
        if body.get("location") != self.location or not VM_SIZES.fullmatch(about.get("vmSize", "")):
            raise Refusal(400, "InvalidPropertyValue", "location or vmSize is not offered")
        if name in self.workspace.computes:
            return 200, self._compute(self.workspace.computes[name])
        thing = Thing(name, body, "", 0.0, "", shown=self.workspace.note("computes", name))
        thing.change("Creating", self.workspace.pace.cluster, "Succeeded")
        self.workspace.computes[name] = thing
        return 201, self._compute(thing)

    def _delete_compute(self, name: str) -> tuple[int, None]:
        self._found(self.workspace.computes, name)
        self.workspace.delete_compute(name)
        return 202, None

    @staticmethod
    def _found(table: Mapping[Any, Any], key: Any) -> Any:
        if key not in table:
            raise Refusal(404, "ResourceNotFound", f"{key} was not found")
        return table[key]

    # --- data and models ----------------------------------------------------------------------------------------

    def _asset(self, collection: str, thing: Thing, version: str) -> Json:
        body = {key: value for key, value in thing.body.items() if key != "learnt"}
        model = VERSIONS[collection]
        if collection != "data":
            body = {"properties": {**body["properties"], "provisioningState": thing.state}}
        return self._shown(model, collection, f"{thing.name}/versions/{version}", body, thing.made)

    def _list_assets(self, collection: str, query: Json) -> tuple[int, Json]:
        model = CONTAINERS[collection]
        firsts = [next(iter(versions.values())) for versions in self.workspace.assets[collection].values() if versions]
        properties = {"dataType": "mltable"} if collection == "data" else {}
        shown = [
            self._shown(model, collection, thing.name, {"properties": properties}, thing.made)
            for thing in self._listed(firsts)
        ]
        return self._page(shown, collection, query)

    def _get_asset(self, collection: str, name: str) -> tuple[int, Json]:
        self._found(self.workspace.assets[collection], name)
        model = CONTAINERS[collection]
        properties = {"dataType": "mltable"} if collection == "data" else {}
        return 200, self._shown(model, collection, name, {"properties": properties}, 0.0)

    def _get_version(self, collection: str, name: str, version: str) -> tuple[int, Json]:
        versions = self._found(self.workspace.assets[collection], name)
        return 200, self._asset(collection, self._found(versions, version), version)

    def _put_version(self, collection: str, name: str, version: str, body: Json) -> tuple[int, Json]:
        require_name(ASSET_NAME, name)
        require_fit(VERSIONS[collection], body)
        try:
            thing = self.workspace.put_asset(collection, name, version, body)
        except BadData as error:
            raise Refusal(400, "UserError", str(error)) from error
        return 201, self._asset(collection, thing, version)

    def _delete_asset(self, collection: str, name: str, version: str = "") -> tuple[int, None]:
        return (200 if self.workspace.delete_asset(collection, name, version) else 204), None

    # --- jobs ---------------------------------------------------------------------------------------------------

    def _job(self, job: Job) -> Json:
        properties = {**job.body["properties"], "status": self.workspace.status(job)}
        return self._shown("JobBase", "jobs", job.name, {"properties": properties}, job.made)

    def _list_jobs(self, query: Json) -> tuple[int, Json]:
        tag, kind = query.get("tag"), query.get("jobType")
        found = [
            self._job(job)
            for job in self._listed(self.workspace.jobs.values())
            if (tag is None or tag in (job.body["properties"].get("tags") or {})) and kind in (None, "AutoML")
        ]
        return self._page(found, "jobs", query)

    def _get_job(self, name: str) -> tuple[int, Json]:
        return 200, self._job(self._found(self.workspace.jobs, name))

    def _put_job(self, name: str, body: Json) -> tuple[int, Json]:
        require_name(ASSET_NAME, name)
        require_fit("JobBase", body)
        return 201, self._job(self.workspace.begin_job(name, body, self._check_job))

    def _check_job(self, body: Json) -> None:
        check_job(body, self.path, self.workspace.computes)

    def _cancel_job(self, name: str) -> tuple[int, None]:
        self._found(self.workspace.jobs, name)
        self.workspace.cancel(name)
        return 202, None

    def _delete_job(self, name: str) -> tuple[int, None]:
        self._found(self.workspace.jobs, name)
        self.workspace.delete_job(name)
        return 202, None

    # --- endpoints ----------------------------------------------------------------------------------------------

    def _endpoint(self, thing: Thing) -> Json:
        properties = {
            **thing.body["properties"],
            "provisioningState": thing.state,
            "scoringUri": f"{self.scoring_url}/{thing.name}",
        }
        more = {**thing.body, "properties": properties}
        return self._shown("OnlineEndpoint", "onlineEndpoints", thing.name, more, thing.made)

    def _list_endpoints(self, query: Json) -> tuple[int, Json]:
        shown = [self._endpoint(each) for each in self._listed(self.workspace.endpoints.values())]
        return self._page(shown, "onlineEndpoints", query)

    def _get_endpoint(self, name: str) -> tuple[int, Json]:
        return 200, self._endpoint(self._found(self.workspace.endpoints, name))

    def _put_endpoint(self, name: str, body: Json) -> tuple[int, Json]:
        require_name(ENDPOINT_NAME, name)
        require_fit("OnlineEndpoint", body)
        if body["location"] != self.location or (body.get("identity") or {}).get("type") != "SystemAssigned":
            raise Refusal(400, "BadArgument", "location or identity is not right")
        fresh = name not in self.workspace.endpoints
        return (201 if fresh else 200), self._endpoint(self.workspace.make_endpoint(name, body))

    def _patch_endpoint(self, name: str, body: Json) -> tuple[int, Json]:
        self._found(self.workspace.endpoints, name)
        require_fit("PartialMinimalTrackedResourceWithIdentity", body)  # it takes tags and identity only
        return self._get_endpoint(name)

    def _list_keys(self, name: str, query: Json) -> tuple[int, Json]:
        self._found(self.workspace.endpoints, name)
        return 200, {"primaryKey": self.workspace.keys[name], "secondaryKey": self.workspace.keys[name][::-1]}

    def _delete_endpoint(self, name: str) -> tuple[int, None]:
        self._found(self.workspace.endpoints, name)
        self.workspace.delete_endpoint(name)
        return 202, None

    def _deployment(self, endpoint: str, thing: Thing) -> Json:
        body = {key: value for key, value in thing.body.items() if key != "learnt"}
        body["properties"] = {**body["properties"], "provisioningState": thing.state}
        name = f"{endpoint}/deployments/{thing.name}"
        return self._shown("OnlineDeployment", "onlineEndpoints", name, body, thing.made)

    def _get_deployment(self, endpoint: str, name: str) -> tuple[int, Json]:
        self._found(self.workspace.endpoints, endpoint)
        return 200, self._deployment(endpoint, self._found(self.workspace.deployments, (endpoint, name)))

    def _put_deployment(self, endpoint: str, name: str, body: Json) -> tuple[int, Json]:
        if endpoint not in self.workspace.endpoints:
            raise Refusal(404, "ParentResourceNotFound", f"{endpoint} was not found")
        require_name(ENDPOINT_NAME, name)
        require_fit("OnlineDeployment", body)
        about, sku = body["properties"], body.get("sku") or {}
        if not VM_SIZES.fullmatch(about.get("instanceType", "")) or sku.get("name") != "Default":
            raise Refusal(400, "BadArgument", "instanceType or sku is not right")
        collection, _, rest = about.get("model", "").removeprefix(f"{self.path}/").partition("/")
        model, _, version = rest.partition("/versions/")
        if collection != "models" or version not in self.workspace.assets["models"].get(model, {}):
            raise Refusal(400, "BadArgument", f"there is no model {about.get('model')}")
        learnt = self.workspace.assets["models"][model][version].body["learnt"]
        code, fails = about.get("codeConfiguration"), False
        if code:
            try:
                learnt = self.workspace.container_of(
                    learnt, code["codeId"], code["scoringScript"], about["environmentId"]
                )
            except Refusal:
                raise
            except Exception:  # noqa: BLE001  # the container's own, which nobody sees but its log
                fails = True
        thing = self.workspace.make_deployment(endpoint, name, body, learnt, fails=fails)
        return 201, self._deployment(endpoint, thing)

    def _get_logs(self, endpoint: str, name: str, body: Json) -> tuple[int, Json]:
        require_fit("DeploymentLogsRequest", body)
        found = self._found(self.workspace.deployments, (endpoint, name))
        words = "ImportError: the container was told to fail" if found.state == "Failed" else "serving"
        return 200, {"content": f"starting\n{words}\n"}

    def _delete_deployment(self, endpoint: str, name: str) -> tuple[int, None]:
        self._found(self.workspace.endpoints, endpoint)
        self._found(self.workspace.deployments, (endpoint, name))
        self.workspace.delete_deployment(endpoint, name)
        return 202, None
