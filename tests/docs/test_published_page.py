"""docs/benchmark-2023.md is what automl-bench says of the figures published in 2023."""

from __future__ import annotations

import importlib.util
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[2] / "docs" / "tools" / "published_page.py"


def test_the_page_is_what_the_script_writes() -> None:
    spec = importlib.util.spec_from_file_location("published_page", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    text = module.page()
    assert module.PAGE.read_text(encoding="utf-8") == text, "run: python docs/tools/published_page.py"
    assert "AWS on xrays falls from 91.0 % at 320 shots to 76.0 % at 1280" in text
    assert "4 variants on 7 datasets cannot be separated" in text
