"""A workspace for tests: a tiny dataset of coloured squares, and the toy cloud installed as a plugin would be."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

from PIL import Image

from automl_bench.datasets.importing import import_dataset
from automl_bench.settings.workspace import Workspace

COLOURS = {"blue": (0, 0, 200), "green": (0, 200, 0), "red": (200, 0, 0)}
TESTS = Path(__file__).resolve().parent


def make_workspace(root: Path, *, train: int = 12, test: int = 4) -> Workspace:
    """Return a workspace with the dataset `tiny`: three colours of squares."""
    tree = root / "source"
    for number, (label, colour) in enumerate(COLOURS.items()):
        for split, count in (("train", train), ("test", test)):
            folder = tree / split / label
            folder.mkdir(parents=True)
            for index in range(count):
                image = Image.new("RGB", (8, 8), colour)
                image.putpixel((0, 0), (number, index % 256, 0 if split == "train" else 255))  # no two are alike
                image.putpixel((1, 0), (index // 256, 0, 0))
                image.save(folder / f"{index}.png")
    workspace = Workspace(root)
    import_dataset("tiny", tree, workspace.data)
    return workspace


def install_toy(root: Path, name: str = "toy", module: str = "toy_cloud") -> Path:
    """Write the metadata of an installed plugin into a folder for PYTHONPATH and return the folder."""
    site = root / "site"
    info = site / f"automl_bench_{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: automl-bench-{name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[automl_bench]\n{name} = {module}\n")
    return site


def command_environment(root: Path, *sites: Path) -> dict[str, str]:
    """Return the environment of a command that runs in this workspace with plugins from these folders."""
    return {
        **os.environ,
        "AUTOML_BENCH_WORKSPACE": str(root),
        "PYTHONPATH": os.pathsep.join([*map(str, sites), str(TESTS)]),
        "TOY_CLOUD": str(root / "cloud"),
        "COLUMNS": "200",
        "PYTHONWARNINGS": "error",
    }


def command(
    *arguments: str, environment: dict[str, str], cwd: Path, timeout: float = 60
) -> subprocess.CompletedProcess[str]:
    """Run automl-bench as a user would and return how it ended."""
    return subprocess.run(
        [sys.executable, "-m", "automl_bench.cli.main", *arguments],
        env=environment,
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def write_experiment(root: Path, text: str, name: str = "small") -> Path:
    """Write an experiment file and return its path."""
    path = root / f"{name}.toml"
    path.write_text(f'name = "{name}"\n{textwrap.dedent(text)}', encoding="utf-8")
    return path
