"""docs/plugins/testing.md names every check with its own words, and every method of the protocol."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

from automl_bench.simulation.services import SERVICES
from automl_bench.testing import LoopbackService, ProviderConformance
from automl_bench.testing.checks import checks_of

DOCS = Path(__file__).resolve().parents[2] / "docs" / "plugins"
PAGE = (DOCS / "testing.md").read_text(encoding="utf-8")


def test_every_check_stands_in_the_table_with_its_own_words() -> None:
    for name, check in checks_of(ProviderConformance).items():
        words = " ".join((inspect.getdoc(getattr(ProviderConformance, name)) or "").split())
        needs = ", ".join(sorted(check.needs)) or "always"
        assert f"| {check.id} | {needs} | {words} |" in PAGE


def test_no_two_checks_share_an_id() -> None:
    ids = [check.id for check in checks_of(ProviderConformance).values()]
    assert len(ids) == len(set(ids))


def test_every_check_that_the_pages_name_exists() -> None:
    known = {check.id for check in checks_of(ProviderConformance).values()}
    for page in ("testing.md", "resources.md", "publishing.md"):
        named = set(re.findall(r"\b[CSEKMRL]\d\d\b", (DOCS / page).read_text(encoding="utf-8")))
        assert named <= known, f"{page}: {named - known}"


def test_every_method_of_the_stand_in_is_explained() -> None:
    methods = [name for name, value in vars(LoopbackService).items() if inspect.isfunction(value)]
    for name in methods:
        if not name.startswith("_"):
            assert f"`{name}(" in PAGE


def test_every_simulated_service_is_described() -> None:
    for name in SERVICES:
        assert f"| `simulated:{name}` |" in PAGE
