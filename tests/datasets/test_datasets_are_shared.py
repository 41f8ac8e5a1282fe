"""`data push` and `data pull`: by content, whole or not at all, verified, and only what is missing."""

from __future__ import annotations

import json
import shutil
import threading
from pathlib import Path

import pytest
from small_workspace import make_workspace

from automl_bench.cli.main import run
from automl_bench.datasets.exchange import pull, push
from automl_bench.datasets.importing import import_dataset
from automl_bench.datasets.manifest import read_manifest
from automl_bench.datasets.shelves import FolderShelf, open_shelf
from automl_bench.errors import ChecksumMismatch, DatasetError, DatasetNotFound, ExitCode, UsageError

REGION = "us-east-1"


@pytest.fixture
def tiny(tmp_path) -> Path:
    return make_workspace(tmp_path / "here").dataset("tiny")


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


class Flaky(FolderShelf):
    """A shelf whose connection breaks after so many contents."""

    def __init__(self, root: Path, left: float) -> None:
        super().__init__(root)
        self.left, self.fetched, self.lock = left, 0, threading.Lock()

    def get(self, name, target):
        if name.startswith("objects/"):
            with self.lock:
                self.left -= 1
                broke = self.left < 0
                self.fetched += not broke
            if broke:
                target.write_bytes(b"half")
                raise DatasetError("the connection broke")
        super().get(name, target)


def test_a_dataset_arrives_as_it_was_and_nothing_goes_twice(tiny, tmp_path, monkeypatch, capsys):
    (tiny / "ablations").mkdir()
    (tiny / "ablations" / "ablations.json").write_text("made again")
    shelf = str(tmp_path / "shelf")
    monkeypatch.setenv("AUTOML_BENCH_WORKSPACE", str(tmp_path / "here"))
    assert run(["data", "push", "tiny", shelf, "--json"]) == 0
    sent = json.loads(capsys.readouterr().out)
    assert sent["moved"] == sent["files"] == 48 + 4
    assert run(["data", "push", "tiny", shelf, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["moved"] == 0
    monkeypatch.setenv("AUTOML_BENCH_WORKSPACE", str(tmp_path / "there"))
    assert run(["data", "pull", "tiny", shelf]) == 0
    assert f"tiny {sent['fingerprint'][:12]}: 52 files, 52 fetched" in capsys.readouterr().out
    there = tmp_path / "there" / "data" / "tiny"
    shutil.rmtree(tiny / "ablations")
    assert files(there) == files(tiny)
    assert run(["data", "check", "tiny"]) == 0
    capsys.readouterr()
    assert run(["data", "pull", "tiny", shelf, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["moved"] == 0
    lost, damaged = sorted(there.glob("train/red/*.png"))[:2]
    lost.unlink()
    damaged.write_bytes(damaged.read_bytes()[:-1])
    assert run(["data", "pull", "tiny", shelf, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["moved"] == 2
    assert files(there) == files(tiny)
    assert run(["data", "pull", "tinny", shelf]) == ExitCode.DATASET
    assert run(["data", "pull", "../x", shelf]) == ExitCode.USAGE
    assert run(["data", "push", "tiny", "ftp://key:secret@host/x"]) == ExitCode.USAGE
    assert "secret" not in capsys.readouterr().err


def test_a_pull_that_broke_shows_nothing_and_goes_on(tiny, tmp_path):
    root, data = tmp_path / "shelf", tmp_path / "data"
    push(tiny, FolderShelf(root))
    with pytest.raises(DatasetError, match="broke"):
        pull("tiny", data, broken := Flaky(root, 20))
    assert not (data / "tiny").exists()
    rest = Flaky(root, float("inf"))
    done = pull("tiny", data, rest)
    assert broken.fetched == 20
    assert rest.fetched == done.moved == done.files - 20
    assert files(data / "tiny") == files(tiny)
    assert [path.name for path in data.iterdir()] == ["tiny"]


def test_a_content_that_is_not_what_its_name_says_is_refused(tiny, tmp_path):
    root, data = tmp_path / "shelf", tmp_path / "data"
    push(tiny, FolderShelf(root))
    content = next(path for path in root.glob("objects/*/*") if path.stat().st_size < 200)
    content.write_bytes(content.read_bytes()[::-1])
    with pytest.raises(ChecksumMismatch, match="is not what its name says"):
        pull("tiny", data, FolderShelf(root))
    assert not (data / "tiny").exists()
    assert not list(data.rglob("*.part"))
    content.write_bytes(b"")
    assert push(tiny, FolderShelf(root)).moved == 1, "a content of another size is sent again"
    assert pull("tiny", data, FolderShelf(root)).fingerprint == read_manifest(tiny).fingerprint


@pytest.mark.parametrize("path", ["../outside", "/etc/outside", "train/../../outside", ""])
def test_a_list_that_leads_out_of_the_dataset_is_refused(tiny, tmp_path, path):
    root = tmp_path / "shelf"
    push(tiny, FolderShelf(root))
    (listed,) = root.glob("datasets/tiny/*.json")
    content = json.loads(listed.read_text())
    content["files"][0]["path"] = path
    listed.write_text(json.dumps(content))
    with pytest.raises(DatasetError, match="leads out of the dataset"):
        pull("tiny", tmp_path / "data", FolderShelf(root))
    listed.write_text("{")
    with pytest.raises(DatasetError, match="not JSON of its form"):
        pull("tiny", tmp_path / "data", FolderShelf(root))


def test_versions_are_told_apart_and_other_data_of_the_name_stay(tiny, tmp_path):
    shelf, data = FolderShelf(tmp_path / "shelf"), tmp_path / "data"
    first = push(tiny, shelf).fingerprint
    shutil.rmtree(tmp_path / "here" / "source" / "train" / "red")
    shutil.rmtree(tmp_path / "here" / "source" / "test" / "red")
    import_dataset("tiny", tmp_path / "here" / "source", data)
    second = push(data / "tiny", shelf)
    assert second.moved == 4, "manifest, card, classes and pixels.json: the images are there"
    before = files(data / "tiny")
    with pytest.raises(UsageError, match="2 versions"):
        pull("tiny", data, shelf)
    with pytest.raises(DatasetError, match="holds other data"):
        pull("tiny", data, shelf, fingerprint=first[:8])
    assert files(data / "tiny") == before
    assert pull("tiny", tmp_path / "else", shelf, fingerprint=first[:8]).fingerprint == first
    with pytest.raises(DatasetNotFound):
        pull("tiny", data, shelf, fingerprint="0" * 64)
    with pytest.raises(UsageError, match="too short"):
        pull("tiny", data, shelf, fingerprint=first[:3])


def test_what_is_not_what_was_imported_is_not_sent(tiny, tmp_path):
    next(iter(tiny.glob("test/red/*.png"))).write_bytes(b"other")
    with pytest.raises(DatasetError, match="is not the file that was imported"):
        push(tiny, FolderShelf(tmp_path / "shelf"))
    assert not (tmp_path / "shelf").exists()


def test_texts_are_shared_too(tmp_path, monkeypatch):
    lines = [f"{word} {number},{label}" for label, word in (("ham", "hello"), ("spam", "buy")) for number in range(20)]
    (tmp_path / "mails.csv").write_text("message,folder\n" + "\n".join(lines) + "\n")
    monkeypatch.setenv("AUTOML_BENCH_WORKSPACE", str(tmp_path / "here"))
    words = ("--text", "message", "--label", "folder")
    assert run(["data", "import", "mails", str(tmp_path / "mails.csv"), *words]) == 0
    here = tmp_path / "here" / "data" / "mails"
    shelf = FolderShelf(tmp_path / "shelf")
    push(here, shelf)
    pull("mails", tmp_path / "there", shelf)
    assert files(tmp_path / "there" / "mails") == files(here)


def test_a_bucket_of_s3_is_a_shelf(tiny, tmp_path, monkeypatch):
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        for name, value in {
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": REGION,
            "AWS_ENDPOINT_URL": f"http://{host}:{port}",
            "AWS_ALLOW_HTTP": "true",
        }.items():
            monkeypatch.setenv(name, value)
        boto3.client("s3", region_name=REGION, endpoint_url=f"http://{host}:{port}").create_bucket(Bucket="ours")
        shelf = open_shelf("s3://ours/some/where")
        sent = push(tiny, shelf)
        assert sent.moved == sent.files
        assert push(tiny, shelf).moved == 0
        assert pull("tiny", tmp_path / "data", shelf).moved == sent.files
        assert files(tmp_path / "data" / "tiny") == files(tiny)
        with pytest.raises(DatasetNotFound):
            pull("other", tmp_path / "data", shelf)
        with pytest.raises(DatasetError, match="s3://nobody cannot be used"):
            push(tiny, open_shelf("s3://nobody"))
    finally:
        server.stop()
