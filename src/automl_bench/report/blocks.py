"""What a section of the page may hold beside tables and figures: charts drawn for the page, and widgets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart that is part of the page: in its colours, and drawn twice, for wide and for narrow screens.

    Attributes:
        name: Its anchor.
        title: Heading.
        caption: What is drawn and how.
        wide: An SVG element of class "wide"; every text in it is escaped.
        narrow: The same for narrow screens, of class "narrow".
        instead_of: Name of the figure that it stands for on the page; results.md shows that.
    """

    name: str
    title: str
    caption: str
    wide: str
    narrow: str
    instead_of: str = ""


@dataclass(frozen=True, slots=True)
class Widget:
    """Something that the page's script makes from data in the page.

    Attributes:
        name: Its anchor.
        kind: Which function of the script makes it.
        title: Heading.
        data: What it is made from; JSON.
        without_script: What a reader without scripts is told, with what the page has instead.
    """

    name: str
    kind: str
    title: str
    data: Mapping[str, Any]
    without_script: str
