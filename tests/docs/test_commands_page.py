"""docs/commands.md is what the command line says of itself."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

SCRIPT = Path(__file__).resolve().parents[2] / "docs" / "tools" / "commands_page.py"


def _script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("commands_page", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_what_the_script_writes() -> None:
    script = _script()
    assert script.PAGE.read_text(encoding="utf-8") == script.page(), "run: python docs/tools/commands_page.py"


def test_every_command_has_an_example() -> None:
    script = _script()
    text = script.page()
    for section in text.split("\n## ")[1:]:
        name = section.splitlines()[0]
        assert f"automl-bench {name}" in section.split("```")[3] if section.count("```") >= 4 else False, name
