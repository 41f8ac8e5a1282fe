"""Downloads: they go on where they broke, and nothing unverified is taken for the file."""

from __future__ import annotations

import hashlib
import os
import socket
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from automl_bench.datasets.downloading import TRIES, download
from automl_bench.errors import ChecksumMismatch, DatasetError, WorkspaceError

CONTENT = bytes(range(256)) * 4000
DIGEST = hashlib.sha256(CONTENT).hexdigest()
fetch = partial(download, first_pause_seconds=0.001)


def test_file_arrives_whole_and_leaves_no_part(file_server: Any, tmp_path: Path) -> None:
    file_server.files["f.zip"] = CONTENT
    seen: list[tuple[int, int | None]] = []
    path = fetch(
        f"{file_server.address}/f.zip",
        tmp_path / "d" / "f.zip",
        sha256=DIGEST,
        size=len(CONTENT),
        progress=lambda done, total: seen.append((done, total)),
    )
    assert path.read_bytes() == CONTENT
    assert [p.name for p in path.parent.iterdir()] == ["f.zip"]
    assert seen[-1] == (len(CONTENT), len(CONTENT))


def test_broken_download_goes_on_where_it_broke(file_server: Any, tmp_path: Path) -> None:
    file_server.files["f"] = CONTENT
    file_server.break_after["f"] = [400_000, 300_000]
    assert fetch(f"{file_server.address}/f", tmp_path / "f", sha256=DIGEST).read_bytes() == CONTENT
    ranges = [wanted for _, wanted in file_server.requests]
    assert ranges[0] == ""
    assert ranges[1:] == ["bytes=400000-", "bytes=700000-"]


def test_next_command_goes_on_after_one_that_gave_up(file_server: Any, tmp_path: Path) -> None:
    file_server.files["f"] = CONTENT
    file_server.break_after["f"] = [500_000] + [0] * (2 * TRIES)
    with pytest.raises(DatasetError, match="closed after|IncompleteRead|RemoteDisconnected|Connection") as caught:
        fetch(f"{file_server.address}/f", tmp_path / "f", sha256=DIGEST)
    assert "same command again" in caught.value.remedy
    file_server.break_after.clear()
    file_server.requests.clear()
    assert fetch(f"{file_server.address}/f", tmp_path / "f", sha256=DIGEST).read_bytes() == CONTENT
    assert file_server.requests == [("f", "bytes=500000-")]


def test_file_that_changed_meanwhile_is_fetched_anew(file_server: Any, tmp_path: Path) -> None:
    file_server.files["f"] = bytes(len(CONTENT))
    file_server.break_after["f"] = [500_000] + [0] * (2 * TRIES)
    with pytest.raises(DatasetError):
        fetch(f"{file_server.address}/f", tmp_path / "f")
    file_server.break_after.clear()
    file_server.files["f"] = CONTENT
    assert fetch(f"{file_server.address}/f", tmp_path / "f", sha256=DIGEST).read_bytes() == CONTENT


def test_server_without_validator_is_asked_for_the_whole_again(file_server: Any, tmp_path: Path) -> None:
    file_server.etag = False
    file_server.files["f"] = CONTENT
    file_server.break_after["f"] = [500_000]
    assert fetch(f"{file_server.address}/f", tmp_path / "f", sha256=DIGEST).read_bytes() == CONTENT
    assert [wanted for _, wanted in file_server.requests] == ["", ""]


def test_busy_server_is_asked_again(file_server: Any, tmp_path: Path) -> None:
    file_server.files["f"] = CONTENT
    file_server.statuses["f"] = [503, 429, 500]
    assert fetch(f"{file_server.address}/f", tmp_path / "f", sha256=DIGEST).read_bytes() == CONTENT


def test_verified_file_is_not_downloaded_again(file_server: Any, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(CONTENT)
    fetch(f"{file_server.address}/f", tmp_path / "f", sha256=DIGEST, size=len(CONTENT))
    assert file_server.requests == []


def test_whole_part_of_a_killed_download_is_only_verified(file_server: Any, tmp_path: Path) -> None:
    (tmp_path / "f.part").write_bytes(CONTENT)
    fetch(f"{file_server.address}/f", tmp_path / "f", sha256=DIGEST, size=len(CONTENT))
    assert (tmp_path / "f").read_bytes() == CONTENT
    assert file_server.requests == []


@pytest.mark.parametrize(("sha256", "size"), [("0" * 64, None), ("", 5), ("0" * 64, len(CONTENT))])
def test_wrong_content_is_deleted_and_named(file_server: Any, tmp_path: Path, sha256: str, size: int | None) -> None:
    file_server.files["f"] = CONTENT
    with pytest.raises(ChecksumMismatch, match="not the file that the catalogue describes"):
        fetch(f"{file_server.address}/f", tmp_path / "f", sha256=sha256, size=size)
    assert list(tmp_path.iterdir()) == []


def test_missing_file_names_the_status_and_the_other_ways(file_server: Any, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="answered 404") as caught:
        fetch(f"{file_server.address}/f", tmp_path / "f")
    assert "--mirror" in caught.value.remedy
    assert "--from" in caught.value.remedy


def test_server_that_cannot_be_reached_is_named(tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/f"
        with pytest.raises(DatasetError, match="cannot be downloaded: ConnectionRefusedError"):
            fetch(url, tmp_path / "f")


def test_full_disk_is_named(file_server: Any, tmp_path: Path) -> None:
    file_server.files["f"] = CONTENT
    (tmp_path / "f.part").symlink_to("/dev/full")
    with pytest.raises(WorkspaceError, match=os.strerror(28)):
        fetch(f"{file_server.address}/f", tmp_path / "f", sha256=DIGEST)
