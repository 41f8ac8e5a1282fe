"""Fixtures of the Vertex AI provider's tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from vertex_service import VertexService
from vertex_trial import VertexTrial, enter


@pytest.fixture
def vertex(monkeypatch: pytest.MonkeyPatch) -> Iterator[VertexService]:
    """All servers as new, with their addresses in this process's environment."""
    with VertexService() as service:
        enter(service, monkeypatch)
        yield service


@pytest.fixture
def trial(vertex: VertexService, tmp_path: Path) -> VertexTrial:
    return VertexTrial(tmp_path)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The kit's crash and Ctrl-C checks run a whole experiment for each ledger write that they strike."""
    for item in items:
        if item.path.name == "test_conformance.py" and item.name.startswith(("test_k0", "test_m04")):
            item.add_marker(pytest.mark.slow)
            item.add_marker(pytest.mark.timeout(1800))
