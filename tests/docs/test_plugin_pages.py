"""The pages for plugin authors: every hook with its exact signature, and a tutorial that builds the tested package."""

from __future__ import annotations

import importlib.util
import inspect
import re
from pathlib import Path

import pytest

from automl_bench import contract, hookspecs

ROOT = Path(__file__).resolve().parents[2]
MAJORITY = ROOT / "tests" / "third_party" / "automl-bench-majority"


def test_every_hook_stands_in_the_page_with_its_exact_arguments() -> None:
    page = (ROOT / "docs" / "plugins" / "hooks.md").read_text(encoding="utf-8")
    for group in (hookspecs.ProviderHooks, hookspecs.ObserverHooks):
        for name, function in vars(group).items():
            if inspect.isfunction(function) and not name.startswith("_"):
                arguments = [word for word in inspect.signature(function).parameters if word != "self"]
                assert f"### {name}({', '.join(arguments)})" in page


@pytest.mark.parametrize("name", ["hooks_page", "nouns_page", "python_page"])
def test_a_generated_page_is_what_its_script_writes(name: str) -> None:
    path = ROOT / "docs" / "tools" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    assert script.PAGE.read_text(encoding="utf-8") == script.page(), f"run: python docs/tools/{name}.py"


def test_every_noun_and_field_of_the_contract_stands_in_the_page() -> None:
    page = (ROOT / "docs" / "plugins" / "nouns.md").read_text(encoding="utf-8")
    for name, kind in vars(contract).items():
        if inspect.isclass(kind) and kind.__module__ == contract.__name__ and not name.startswith("_"):
            assert f"## {name}\n" in page
            for field in getattr(kind, "__dataclass_fields__", {}):
                assert f"| `{field}` |" in page


def test_no_hook_has_a_default_or_a_keyword_only_argument() -> None:
    for group in (hookspecs.ProviderHooks, hookspecs.ObserverHooks):
        for function in vars(group).values():
            if inspect.isfunction(function):
                for parameter in inspect.signature(function).parameters.values():
                    assert parameter.default is inspect.Parameter.empty
                    assert parameter.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD


def test_the_tutorial_shows_the_very_files_that_are_tested() -> None:
    text = (ROOT / "docs" / "plugins" / "tutorial.md").read_text(encoding="utf-8")
    blocks = dict.fromkeys(re.findall(r"```(python|toml)\n(.*?)```", text, re.DOTALL))
    python = "\n\n\n".join(body.strip() for kind, body in blocks if kind == "python")
    source = (MAJORITY / "automl_bench_majority.py").read_text(encoding="utf-8")
    assert python.split() == source.split()
    toml = next(body for kind, body in blocks if kind == "toml")
    assert toml.strip() == (MAJORITY / "pyproject.toml").read_text(encoding="utf-8").strip()
