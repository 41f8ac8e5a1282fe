"""docs/exit-codes.md names every exit code and every error, and says what the code says."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

from automl_bench import errors
from automl_bench.errors import AutomlBenchError, ExitCode

PAGE = Path(__file__).resolve().parents[2] / "docs" / "exit-codes.md"


def test_every_exit_code_stands_in_the_page_in_order() -> None:
    rows = re.findall(r"^\| (\d+) \| ([A-Z_]+) \| .+ \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert [(int(code), name) for code, name in rows] == [(code.value, code.name) for code in ExitCode]


def test_every_error_stands_in_the_page_with_its_exit_code() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| (\d+) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE))
    defined = {
        name: str(kind.exit_code.value)
        for name, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, AutomlBenchError) and kind is not AutomlBenchError
    }
    assert rows == defined


def test_every_error_stands_in_the_tree_drawn_at_the_top() -> None:
    tree = errors.__doc__ or ""
    for name, kind in inspect.getmembers(errors, inspect.isclass):
        if issubclass(kind, AutomlBenchError):
            assert re.search(rf"^ +{name}\b", tree, re.MULTILINE), name
            parent = kind.__mro__[1].__name__
            if kind is not AutomlBenchError:
                indent = {word: len(space) for space, word in re.findall(r"^( +)(\w+)", tree, re.MULTILINE)}
                assert indent[name] == indent[parent] + 2, name
