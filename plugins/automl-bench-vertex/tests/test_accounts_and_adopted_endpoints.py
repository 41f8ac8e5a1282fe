"""What the credentials reach, what an endpoint made by hand is good for, and what the stand-in itself refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from automl_bench_vertex import plugin
from vertex_project import Pace
from vertex_routes import Refusal
from vertex_service import VertexService
from vertex_trial import COLOURS, TRIAL_ID, VertexTrial, enter

from automl_bench.contract import NAME_PREFIX, Endpoint
from automl_bench.errors import RequestRefused, ResourceConflict, ResourceMissing

STEM = f"{NAME_PREFIX}-{TRIAL_ID}"
KINDS = ["samples", "dataset", "model", "training", "endpoint", "deployed-model"]


def test_access_names_the_account_and_creates_nothing(trial: VertexTrial, vertex: VertexService) -> None:
    report = plugin.check_access(trial.context)
    assert report.ok
    assert report.account == f"project bench-project, region europe-west4, bucket {vertex.bucket}"
    assert vertex.creations() == []


def test_a_bucket_that_is_not_there_or_elsewhere_is_named(
    vertex: VertexService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUTOML_BENCH_VERTEX_BUCKET", "no-such-bucket")
    with pytest.raises(ResourceMissing, match="no-such-bucket") as caught:
        plugin.check_access(VertexTrial(tmp_path).context)
    assert "gcloud storage buckets create gs://no-such-bucket --location=europe-west4" in caught.value.remedy


def test_a_bucket_in_another_region_is_refused(vertex: VertexService, tmp_path: Path) -> None:
    vertex._gcs("DELETE", f"/storage/v1/b/{vertex.bucket}")
    from storage_front import StorageFront, gcs_server

    with gcs_server("us-east1") as elsewhere, StorageFront(elsewhere, vertex.tokens) as front:
        vertex.gcs_url = elsewhere
        vertex._gcs("POST", "/storage/v1/b?project=bench", {"name": vertex.bucket})
        trial = VertexTrial(tmp_path)
        trial.context.settings["storage_url"] = front.url  # type: ignore[index]
        with pytest.raises(RequestRefused, match="is in us-east1 and the region set is europe-west4"):
            plugin.check_access(trial.context)


@pytest.mark.parametrize("given", ["{id}", "projects/bench-project/locations/europe-west4/endpoints/{id}"])
def test_an_endpoint_made_by_hand_is_adopted(given: str, trial: VertexTrial, vertex: VertexService) -> None:
    trial.up()
    endpoint = given.format(id=f"{STEM}-endpoint")
    invoker: Any = plugin.invoke(trial.context, Endpoint(endpoint, adopted=True))
    url = invoker.prepare(trial.set.train[0].sample).url
    assert url == f"{vertex.fake.url}/v1/projects/123456789012/locations/europe-west4/endpoints/{STEM}-endpoint:predict"


def test_an_endpoint_with_a_host_of_its_own_is_asked_there(trial: VertexTrial, vertex: VertexService) -> None:
    trial.up()
    (endpoint,) = vertex.fake.project.serving.all.values()
    endpoint.dedicated_endpoint_enabled = True
    endpoint.dedicated_endpoint_dns = "7.europe-west4-1.prediction.vertexai.goog"
    invoker: Any = plugin.invoke(trial.context, Endpoint(f"{STEM}-endpoint", adopted=True))
    assert invoker.prepare(trial.set.train[0].sample).url.startswith(
        "https://7.europe-west4-1.prediction.vertexai.goog/v1/projects/123456789012/"
    )


def test_an_endpoint_that_cannot_be_adopted_is_refused_with_the_reason(
    trial: VertexTrial, vertex: VertexService
) -> None:
    trial.upload()
    trial.train()
    vertex.fake.project.deployment_fails = True
    trial.deploy()
    for given, kind, words in (
        ("http://somewhere", RequestRefused, "not the id of an endpoint"),
        ("projects/p/locations/us-east1/endpoints/1", RequestRefused, "is in us-east1"),
        ("12345", ResourceMissing, "does not exist"),
        (f"{STEM}-endpoint", RequestRefused, "No model is deployed"),
    ):
        with pytest.raises(kind, match=words):
            plugin.invoke(trial.context, Endpoint(given, adopted=True))


def test_without_credentials_a_server_of_one_s_own_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with VertexService(Pace(), anonymous=True) as service:
        enter(service, monkeypatch)
        monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
        trial = VertexTrial(tmp_path)
        trial.up()
        trial.tear_down()
        assert service.resources() == []
        assert not [seen for seen in service.requests() if "authorization" in seen.headers]


def test_the_stand_in_refuses_what_the_service_would(trial: VertexTrial, vertex: VertexService) -> None:
    """The routes and messages are the SDK's; the limits are the fake's own and worth a look."""
    import vertex_routes

    parent = vertex.fake.project.parent
    with pytest.raises(Refusal, match="no field named"):
        vertex_routes.read("POST", f"/v1/{parent}/datasets", "", b'{"displayname": "x", "colour": "red"}')
    with pytest.raises(Refusal, match="is no method"):
        vertex_routes.read("POST", f"/v1/{parent}/volcanoes", "", b"{}")
    small = VertexTrial(trial.folder, trial_id="f" * 12, shots=5)
    small.upload()
    with pytest.raises(ResourceConflict, match="at least 10 images per label"):
        plugin.train(small.context)
    assert set(COLOURS) == set(small.set.labels)
