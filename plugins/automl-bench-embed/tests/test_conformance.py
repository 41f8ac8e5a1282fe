"""The provider held to the contract by the host's own kit: texts, rows, and images in the shape of another service."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import pytest
from embed_service import EmbedService
from embeddings_fake import EmbeddingsFake
from openai_fake import MODEL

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
        with EmbeddingsFake() as fake:
            yield EmbedService(fake)


class TestEmbedRows(TestEmbedTexts):
    modality = Modality.TABULAR


class TestEmbedImages(TestEmbedTexts):
    modality = Modality.IMAGE
    variant_settings: ClassVar[Mapping[str, Any]] = {"model": MODEL, "shape": "cohere"}
