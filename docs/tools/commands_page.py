"""Write docs/commands.md from the command line itself: `python docs/tools/commands_page.py`.

A test holds the page equal to what this script writes.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from automl_bench.cli.main import app

PAGE = Path(__file__).resolve().parents[1] / "commands.md"

HEAD = """# Commands

Every command, as `--help` shows it. This page is written by `docs/tools/commands_page.py`.

Options that come before the command: `--workspace FOLDER` (or the variable `AUTOML_BENCH_WORKSPACE`) says where data,
configs, results and reports are; `--debug` shows tracebacks; `--version` prints the version; `--install-completion`
lets your shell complete commands and names. Without `--workspace` the workspace is the nearest folder, from the current
one upwards, that holds `results/workspace.json` or `.automl-bench` and is yours, else the current folder. Every reading
command has `--json`. [Exit codes](exit-codes.md) are the same everywhere.
"""


def page() -> str:
    """Return the whole page."""
    root = typer.main.get_command(app)
    sections = [text for name, command in _walk(root, "automl-bench") for text in _section(name, command)]
    return HEAD + "\n" + "\n".join(sections).rstrip() + "\n"


def _walk(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    children = getattr(command, "commands", None)
    if children is None or getattr(command, "invoke_without_command", False):
        yield name, command
    for child, inner in (children or {}).items():
        yield from _walk(inner, f"{name} {child}")


def _section(name: str, command: Any) -> Iterator[str]:
    arguments = [parameter for parameter in command.params if parameter.param_type_name == "argument"]
    options = [parameter for parameter in command.params if parameter.param_type_name == "option"]
    usage = " ".join([name, *(_argument_name(argument) for argument in arguments), *(["[OPTIONS]"] if options else [])])
    prose, _, examples = inspect.cleandoc(command.help or "").partition("Examples:")
    yield f"## {name.removeprefix('automl-bench ')}\n"
    yield f"```\n{usage}\n```\n"
    yield re.sub(r"\[/?bold\]", "", prose.replace("\b", "")).strip() + "\n"
    if examples:
        yield f"```\n{inspect.cleandoc(examples)}\n```\n"
    rows = [*((_argument_name(argument), argument) for argument in arguments), *((_flags(o), o) for o in options)]
    rows = [(flags, parameter) for flags, parameter in rows if flags != "`--help`"]
    if rows:
        yield "| | | default |\n|---|---|---|"
        for flags, parameter in rows:
            words = re.sub(r"\s+", " ", parameter.help or "").strip()
            yield f"| {flags if flags.startswith('`') else f'`{flags}`'} | {words} | {_default(parameter)} |"
        yield ""


def _argument_name(argument: Any) -> str:
    return str(argument.metavar or argument.name.upper())


def _flags(option: Any) -> str:
    flags = ", ".join(f"`{flag}`" for flag in [*option.opts, *option.secondary_opts])
    return flags if option.is_flag or not option.metavar else f"{flags} {option.metavar}"


def _default(parameter: Any) -> str:
    shown = getattr(parameter, "show_default", None)
    if isinstance(shown, str):
        return shown
    if parameter.default is None or parameter.default is False or parameter.required or callable(parameter.default):
        return ""
    return "" if parameter.default in ("", ()) else str(parameter.default)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
