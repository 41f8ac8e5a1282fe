"""The stand-in accepts what the real SDK does and refuses what the service would: otherwise it proves nothing."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import huggingface_hub.constants
import pytest
from automl_bench_huggingface.packing import program
from automl_bench_huggingface.recipes import UV_IMAGE
from automl_bench_huggingface.training_jobs import Assignment
from hub_fake import USER, HubFake
from hub_jobs import DEFAULT_SECONDS, TRAINING_SECONDS
from huggingface_hub import HfApi, JobInfo
from huggingface_hub.errors import HfHubHTTPError
from huggingface_hub.utils import get_session
from huggingface_trial import recipe
from PIL import Image

from automl_bench.contract import Modality

# The SDK's own upload uses what its HTTP client is about to give up.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=<...>' to upload raw bytes:DeprecationWarning")

DATA, MODEL = f"{USER}/my-data", f"{USER}/my-model"


@pytest.fixture
def api(hub: HubFake, monkeypatch: pytest.MonkeyPatch) -> HfApi:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(huggingface_hub.constants, "INFERENCE_ENDPOINTS_ENDPOINT", f"{hub.url}/v2")
    monkeypatch.setenv("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    return HfApi(endpoint=hub.url, token=hub.token)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An image folder as a user would lay it out by hand."""
    root = tmp_path / "folder"
    for half, count in (("train", 4), ("validation", 1)):
        (root / half).mkdir(parents=True)
        rows = []
        for label, colour in (("black", (0, 0, 0)), ("white", (255, 255, 255))):
            for number in range(count):
                image = Image.new("RGB", (8, 8), colour)
                image.putpixel((0, 0), (number, 9, 9))
                image.save(root / half / f"{label}{number}.png")
                rows.append(f"{label}{number}.png,{label}")
        (root / half / "metadata.csv").write_text("\n".join(["file_name,label", *rows]) + "\n")
    for file in program(Modality.IMAGE):
        (root / file.path).parent.mkdir(exist_ok=True)
        (root / file.path).write_bytes(file.content())
    return root


def test_the_sdk_uploads_and_downloads_a_folder(api: HfApi, folder: Path, tmp_path: Path) -> None:
    api.create_repo(DATA, repo_type="dataset", private=True)
    api.upload_folder(repo_id=DATA, folder_path=folder, repo_type="dataset")
    target = api.snapshot_download(DATA, repo_type="dataset", local_dir=tmp_path / "down")
    there = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert {name: (Path(target) / name).read_bytes() for name in there} == there
    assert [info.id for info in api.list_datasets(author=USER, search="data")] == [DATA]
    api.delete_repo(DATA, repo_type="dataset")
    assert not api.repo_exists(DATA, repo_type="dataset")


def ended(api: HfApi, job: JobInfo) -> JobInfo:
    until = time.monotonic() + 10
    while (now := api.inspect_job(job_id=job.id, namespace=USER)).status.stage in ("SCHEDULING", "RUNNING"):
        assert time.monotonic() < until
        time.sleep(0.02)
    return now


def trained(api: HfApi, folder: Path, hub: HubFake, **changes: Any) -> JobInfo:
    """Run a job as the plugin would, with changes."""
    if not api.repo_exists(DATA, repo_type="dataset"):
        api.create_repo(DATA, repo_type="dataset", private=True)
        api.upload_folder(repo_id=DATA, folder_path=folder, repo_type="dataset")
        api.create_repo(MODEL, private=True)
    revision = api.repo_info(DATA, repo_type="dataset").sha
    assert revision
    assignment = Assignment(DATA, revision, MODEL, 0, recipe())
    wishes: dict[str, Any] = {
        "image": UV_IMAGE,
        "command": assignment.command(),
        "env": assignment.environment(hub.url),
        "secrets": {"HF_TOKEN": hub.token},
        "flavor": "t4-small",
        "timeout": "2h",
        "namespace": USER,
    }
    return ended(api, api.run_job(**{**wishes, **changes}))


def test_a_job_that_is_told_everything_trains(api: HfApi, folder: Path, hub: HubFake) -> None:
    job = trained(api, folder, hub)
    assert job.status.stage == "COMPLETED", hub.jobs.all[0].lines
    assert {"config.json", "model.safetensors", "training.json"} <= set(api.list_repo_files(MODEL))
    assert job.durations is not None
    assert job.durations.running_secs == TRAINING_SECONDS


def test_a_job_without_a_time_out_dies(api: HfApi, folder: Path, hub: HubFake) -> None:
    job = trained(api, folder, hub, timeout=None)
    assert (job.status.stage, job.status.message) == ("ERROR", "Job timeout")
    assert job.durations is not None
    assert job.durations.running_secs == DEFAULT_SECONDS


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"image": "python:3.12"}, "uvx: command not found"),
        ({"secrets": None}, "not given as a secret"),
        ({"secrets": {"HF_TOKEN": "hf_another"}}, "does not hold"),
        ({"command": ["uv", "run", "train.py"]}, "the command is"),
        ({"command": ["bash", "-c", "curl x && uv run x"]}, "uvx:"),
        ({"env": {}}, "KeyError"),
        ({"flavor": "cpu-basic"}, "disagree about a GPU"),
    ],
)
def test_a_job_that_is_told_something_else_fails(
    api: HfApi, folder: Path, hub: HubFake, changes: dict[str, Any], words: str
) -> None:
    job = trained(api, folder, hub, **changes)
    assert job.status.stage == "ERROR"
    assert words in hub.jobs.all[0].lines[-1]


def test_a_token_in_the_clear_fails_a_job(api: HfApi, folder: Path, hub: HubFake) -> None:
    environment = {"HF_TOKEN": hub.token}
    assert trained(api, folder, hub, env=environment).status.stage == "ERROR"


def test_a_job_whose_files_are_not_there_fails(api: HfApi, folder: Path, hub: HubFake) -> None:
    trained(api, folder, hub)
    revision = str(api.repo_info(DATA, repo_type="dataset").sha)
    for assignment, words in (
        (Assignment(f"{USER}/gone", revision, MODEL, 0, recipe()), "404"),
        (Assignment(DATA, "c" * 40, MODEL, 0, recipe()), "404"),
        (Assignment(DATA, revision, f"{USER}/gone", 0, recipe()), "404"),
        (Assignment(DATA, revision, MODEL, 0, recipe(base_model="nobody/nothing")), "not a model identifier"),
    ):
        command, environment = assignment.command(), assignment.environment(hub.url)
        job = trained(api, folder, hub, command=command, env=environment)
        assert job.status.stage == "ERROR"
        assert words in hub.jobs.all[-1].lines[-1]


def test_an_endpoint_serves_what_was_pushed(api: HfApi, folder: Path, hub: HubFake) -> None:
    trained(api, folder, hub)
    endpoint = api.create_inference_endpoint(
        "by-hand",
        repository=MODEL,
        framework="pytorch",
        accelerator="cpu",
        instance_size="x2",
        instance_type="intel-spr",
        region="us-east-1",
        vendor="aws",
        task="image-classification",
        namespace=USER,
    )
    assert endpoint.url is None
    hub.endpoints.starting = 0.0
    url = str(api.get_inference_endpoint("by-hand", namespace=USER).url)
    image = (folder / "train" / "white0.png").read_bytes()
    headers = {"Authorization": f"Bearer {hub.token}", "Content-Type": "image/png"}
    answer = get_session().post(url, content=image, headers=headers)
    assert answer.json()[0]["label"] == "white"
    assert get_session().post(url, content=image, headers={**headers, "Content-Type": "text/plain"}).status_code == 400
    assert get_session().post(url, content=image, headers={"Content-Type": "image/png"}).status_code == 401
    assert get_session().post(url, content=b"no image", headers=headers).status_code == 400
    assert get_session().post(url, content=bytes(11_000_000), headers=headers).status_code == 413
    api.pause_inference_endpoint("by-hand", namespace=USER)
    assert get_session().post(url, content=image, headers=headers).status_code == 400
    with pytest.raises(HfHubHTTPError, match="409"):
        api.create_inference_endpoint(
            "by-hand",
            repository=MODEL,
            framework="pytorch",
            accelerator="cpu",
            instance_size="x2",
            instance_type="intel-spr",
            region="us-east-1",
            vendor="aws",
            namespace=USER,
        )


GOOD_ENDPOINT: dict[str, Any] = {
    "name": "good-one",
    "type": "authenticated",
    "provider": {"vendor": "aws", "region": "us-east-1"},
    "compute": {
        "accelerator": "cpu",
        "instanceType": "intel-spr",
        "instanceSize": "x1",
        "scaling": {"minReplica": 0, "maxReplica": 1, "scaleToZeroTimeout": 15},
    },
    "model": {"repository": MODEL, "framework": "pytorch", "revision": None, "image": {"huggingface": {}}},
}
GOOD_JOB: dict[str, Any] = {
    "command": ["x"],
    "arguments": [],
    "environment": {},
    "flavor": "cpu-basic",
    "dockerImage": "python:3.12",
}
REPO = {"name": "new-data", "organization": USER, "visibility": "private", "type": "dataset"}
FILE = {"path": "a", "sample": "", "size": 0}


def changed(content: dict[str, Any], path: str, value: Any = None) -> dict[str, Any]:
    """Return a copy with one value changed, or taken away if it is None."""
    copy: dict[str, Any] = json.loads(json.dumps(content))
    *places, last = path.split(".")
    at = copy
    for place in places:
        at = at[place]
    if value is None:
        del at[last]
    else:
        at[last] = value
    return copy


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("/api/repos/create", changed(REPO, "colour", "red")),
        ("/api/repos/create", changed(REPO, "visibility")),
        ("/api/repos/create", changed(REPO, "visibility", "protected")),
        ("/api/repos/create", changed(REPO, "name", "a--b")),
        ("/api/repos/create", changed(REPO, "name", "x" * 97)),
        ("/api/repos/create", changed(REPO, "name", 7)),
        (f"/api/models/{MODEL}/preupload/main", {"files": [changed(FILE, "size", "large")]}),
        (f"/api/models/{MODEL}/preupload/main", {"files": [changed(FILE, "size", 3)]}),
        (f"/api/models/{MODEL}/preupload/main", {"files": [FILE] * 1001}),
        (f"/api/jobs/{USER}", changed(GOOD_JOB, "flavour", "cpu")),
        (f"/api/jobs/{USER}", changed(GOOD_JOB, "flavor", "cpu-huge")),
        (f"/api/jobs/{USER}", changed(GOOD_JOB, "dockerImage")),
        (f"/api/jobs/{USER}", changed(GOOD_JOB, "timeoutSeconds", "2h")),
        (f"/api/jobs/{USER}", changed(GOOD_JOB, "labels", {"a b": "c"})),
        (f"/api/jobs/{USER}", changed(GOOD_JOB, "environment", {"A": 1})),
        (f"/api/jobs/{USER}", changed(GOOD_JOB, "secrets", {"1A": "x"})),
        (f"/v2/endpoint/{USER}", changed(GOOD_ENDPOINT, "type", "protected")),
        (f"/v2/endpoint/{USER}", changed(GOOD_ENDPOINT, "name", "Upper")),
        (f"/v2/endpoint/{USER}", changed(GOOD_ENDPOINT, "name", "x" * 33)),
        (f"/v2/endpoint/{USER}", changed(GOOD_ENDPOINT, "compute.replicas", 1)),
        (f"/v2/endpoint/{USER}", changed(GOOD_ENDPOINT, "compute.instanceSize", "small")),
        (f"/v2/endpoint/{USER}", changed(GOOD_ENDPOINT, "compute.scaling.minReplica", 2)),
        (f"/v2/endpoint/{USER}", changed(GOOD_ENDPOINT, "compute.scaling.scaleToZeroTimeout")),
        (f"/v2/endpoint/{USER}", changed(GOOD_ENDPOINT, "model.repository", "nobody/nothing")),
        (f"/v2/endpoint/{USER}", changed(GOOD_ENDPOINT, "provider.region", "moon")),
    ],
)
def test_what_the_service_does_not_know_is_refused(hub: HubFake, path: str, content: dict[str, Any]) -> None:
    hub.repositories.make("model", MODEL)
    headers = {"Authorization": f"Bearer {hub.token}"}
    assert get_session().post(f"{hub.url}{path}", json=content, headers=headers).status_code == 400


def test_what_is_good_is_accepted(hub: HubFake) -> None:
    hub.repositories.make("model", MODEL)
    headers = {"Authorization": f"Bearer {hub.token}"}
    for path, content in (
        ("/api/repos/create", REPO),
        (f"/api/jobs/{USER}", GOOD_JOB),
        (f"/v2/endpoint/{USER}", GOOD_ENDPOINT),
    ):
        assert get_session().post(f"{hub.url}{path}", json=content, headers=headers).status_code < 300
        assert get_session().post(f"{hub.url}{path}", json=content).status_code == 401
        foreign = path.replace(USER, "stranger")
        if foreign != path:
            assert get_session().post(f"{hub.url}{foreign}", json=content, headers=headers).status_code == 403
    assert get_session().post(f"{hub.url}/api/repos/create", json=REPO, headers=headers).status_code == 409


def test_contents_are_checked_and_addresses_expire(hub: HubFake) -> None:
    hub.repositories.make("model", MODEL)
    headers = {"Authorization": f"Bearer {hub.token}"}
    lfs = {**headers, "Content-Type": "application/vnd.git-lfs+json"}
    question = {"operation": "upload", "transfers": ["basic"], "hash_algo": "sha256"}
    question["objects"] = [{"oid": "a" * 64, "size": 3}]  # type: ignore[assignment]
    batch = f"{hub.url}/{MODEL}.git/info/lfs/objects/batch"
    answer = get_session().post(batch, content=json.dumps(question).encode(), headers=lfs).json()
    action = answer["objects"][0]["actions"]["upload"]
    put = get_session().put
    assert put(action["href"], content=b"abc", headers=action["header"]).status_code == 400, "another digest"
    assert put(action["href"], content=b"abc", headers=headers).status_code == 400, "a token as well"
    assert put(action["href"], content=b"abc", headers={"X-Slot": "another"}).status_code == 403
    lines = [
        {"key": "header", "value": {"summary": "x", "description": ""}},
        {"key": "lfsFile", "value": {"path": "a.png", "algo": "sha256", "oid": "a" * 64, "size": 3}},
    ]
    commit = f"{hub.url}/api/models/{MODEL}/commit/main"
    content = "\n".join(json.dumps(line) for line in lines).encode()
    ndjson = {**headers, "Content-Type": "application/x-ndjson"}
    assert get_session().post(commit, content=content, headers=ndjson).status_code == 400, "not uploaded"
    assert get_session().post(commit, content=content, headers=headers).status_code == 415


def test_lists_lag_behind(hub: HubFake, api: HfApi) -> None:
    hub.repositories.lag = 0.3
    api.create_repo(DATA, repo_type="dataset", private=True)
    assert api.repo_exists(DATA, repo_type="dataset")
    assert list(api.list_datasets(author=USER)) == []
    time.sleep(0.35)
    assert [info.id for info in api.list_datasets(author=USER)] == [DATA]


def test_long_lists_come_in_pages(hub: HubFake, api: HfApi) -> None:
    for number in range(120):
        hub.repositories.make("model", f"{USER}/model-{number}")
    assert len({info.id for info in api.list_models(author=USER)}) == 120
    assert hub.count("list_repos") == 3
