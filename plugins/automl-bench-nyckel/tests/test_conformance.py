"""Nyckel held to the contract by the host's own kit, with the fake in the service's place."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import pytest
from nyckel_fake import NyckelFake
from nyckel_service import NyckelService

from automl_bench.contract import Modality
from automl_bench.testing import ProviderConformance


class OfNyckel(ProviderConformance):
    provider_name = "nyckel"
    preload = ("requests",)
    settings: ClassVar[dict[str, Any]] = {"poll_seconds": 0.05}

    @pytest.fixture
    def service(self) -> Iterator[NyckelService]:  # type: ignore[override]  # the kit's own gives None
        with NyckelFake(latency=0.03) as fake:
            yield NyckelService(fake)


class TestNyckelConformance(OfNyckel):
    pass


class TestNyckelConformanceOfTexts(OfNyckel):
    modality = Modality.TEXT


class TestNyckelConformanceOfTables(OfNyckel):
    modality = Modality.TABULAR
