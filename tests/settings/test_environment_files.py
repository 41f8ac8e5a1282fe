"""A requirements file that a variant names is read where the variant is, and its lines are part of the trial."""

from __future__ import annotations

from pathlib import Path

import pytest

from automl_bench.contract import ProviderDescription
from automl_bench.errors import InvalidSetting, UnknownSetting
from automl_bench.settings.provider_files import read_provider_file, resolve_variant
from automl_bench.toolkit.environments import ENVIRONMENT

ABLE = ProviderDescription("able", "Able", frozenset(), variant_settings=(ENVIRONMENT,))
UNABLE = ProviderDescription("unable", "Unable", frozenset(), variant_settings=())


def variant_file(folder: Path, requirements: str = '"old.txt"') -> Path:
    path = folder / "able.toml"
    path.write_text(f"[variants.old.environment]\nrequirements = {requirements}\n", encoding="utf-8")
    return path


def test_the_lines_stand_in_the_variant_whatever_the_file_is_called(tmp_path: Path) -> None:
    (tmp_path / "old.txt").write_text("numpy==1.24.4 # old\n", encoding="utf-8")
    (tmp_path / "same.txt").write_text("\n# the same\nnumpy==1.24.4\n", encoding="utf-8")
    found = [
        resolve_variant(ABLE, read_provider_file(variant_file(tmp_path, text)), "old").settings
        for text in ('"old.txt"', '"same.txt"', '["numpy==1.24.4"]')
    ]
    assert found[0] == found[1] == found[2] == {"environment": {"requirements": ["numpy==1.24.4"]}}


def test_a_containerfile_stands_there_as_its_text(tmp_path: Path) -> None:
    (tmp_path / "Containerfile").write_text("FROM lab/base\nRUN true", encoding="utf-8")
    path = tmp_path / "able.toml"
    path.write_text('[variants.old.environment]\ncontainerfile = "Containerfile"\n', encoding="utf-8")
    found = resolve_variant(ABLE, read_provider_file(path), "old").settings
    assert found == {"environment": {"containerfile": "FROM lab/base\nRUN true\n"}}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "old.txt, which cannot be read: No such file"),
        (b"\xff\xfe\x00", "it is no text in UTF-8"),
        (b"# nothing\n", "old.txt holds nothing"),
        (b"-r more.txt\n", "leads to another file"),
        (b"#" * 300_000, "over 262,144 bytes"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(tmp_path: Path, content: bytes | None, said: str) -> None:
    if content is not None:
        (tmp_path / "old.txt").write_bytes(content)
    with pytest.raises(InvalidSetting, match=said):
        resolve_variant(ABLE, read_provider_file(variant_file(tmp_path)), "old")


def test_a_provider_that_makes_no_environments_refuses_one(tmp_path: Path) -> None:
    with pytest.raises(UnknownSetting, match="'environment' is not a setting of a variant"):
        resolve_variant(UNABLE, read_provider_file(variant_file(tmp_path)), "old")
