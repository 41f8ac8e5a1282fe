"""What `results check` found, as JUnit's XML and as annotations of GitHub Actions."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree

from automl_bench.report.gates import Judged

SUITE = "results check"


def junit(judged: Sequence[Judged]) -> str:
    """Return a JUnit file: one test case a condition, failed where the condition holds."""
    failed = sum(one.holds for one in judged)
    suite = ElementTree.Element("testsuite", name=SUITE, tests=str(len(judged)), failures=str(failed), errors="0")
    for one in judged:
        case = ElementTree.SubElement(suite, "testcase", classname="automl-bench", name=one.condition)
        if one.holds:
            ElementTree.SubElement(case, "failure", message=one.found).text = f"{one.condition}: {one.found}"
        else:
            ElementTree.SubElement(case, "system-out").text = one.found
    ElementTree.indent(suite)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(suite, encoding="unicode")


def github(judged: Sequence[Judged]) -> str:
    """Return workflow commands: an error for a condition that holds, a notice for one that does not.

    Source: https://docs.github.com/en/actions/reference/workflow-commands-for-github-actions
    """
    return "\n".join(
        f"::{'error' if one.holds else 'notice'} title={_property(one.condition)}::{_data(one.found)}" for one in judged
    )


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
