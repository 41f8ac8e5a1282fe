"""What an environment is: `python FOLDER/…/facts.py` prints it as JSON."""

from __future__ import annotations

import importlib
import json
import platform
import sys
import warnings
from importlib import metadata
from typing import Any

NEEDED = {"numpy": "numpy", "PIL": "pillow", "sklearn": "scikit-learn", "joblib": "joblib"}
"""Modules that training and serving import, and the package that each comes from."""


def facts() -> dict[str, Any]:
    """Return Python, packages, numeric libraries and what is missing.

    Returns:
        "python", "implementation", "system", "machine"; "packages": versions by name; "blas": one table for each thread
        pool that the imported libraries have (empty where threadpoolctl is not there to ask); "missing": sentences.
    """
    missing = []
    for module, package in NEEDED.items():
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                importlib.import_module("sklearn.svm" if module == "sklearn" else module)
        except Exception as error:  # noqa: BLE001  # a broken package can raise anything on import
            words = " ".join(str(error).split()) or type(error).__name__
            missing.append(f"{package} cannot be imported ({words[:200]})")
    named = ((one.metadata["Name"], one.version) for one in metadata.distributions())
    return {
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "system": platform.system(),
        "machine": platform.machine(),
        "packages": dict(sorted((name.lower(), version) for name, version in named if name)),
        "blas": numeric_libraries(),
        "missing": missing,
    }


def numeric_libraries() -> list[dict[str, Any]]:
    """Return name, version and threads of the BLAS and OpenMP libraries that are loaded in this process."""
    try:
        from threadpoolctl import threadpool_info
    except ImportError:
        return []
    kept = ("user_api", "internal_api", "version", "num_threads", "architecture")
    # sorted: the order in which the libraries were loaded is not always the same
    found = sorted(
        ({key: pool[key] for key in kept if pool.get(key) is not None} for pool in threadpool_info()), key=str
    )
    return [pool for number, pool in enumerate(found) if pool not in found[:number]]


if __name__ == "__main__":
    json.dump(facts(), sys.stdout)
