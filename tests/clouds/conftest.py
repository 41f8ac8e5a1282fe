"""The stand-ins of all five services, running."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from aws_service import AwsService
from azure_service import AzureService
from huggingface_service import HuggingfaceService
from nyckel_fake import NyckelFake
from nyckel_service import NyckelService
from vertex_service import VertexService

from automl_bench.testing import LoopbackService


@pytest.fixture
def services() -> Iterator[dict[str, LoopbackService]]:
    missing = AzureService.missing()
    if missing:
        pytest.skip(missing)
    with ExitStack() as stack:
        yield {
            "nyckel": NyckelService(stack.enter_context(NyckelFake())),
            "rekognition": stack.enter_context(AwsService()),
            "vertex": stack.enter_context(VertexService()),
            "huggingface": stack.enter_context(HuggingfaceService()),
            "azure": stack.enter_context(AzureService()),
        }
