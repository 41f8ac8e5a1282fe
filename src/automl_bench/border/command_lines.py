"""Every command line that the tool prints is rendered here, so that it works as it stands.

It names the workspace that this command was given with --workspace, and quotes what a shell would split. What only the
user knows stands as a word in capitals (`PATH`). A test runs every command that is printed anywhere.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager

NO_BREAK = "\N{NO-BREAK SPACE}"
_program = ["automl-bench"]


def set_workspace_option(folder: str) -> None:
    """Have printed commands name the workspace that this one was given with --workspace."""
    _program[1:] = ["--workspace", folder]


@contextmanager
def one_command() -> Iterator[None]:
    """Let what the block says of the workspace hold in the block alone, as one process may run several commands."""
    before = _program[1:]
    try:
        yield
    finally:
        _program[1:] = before


@contextmanager
def naming_workspace(folder: str) -> Iterator[None]:
    """Have commands that are printed while the block runs name a workspace."""
    with one_command():
        set_workspace_option(folder)
        yield


def command_line(*words: str, workspace: str = "") -> str:
    """Return a command as it can be typed: `automl-bench teardown --all`.

    Args:
        words: What follows the program's name.
        workspace: Folder to name in any case, where the command may be typed in another folder or session.
    """
    return _rendered([_program[0], "--workspace", workspace, *words] if workspace else [*_program, *words])


def quoted_command(*words: str) -> str:
    """Return a command between backticks, for the middle of a sentence."""
    return f"`{command_line(*words)}`"


def in_one_piece(text: str) -> str:
    """Return a text in which no line can be broken within a command: no-break spaces stand between backticks."""
    return re.sub("`[^`]*`", lambda found: found[0].replace(" ", NO_BREAK), text)


def with_spaces(line: str) -> str:
    """Return a line of such a text with its spaces again, to be printed."""
    return line.replace(NO_BREAK, " ")


def _rendered(words: list[str]) -> str:
    return shlex.join(words)
