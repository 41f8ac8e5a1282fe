"""docs/experiments.md shows every setting of an experiment file, and the example is a valid one."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from automl_bench.settings.experiment_files import ExperimentFile

PAGE = Path(__file__).resolve().parents[2] / "docs" / "experiments.md"


def test_the_example_is_valid_and_shows_every_setting() -> None:
    text = PAGE.read_text(encoding="utf-8")
    example = re.search(r"```toml\n(name = .*?)```", text, re.DOTALL)
    assert example is not None
    content = tomllib.loads(example.group(1))
    ExperimentFile.model_validate(content)
    for name, field in ExperimentFile.model_fields.items():
        assert name in content, f"{name} is not shown"
        section = getattr(field.annotation, "model_fields", None)
        for key in section or ():
            assert key in content[name], f"{name}.{key} is not shown"
