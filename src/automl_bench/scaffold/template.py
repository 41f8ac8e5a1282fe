"""`automl-bench providers new`: a whole plugin package from a template, whose conformance tests pass at once."""

from __future__ import annotations

import datetime
import shutil
import tempfile
from pathlib import Path

from automl_bench.errors import UsageError, WorkspaceError
from automl_bench.providers.dispatch import NAME

TEMPLATE = Path(__file__).with_name("plugin_template")
SUFFIX = ".j2"


def write_plugin(name: str, out: Path, *, title: str = "") -> list[Path]:
    """Write the package of a new provider.

    Args:
        name: The provider's name: lower-case letters, digits and dashes.
        out: Folder to make; it may exist only if it is empty.
        title: Name for people; by default made from `name`.

    Returns:
        The files written, sorted.

    Raises:
        UsageError: If the name does not fit or the folder holds something.
        WorkspaceError: If it cannot be written.
    """
    import jinja2

    if not NAME.match(name) or name.endswith("-"):
        raise UsageError(
            f"{name!r} cannot be a provider's name.",
            remedy="Use lower-case letters, digits and dashes, as in acme-vision.",
        )
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"{out} exists already.", remedy="Name another folder with --out.")
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATE), undefined=jinja2.StrictUndefined, keep_trailing_newline=True
    )
    words = _words(name, title)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        building = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
        try:
            for source in sorted(TEMPLATE.rglob(f"*{SUFFIX}")):
                place = source.relative_to(TEMPLATE)
                target = building / _home(place, words["module"])
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(environment.get_template(place.as_posix()).render(words), encoding="utf-8")
            building.chmod(0o755)
            building.replace(out)
        except BaseException:
            shutil.rmtree(building, ignore_errors=True)
            raise
    except OSError as error:
        raise WorkspaceError(
            f"{error.filename or out} cannot be written: {error.strerror}.", remedy="Name another folder with --out."
        ) from error
    return sorted(path for path in out.rglob("*") if path.is_file())


def _words(name: str, title: str) -> dict[str, str]:
    parts = [part for part in name.split("-") if part]
    return {
        "name": name,
        "title": (title or " ".join(part.capitalize() for part in parts)).replace('"', "'"),
        "package": f"automl-bench-{name}",
        "module": f"automl_bench_{name.replace('-', '_')}",
        "class_name": "".join(part.capitalize() for part in parts),
        "variable": name.replace("-", "_").upper(),
        "today": datetime.date.today().isoformat(),
    }


def _home(place: Path, module: str) -> Path:
    """Return where a template's file goes: what lies in src/ belongs to the package's module."""
    target = place.with_name(place.name.removesuffix(SUFFIX))
    return Path("src", module, *target.parts[1:]) if target.parts[0] == "src" else target
