"""The plugin keeps the contract, against S3 and Rekognition servers on this machine."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from aws_service import AwsService

from automl_bench.testing import ProviderConformance


class TestRekognitionConformance(ProviderConformance):
    provider_name = "rekognition"
    preload = ("boto3", "botocore.auth", "botocore.endpoint")
    most_writes = 3

    @pytest.fixture
    def service(self) -> Iterator[AwsService]:
        with AwsService() as service:
            yield service
