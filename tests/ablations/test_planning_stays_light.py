"""Planning must not drag in what it does not need."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import sys
from pathlib import Path
from automl_bench.ablations import files, images, plan, selection, verification
from automl_bench.cli.ablate import ablate
print(sorted({"numpy", "pandas", "pyarrow", "PIL"} & set(sys.modules)))
from automl_bench.datasets.manifest import read_manifest
manifest = read_manifest(Path(sys.argv[1]))
plan.plan_subsets(manifest, shots=[5, None], fold=0, seed=0).subset(5)
print(sorted({"pandas", "PIL"} & set(sys.modules)))
"""


def test_importing_the_room_loads_no_heavy_library_and_planning_no_pandas(place, numbered):
    manifest = place(numbered(cat=10, dog=10), numbered("test ", cat=2))
    command = [sys.executable, "-c", SCRIPT, str(manifest.folder)]
    answer = subprocess.run(command, check=True, capture_output=True, text=True)
    assert answer.stdout.splitlines() == ["[]", "[]"]
