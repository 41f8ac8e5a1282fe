"""configs/datasets/*.toml, plugin datasets, and mistakes in either."""

from __future__ import annotations

from pathlib import Path

import pytest

from automl_bench.contract import DatasetSource
from automl_bench.datasets.catalogue import find, load
from automl_bench.errors import InvalidSetting, SettingsError, UnknownSetting, UsageError

CONFIGS = Path(__file__).parents[2] / "configs" / "datasets"
FILES = {path.stem: path for path in CONFIGS.glob("*.toml")}


def test_catalogue_holds_the_promised_datasets() -> None:
    images = "beans cars cifar10 clothing digits fashion-mini fashion-mnist food intel pets xrays"
    others = "20newsgroups sms-spam spam-assassin titanic titanic-kaggle"
    assert list(load(FILES)) == sorted([*images.split(), *others.split()])


@pytest.mark.parametrize("name", sorted(FILES))
def test_every_entry_says_title_licence_classes_and_where_it_comes_from(name: str) -> None:
    entry = load(FILES)[name]
    assert entry.title
    assert entry.licence
    assert entry.classes
    assert entry.where
    for source in entry.sources:
        assert len(source.sha256) == 64
    if (entry.sources or entry.kaggle) and not (entry.text or entry.target):
        assert entry.layout
        assert entry.train
        assert entry.test
        assert entry.homepage.startswith("https://")


def test_published_counts_and_sums_are_as_documented() -> None:
    entries = load(FILES)
    assert (entries["beans"].train, entries["beans"].test) == (1034 + 133, 128)
    assert entries["beans"].download_bytes == 143812152 + 18504213 + 17708541
    assert (entries["cars"].train, entries["cars"].test, entries["cars"].classes) == (8144, 8041, 196)
    assert entries["food"].download_bytes == 4996278331
    assert entries["fashion-mnist"].download_bytes is None


def source(name: str, path: Path | None = None) -> DatasetSource:
    return DatasetSource(name=name, title="T", licence="MIT", source="S", path=path)


def test_plugin_completes_its_entry_and_adds_its_own() -> None:
    digits, own = source("digits"), source("own")
    entries = load(FILES, [digits, own])
    assert entries["digits"].plugin is digits
    assert entries["digits"].title == "Handwritten digits, 8 × 8 grey"
    assert (entries["own"].plugin, entries["own"].title, entries["own"].licence) == (own, "T", "MIT")


def test_plugin_does_not_take_over_a_published_dataset() -> None:
    assert load(FILES, [source("beans")])["beans"].plugin is None


def test_unknown_name_gets_a_suggestion() -> None:
    with pytest.raises(UsageError, match="no dataset 'bean'") as caught:
        find(load(FILES), "bean")
    assert caught.value.remedy == "Did you mean 'beans'?"


def toml(tmp_path: Path, text: str) -> dict[str, Path]:
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return {"mine": path}


GOOD = 'title = "T"\nlicence = "MIT"\nimport_only = "because."\n'


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        (GOOD + 'licenze = "x"\n', UnknownSetting, "line 4: unknown key 'licenze'"),
        (GOOD + 'name = "x"\n', UnknownSetting, "line 4: unknown key 'name'"),
        (GOOD + "[plugin]\nname = 1\n", UnknownSetting, "unknown key 'plugin'"),
        (GOOD + 'classes = "ten"\n', InvalidSetting, "line 4: 'classes': Input should be a valid integer"),
        (GOOD + "classes = 0\n", InvalidSetting, "line 4: 'classes'"),
        (GOOD + "train = true\n", InvalidSetting, "line 4: 'train'"),
        (GOOD + 'layout = "heap"\n', InvalidSetting, "line 4: 'layout'"),
        (GOOD + 'modality = "smell"\n', InvalidSetting, "line 4: 'modality'"),
        (GOOD + 'kaggle = "not-a-name"\n', InvalidSetting, "line 4: 'kaggle'"),
        (GOOD + 'kaggle = "a/b"\n', InvalidSetting, "exactly one of"),
        ('title = "T"\nlicence = "x"\n', InvalidSetting, "exactly one of"),
        ('title = "T"\nimport_only = "x"\n', InvalidSetting, "the key 'licence' is missing"),
        ("title = \n", InvalidSetting, "is not valid TOML"),
        ('title = "T"\nlicence = "x"\n[[sources]]\nurl = "ftp://x/y"\n', InvalidSetting, "must begin with http"),
        ('title = "T"\nlicence = "x"\n[[sources]]\nurl = "http://x/"\n', InvalidSetting, "ends in no file name"),
        ('title = "T"\nlicence = "x"\n[[sources]]\nurl = "http://x/y"\nsha256 = "12"\n', InvalidSetting, "sha256"),
        ('title = "T"\nlicence = "x"\n[[sources]]\nurl = "http://x/y"\nname = "../y"\n', InvalidSetting, "stay inside"),
        (
            'title = "T"\nlicence = "x"\n[[sources]]\nurl = "http://x/y"\nsize = 3\n',
            UnknownSetting,
            "unknown key 'sources.0.size'",
        ),
        ('title = "T"\nlicence = "x"\n' + '[[sources]]\nurl = "http://x/y"\n' * 2, InvalidSetting, "same file name"),
    ],
)
def test_mistake_in_a_file_is_named_with_file_and_key(
    tmp_path: Path, text: str, kind: type[SettingsError], message: str
) -> None:
    with pytest.raises(kind) as caught:
        load(toml(tmp_path, text))
    assert str(tmp_path / "mine.toml") in caught.value.message
    assert message in caught.value.message
    assert caught.value.remedy


def test_misspelt_key_gets_a_suggestion(tmp_path: Path) -> None:
    with pytest.raises(UnknownSetting) as caught:
        load(toml(tmp_path, GOOD + 'hompage = "x"\n'))
    assert caught.value.remedy == "Did you mean 'homepage'?"


def test_file_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_bytes(b"\xff")
    with pytest.raises(InvalidSetting, match=r"x\.toml is not UTF-8"):
        load({"x": tmp_path / "x.toml"})
