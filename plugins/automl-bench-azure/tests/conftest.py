"""What the tests of this plugin share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from azure_service import AzureService
from azure_workspace import Pace

NEEDS_AZURITE = frozenset({"azure", "azure_by_key", "quick_azure", "service"})


@pytest.fixture
def azure(monkeypatch: pytest.MonkeyPatch) -> Iterator[AzureService]:
    """The servers as new, with their addresses in this process's environment."""
    yield from _started(AzureService(), monkeypatch)


@pytest.fixture
def azure_by_key(monkeypatch: pytest.MonkeyPatch) -> Iterator[AzureService]:
    """The same, with the storage account's key for the uploads."""
    yield from _started(AzureService(by_key=True), monkeypatch)


@pytest.fixture
def quick_azure(monkeypatch: pytest.MonkeyPatch) -> Iterator[AzureService]:
    """The same as `azure`, where most ends at once; for whole commands, which wait half a second for what does not."""
    yield from _started(AzureService(Pace.quick()), monkeypatch)


def _started(service: AzureService, monkeypatch: pytest.MonkeyPatch) -> Iterator[AzureService]:
    for name in ("AZURE_STORAGE_CONNECTION_STRING", "AUTOML_BENCH_AZURE_STORAGE_URL", "AZURE_LOCATION"):
        monkeypatch.delenv(name, raising=False)
    for name, value in service.environment().items():
        monkeypatch.setenv(name, value)
    with service:
        yield service


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that need azurite are left out where it is not installed; the kit's crash checks run for long."""
    reason = AzureService.missing()
    for item in items:
        if reason and NEEDS_AZURITE & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.skip(reason=reason))
        if item.path.name == "test_conformance.py" and item.name.startswith(("test_k0", "test_m04")):
            item.add_marker(pytest.mark.slow)
            item.add_marker(pytest.mark.timeout(1800))
