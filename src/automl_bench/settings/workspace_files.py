"""What a new workspace gets beside its experiment: README, notebook, .gitignore."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

from automl_bench.settings.first_experiment import Draft


def gitignore() -> str:
    """Return the file that keeps data, results and caches out of git."""
    return _template("gitignore")


def readme(draft: Draft, missing: Sequence[str]) -> str:
    """Return a README for a workspace, to be gone on with by hand.

    Args:
        draft: Its first experiment.
        missing: Datasets that are yet to be fetched.
    """
    from jinja2 import Environment

    template = Environment(keep_trailing_newline=True, autoescape=False).from_string(_template("README.md.j2"))
    return template.render(name=draft.name, providers=draft.providers, datasets=draft.datasets, missing=missing)


def notebook(draft: Draft, missing: Sequence[str]) -> str:
    """Return a notebook that runs a first experiment and shows what came of it; without outputs."""
    fetched = [f"project.fetch({json.dumps(dataset)})" for dataset in missing]
    cells = [
        _cell("markdown", f"# {draft.name}", "", f"What is compared, and on which data, is in {draft.name}.toml."),
        _cell("code", "import automl_bench", "", 'project = automl_bench.open(".")', *fetched),
        _cell("code", f'project.run("{draft.name}.toml")  # again: only what is missing'),
        _cell("code", f'results = project.results("{draft.name}")  # a pandas DataFrame, one row a trial', "results"),
        _cell("code", f'project.report("{draft.name}")'),
    ]
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    content = {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def _cell(kind: str, *lines: str) -> dict[str, Any]:
    source = [f"{line}\n" for line in lines[:-1]] + [lines[-1]]
    code: dict[str, Any] = {"execution_count": None, "outputs": []} if kind == "code" else {}
    return {"cell_type": kind, "metadata": {}, "source": source, **code}


def _template(name: str) -> str:
    return (files("automl_bench.settings") / "workspace_template" / name).read_text(encoding="utf-8")
