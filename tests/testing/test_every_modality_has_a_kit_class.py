"""No provider declares a modality that the conformance kit does not run for."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from automl_bench.contract import Modality, ProviderDescription
from automl_bench.testing.conformance import described

ROOT = Path(__file__).resolve().parents[2]
PLACES = ("tests/testing/test_*_conforms.py", "plugins/*/tests/test_conformance.py")
NO_PROVIDERS = {"mlflow", "local-commands"}
LEARNS_NOTHING = {"null"}
"""It measures automl-bench itself: it has no service to look into, and its answers are no better than chance."""


@dataclass(frozen=True)
class KitClass:
    """One class that pytest runs, as far as its text tells: importing all would import every cloud's SDK."""

    provider: str = ""
    modality: Modality = Modality.IMAGE
    has_service: bool = False


def entry_points() -> list[str]:
    """Return the names of all plugins of this repository, installed or not."""
    files = (ROOT / "pyproject.toml", *ROOT.glob("plugins/*/pyproject.toml"))
    projects = [tomllib.loads(file.read_text(encoding="utf-8"))["project"] for file in files]
    return sorted(name for project in projects for name in project["entry-points"]["automl_bench"])


def kit_classes(text: str) -> Iterator[KitClass]:
    """Give the classes of a file that pytest would run, with what they inherit from others of the file."""
    known = {"ProviderConformance": KitClass()}
    for node in ast.parse(text).body:
        if not isinstance(node, ast.ClassDef):
            continue
        base = next((known[base.id] for base in node.bases if isinstance(base, ast.Name) and base.id in known), None)
        if base is not None:
            known[node.name] = _with_body(base, node.body)
            if node.name.startswith("Test"):
                yield known[node.name]


def _with_body(found: KitClass, body: Sequence[ast.stmt]) -> KitClass:
    for line in body:
        match line:
            case ast.Assign(targets=[ast.Name("provider_name")], value=ast.Constant(str(name))):
                found = replace(found, provider=name)
            case ast.Assign(targets=[ast.Name("modality")], value=ast.Attribute(attr=name)):
                found = replace(found, modality=Modality[name])
            case ast.FunctionDef(name="service"):
                found = replace(found, has_service=True)
    return found


def lacking(description: ProviderDescription) -> set[Modality]:
    """Return the declared modalities without a class that has a service: one that can be killed and lose answers."""
    files = [file for place in PLACES for file in ROOT.glob(place)]
    classes = [kind for file in files for kind in kit_classes(file.read_text(encoding="utf-8"))]
    own = [kind for kind in classes if kind.provider == description.name]
    fit = [kind for kind in own if kind.has_service or description.name in LEARNS_NOTHING]
    return set(description.modalities) - {kind.modality for kind in fit}


@pytest.mark.parametrize("name", [name for name in entry_points() if name not in NO_PROVIDERS])
def test_every_declared_modality_has_a_class_of_the_kit(name: str) -> None:
    description = described(name)
    assert description is not None, f"{name} does not load"
    assert lacking(description) == set()


def test_a_modality_that_is_declared_and_not_checked_is_found() -> None:
    description = described("rekognition")
    assert description is not None
    assert lacking(replace(description, modalities=frozenset({Modality.IMAGE, Modality.TEXT}))) == {Modality.TEXT}
