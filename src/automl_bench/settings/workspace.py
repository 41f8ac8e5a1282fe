"""Where everything of one user's project lives on disk."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

from automl_bench.border.command_lines import quoted_command
from automl_bench.border.names import is_name
from automl_bench.errors import UsageError, WorkspaceError

WORKSPACE_VARIABLE = "AUTOML_BENCH_WORKSPACE"
CACHE = ".automl-bench"
MARKERS = ("results/workspace.json", CACHE)
"""What tells that a folder is a workspace, so that commands find it from a folder inside it."""

_opened: ContextVar[Path | None] = ContextVar("opened", default=None)
"""Root of the workspace that this thread works in, where a program opened one."""


def packaged_configs() -> Path:
    """Return the folder of configuration files that come with automl-bench."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "configs"
    return installed if installed.is_dir() else package.parents[1] / "configs"


@dataclass(frozen=True, slots=True)
class Workspace:
    """The folders of one project; nothing is created until it is written to.

    Attributes:
        root: The project's folder.
    """

    root: Path

    @classmethod
    def current(cls) -> Workspace:
        """Return the workspace named by AUTOML_BENCH_WORKSPACE, else the nearest one around the current folder.

        Without any, the current folder is the workspace. Folders of other users are never taken for one. A workspace
        that the program is `at_work` in comes first.
        """
        opened = _opened.get()
        if opened is not None:
            return cls(opened)
        named = os.environ.get(WORKSPACE_VARIABLE)
        if named:
            return cls(Path(named).absolute())
        here = Path.cwd().absolute()
        return cls(next((folder for folder in (here, *here.parents) if _is_marked(folder)), here))

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Make this the current workspace of this thread while the block runs."""
        token = _opened.set(self.root)
        try:
            yield
        finally:
            _opened.reset(token)

    def mark(self) -> None:
        """Let commands typed in a folder inside find this workspace.

        Raises:
            WorkspaceError: If it cannot be written to.
        """
        try:
            self.cache.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise WorkspaceError(
                f"{self.cache} cannot be made: {error.strerror}.", remedy="Choose a folder that you may write to."
            ) from error

    @property
    def data(self) -> Path:
        """Datasets: `data/<dataset>/{train,test}/<class>/<file>`."""
        return self.root / "data"

    def dataset(self, name: str) -> Path:
        """Return the folder of a dataset.

        Raises:
            UsageError: If the name could lead out of `data/`.
        """
        if not is_name(name):
            raise UsageError(
                f"{name!r} cannot be the name of a dataset.",
                remedy="Names have letters, digits, dots, dashes and underscores: see "
                f"{quoted_command('data', 'list')}.",
            )
        return self.data / name

    @property
    def results(self) -> Path:
        """Results file, exports and logs."""
        return self.root / "results"

    @property
    def store_path(self) -> Path:
        """The one SQLite file."""
        return self.results / "automl-bench.sqlite"

    @property
    def marker(self) -> Path:
        """The file that holds the workspace's id."""
        return self.results / "workspace.json"

    @property
    def emergency_file(self) -> Path:
        """What may still run and cost money, as the last command left it."""
        return self.results / "left-running.txt"

    @property
    def log_file(self) -> Path:
        """Warnings and the tracebacks behind them."""
        return self.logs / "automl-bench.log"

    @property
    def logs(self) -> Path:
        """Log files and tracebacks of unexpected errors."""
        return self.results / "logs"

    @property
    def reports(self) -> Path:
        """Reports, one folder an experiment."""
        return self.root / "reports"

    @property
    def cache(self) -> Path:
        """What can be made again: prepared images, embeddings, plugin files."""
        return self.root / CACHE

    @property
    def _runs(self) -> Path:
        return self.cache / "experiment-files.json"

    def run_before(self) -> dict[str, Path]:
        """Return the files of experiments that were run here from outside `configs/`, by the experiment's name."""
        try:
            found = json.loads(self._runs.read_text(encoding="utf-8"))
            return {str(name): Path(path) for name, path in found.items()}
        except (OSError, ValueError, AttributeError, TypeError):
            return {}

    def remember_run(self, name: str, path: Path) -> None:
        """Note where an experiment's file is, so that `run NAME` finds it; a convenience that may fail."""
        if name in self.config_files("experiments"):
            return
        known = {**{one: str(file) for one, file in self.run_before().items()}, name: str(path.absolute())}
        with suppress(OSError):
            self.cache.mkdir(parents=True, exist_ok=True)
            self._runs.write_text(json.dumps(known, indent=2) + "\n", encoding="utf-8")

    def config_files(self, kind: str) -> dict[str, Path]:
        """Return the TOML files of a kind ("datasets", "experiments", "providers", "load") by name.

        The workspace's own `configs/` win over those that come with automl-bench.
        """
        found: dict[str, Path] = {}
        for folder in (packaged_configs() / kind, self.root / "configs" / kind):
            if folder.is_dir():
                found.update({path.stem: path for path in sorted(folder.glob("*.toml"))})
        return found


def _is_marked(folder: Path) -> bool:
    for marker in MARKERS:
        try:
            if (folder / marker).stat().st_uid == os.getuid():
                return True
        except OSError:
            continue
    return False
