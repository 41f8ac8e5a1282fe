"""The provider held to the contract by the host's own kit, for texts and for rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import pytest
from embed_service import EmbedService
from openai_fake import MODEL, OpenaiFake

from automl_bench.contract import Modality
from automl_bench.testing import ProviderConformance


class TestEmbedTexts(ProviderConformance):
    provider_name = "embed"
    variant = "mine"
    modality = Modality.TEXT
    preload = ("requests", "sklearn.linear_model")
    variant_settings: ClassVar[Mapping[str, Any]] = {"model": MODEL}

    @pytest.fixture
    def service(self) -> Iterator[EmbedService]:  # type: ignore[override]  # the kit's own gives None
        with OpenaiFake() as fake:
            yield EmbedService(fake)


class TestEmbedRows(TestEmbedTexts):
    modality = Modality.TABULAR
