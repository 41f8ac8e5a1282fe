"""The plugin keeps the contract, against S3 and Rekognition servers on this machine.

The crash checks strike at a few ledger writes, spread evenly. All of them, a quarter of an hour long:

    CRASH_AT_EVERY_WRITE=1 pytest plugins/automl-bench-rekognition/tests/test_conformance.py -k "k01 or k02 or k03"
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from aws_service import AwsService
from rekognition_fake import Pace

from automl_bench.testing import ProviderConformance


class TestRekognitionConformance(ProviderConformance):
    provider_name = "rekognition"
    preload = ("boto3", "botocore.auth", "botocore.endpoint")
    most_writes = None if os.environ.get("CRASH_AT_EVERY_WRITE") else 3

    @pytest.fixture
    def service(self) -> Iterator[AwsService]:
        # Deletions that end at once save half of the host's waits; the step-by-step tests have those that do not.
        with AwsService(Pace(stopping=0.0, deleting=0.0)) as service:
            yield service
