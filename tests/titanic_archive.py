"""The passengers of the Titanic as the catalogue's package has them, from the installed package."""

from __future__ import annotations

import importlib.metadata
import zipfile
from pathlib import Path

MEMBER = "bokeh_sampledata/_data/titanic_all.csv"


def titanic_archive(folder: Path) -> Path:
    """Return an archive laid out as the package's wheel."""
    path = folder / "titanic.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(str(importlib.metadata.distribution("bokeh-sampledata").locate_file(MEMBER)), MEMBER)
    return path
