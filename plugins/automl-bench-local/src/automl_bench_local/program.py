"""The program that runs inside a variant's own environment: a copy of a few files, in the folder of the job.

So the environment needs no package of ours: neither our dependencies nor our Python. A model is answered by the very
code that trained it, whatever is installed here meanwhile.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import automl_bench.datasets.decoding
from automl_bench_local import inside

FOLDER = "program"


def lay_down(job: Path) -> Path:
    """Copy the program into a job's folder and return where it is.

    Raises:
        OSError: If it cannot be written.
    """
    program = job / FOLDER
    shutil.rmtree(program, ignore_errors=True)
    source = Path(inside.__file__).parent
    for package in ("automl_bench", "automl_bench/datasets", "automl_bench_local", "automl_bench_local/inside"):
        (program / package).mkdir(parents=True)
        (program / package / "__init__.py").touch()
    for path in source.glob("*.py"):
        target = program if path.name == "__main__.py" else program / "automl_bench_local" / "inside"
        shutil.copyfile(path, target / path.name)
    decoding = Path(automl_bench.datasets.decoding.__file__)
    shutil.copyfile(decoding, program / "automl_bench" / "datasets" / decoding.name)
    return program


def start_of(python: Path, program: Path) -> tuple[str, ...]:
    """Return the words that begin its command line; the module whose part it takes follows, and that one's words."""
    return (str(python), "-s", "-B", str(program))
