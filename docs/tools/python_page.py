"""Write docs/python.md from the Python API: `python docs/tools/python_page.py`.

A test holds the page equal to what this script writes, so every method stands there with its exact signature.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import automl_bench
from automl_bench.api.project import Project
from automl_bench.api.shown import Comparison, Report, Run

PAGE = Path(__file__).resolve().parents[1] / "python.md"

HEAD = """# Python and notebooks

```python
import automl_bench

project = automl_bench.open("workspace")
project.import_data("pets", "~/pictures/pets")
project.run("first.toml")
project.results()
project.compare("local:svc", "local:logistic")
project.report("first")
```

The same engine, results file and errors as the [commands](commands.md): what one began, the other continues. In a
notebook `run`, `compare` and `report` show themselves; `examples/quickstart.ipynb` is such a notebook. The package is
typed (`py.typed`). This page is written by `docs/tools/python_page.py` from the docstrings.
"""
SECTIONS = ("Args", "Attributes", "Raises", "Returns")


def page() -> str:
    """Return the whole page."""
    parts = [HEAD, _callable("automl_bench.open", automl_bench.open)]
    for kind in (Project, Run, Comparison, Report):
        parts.append(f"\n## {kind.__name__}\n\n{_prose(kind)}")
        meanings = _section(kind, "Attributes")
        if meanings:
            parts.append("\n| attribute | type | meaning |\n|---|---|---|\n")
            parts += [f"| `{name}` | `{types}` | {meanings[name]} |\n" for name, types in _attributes(kind)]
        parts += [_callable(f"{kind.__name__}.{name}", method) for name, method in _methods(kind)]
    return "".join(parts)


def _attributes(kind: type) -> Iterator[tuple[str, str]]:
    for one in dataclasses.fields(kind):
        if not one.name.startswith("_"):
            yield one.name, str(one.type)


def _methods(kind: type) -> Iterator[tuple[str, Callable[..., Any]]]:
    for name, value in vars(kind).items():
        if inspect.isfunction(value) and not name.startswith("_"):
            yield name, value


def _callable(name: str, function: Callable[..., Any]) -> str:
    signature = inspect.signature(function)
    written = ", ".join(_parameters(signature))
    called = f"{name.rpartition('.')[2]}({written}) -> {signature.return_annotation}"
    parts = [f"\n### {name}\n\n```python\n{called}\n```\n\n{_prose(function)}"]
    for title, word in (("Args", "argument"), ("Raises", "raises")):
        meanings = _section(function, title)
        if meanings:
            parts.append(f"\n| {word} | |\n|---|---|\n")
            parts += [f"| `{one}` | {meaning} |\n" for one, meaning in meanings.items()]
    return "".join(parts)


def _parameters(signature: inspect.Signature) -> Iterator[str]:
    star = False
    for one in signature.parameters.values():
        if one.name == "self":
            continue
        if one.kind is one.KEYWORD_ONLY and not star:
            star = True
            yield "*"
        given = "" if one.default is one.empty else f" = {one.default!r}"
        yield f"{one.name}: {one.annotation}{given}"


def _prose(thing: object) -> str:
    text = inspect.getdoc(thing) or ""
    return re.split(rf"\n(?:{'|'.join(SECTIONS)}):\n", text)[0].strip() + "\n"


def _section(thing: object, title: str) -> dict[str, str]:
    """Return what a docstring says of each name in one of its sections."""
    found = re.search(rf"(?:^|\n){title}:\n((?:    .*\n?|\n)+)", (inspect.getdoc(thing) or "") + "\n")
    meanings: dict[str, str] = {}
    name = ""
    for line in found[1].splitlines() if found else ():
        begins = re.match(r"^    (\w+): (.*)$", line)
        if begins:
            name = begins[1]
            meanings[name] = begins[2]
        elif line.strip():
            meanings[name] += f" {line.strip()}"
    return meanings


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
