"""The HTML page: one file without a script or a request to anywhere."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import TYPE_CHECKING

from automl_bench.report.drawing import Drawing
from automl_bench.report.tables import Table

if TYPE_CHECKING:
    from automl_bench.contract import ReportSection
    from automl_bench.report.sections import Section

NUMERIC = frozenset("0123456789+-−—<±.,%() []n=ms/h")
"""A column of cells made of these characters alone is aligned to the right."""


WIDEST_UNBROKEN = 28
"""Characters of a cell that stay on one line."""


def render_page(title: str, subtitle: str, parts: Sequence[Section], extra: Sequence[ReportSection]) -> str:
    """Return the page; all text is escaped but the HTML of observers' sections.

    The page forbids itself, by a content security policy, to load anything or to run any script.

    Args:
        title: Heading.
        subtitle: The line below it.
        parts: The sections.
        extra: Sections of observers.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=PackageLoader("automl_bench.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    observed = [
        {"name": f"observer-{place}", "title": one.title, "html": Markup(one.html)} for place, one in enumerate(extra)
    ]
    return environment.get_template("report.html.j2").render(
        title=title,
        subtitle=subtitle,
        parts=parts,
        observed=observed,
        is_table=lambda block: isinstance(block, Table),
        data_uri=data_uri,
        styles=column_styles,
    )


def data_uri(drawing: Drawing) -> str:
    """Return the SVG as a data URI: shown as an image, so nothing in it can run."""
    return f"data:image/svg+xml;base64,{base64.b64encode(drawing.svg).decode()}"


def column_styles(table: Table) -> list[str]:
    """Return the class of each column: "number" to the right, "tight" for words too short to be broken, or ""."""
    styles = []
    for place in range(len(table.columns)):
        cells = [row[place] for row in table.rows]
        if all(set(cell) <= NUMERIC and cell for cell in cells):
            styles.append("number")
        else:
            styles.append("tight" if max(map(len, cells), default=0) <= WIDEST_UNBROKEN else "")
    return styles
