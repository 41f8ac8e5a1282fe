"""The house keeps its order: a room imports only from rooms above it, and the core knows no provider by name."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "src" / "automl_bench"
ROOMS = [
    "toolkit",
    "border",
    "datasets",
    "ablations",
    "providers",
    "transport",
    "store",
    "measurement",
    "trials",
    "statistics",
    "report",
    "settings",
    "simulation",
    "calibration",
    "scaffold",
]
SEEN_BY_ALL = {
    "contract",
    "ownership",
    "errors",
    "exit_codes",
    "hookspecs",
    "answers",
    "numbers_in_words",
    "retry_after",
    "__version__",
}
SEE_ALL = {"api", "cli", "testing"}
PROVIDERS = ("nyckel", "vertex", "rekognition", "huggingface", "hugging face", "azure")
SMALLEST, LARGEST = 1, 400


def modules() -> list[Path]:
    return sorted(SOURCE.rglob("*.py"))


def imports_of(path: Path, *, at_run_time: bool = False) -> set[str]:
    """Return the rooms of ours that a module imports."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    type_only = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and isinstance(block.test, ast.Name) and block.test.id == "TYPE_CHECKING"
        for node in ast.walk(block)
    }
    found = set()
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
            if node.module == "automl_bench":
                names = [f"automl_bench.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        if at_run_time and id(node) in type_only:
            continue
        found.update(name.split(".")[1] for name in names if name.startswith("automl_bench.") and "." in name)
    return found


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_room_imports_only_from_rooms_above_it(path: Path) -> None:
    room = path.relative_to(SOURCE).parts[0]
    if room in SEE_ALL:
        return
    if room == "hookspecs.py":
        assert imports_of(path, at_run_time=True) <= SEEN_BY_ALL
        return
    if room == "__init__.py":
        assert imports_of(path) <= {"api"}
        return
    if room.endswith(".py"):
        assert imports_of(path) <= SEEN_BY_ALL
        return
    if room == "contract":
        assert imports_of(path) <= SEEN_BY_ALL
        return
    allowed = SEEN_BY_ALL | set(ROOMS[: ROOMS.index(room) + 1])
    assert imports_of(path) <= allowed, f"{room} may import {sorted(allowed)}"


def test_the_rooms_on_disk_are_those_of_the_design() -> None:
    on_disk = {path.name for path in SOURCE.iterdir() if (path / "__init__.py").exists()}
    assert on_disk == set(ROOMS) | SEE_ALL | {"contract"}


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(SOURCE)))
def test_the_core_names_no_provider_outside_its_docstrings(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef))
        and node.body
        and isinstance(node.body[0], ast.Expr)
        and isinstance(node.body[0].value, ast.Constant)
    }
    for node in ast.walk(tree):
        words = []
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            words = [node.value]
        elif isinstance(node, ast.Name):
            words = [node.id]
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            words = [node.name]
        for word in words:
            assert not any(name in word.lower() for name in PROVIDERS), f"line {node.lineno}: {word!r}"


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(SOURCE)))
def test_modules_have_telling_names_and_a_readable_size(path: Path) -> None:
    assert not re.fullmatch(r"(utils?|helpers?|common|misc|manager|base|core)", path.stem)
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LARGEST


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(SOURCE)))
def test_what_is_printed_goes_through_the_border(path: Path) -> None:
    relative = str(path.relative_to(SOURCE))
    if (
        relative in {"cli/output.py", "border/streams.py", "simulation/loopback_server.py"}
        or path.relative_to(SOURCE).parts[0] == "testing"
    ):
        return
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            assert called not in {"print", "typer.echo", "click.echo", "sys.stdout.write", "sys.stderr.write"}, (
                f"{relative}:{node.lineno}: print through automl_bench.cli.output"
            )
