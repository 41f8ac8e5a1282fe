"""automl-bench: which hosted AutoML service should you use for your labelled data?

From Python and in notebooks: `automl_bench.open("workspace")`, the same engine as the commands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from os import PathLike

    from automl_bench.api.project import Project

__version__ = "0.1.0"
__all__ = ["__version__", "open"]


def open(workspace: str | PathLike[str] | None = None) -> Project:  # noqa: A001  # like PIL.Image.open
    """Open a workspace: the folder of data, configs, results and reports.

    Args:
        workspace: The folder, which need not exist yet; by default that which the commands find from here.

    Raises:
        WorkspaceError: If it is a file.
    """
    from automl_bench.api.project import Project

    return Project.at(workspace)
