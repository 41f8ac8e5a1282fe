"""The third party's own conformance tests pass where its package is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from small_workspace import install_toy

PACKAGE = Path(__file__).parent / "automl-bench-majority"


def test_the_majority_package_passes_the_kit(tmp_path: Path) -> None:
    package = tmp_path / "package"
    shutil.copytree(PACKAGE, package)
    site = install_toy(tmp_path, "majority", "automl_bench_majority")
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_conformance.py"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(site), str(package)])},
        cwd=package,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "11 passed" in ended.stdout, "C00 and S01 to S11 without S08: it has no prices"
    assert "S08 s08_prices_carry_their_date_and_source" in ended.stdout
    assert "not declared: needs price" in ended.stdout
