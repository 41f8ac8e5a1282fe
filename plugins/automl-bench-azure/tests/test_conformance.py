"""The plugin keeps the contract, against azurite and a stand-in for Azure on this machine.

The crash checks strike at a few ledger writes, spread evenly. All of them take many minutes:

    CRASH_AT_EVERY_WRITE=1 pytest plugins/automl-bench-azure/tests/test_conformance.py -k "k01 or k02 or k03"
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from azure_service import AzureService
from azure_workspace import Pace

from automl_bench.contract import Modality
from automl_bench.testing import ProviderConformance


class OfAzure(ProviderConformance):
    provider_name = "azure"
    preload = (
        "azure.core.pipeline.transport",
        "azure.identity",
        "azure.storage.blob",
        "msal",
    )
    most_writes = None if os.environ.get("CRASH_AT_EVERY_WRITE") else 3

    @pytest.fixture
    def service(self) -> Iterator[AzureService]:
        # The step-by-step tests have the waits that this saves.
        with AzureService(Pace.quick()) as service:
            yield service


class TestAzureConformance(OfAzure):
    pass


class TestAzureConformanceOfTexts(OfAzure):
    modality = Modality.TEXT


class TestAzureConformanceOfTables(OfAzure):
    modality = Modality.TABULAR
