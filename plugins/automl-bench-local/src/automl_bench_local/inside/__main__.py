"""`python FOLDER -m automl_bench_local.training|serving …`: takes that module's part, in another environment.

The words after the folder are those of the module's own command line: whoever looks for the process finds it by them.
"""

from __future__ import annotations

import importlib
import os
import sys

PARTS = {
    "automl_bench_local.training": "automl_bench_local.inside.training",
    "automl_bench_local.serving": "automl_bench_local.inside.serving",
}


def main() -> int:
    """Run the part that the command line names; its exit code."""
    flag, module = sys.argv[1:3]
    if flag != "-m" or module not in PARTS:
        print(f"{module} has no part here", flush=True)
        return 2
    status: int = importlib.import_module(PARTS[module]).main(sys.argv[3:])
    return status


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # all is on disk; an orderly end of the libraries only takes time
