"""The key `environment` of a variant: what it may say, and what it means."""

from __future__ import annotations

from typing import Any

import pytest

from automl_bench.contract import Environment, Variant, Where
from automl_bench.errors import SettingsError
from automl_bench.toolkit.environments import read_environment, requirement_lines


def variant(table: Any) -> Variant:
    return Variant("local", "old", {"environment": table})


def test_a_variant_without_one_has_the_usual_environment() -> None:
    assert read_environment(Variant("local", "old", {"estimator": "sklearn.svm.SVC"})) is None


def test_requirements_mean_a_venv() -> None:
    asked = {"requirements": ["numpy==1.24.4", "scikit-learn==1.2.2"], "python": "3.9", "wheels_only": False}
    expected = Environment(Where.VENV, ("numpy==1.24.4", "scikit-learn==1.2.2"), "3.9", wheels_only=False)
    assert read_environment(variant(asked)) == expected
    assert read_environment(variant({"where": "host"})) == Environment(Where.HOST)
    assert read_environment(variant({"container": "lab/svc"})) == Environment(Where.CONTAINER, container="lab/svc")


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("old.txt", r"Write \[variants.old.environment\]"),
        ({}, "has no requirements"),
        ({"python": "3.9"}, "has no requirements"),
        ({"requirement": ["numpy"]}, "Did you mean 'requirements'"),
        ({"requirements": ["numpy"], "python": 3.9}, "Use a text such as 3.12"),
        ({"requirements": ["numpy"], "python": "three"}, "Use a text such as 3.12"),
        ({"requirements": ["numpy"], "wheels_only": "yes"}, "Use true or false"),
        ({"requirements": ["numpy"], "where": "moon"}, "one of host, venv, container"),
        ({"requirements": ["numpy"], "where": "host"}, "requirements is not for an environment of the kind host"),
        ({"container": "lab/svc", "python": "3.9"}, "python is not for an environment of the kind container"),
        ({"container": "lab/svc", "containerfile": "FROM a\n"}, "has container and containerfile"),
        ({"where": "container"}, "has no image"),
        ({"requirements": "gone.txt"}, "path of a file, or a list of its lines"),
        ({"requirements": ["numpy", 3]}, "path of a file, or a list of its lines"),
        ({"requirements": ["-r other.txt"]}, "'-r other.txt', which leads to another file"),
        ({"requirements": ["--constraint=c.txt"]}, "leads to another file"),
        ({"requirements": ["-e ."]}, "leads to another file"),
        ({"requirements": ["--index-url https://me:secret@example.com/simple"]}, "user name or password"),
    ],
)
def test_what_it_may_not_say(table: Any, said: str) -> None:
    with pytest.raises(SettingsError, match=said) as refused:
        read_environment(variant(table))
    assert "secret" not in str(refused.value)


def test_a_file_is_its_requirements_without_comments_and_line_breaks() -> None:
    text = "# old versions\nnumpy==1.24.4  # the last one\n\nscipy==1.10.1 \\\n    --hash=sha256:00#1\n--no-index\r\n"
    assert requirement_lines(text) == ["numpy==1.24.4", "scipy==1.10.1  --hash=sha256:00#1", "--no-index"]
