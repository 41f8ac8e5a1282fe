"""`--help` is quick: it imports neither pandas nor matplotlib nor any SDK, and only plugins that add commands."""

from __future__ import annotations

import importlib.util
import re
import resource
import subprocess
import sys
from importlib import metadata
from pathlib import Path

HEAVY = (
    "pandas", "numpy", "scipy", "matplotlib", "PIL", "pyarrow", "sklearn", "skimage", "onnxruntime", "pydantic",
    "pycurl",
    "requests", "jinja2", "boto3", "google.auth", "google.cloud.aiplatform_v1", "google.cloud.storage", "azure",
    "huggingface_hub", "fastapi", "tenacity",
)  # fmt: skip
"""The bare name google.cloud is no sign: Google's package makes that empty module whenever Python starts."""
SLOWEST_RATIO = 6.0
"""The list of commands includes those of plugins, whose files are looked through for the hook, and not imported."""


def test_help_imports_nothing_heavy_and_only_plugins_that_add_commands() -> None:
    code = (
        "import sys; from automl_bench.cli.main import run; code = run(['--help']);"
        f"print('HEAVY', [name for name in {HEAVY!r} if name in sys.modules]);"
        "print('PLUGINS', *{name.partition('.')[0] for name in sys.modules if name.startswith('automl_bench_')});"
        "sys.exit(code)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "HEAVY []" in ended.stdout
    loaded = set(re.findall(r"^PLUGINS (.*)$", ended.stdout, re.MULTILINE)[0].split())
    installed = {one.module for one in metadata.entry_points(group="automl_bench")}
    assert loaded == {name.partition(".")[0] for name in installed if _adds_commands(name)} - {"automl_bench"}
    assert "automl-bench" in ended.stdout


def _adds_commands(module: str) -> bool:
    spec = importlib.util.find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    return "def register_commands" in Path(spec.origin).read_text(encoding="utf-8")


def test_help_takes_no_more_than_six_times_the_import_of_typer() -> None:
    ours = _fastest(["-m", "automl_bench.cli.main", "--help"])
    typer = _fastest(["-c", "import typer"])
    assert ours <= SLOWEST_RATIO * typer, f"{ours:.3f} s against {typer:.3f} s"


def _fastest(arguments: list[str], rounds: int = 5) -> float:
    """Return the least processor time of some runs in seconds: other work on the machine hardly adds to it."""
    times = []
    for _ in range(rounds):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, *arguments], capture_output=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(times)
