"""Every command line that help and documentation show can be typed: command, options and arguments exist."""

from __future__ import annotations

import re
import shlex
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer

from automl_bench.cli.main import app
from automl_bench.providers.discovery import PluginRegistry
from automl_bench.providers.host import Observers

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "docs" / "providers").glob("*.md"))]


@cache
def commands() -> dict[str, Any]:
    """Return all commands by name, those that installed plugins add included."""
    registry = PluginRegistry()
    registry.load_all(mentioning="register_commands")
    extended = deepcopy(app)
    Observers(registry).tell("register_commands", app=extended)
    found: Any = typer.main.get_command(extended)
    return dict(found.commands)


def parse(line: str) -> None:
    """Parse a command line as the tool would, without running it."""
    words = shlex.split(re.sub(r"\s+#.*$| {3,}\S.*$", "", line))[1:]
    words = words[: words.index(">")] if ">" in words else words
    command: Any = commands().get(words[0]) or typer.main.get_command(app)
    words = words[1:] if words[0] in commands() else words
    while words and words[0] in getattr(command, "commands", {}):
        command = command.commands[words.pop(0)]
    assert not hasattr(command, "commands") or command.invoke_without_command, f"no such command: {line}"
    command.make_context("automl-bench", words)


def examples() -> list[str]:
    """Return the examples of all commands' help."""
    found: list[str] = []

    def walk(command: Any) -> None:
        found.extend(re.findall(r"^\s*(automl-bench .+)$", command.help or "", re.MULTILINE))
        for inner in getattr(command, "commands", {}).values():
            walk(inner)

    walk(typer.main.get_command(app))
    for command in commands().values():
        walk(command)
    return sorted(set(found))


def test_every_example_in_the_help_can_be_typed() -> None:
    lines = examples()
    assert len(lines) > 50
    for line in lines:
        if not line.startswith("automl-bench sends"):
            parse(line)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_in_a_page_can_be_typed(page: Path) -> None:
    blocks = re.findall(r"^```\w*\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    for line in "\n".join(blocks).replace("\\\n", " ").splitlines():
        if re.match(r"automl-bench [a-z-]+", line) and not re.search(r"[A-Z]{4,}|\[OPTIONS\]|…", line):
            parse(line.replace("[", "").replace("]", "") if "[--" in line else line)
