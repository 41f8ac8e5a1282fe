"""Write the tables of layouts and reasons in docs/datasets.md from the readers: `python docs/tools/layouts_table.py`.

A test holds the page equal to what this script writes.
"""

from __future__ import annotations

import re
from pathlib import Path

from automl_bench.datasets.account import Reason
from automl_bench.datasets.layouts import LAYOUTS

PAGE = Path(__file__).resolve().parents[1] / "datasets.md"


def page() -> str:
    """Return the whole page, with its generated parts as they should be."""
    text = PAGE.read_text(encoding="utf-8")
    for name, part in (("layouts", _layouts()), ("reasons", _reasons())):
        begin, end = f"<!-- {name}: docs/tools/layouts_table.py -->", f"<!-- end of {name} -->"
        text = re.sub(
            f"{re.escape(begin)}.*?{re.escape(end)}",
            lambda _, p=part, b=begin, e=end: f"{b}\n{p}\n{e}",
            text,
            flags=re.S,
        )
    return text


def _layouts() -> str:
    lines = ["| layout | what it is | for example | `--layout` |", "|---|---|---|---|"]
    for name, layout in LAYOUTS.items():
        example = "<br>".join(f"`{line}`" for line in layout.example)
        lines.append(f"| `{name}` | {layout.title} | {example} | {'yes' if layout.can_be_chosen else ''} |")
    return "\n".join(lines)


def _reasons() -> str:
    lines = ["| reason | what it counts | a warning |", "|---|---|---|"]
    lines += [f"| `{reason}` | {reason.phrase} | {'' if reason.is_expected else 'yes'} |" for reason in Reason]
    return "\n".join(lines)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
