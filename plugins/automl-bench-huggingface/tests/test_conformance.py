"""The plugin keeps the contract, against a stand-in for the Hub, Jobs and Endpoints on this machine.

The crash checks strike at a few ledger writes, spread evenly. All of them, minutes long:

    CRASH_AT_EVERY_WRITE=1 pytest plugins/automl-bench-huggingface/tests/test_conformance.py -k "k01 or k02 or k03"
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hub_fake import Pace
from huggingface_service import HuggingfaceService

from automl_bench.contract import Modality
from automl_bench.testing import ProviderConformance


class OfHuggingface(ProviderConformance):
    provider_name = "huggingface"
    preload = ("huggingface_hub.hf_api", "huggingface_hub.inference._client")
    most_writes = None if os.environ.get("CRASH_AT_EVERY_WRITE") else 3

    @pytest.fixture
    def service(self) -> Iterator[HuggingfaceService]:  # type: ignore[override]  # the kit's own gives None
        # What ends at once saves the host's waits; the step-by-step tests have what does not.
        pace = Pace(queueing=0.0, training=0.0, starting=0.0, deleting=0.0, listing=0.05)
        with HuggingfaceService(pace) as service:
            yield service


class TestHuggingfaceConformance(OfHuggingface):
    pass


class TestHuggingfaceConformanceOfTexts(OfHuggingface):
    modality = Modality.TEXT
