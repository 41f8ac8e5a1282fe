"""Wheels and sdists of the core and of every plugin build, and are what the package index takes."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = [ROOT, *sorted((ROOT / "plugins").glob("automl-bench-*"))]
pytestmark = [pytest.mark.integrations, pytest.mark.timeout(300)]  # eight packages, each twice


def test_every_package_builds_whole_and_passes_twine(tmp_path):
    for package in PACKAGES:
        words = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(tmp_path), str(package)]
        ended = subprocess.run(words, capture_output=True, text=True, check=False)
        assert ended.returncode == 0, ended.stdout + ended.stderr
    wheels, sdists = sorted(tmp_path.glob("*.whl")), sorted(tmp_path.glob("*.tar.gz"))
    assert len(wheels) == len(sdists) == len(PACKAGES)
    checked = subprocess.run(
        [sys.executable, "-m", "twine", "check", "--strict", *map(str, [*wheels, *sdists])],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout
    assert checked.stdout.count("PASSED") == 2 * len(PACKAGES)
    for wheel in wheels:
        names = zipfile.ZipFile(wheel).namelist()
        assert any(name.endswith("entry_points.txt") for name in names), wheel.name
        assert any(name.endswith("/py.typed") for name in names), f"{wheel.name} says that it is typed"
        assert not any(name.startswith(("tests/", "docs/")) for name in names), wheel.name
