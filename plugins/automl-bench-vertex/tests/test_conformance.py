"""The plugin keeps the contract, against Vertex AI and Cloud Storage servers on this machine.

The crash checks strike at a few ledger writes, spread evenly. All of them, half an hour long:

    CRASH_AT_EVERY_WRITE=1 pytest plugins/automl-bench-vertex/tests/test_conformance.py -k "k01 or k02 or k03"
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from vertex_project import Pace
from vertex_service import VertexService

from automl_bench.contract import Modality
from automl_bench.testing import ProviderConformance


class OfVertex(ProviderConformance):
    provider_name = "vertex"
    preload = ("google.cloud.aiplatform_v1", "google.cloud.storage", "google.auth.transport.requests")
    most_writes = None if os.environ.get("CRASH_AT_EVERY_WRITE") else 3

    @pytest.fixture
    def service(self) -> Iterator[VertexService]:
        # Deletions that end at once save half of the host's waits; the step-by-step tests have those that do not.
        with VertexService(Pace(undeploying=0.0, deleting=0.0, cancelling=0.0, listing=0.3)) as service:
            yield service


class TestVertexConformance(OfVertex):
    pass


class TestVertexConformanceOfTables(OfVertex):
    modality = Modality.TABULAR
