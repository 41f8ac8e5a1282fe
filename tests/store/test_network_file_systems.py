"""A results file on a network file system is refused before it is made, naming where that is mounted."""

from __future__ import annotations

from pathlib import Path

import pytest

from automl_bench.errors import WorkspaceError
from automl_bench.store import network_files, open_store
from automl_bench.store.network_files import mounted_at, refuse_network_files

TABLE = """\
/dev/vda1 / ext4 rw,relatime 0 0
proc /proc proc rw 0 0
tmpfs /tmp tmpfs rw 0 0
filer:/export/home /home nfs4 rw,vers=4.2 0 0
/dev/vdb1 /home/local ext4 rw 0 0
//nas/share /mnt/my\\040share cifs rw 0 0
anna@lab: /mnt/lab fuse.sshfs rw 0 0
C:\\134 /mnt/c 9p rw 0 0
overlay /mnt/over overlay rw 0 0
rclone /mnt/cloud fuse.rclone rw 0 0
portal /run/user/1000/doc fuse.portal rw 0 0
/dev/vdc1 /mnt/lab ext4 rw 0 0
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/home/anna/bench/results/a.sqlite", "nfs4"),
        ("/mnt/my share/results/a.sqlite", "cifs"),
        ("/mnt/c/Users/anna/a.sqlite", "9p"),
        ("/mnt/cloud/a.sqlite", "fuse.rclone"),
    ],
)
def test_a_network_file_system_is_refused(path: str, kind: str) -> None:
    with pytest.raises(WorkspaceError, match=rf"network file system \({kind}, mounted at /") as caught:
        refuse_network_files(Path(path), TABLE)
    assert "AUTOML_BENCH_WORKSPACE" in caught.value.remedy


@pytest.mark.parametrize(
    "path",
    ["/srv/a.sqlite", "/tmp/a.sqlite", "/home/local/a.sqlite", "/homework/a.sqlite", "/mnt/over/a.sqlite",
     "/run/user/1000/doc/a.sqlite", "/mnt/lab/a.sqlite"],
)  # fmt: skip
def test_every_other_file_system_is_used(path: str) -> None:
    refuse_network_files(Path(path), TABLE)


def test_the_last_of_two_mounts_at_one_place_counts() -> None:
    assert mounted_at(Path("/mnt/lab/x"), TABLE) == ("/mnt/lab", "ext4")
    assert mounted_at(Path("/mnt/lab/x"), "") == ("", "")


def test_the_store_asks_before_it_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = tmp_path / "mounts"
    table.write_text(f"server:/x {tmp_path} nfs rw 0 0\n")
    monkeypatch.setattr(network_files, "MOUNTS", table)
    with pytest.raises(WorkspaceError, match="network file system"):
        open_store(tmp_path / "results" / "a.sqlite")
    assert not (tmp_path / "results").exists()


def test_where_the_system_has_no_table_nothing_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network_files, "MOUNTS", tmp_path / "none")
    open_store(tmp_path / "results" / "a.sqlite").close()
