"""CSV and TSV lists, zip and tar archives, and what is refused in them."""

from __future__ import annotations

import io
import os
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from automl_bench.datasets.archives import ArchiveLimits, unpack
from automl_bench.datasets.importing import ImportOptions, import_dataset
from automl_bench.datasets.layouts import LayoutHints
from automl_bench.datasets.manifest import Manifest
from automl_bench.errors import DatasetError, UnsafeArchive, WorkspaceError

Images = Callable[..., bytes]
Tree = Callable[..., Path]


def imported(path: Path, tmp_path: Path) -> Manifest:
    return import_dataset("ds", path, tmp_path / "data").manifest


def sizes(manifest: Manifest) -> dict[str, tuple[int, int]]:
    counts = manifest.counts()
    return {label: (counts["train"][label], counts["test"][label]) for label in manifest.labels}


def refused(path: Path, tmp_path: Path) -> DatasetError:
    with pytest.raises(DatasetError) as caught:
        imported(path, tmp_path)
    assert caught.value.remedy
    assert list((tmp_path / "data").glob("*")) == [], "something was left behind"
    return caught.value


@pytest.fixture
def listed(tmp_path: Path, make_image: Images) -> Callable[..., Path]:
    def build(text: str, name: str = "list.csv", images: int = 6) -> Path:
        (tmp_path / "l" / "pics").mkdir(parents=True, exist_ok=True)
        for number in range(images):
            (tmp_path / "l" / "pics" / f"{number}.png").write_bytes(make_image(number))
        (tmp_path / "l" / name).write_text(text, encoding="utf-8")
        return tmp_path / "l" / name

    return build


def test_csv_without_split_gets_one_drawn(listed: Callable[..., Path], tmp_path: Path) -> None:
    rows = "".join(f"pics/{n}.png,{'ab'[n % 2]}\n" for n in range(6))
    manifest = imported(listed("path,label\n" + rows), tmp_path)
    assert sizes(manifest) == {"a": (2, 1), "b": (2, 1)}


def test_row_order_of_a_list_does_not_matter(listed: Callable[..., Path], tmp_path: Path) -> None:
    rows = [f"pics/{n}.png,{'ab'[n % 2]}\n" for n in range(6)]
    one = import_dataset("one", listed("path,label\n" + "".join(rows)), tmp_path / "data").manifest
    two = import_dataset("two", listed("path,label\n" + "".join(reversed(rows))), tmp_path / "data").manifest
    assert one.table.equals(two.table)


def test_split_quotes_commas_and_further_columns_are_understood(listed: Callable[..., Path], tmp_path: Path) -> None:
    text = (
        "\ufeffid,Label,path,split\r\n"
        '1,"big, red",pics/0.png,train\r\n2,"big, red",pics/1.png,TEST\r\n3,"say ""x""",pics/2.png,val\r\n\r\n'
    )
    manifest = imported(listed(text), tmp_path)
    assert sizes(manifest) == {"big, red": (1, 1), 'say "x"': (1, 0)}


def test_tab_separated_list_is_understood(listed: Callable[..., Path], tmp_path: Path) -> None:
    assert imported(listed("path\tlabel\npics/0.png\ta, b\npics/1.png\tc\n", "l.tsv"), tmp_path).labels == ("a, b", "c")


def test_label_that_is_a_path_stays_a_label(listed: Callable[..., Path], tmp_path: Path) -> None:
    manifest = imported(listed("path,label\npics/0.png,../../x\npics/1.png,../../x\n"), tmp_path)
    assert manifest.labels == ("../../x",)
    assert all(
        (manifest.folder / path).resolve().is_relative_to(manifest.folder)
        for path in manifest.table["path"].to_pylist()
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "l"]


def test_folder_with_a_list_is_read_by_its_list(listed: Callable[..., Path], tmp_path: Path) -> None:
    path = listed("path,label\npics/0.png,a\npics/1.png,b\n")
    assert imported(path.parent, tmp_path).labels == ("a", "b")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("pics/0.png,a\npics/1.png,b\n", "no header"),
        ("path,label\n", "lists no samples"),
        ("path,label\npics/0.png\n", "line 2: 1 cell,"),
        ("path,label\n,a\n", "line 2: the path is empty"),
        ("path,label\npics/0.png,\n", "empty label"),
        ("path,label,split\npics/0.png,a,UNASSIGNED\n", "split 'UNASSIGNED' is none of"),
        ("path,label,split\npics/0.png,a,train\npics/1.png,a,\n", "line 3: the split is empty"),
        ('path,label\npics/0.png,"a\n', "unexpected end of data"),
        ("path,label\npics/99.png,a\n", "list.csv, line 2) does not exist"),
        ("path,label\npics,a\n", "is a folder"),
        ("text,label\nhello,a\n", "looks like texts"),
        ("age,sex,label\n3,f,a\n", "looks like a table"),
    ],
)
def test_bad_list_is_refused_by_line(listed: Callable[..., Path], tmp_path: Path, text: str, message: str) -> None:
    assert message in refused(listed(text), tmp_path).message


@pytest.mark.parametrize(
    "row",
    [
        "pics/99.png,a,train",
        "../../x.png,a,train",
        "pics/1.png,,train",
        ",a,train",
        "pics/1.png,a",
        "pics/1.png,a,half",
    ],
)
def test_a_bad_row_of_a_list_in_an_archive_names_the_archive_and_the_line(
    listed: Callable[..., Path], tmp_path: Path, row: str
) -> None:
    folder = listed(f"path,label,split\npics/0.png,a,train\n{row}\npics/2.png,b,test\n").parent
    archive = tmp_path / "pets.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in sorted(folder.rglob("*.*")):
            file.write(path, path.relative_to(folder).as_posix())
    error = refused(archive, tmp_path)
    assert f"{archive}: list.csv, line 3" in error.message
    assert ".unpacking" not in error.message + error.remedy


def test_list_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    (tmp_path / "l.csv").write_bytes(b"path,label\n\xff\xfe,a\n")
    assert "not UTF-8" in refused(tmp_path / "l.csv", tmp_path).message


def test_folder_with_two_lists_is_refused_until_one_is_chosen(listed: Callable[..., Path], tmp_path: Path) -> None:
    listed("path,label\npics/0.png,a\n", "one.csv")
    folder = listed("path,label\npics/0.png,b\n", "two.csv").parent
    error = refused(folder, tmp_path)
    assert "the list one.csv ('a'); or the list two.csv ('b')" in error.message
    assert "`--list one.csv` or `--list two.csv`" in error.remedy
    chosen = ImportOptions(hints=LayoutHints(list_file="two.csv"))
    assert import_dataset("ds", folder, tmp_path / "data", chosen).manifest.labels == ("b",)


# --- archives --------------------------------------------------------------------------------------------


def zipped(tree: Path, target: Path) -> Path:
    with zipfile.ZipFile(target, "w") as archive:
        for path in sorted(tree.rglob("*")):
            archive.write(path, path.relative_to(tree.parent))
    return target


@pytest.mark.parametrize("ending", [".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz"])
def test_archive_gives_the_same_dataset_as_its_folder(make_tree: Tree, tmp_path: Path, ending: str) -> None:
    tree = make_tree({"train/a b": 4, "train/ü": 4, "test/a b": 2, "test/ü": 2})
    archive = tmp_path / f"pack{ending}"
    if ending == ".zip":
        zipped(tree, archive)
    else:
        with tarfile.open(archive, "w:" + {"tgz": "gz", "tar": ""}.get(ending.rsplit(".", 1)[1], ending[5:])) as tar:
            tar.add(tree, "wrapper/images")
    manifest = imported(archive, tmp_path)
    assert manifest.table.equals(import_dataset("f", tree, tmp_path / "data").manifest.table)
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == ["ds", "f"]


def test_archive_with_a_list_is_understood(listed: Callable[..., Path], tmp_path: Path) -> None:
    path = listed("path,label\npics/0.png,a\npics/1.png,b\n")
    assert imported(zipped(path.parent, tmp_path / "l.zip"), tmp_path).labels == ("a", "b")


def test_list_in_an_archive_may_not_name_files_outside(listed: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(b"x")
    path = listed(f"path,label\n{tmp_path}/secret.png,a\n")
    error = refused(zipped(path.parent, tmp_path / "l.zip"), tmp_path)
    assert isinstance(error, UnsafeArchive)
    assert "line 2" in error.message


def zip_with(target: Path, name: str, content: bytes = b"x", mode: int = 0o100644) -> Path:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        member = zipfile.ZipInfo(name)
        member.external_attr = mode << 16
        member.compress_type = zipfile.ZIP_DEFLATED
        archive.writestr(member, content)
    return target


@pytest.mark.parametrize("name", ["../evil.png", "a/../../evil.png", "/evil.png", "C:\\evil.png", "..\\evil.png"])
def test_zip_slip_is_refused_by_member(tmp_path: Path, name: str) -> None:
    error = refused(zip_with(tmp_path / "x.zip", name), tmp_path)
    assert isinstance(error, UnsafeArchive)
    assert "evil.png" in error.message
    assert not list(tmp_path.rglob("*evil*"))


def test_link_in_a_zip_is_refused(tmp_path: Path) -> None:
    error = refused(zip_with(tmp_path / "x.zip", "a/l.png", b"/etc/passwd", 0o120777), tmp_path)
    assert "is a link or a device" in error.message


def tar_with(target: Path, **fields: object) -> Path:
    with tarfile.open(target, "w") as archive:
        member = tarfile.TarInfo(str(fields.pop("name")))
        for key, value in fields.items():
            setattr(member, key, value)
        archive.addfile(member, io.BytesIO(b"x" * member.size))
    return target


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "../evil.png", "size": 1},
        {"name": "/evil.png", "size": 1},
        {"name": "a/evil.png", "type": tarfile.SYMTYPE, "linkname": "../../etc/passwd"},
        {"name": "a/evil.png", "type": tarfile.SYMTYPE, "linkname": "/etc/passwd"},
        {"name": "a/evil.png", "type": tarfile.LNKTYPE, "linkname": "../../../etc/passwd"},
        {"name": "a/evil.png", "type": tarfile.FIFOTYPE},
        {"name": "a/evil.png", "type": tarfile.CHRTYPE},
    ],
)
def test_hostile_tar_member_is_refused_by_name(tmp_path: Path, fields: dict[str, object]) -> None:
    error = refused(tar_with(tmp_path / "x.tar", **dict(fields)), tmp_path)
    assert isinstance(error, UnsafeArchive)
    assert "evil.png" in error.message
    assert not list(tmp_path.rglob("*evil*"))


def test_tar_that_writes_through_its_own_link_is_refused(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    with tarfile.open(tmp_path / "x.tar", "w") as archive:
        link = tarfile.TarInfo("door")
        link.type, link.linkname = tarfile.SYMTYPE, str(outside)
        archive.addfile(link)
        file = tarfile.TarInfo("door/evil.png")
        file.size = 1
        archive.addfile(file, io.BytesIO(b"x"))
    assert isinstance(refused(tmp_path / "x.tar", tmp_path), UnsafeArchive)
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (ArchiveLimits(entries=2), "is entry number 3"),
        (ArchiveLimits(total_bytes=10_000), "brings it above 10,000 bytes"),
        (ArchiveLimits(ratio=5, ratio_from_bytes=50_000), "like a bomb"),
    ],
)
@pytest.mark.parametrize("ending", [".zip", ".tar.gz"])
def test_bombs_are_refused(tmp_path: Path, limits: ArchiveLimits, message: str, ending: str) -> None:
    archive = tmp_path / f"bomb{ending}"
    tree = tmp_path / "zeros"
    tree.mkdir()
    for number in range(5):
        (tree / f"{number}.png").write_bytes(bytes(40_000))
    if ending == ".zip":
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
            for path in sorted(tree.iterdir()):
                file.write(path, path.name)
    else:
        with tarfile.open(archive, "w:gz") as tar:
            for path in sorted(tree.iterdir()):
                tar.add(path, path.name)
    (tmp_path / "into").mkdir()
    with pytest.raises(UnsafeArchive, match=message):
        unpack(archive, tmp_path / "into", limits=limits)


@pytest.mark.parametrize("ending", [".zip", ".tar", ".tar.gz", ".tar.bz2", ".tar.xz"])
@pytest.mark.parametrize("how", ["garbage", "empty", "truncated"])
def test_damaged_archive_is_refused(make_tree: Tree, tmp_path: Path, ending: str, how: str) -> None:
    archive = tmp_path / f"x{ending}"
    tree = make_tree({"a": 40})
    if ending == ".zip":
        zipped(tree, archive)
    else:
        with tarfile.open(archive, "w:" + ending.removeprefix(".tar").lstrip(".")) as tar:
            tar.add(tree, "a")
    content = archive.read_bytes()
    archive.write_bytes({"garbage": os.urandom(3000), "empty": b"", "truncated": content[: len(content) // 2]}[how])
    assert str(archive) in refused(archive, tmp_path).message


def test_zip_that_unpacks_to_more_than_is_free_is_refused_at_once(
    make_tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = zipped(make_tree({"a": 3}), tmp_path / "x.zip")
    monkeypatch.setattr("automl_bench.datasets.archives.shutil.disk_usage", lambda _: type("Usage", (), {"free": 10}))
    with pytest.raises(WorkspaceError, match="only 10 are free"):
        imported(archive, tmp_path)
    assert list((tmp_path / "data").iterdir()) == []


def test_folder_of_archives_says_which_to_give(make_tree: Tree, tmp_path: Path) -> None:
    (tmp_path / "packs").mkdir()
    zipped(make_tree({"a": 2}), tmp_path / "packs" / "one.zip")
    assert "one.zip" in refused(tmp_path / "packs", tmp_path).remedy


# --- nothing half-done -----------------------------------------------------------------------------------


def test_existing_dataset_is_kept_without_replace(make_tree: Tree, tmp_path: Path) -> None:
    first = imported(make_tree({"a": 3}), tmp_path)
    with pytest.raises(DatasetError, match="already a dataset 'ds'") as caught:
        imported(make_tree({"b": 3}, "other"), tmp_path)
    assert "--replace" in caught.value.remedy
    assert (first.folder / "train" / "a").is_dir()


def test_replace_swaps_only_if_the_new_one_is_good(make_tree: Tree, tmp_path: Path) -> None:
    first = imported(make_tree({"a": 3}), tmp_path)
    bad = make_tree({"b": 3}, "bad", start=10)
    (bad / "b" / "x.png").write_bytes(b"")
    replace = ImportOptions(replace=True)
    with pytest.raises(DatasetError):
        import_dataset("ds", bad, tmp_path / "data", replace)
    assert import_dataset("copy", first.folder, tmp_path / "data").manifest.fingerprint == first.fingerprint
    good = import_dataset("ds", make_tree({"c": 3}, "good", start=20), tmp_path / "data", replace)
    assert good.manifest.labels == ("c",)
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == ["copy", "ds"]


def test_interrupted_import_leaves_nothing(make_tree: Tree, tmp_path: Path) -> None:
    def stop(what: str, done: int, total: int | None) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_dataset("ds", make_tree({"a": 3}), tmp_path / "data", progress=stop)
    assert list((tmp_path / "data").iterdir()) == []


@pytest.mark.parametrize(("number", "remedy"), [(28, "Free some space"), (30, "read-only"), (13, "permissions")])
def test_disk_that_cannot_be_written_is_named(
    make_tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, remedy: str
) -> None:
    tree = make_tree({"a": 3})

    def failing(*args: object) -> int:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr("automl_bench.datasets.intake.os.write", failing)
        with pytest.raises(WorkspaceError, match=os.strerror(number)) as caught:
            imported(tree, tmp_path)
    assert remedy in caught.value.remedy
    assert str(tmp_path / "data") in caught.value.message
    assert list((tmp_path / "data").iterdir()) == []


def test_file_where_the_data_folder_should_be_is_named(make_tree: Tree, tmp_path: Path) -> None:
    (tmp_path / "data").write_text("x")
    with pytest.raises(WorkspaceError, match="data"):
        imported(make_tree({"a": 3}), tmp_path)
