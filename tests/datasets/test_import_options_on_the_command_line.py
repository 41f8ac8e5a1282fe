"""`data import`: the options that choose a reading, and the account, as a user types and sees them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from odd_sources import Source

from automl_bench.cli.main import run
from automl_bench.datasets.layouts import LAYOUTS

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    monkeypatch.setenv("AUTOML_BENCH_WORKSPACE", str(tmp_path / "work"))
    monkeypatch.setenv("COLUMNS", "200")

    def go(*arguments: object) -> tuple[int, str, str]:
        code = run([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        return code, out, err

    return go


def test_help_shows_every_layout_with_its_example(command: Command) -> None:
    code, out, _ = command("data", "import", "--help")
    assert code == 0
    for name, layout in LAYOUTS.items():
        assert f"{name}: " in out
        for line in layout.example:
            assert line in out


def test_the_account_is_printed_kept_and_in_json(command: Command, tmp_path: Path) -> None:
    source = Source(tmp_path / "in")
    source.tree("cat", "dog")
    source.put("README.md")
    source.put("cat/1.dcm")
    code, out, err = command("data", "import", "d", source.root)
    assert code == 0
    assert "12 seen = 10 imported + 2 left out" in out
    assert "Warning: Left out 1 image in a format that is not understood ('cat' 1), for example cat/1.dcm." in err
    assert "Left out 1 file that is no image, for example README.md." in err
    code, out, _ = command("data", "import", "d", source.root, "--replace", "--json")
    account = json.loads(out)["account"]
    assert account == {
        "seen": 12,
        "imported": 10,
        "left_out": [
            {"reason": "other_file", "class": "", "count": 1, "example": "README.md"},
            {"reason": "unreadable_format", "class": "cat", "count": 1, "example": "cat/1.dcm"},
        ],
    }
    code, out, _ = command("data", "show", "d", "--json")
    assert json.loads(out)["account"] == account


def test_each_option_chooses(command: Command, tmp_path: Path) -> None:
    source = Source(tmp_path / "in")
    source.tree("2019/cat", "2019/dog", "2020/cat", "2020/dog")
    rows = [(f.relative_to(source.root).as_posix(), f.parts[-3], "x") for f in sorted(source.root.rglob("*.png"))]
    source.list_of("a.csv", [("path", "year", "label"), *rows])
    code, _, err = command("data", "import", "d", source.root, "--layout", "folders")
    assert code == 4
    assert "--layout outer-folders (the first) or --layout inner-folders" in err

    def labels(*options: str) -> list[str]:
        code, _, err = command("data", "import", "d", source.root, "--replace", "--json", *options)
        assert code == 0, err
        return sorted(json.loads(command("data", "show", "d", "--json")[1])["counts"])

    assert labels("--layout", "outer-folders") == ["2019", "2020"]
    assert labels("--layout", "inner-folders") == ["cat", "dog"]
    assert labels("--list", "a.csv") == ["x"]
    assert labels("--labels-from", "a.csv:year") == ["2019", "2020"]
    assert labels("--split-folders", "train=2019,test=2020") == ["cat", "dog"]
    assert json.loads(command("data", "show", "d", "--json")[1])["counts"] == {
        "cat": {"train": 5, "test": 5},
        "dog": {"train": 5, "test": 5},
    }


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--layout", "upside-down"), "there is no layout 'upside-down'"),
        (("--split-folders", "train"), "'train' in --split-folders is not SPLIT=FOLDER"),
        (("--split-folders", "learn=a"), "'learn=a' in --split-folders is not SPLIT=FOLDER"),
        (("--list", "a.csv", "--labels-from", "b.csv:x"), "--list names 'a.csv' and --labels-from 'b.csv'"),
        (("--group", "x("), "is no column and no regular expression"),
    ],
)
def test_an_option_that_makes_no_sense_is_a_usage_error(
    command: Command, tmp_path: Path, options: tuple[str, ...], says: str
) -> None:
    source = Source(tmp_path / "in")
    source.tree("cat", "dog")
    code, _, err = command("data", "import", "d", source.root, *options)
    assert code == 2
    assert says in err


def test_split_folders_that_are_not_there_are_named(command: Command, tmp_path: Path) -> None:
    source = Source(tmp_path / "in")
    source.tree("cat", "dog")
    code, _, err = command("data", "import", "d", source.root, "--split-folders", "train=learn")
    assert code == 4
    assert "none of the split folders learn" in err
    assert "'cat', 'dog'" in err
