"""What the tests of this plugin share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from aws_service import AwsService


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[AwsService]:
    """Both servers, with their addresses in this process's environment."""
    with AwsService() as service:
        for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL"):
            monkeypatch.delenv(name, raising=False)
        for name, value in service.environment().items():
            monkeypatch.setenv(name, value)
        yield service
