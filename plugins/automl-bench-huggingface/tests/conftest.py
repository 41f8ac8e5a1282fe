"""What the tests of this plugin share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from automl_bench_huggingface import account
from hub_fake import HubFake, Pace
from huggingface_trial import HuggingfaceTrial, squares

from automl_bench.contract import TrainingSet


@pytest.fixture(autouse=True)
def no_token_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Hide a login that the machine may have, and forget whose tokens earlier tests used."""
    import huggingface_hub.constants

    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_OIDC_RESOURCE", "HF_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(huggingface_hub.constants, "HF_TOKEN_PATH", str(tmp_path / "no-login"))
    monkeypatch.setattr(account, "_namespaces", {})


@pytest.fixture
def hub() -> Iterator[HubFake]:
    with HubFake(Pace(listing=0.0)) as fake:
        yield fake


@pytest.fixture
def training_set(tmp_path: Path) -> TrainingSet:
    """Five squares of each of three colours."""
    return squares(tmp_path / "images")


@pytest.fixture
def trial(hub: HubFake, tmp_path: Path, training_set: TrainingSet) -> HuggingfaceTrial:
    return HuggingfaceTrial(hub, tmp_path, training_set)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The kit's crash and Ctrl-C checks run a whole experiment for each ledger write that they strike."""
    for item in items:
        if item.path.name == "test_conformance.py" and item.name.startswith(("test_k0", "test_m04")):
            item.add_marker(pytest.mark.slow)
            item.add_marker(pytest.mark.timeout(1800))
