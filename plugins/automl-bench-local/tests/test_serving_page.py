"""docs/serving.md says what the command and the service say of themselves."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import typer
from automl_bench_local.commands import register_commands
from automl_bench_local.service_app import BODY_SECONDS, MOST_WAITING, WHY

from automl_bench.cli.completion import providers

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "serving.md").read_text(encoding="utf-8")


def test_every_option_is_there_with_its_default() -> None:
    app = typer.Typer()
    register_commands(app)
    command: Any = typer.main.get_command(app)
    options = {one.opts[0]: one for one in command.params if one.param_type_name == "option"}
    listed = dict(re.findall(r"^\| `(--[a-z-]+)` \| ([^|]+) \|", PAGE, re.MULTILINE))
    assert listed == {
        name: one.show_default if isinstance(one.show_default, str) else str(one.default)
        for name, one in options.items()
        if name not in ("--help", "--install-completion", "--show-completion")
    }


def test_every_refusal_is_there() -> None:
    listed = {int(status) for status in re.findall(r"^\| (\d{3}) \|", PAGE, re.MULTILINE)}
    assert listed | {421} == set(WHY)
    assert "(421)" in PAGE
    assert f"within {BODY_SECONDS:g} seconds" in PAGE
    assert f"more than {MOST_WAITING} requests" in PAGE


def test_the_plugin_of_commands_is_not_offered_as_a_provider() -> None:
    assert providers("local") == ["local"]
