"""docs/datasets.md names every key, every check and every dataset that exist in the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from automl_bench.datasets import check_report, checks, class_findings
from automl_bench.datasets.catalogue import CatalogueEntry, Download, load
from automl_bench.datasets.columnar import checks as columnar_checks
from automl_bench.datasets.columnar import near_texts, table_checks, text_checks
from automl_bench.datasets.layouts import LAYOUTS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "datasets.md").read_text(encoding="utf-8")
ENTRIES = load({path.stem: path for path in (ROOT / "configs" / "datasets").glob("*.toml")})
KEYS = sorted((set(CatalogueEntry.model_fields) | set(Download.model_fields)) - {"name", "plugin"})
MODULES = [checks, check_report, class_findings, columnar_checks, text_checks, table_checks, near_texts]
SOURCES = "".join(Path(module.__file__).read_text(encoding="utf-8") for module in MODULES)
CHECKS = sorted(set(re.findall(r'(?:Finding|findings_of)\(\s*f?"(\w+?)(?:\{.*?\})?"', SOURCES)))


@pytest.mark.parametrize("key", KEYS)
def test_every_key_of_the_catalogue_is_documented(key: str) -> None:
    assert f"`{key}`" in PAGE


@pytest.mark.parametrize("layout", sorted(LAYOUTS))
def test_every_layout_is_documented(layout: str) -> None:
    assert f"`{layout}`" in PAGE


def test_the_checks_are_read_from_the_code() -> None:
    assert {"leak", "two_labels", "imbalance", "too_few_for_", "no_", "odd_size", "label_suspects"} <= set(CHECKS)


@pytest.mark.parametrize("check", CHECKS)
def test_every_check_is_documented(check: str) -> None:
    assert f"`{check}" in PAGE


@pytest.mark.parametrize("name", sorted(ENTRIES))
def test_every_dataset_is_listed_with_its_counts(name: str) -> None:
    entry = ENTRIES[name]
    row = next(line for line in PAGE.splitlines() if line.startswith(f"| {name} |"))
    assert f"| {entry.classes} |" in row
    if entry.train is not None and entry.test is not None:
        assert f"| {entry.train:,} + {entry.test:,} |" in row
