"""Vectors that are computed in this process, by the networks of the package automl-bench-local. Optional."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from automl_bench.contract import Modality
from automl_bench.errors import Infeasible

if TYPE_CHECKING:
    from automl_bench_local.sample_vectors import SampleVectors

PIP_LINE = "pip install 'automl-bench-local[text-embedding]'"


def missing(modality: Modality) -> str:
    """Return what is missing for vectors of a modality, as one clause; empty if nothing is."""
    try:
        from automl_bench_local import sample_vectors
    except ImportError as error:
        return f"{error.name} is not installed"
    return sample_vectors.missing(modality)


def network_of(modality: Modality) -> str:
    """Return which network makes the vectors of a modality."""
    from automl_bench_local import sample_vectors

    return sample_vectors.network_of(modality)


def local_vectors(modality: Modality, folder: Path, threads: int = 1) -> SampleVectors:
    """Return what makes the vector of a sample.

    Args:
        modality: What the samples are.
        folder: Cache folder of the network's graph.
        threads: Threads for one sample.

    Raises:
        Infeasible: If a package is missing, with the pip line.
    """
    if absent := missing(modality):
        raise Infeasible(f"Embedding on this machine: {absent}.", remedy=PIP_LINE)
    from automl_bench_local.sample_vectors import SampleVectors

    return SampleVectors(modality, folder, threads)
