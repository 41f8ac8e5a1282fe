"""`results check`: conditions hold or do not by the same statistics; what cannot be judged never passes."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import pytest
from answered_trials import answer, right

from automl_bench.cli.main import run
from automl_bench.errors import ExitCode
from automl_bench.report.gates import GATE_FIELDS
from automl_bench.store import open_store


@pytest.fixture(autouse=True)
def workspace(tmp_path, monkeypatch):
    monkeypatch.setenv("AUTOML_BENCH_WORKSPACE", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    with open_store(tmp_path / "results" / "automl-bench.sqlite") as store:
        answer(store, "new", right(88))
        answer(store, "old", right(90))
        answer(store, "poor", right(60))


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("accuracy(local:new, pets, 20) < 0.9", True),
        ("accuracy(local:old,pets,20)<0.9", False),
        ("accuracy(local:old, pets, 20) <= 0.9", True),
        ("macro_f1(local:poor, pets, 20) > 0.7", False),
        ("p50_ms(local:new, pets, 20) >= 0.001", True),
        ("behind(local:poor, local:old)", True),
        ("behind(local:old, local:poor)", False),
        ("ahead(local:old, local:poor, pets, 20)", True),
        ("behind(local:new, local:old)", False),
    ],
)
def test_a_condition_fails_the_check_only_if_it_holds(capsys, condition, holds):
    assert run(["results", "check", "--fail-if", condition]) == (ExitCode.GATE_FAILED if holds else ExitCode.OK)
    assert capsys.readouterr().out.startswith("FAIL" if holds else "ok")


def test_several_conditions_are_judged_together_and_told_as_json(capsys):
    code = run(
        [
            *("results", "check", "--json", "--fail-if", "accuracy(local:new, pets, 20) < 0.9"),
            *("--fail-if", "behind(local:new, local:old)"),
        ]
    )
    assert code == ExitCode.GATE_FAILED == 11
    told = capsys.readouterr()
    judged = json.loads(told.out)
    assert all(list(one) == list(GATE_FIELDS) for one in judged)
    assert [one["holds"] for one in judged] == [True, False]
    assert judged[1]["found"].startswith("not settled: ")
    assert "1 of 2 conditions hold" in told.err


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        ("accuracy < 0.9", "is no condition"),
        ("speed(local:new, pets, 20) < 1", "there is no measure 'speed'"),
        ("accuracy(local:new, pets) < 1", "takes a variant, a dataset and shots"),
        ("accuracy(local:new, pets, 20) < 90", "Write 0.9 for 90 %."),
        ("accuracy(local:new, pets, 20)", "compares with no number"),
        ("accuracy(local:new, pets, 80) < 0.9", "cannot be judged"),
        ("accuracy(local:gone, pets, 20) < 0.9", "There are no results of 'local:gone'"),
        ("behind(local:new)", "takes two variants"),
        ("behind(local:new, local:gone)", "There are no results of 'local:gone'"),
    ],
)
def test_what_cannot_be_judged_is_an_error_and_no_pass(capsys, condition, words):
    assert run(["results", "check", "--fail-if", condition]) == ExitCode.USAGE
    assert words in " ".join(capsys.readouterr().err.split())


def test_other_tools_read_what_was_found(capsys):
    conditions = ["--fail-if", "accuracy(local:new, pets, 20) < 0.9", "--fail-if", "behind(local:new, local:old)"]
    assert run(["results", "check", "--format", "junit", *conditions]) == ExitCode.GATE_FAILED
    suite = ElementTree.fromstring(capsys.readouterr().out)
    assert suite.attrib["tests"] == "2"
    assert suite.attrib["failures"] == "1"
    first, second = suite.findall("testcase")
    assert first.attrib["name"] == "accuracy(local:new, pets, 20) < 0.9"
    assert first.find("failure") is not None
    assert second.find("failure") is None
    assert run(["results", "check", "--format", "github", *conditions]) == ExitCode.GATE_FAILED
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("::error title=accuracy(local%3Anew%2C pets%2C 20) < 0.9::")
    assert second.startswith("::notice title=behind(local%3Anew%2C local%3Aold)::not settled: ")
