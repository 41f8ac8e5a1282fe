"""The HTML page: one file that asks nobody for anything and runs no script but its own."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import TYPE_CHECKING, Any

from automl_bench.report.blocks import Chart, Widget
from automl_bench.report.drawing import Drawing
from automl_bench.report.tables import Table

if TYPE_CHECKING:
    from jinja2 import Template
    from markupsafe import Markup

    from automl_bench.contract import ReportSection
    from automl_bench.report.decision import Line
    from automl_bench.report.sections import Block, Section

NUMERIC = frozenset("0123456789+-−—<±.,%() []n=ms/h")
"""A column of cells made of these characters alone is aligned to the right."""


WIDEST_UNBROKEN = 28
"""Characters of a cell that stay on one line."""

SENTENCE = 60
"""Characters from which a cell is a sentence: in a narrow column it would make rows as high as a screen."""

SCRIPTS = ("tables.js", "break_even.js", "evidence.js", "start.js")
"""Files of the page's own script, in the order they run."""


def render_page(
    title: str, subtitle: str, card: Sequence[Line], parts: Sequence[Section], extra: Sequence[ReportSection]
) -> str:
    """Return the page; all text is escaped but the HTML of observers' sections.

    The page forbids itself, by a content security policy with hashes, to load anything and to run or style by anything
    but its own script and style sheet.

    Args:
        title: Heading.
        subtitle: The line below it.
        card: Questions and answers of the first screen.
        parts: The sections.
        extra: Sections of observers.
    """
    from markupsafe import Markup

    observed = [
        {"name": f"observer-{place}", "title": one.title, "html": Markup(one.html)} for place, one in enumerate(extra)
    ]
    style, script = own_file("page.css"), "\n".join(map(own_file, SCRIPTS))
    return template("report.html.j2").render(
        title=title,
        subtitle=subtitle,
        card=card,
        parts=parts,
        observed=observed,
        policy=policy(style, script),
        style=Markup(style),
        script=Markup(script),
        kind_of=_kind,
        on_page=_on_page,
        markup=Markup,
        marked=marked,
        as_json=as_json,
        data_uri=data_uri,
        styles=column_styles,
    )


def policy(style: str, script: str) -> str:
    """Return a policy that allows exactly this style sheet and this script, and images that are in the page."""
    return (
        f"default-src 'none'; img-src data:; style-src '{_hash(style)}'; script-src '{_hash(script)}';"
        " base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def template(name: str) -> Template:
    """Return one of the templates; whatever is put into it is escaped."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("automl_bench.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    ).get_template(name)


def own_file(name: str) -> str:
    """Return a style sheet or script that comes with the templates."""
    return (resources.files("automl_bench.report") / "templates" / name).read_text(encoding="utf-8")


def _kind(block: Block) -> str:
    return {Table: "table", Chart: "chart", Widget: "widget"}.get(type(block), "drawing")


def _on_page(blocks: Sequence[Block]) -> list[Block]:
    """Return what the page shows: no figure that one of its charts stands for."""
    drawn = {one.instead_of for one in blocks if isinstance(one, Chart)}
    return [one for one in blocks if not (isinstance(one, Drawing) and one.name in drawn)]


def marked(text: str) -> Markup:
    """Return a sentence escaped, with what stands between backticks as code."""
    from markupsafe import Markup, escape

    parts = text.split("`")
    if len(parts) % 2 == 0:
        return escape(text)
    return Markup("").join(_code(part) if place % 2 else escape(part) for place, part in enumerate(parts))


def _code(command: str) -> Markup:
    """Return a command that a line may break between its words, but not inside one."""
    from markupsafe import Markup

    words = Markup(" ").join(Markup("<span>{}</span>").format(word) for word in command.split(" "))
    return Markup("<code>{}</code>").format(words)


def as_json(data: Mapping[str, Any]) -> Markup:
    """Return values as JSON that may stand inside a script element: nothing in it can end the element."""
    from markupsafe import Markup

    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029"))


def data_uri(drawing: Drawing) -> str:
    """Return the SVG as a data URI: shown as an image, so nothing in it can run."""
    return f"data:image/svg+xml;base64,{base64.b64encode(drawing.svg).decode()}"


def column_styles(table: Table) -> list[str]:
    """Return the class of each column: "number" to the right, "tight" is never broken, "long" has room, or ""."""
    styles = []
    for place in range(len(table.columns)):
        cells = [row[place] for row in table.rows]
        if all(set(cell) <= NUMERIC and cell for cell in cells):
            styles.append("number")
        else:
            longest = max(map(len, cells), default=0)
            styles.append("tight" if longest <= WIDEST_UNBROKEN else "long" if longest >= SENTENCE else "")
    return styles
