"""A dataset repository gets every image once, in the layout that the Hub's own readers know, and nothing twice."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace
from pathlib import Path

import hub_repos
import huggingface_hub.constants
import pytest
from automl_bench_huggingface import packing, plugin, shipping
from automl_bench_huggingface.naming import DATASET, name_of
from hub_fake import USER, HubFake
from hub_wire import ApiError, Hangup
from huggingface_hub import CommitOperationAdd, HfApi
from huggingface_trial import COLOURS, HuggingfaceTrial, squares

from automl_bench.contract import LabelledSample, ManifestEntry, Modality, TrainingSet
from automl_bench.datasets import decoding
from automl_bench.errors import (
    PermissionDenied,
    ProviderError,
    RequestRefused,
    ServiceUnavailable,
    TransientProviderError,
)

DATASET_NAME = "automl-bench-0123456789ab-dataset"


def held(trial: HuggingfaceTrial) -> dict[str, bytes]:
    repo = trial.fake.repositories.repo("dataset", f"{USER}/{name_of(trial.context, DATASET)}")
    return {path: blob.content for path, blob in repo.head.items()}


def listing(files: dict[str, bytes], half: str) -> list[tuple[str, str]]:
    rows = csv.DictReader(io.StringIO(files[f"{half}/metadata.csv"].decode()))
    return [(row["file_name"], row["label"]) for row in rows]


def test_images_lie_in_their_half_and_labels_in_its_metadata(trial: HuggingfaceTrial) -> None:
    operation = trial.upload()
    files = held(trial)
    for half, items in (("train", trial.set.train), ("validation", trial.set.validation)):
        rows = listing(files, half)
        assert sorted(label for _, label in rows) == sorted(item.label for item in items)
        contents = {files[f"{half}/{name}"]: label for name, label in rows}
        assert contents == {item.sample.path.read_bytes(): item.label for item in items}
        assert not any(label in name for name, _ in rows for label in COLOURS), "no label stands in a path"
    for file in packing.program(Modality.IMAGE):
        assert files[file.path] == file.content()
    assert trial.fake.repositories.repo("dataset", str(operation.result["dataset"])).private
    assert files["training/decoding.py"] == Path(decoding.__file__).read_bytes()
    assert operation.result["files_sent"] == 15 + 2 + 4


def test_the_same_again_sends_nothing(trial: HuggingfaceTrial) -> None:
    first = trial.upload()
    hub = trial.fake
    before = (hub.repositories.contents_received, hub.repositories.commits_received)
    again = trial.upload()
    assert (hub.repositories.contents_received, hub.repositories.commits_received) == before
    assert (again.result["files_sent"], again.result["files_found"]) == (0, 21)
    assert again.result["dataset_revision"] == first.result["dataset_revision"]


def test_the_sdk_itself_finds_nothing_to_change(trial: HuggingfaceTrial, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was brought is what the SDK would have brought: it takes every file for the one that is there."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_DISABLE_XET", True)
    operation = trial.upload()
    files = [
        CommitOperationAdd(file.path, file.source if isinstance(file.source, bytes) else str(file.source))
        for file in packing.pack(trial.set)
        if file.path != "README.md"  # for which it asks a question of its own
    ]
    info = HfApi(endpoint=trial.fake.url, token=trial.fake.token).create_commit(
        str(operation.result["dataset"]), files, commit_message="the same", repo_type="dataset"
    )
    assert info.oid == operation.result["dataset_revision"]


def test_an_upload_that_broke_off_goes_on_where_it_was(trial: HuggingfaceTrial) -> None:
    hub = trial.fake
    hub.fail("commit", ApiError(503, "busy"))
    with pytest.raises(ServiceUnavailable):
        trial.upload()
    assert hub.repositories.contents_received == 15
    trial.upload()
    assert hub.repositories.contents_received == 15, "contents are stored already"
    assert len(held(trial)) == 15 + 2 + 4 + 1


def test_a_commit_whose_answer_was_lost_is_not_made_again(trial: HuggingfaceTrial) -> None:
    trial.fake.lose(lambda name: name == "commit")
    with pytest.raises(TransientProviderError):
        trial.upload()
    trial.upload()
    assert trial.fake.repositories.commits_received == 1


@pytest.mark.parametrize("fault", [Hangup, ApiError(500, "no"), ApiError(429, "no", headers={"Retry-After": "0"})])
@pytest.mark.parametrize("operation", ["lfs_put", "lfs_verify"])
def test_a_content_that_fails_in_passing_is_sent_again(
    trial: HuggingfaceTrial, operation: str, fault: ApiError | type[Hangup]
) -> None:
    trial.fake.fail(operation, fault, times=3)
    trial.upload()
    assert len(held(trial)) == 22


def test_a_content_that_is_refused_ends_the_upload(trial: HuggingfaceTrial) -> None:
    trial.fake.fail("lfs_put", ApiError(403, "signature"), times=99)
    with pytest.raises(PermissionDenied, match="to store "):
        trial.upload()


def test_an_address_that_has_expired_is_asked_for_anew(
    trial: HuggingfaceTrial, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shipping, "ADDRESS_SECONDS", -1.0)
    trial.fake.repositories.slot_seconds = -1.0
    with pytest.raises(TransientProviderError, match="has expired"):
        trial.upload()
    trial.fake.repositories.slot_seconds = 900.0
    trial.upload()
    assert len(held(trial)) == 22


def test_many_files_are_several_questions_and_several_commits(
    trial: HuggingfaceTrial, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shipping, "AT_ONCE", 4)
    monkeypatch.setattr(shipping, "COMMIT_FILES", 6)
    trial.upload()
    hub = trial.fake
    assert (hub.count("preupload"), hub.count("lfs_batch"), hub.count("commit")) == (6, 4, 4)
    snapshots = [set(snapshot) for _, snapshot in hub.repositories.repo("dataset", f"{USER}/{DATASET_NAME}").commits]
    for snapshot in snapshots[:-1]:
        assert not any(path.endswith("metadata.csv") for path in snapshot), "listings come last"
    assert len(snapshots[-1]) == 22
    assert trial.steps[-1] == (21, 21)
    assert [done for done, _ in trial.steps] == sorted(done for done, _ in trial.steps)


def test_files_may_also_be_stored_in_the_ordinary_way(trial: HuggingfaceTrial, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which files are large is the repository's own choice, and is asked for."""
    monkeypatch.setattr(hub_repos, "LARGE", re.compile("nothing"))
    monkeypatch.setattr(shipping, "COMMIT_BYTES", 2000)
    trial.upload()
    assert len(held(trial)) == 22
    assert trial.fake.count("lfs_batch") == 0
    assert trial.fake.count("commit") > 1
    assert trial.upload().result["files_sent"] == 0


def test_no_token_goes_to_the_store_of_contents(trial: HuggingfaceTrial) -> None:
    trial.upload()
    for request in trial.fake.wire.seen:
        if request.operation in ("lfs_put", "cdn"):
            assert trial.fake.token not in f"{request.target} {request.headers}"


def test_one_content_under_two_labels_is_two_samples(hub: HubFake, tmp_path: Path) -> None:
    whole = squares(tmp_path / "images")
    first, second = whole.train[0], whole.train[-1]
    assert first.label != second.label
    twice = (*whole.train, LabelledSample(first.sample, second.label), LabelledSample(first.sample, first.label))
    trial = HuggingfaceTrial(hub, tmp_path, TrainingSet("x", whole.labels, twice, whole.validation))
    trial.upload()
    files = held(trial)
    rows = listing(files, "train")
    same = [label for name, label in rows if files[f"train/{name}"] == first.sample.path.read_bytes()]
    assert sorted(same) == sorted({first.label, second.label})
    assert len({name for name, _ in rows}) == len(rows)


def test_what_cannot_be_trained_on_is_refused_before_any_request(hub: HubFake, tmp_path: Path) -> None:
    whole = squares(tmp_path / "images")
    item = whole.train[0]
    strange = replace(item.sample, media_type="image/svg+xml")
    gone = replace(item.sample, path=tmp_path / "gone.png")
    for sample, words in ((strange, "images.format"), (gone, "No such file")):
        trial = HuggingfaceTrial(hub, tmp_path, replace(whole, train=(LabelledSample(sample, item.label),)))
        with pytest.raises(RequestRefused, match=words):
            trial.upload()
    assert hub.wire.operations() == []


@pytest.mark.parametrize(
    ("operation", "content"),
    [
        ("preupload", b'{"files": []}'),
        ("preupload", b'{"files": [{"path": "train/x.png", "uploadMode": "xet"}]}'),
        ("lfs_batch", b'{"objects": [{"oid": "unknown"}]}'),
        ("lfs_batch", b"[]"),
        ("commit", b'{"success": true}'),
        ("commit", b'{"commitOid": ""}'),
    ],
)
def test_an_answer_that_makes_no_sense_ends_the_upload(trial: HuggingfaceTrial, operation: str, content: bytes) -> None:
    trial.fake.fail(operation, content)
    with pytest.raises(ProviderError):
        trial.upload()


def test_an_object_that_the_store_refuses_is_named(trial: HuggingfaceTrial) -> None:
    digest = packing.pack(trial.set)[0].sha256
    answer = f'{{"objects": [{{"oid": "{digest}", "size": 1, "error": {{"code": 422, "message": "too odd"}}}}]}}'
    trial.fake.fail("lfs_batch", answer.encode())
    with pytest.raises(RequestRefused, match="too odd"):
        trial.upload()


def test_the_manifest_is_the_ancestors(trial: HuggingfaceTrial) -> None:
    entries = [ManifestEntry(item.sample, "train") for item in trial.set.train]
    manifest = plugin.export_manifest(entries)
    assert (manifest.file_format, manifest.header, manifest.label_at) == ("csv", True, ("label",))
    assert [list(row) for row in manifest.rows] == [["file", "label"]] * len(entries)
    assert manifest.rows[0]["file"] == str(trial.set.train[0].sample.path)
