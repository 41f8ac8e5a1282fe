"""The tables of layouts and reasons in docs/datasets.md are what the readers say of themselves."""

from __future__ import annotations

import runpy
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[2] / "docs" / "tools" / "layouts_table.py"


def test_the_tables_are_what_the_script_writes() -> None:
    script = runpy.run_path(str(SCRIPT))
    text = script["PAGE"].read_text(encoding="utf-8")
    assert text == script["page"](), "run: python docs/tools/layouts_table.py"
    assert text.count("docs/tools/layouts_table.py") == 2
