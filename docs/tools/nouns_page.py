"""Write docs/plugins/nouns.md from the contract: `python docs/tools/nouns_page.py`.

A test holds the page equal to what this script writes, so every noun stands there with its exact fields.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Iterator
from enum import Enum
from pathlib import Path

from automl_bench import contract

PAGE = Path(__file__).resolve().parents[1] / "plugins" / "nouns.md"

HEAD = f"""# Nouns

This page is written by `docs/tools/nouns_page.py` from `automl_bench.contract` (version {contract.CONTRACT_VERSION}).
These are the things that a plugin and the host hand to each other; the [hooks](hooks.md) say when. Whatever a
plugin hands over is held against the types below: a value that does not fit ends its trial, names the plugin and the
hook, and is not stored.

"""
SECTION = re.compile(r"^(Args|Attributes|Raises|Returns):$")


def page() -> str:
    """Return the whole page."""
    text = HEAD + "\n".join(_noun(kind) for kind in nouns())
    return re.sub(r"\n{3,}", "\n\n", text).rstrip() + "\n"


def nouns() -> Iterator[type]:
    """Yield the contract's public classes in the order in which they stand there."""
    found = [
        value
        for name, value in vars(contract).items()
        if inspect.isclass(value) and value.__module__.startswith(contract.__name__) and not name.startswith("_")
    ]
    yield from sorted(found, key=lambda kind: inspect.getsourcelines(kind)[1])


def _noun(kind: type) -> str:
    prose, meanings = _read(inspect.getdoc(kind) or "")
    parts = [f"## {kind.__name__}\n\n{prose}\n\n"]
    if issubclass(kind, Enum):
        parts.append("| value | written |\n|---|---|\n")
        parts += [f"| `{kind.__name__}.{one.name}` | `{one.value}` |\n" for one in kind]
    elif dataclasses.is_dataclass(kind) or hasattr(kind, "_fields"):
        parts.append("| field | type | default | meaning |\n|---|---|---|---|\n")
        parts += [_row(name, type_, default, meanings.get(name, "")) for name, type_, default in _fields(kind)]
    methods = [
        (name, value)
        for name, value in vars(kind).items()
        if inspect.isfunction(value) and (name == "__call__" or not name.startswith("_")) and value.__doc__
    ]
    for name, method in methods:
        told, arguments = _read(inspect.getdoc(method) or "")
        signature = str(inspect.signature(method)).replace("'", "")
        parts.append(f"\n**`{name}{signature}`** {told}\n")
        parts += [f"\n- `{argument}`: {meaning}" for argument, meaning in arguments.items()]
        parts.append("\n" if arguments else "")
    return "".join(parts)


def _fields(kind: type) -> Iterator[tuple[str, str, str]]:
    inherited = {name for base in kind.__mro__[1:] for name in getattr(base, "__dataclass_fields__", {})}
    if dataclasses.is_dataclass(kind):
        for one in dataclasses.fields(kind):
            if one.name in inherited:
                continue
            made = one.default_factory is not dataclasses.MISSING
            given = "" if one.default is dataclasses.MISSING else _written(one.default)
            yield one.name, str(one.type), "a new one" if made else given
        return
    for name, type_ in kind.__annotations__.items():
        defaults = getattr(kind, "_field_defaults", {})
        yield name, str(type_), _written(defaults[name]) if name in defaults else ""


def _written(value: object) -> str:
    if callable(value):
        return "does nothing"
    if dataclasses.is_dataclass(value):
        return f"`{type(value).__name__}()`"
    if isinstance(value, Enum):
        return f"`{type(value).__name__}.{value.name}`"
    if isinstance(value, frozenset):
        return ", ".join(_written(one) for one in value)
    return f"`{value!r}`"


def _row(name: str, type_: str, default: str, meaning: str) -> str:
    return f"| `{name}` | `{type_.replace('|', chr(92) + '|')}` | {default} | {meaning} |\n"


def _read(text: str) -> tuple[str, dict[str, str]]:
    """Return a docstring's prose and what it says of each attribute or argument."""
    prose: list[str] = []
    meanings: dict[str, str] = {}
    section, name = "", ""
    for line in text.splitlines():
        if SECTION.match(line.strip()):
            section = line.strip()
        elif not section:
            prose.append(line)
        elif section in ("Attributes:", "Args:"):
            found = re.match(r"^    (\w+): (.*)$", line)
            if found:
                name = found[1]
                meanings[name] = found[2]
            elif name and line.strip():
                meanings[name] += f" {line.strip()}"
    return "\n".join(prose).strip(), meanings


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
