"""The provider held to the contract by the host's own kit, with the stand-in in the service's place.

It uploads and keeps nothing, so that the kit's checks of uploads, money and crashes do not apply; what they would check
of predictions, the other files here do.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from openai_fake import OpenaiFake
from openai_service import OpenaiService

from automl_bench.contract import Modality
from automl_bench.testing import ProviderConformance


class TestOpenaiConformance(ProviderConformance):
    provider_name = "openai"
    variant = "few"
    preload = ("requests",)

    @pytest.fixture
    def service(self) -> Iterator[OpenaiService]:  # type: ignore[override]  # the kit's own gives None
        with OpenaiFake() as fake:
            yield OpenaiService(fake)


class TestOpenaiTexts(TestOpenaiConformance):
    modality = Modality.TEXT


class TestOpenaiRows(TestOpenaiConformance):
    modality = Modality.TABULAR
