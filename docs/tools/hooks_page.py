"""Write docs/plugins/hooks.md from the hook specifications: `python docs/tools/hooks_page.py`.

A test holds the page equal to what this script writes, so every hook stands there with its exact signature.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path

from automl_bench import hookspecs

PAGE = Path(__file__).resolve().parents[1] / "plugins" / "hooks.md"

HEAD = """# Hooks

This page is written by `docs/tools/hooks_page.py` from `automl_bench.hookspecs`. The nouns are in
`automl_bench.contract`; the [tutorial](tutorial.md) builds a whole plugin.

"""


def page() -> str:
    """Return the whole page."""
    prose = inspect.cleandoc(hookspecs.__doc__ or "").split("\n", 1)[1].strip("\n")
    parts = [HEAD, _code_blocks(prose), "\n"]
    for title, group in (("Provider hooks", hookspecs.ProviderHooks), ("Observer hooks", hookspecs.ObserverHooks)):
        parts += [f"\n## {title}\n\n{inspect.cleandoc(group.__doc__ or '')}\n"]
        parts += [_hook(name, function) for name, function in _hooks(group)]
    return "".join(parts)


def _hooks(group: type) -> Iterator[tuple[str, object]]:
    for name, function in vars(group).items():
        if inspect.isfunction(function) and not name.startswith("_"):
            yield name, function


def _hook(name: str, function: object) -> str:
    signature = inspect.signature(function)  # type: ignore[arg-type]  # a function, as _hooks filters
    names = [parameter for parameter in signature.parameters if parameter != "self"]
    typed = ", ".join(f"{key}: {signature.parameters[key].annotation}" for key in names)
    returns = f" -> {signature.return_annotation}"
    text = inspect.cleandoc(inspect.getdoc(function) or "")
    return f"\n### {name}({', '.join(names)})\n\n```python\n{name}({typed}){returns}\n```\n\n{text}\n"


def _code_blocks(prose: str) -> str:
    """Turn the docstring's indented example into a fenced block."""
    lines, out, inside = prose.splitlines(), [], False
    for line in lines:
        indented = line.startswith("    ")
        if indented and not inside:
            out.append("```python")
        if inside and line and not indented:
            out.insert(len(out) - 1, "```")
        inside = indented or (inside and not line)
        out.append(line.removeprefix("    ") if indented else line)
    return "\n".join(out)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
