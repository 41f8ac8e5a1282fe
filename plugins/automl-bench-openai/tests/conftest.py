"""Fixtures of the provider's tests: the stand-in, which knows a few squares."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from openai_fake import OpenaiFake
from prompt_trial import COLOURS, image_sample, knows


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[OpenaiFake]:
    taught = [(image_sample(tmp_path / "taught", label, 200), label) for label in COLOURS]
    with OpenaiFake(knowledge=knows(taught)) as running:
        yield running
