"""A terminal in the test's own process that remembers every command line rendered for a message, and where."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from automl_bench.border import command_lines
from automl_bench.cli.main import run

RENDERERS = {"command_line", "quoted_command", "trial_command", "teardown_command"}
PROGRAM = "automl-bench"


@dataclass(frozen=True)
class Printed:
    """A command line as it was printed, and the function that printed it (`cli/results.py:results`)."""

    words: tuple[str, ...]
    site: str


@dataclass
class Terminal:
    """Types commands, in a folder that is not the workspace, with --workspace.

    Attributes:
        root: The workspace.
        capture: What pytest caught of the output.
        printed: What was printed since `forget`.
    """

    root: Path
    capture: pytest.CaptureFixture[str]
    printed: list[Printed] = field(default_factory=list)

    def type(self, *words: str) -> tuple[int, str]:
        """Run a command and return its exit code and all it wrote."""
        code = run(["--workspace", str(self.root), *words])
        written = self.capture.readouterr()
        return code, written.out + written.err

    def type_printed(self, printed: Printed, places: dict[str, str]) -> tuple[int, str]:
        """Run a printed command exactly as it stands, with what only the user knows filled in."""
        program, *words = printed.words
        assert program == PROGRAM
        assert words[:2] == ["--workspace", str(self.root)], f"not in this workspace: {shlex.join(printed.words)}"
        code = run([places.get(word, word) for word in words])
        written = self.capture.readouterr()
        return code, written.out + written.err

    def forget(self) -> None:
        """Begin anew."""
        self.printed.clear()


def remembering(monkeypatch: pytest.MonkeyPatch, printed: list[Printed], root: Path) -> None:
    """Remember each command line that is rendered from now on, for a command that was given this workspace."""
    render: Callable[[list[str]], str] = command_lines._rendered

    def remember(words: list[str]) -> str:
        printed.append(Printed(tuple(words), _site()))
        return render(words)

    monkeypatch.setattr(command_lines, "_rendered", remember)
    monkeypatch.setattr(command_lines, "_program", [PROGRAM, "--workspace", str(root)])


def _site() -> str:
    """Return the function outside the renderers that asked for the command."""
    frame = sys._getframe(2)
    while frame.f_code.co_name in RENDERERS and frame.f_back is not None:
        frame = frame.f_back
    path = Path(frame.f_code.co_filename)
    if "src" not in path.parts:
        return "a caller with a repeat"
    name = frame.f_code.co_qualname.split(".<locals>")[0].split(".")[-1]
    return site_of(path, name)


def site_of(path: Path, function: str) -> str:
    """Return what a function of the core (`cli/results.py:results`) or a plugin (`automl_bench_x/a.py:b`) is called."""
    parts = path.parts[len(path.parts) - path.parts[::-1].index("src") :]
    return f"{'/'.join(parts).removeprefix('automl_bench/')}:{function}"
