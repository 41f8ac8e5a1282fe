"""What the tests of this plugin share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from aws_service import AwsService


@pytest.fixture(scope="session")
def shared_aws() -> Iterator[AwsService]:
    """Both servers, once for all tests of a process: making SDK clients takes longer than most tests."""
    with AwsService() as service:
        yield service


@pytest.fixture
def aws(shared_aws: AwsService, monkeypatch: pytest.MonkeyPatch) -> AwsService:
    """Both servers as new, with their addresses in this process's environment."""
    shared_aws.reset()
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    for name, value in shared_aws.environment().items():
        monkeypatch.setenv(name, value)
    return shared_aws


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The kit's crash and Ctrl-C checks run a whole experiment for each ledger write that they strike."""
    for item in items:
        if item.path.name == "test_conformance.py" and item.name.startswith(("test_k0", "test_m04")):
            item.add_marker(pytest.mark.slow)
            item.add_marker(pytest.mark.timeout(1800))
