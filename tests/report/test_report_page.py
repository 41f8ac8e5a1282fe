"""The report: one file that stands alone, nothing in a name can run, every number with its n."""

import base64
import csv
import hashlib
import io
import json
import os
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import pytest
from PIL import Image

from automl_bench.errors import UsageError, WorkspaceError
from automl_bench.report.build import FIGURE_NAMES, build_report
from automl_bench.report.fields import RESULT_FIELDS
from automl_bench.report.tables import Table, records_csv


class Page(HTMLParser):
    """Collects what a browser would act on."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.addresses, self.headings, self.ids = [], [], [], []
        self._heading = None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        for name, value in attrs:
            assert not name.startswith("on"), (tag, name)
            if name in ("src", "href", "action", "data", "poster", "srcset"):
                self.addresses.append(value)
            if name == "id":
                self.ids.append(value)
        if tag in ("h1", "h2"):
            self._heading = ""

    def handle_data(self, data):
        if self._heading is not None:
            self._heading += data

    def handle_endtag(self, tag):
        if tag in ("h1", "h2"):
            self.headings.append(self._heading)
            self._heading = None


@pytest.fixture
def folder(report_folder):
    return report_folder


def test_the_report_has_all_its_files_and_no_others(folder):
    found = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    figures = {f"figures/{name}.{ending}" for name in FIGURE_NAMES for ending in ("png", "svg")}
    assert found == {"report.html", "results.csv", "results.json", "results.md"} | figures
    for name in FIGURE_NAMES:
        with Image.open(folder / "figures" / f"{name}.png") as picture:
            assert picture.width > 600
        ET.parse(folder / "figures" / f"{name}.svg")


def test_the_page_stands_alone_and_allows_its_own_style_and_script_only(folder):
    text = (folder / "report.html").read_text(encoding="utf-8")
    page = Page(text)
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]+)"', text)
    for directive, pattern in (("style-src", r"<style>(.*?)</style>"), ("script-src", r"<script>(.*?)</script>")):
        allowed = re.search(rf"{directive} &#39;sha256-(\S+)&#39;", policy).group(1)
        parts = [
            base64.b64encode(hashlib.sha256(part.encode()).digest()).decode()
            for part in re.findall(pattern, text, re.DOTALL)
        ]
        # The other script is the observer's own, which the page's policy forbids to run.
        assert parts.count(allowed) == 1
    assert "default-src &#39;none&#39;" in policy
    assert "unsafe" not in policy
    assert all(address.startswith(("data:", "#")) for address in page.addresses)
    assert {address[1:] for address in page.addresses if address.startswith("#")} <= set(page.ids)
    assert page.tags.count("img") == len(FIGURE_NAMES) - 1, "a rising rate has a chart instead"


def test_a_rising_rate_is_a_chart_on_the_page_and_a_figure_in_the_files(folder):
    page = Page((folder / "report.html").read_text(encoding="utf-8"))
    assert "figure-sweep-0" in page.ids
    assert "figure-latency_against_rate" not in page.ids
    assert "figures/latency_against_rate.png" in (folder / "results.md").read_text(encoding="utf-8")


def test_names_that_are_html_are_shown_and_never_obeyed(folder):
    text = (folder / "report.html").read_text(encoding="utf-8")
    assert "local:knn &lt;b&gt;" in text
    assert "<b>" not in text.split("<main>")[1]
    assert "beans &amp; &lt;i&gt;co&lt;/i&gt;" in text
    assert "<i>" not in text
    assert "Some &lt;CPU&gt;" in text
    markdown = (folder / "results.md").read_text(encoding="utf-8")
    assert "<b>" not in markdown
    assert "local:knn &lt;b&gt;" in markdown


def test_a_dataset_named_like_a_script_cannot_run(store, make_trial, tmp_path):
    make_trial(variant="<script>alert(2)</script>", dataset="<script>alert(3)</script>", samples=70)
    text = build_report(store, experiment=None, out_dir=tmp_path).read_text(encoding="utf-8")
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(3)&lt;/script&gt;" in text


def test_sections_stand_in_order_and_observers_have_theirs(folder):
    page = Page((folder / "report.html").read_text(encoding="utf-8"))
    assert page.headings == [
        "demo",
        "Quality, labels, cost and speed",
        "What use will cost",
        "In short",
        "Accuracy",
        "What the data support",
        "F1",
        "Classes and confidence",
        "Answers, sample by sample",
        "Training and prediction times",
        "Latency",
        "Load runs",
        "Cost",
        "Failures",
        "Every trial",
        "Deviations",
        "Settings",
        "Environment",
        "How to read this",
        "Costs <i>",
    ]
    assert "It was <strong>cheap</strong>." in (folder / "report.html").read_text(encoding="utf-8")


def test_failures_deviations_settings_and_environment_are_told(folder):
    text = (folder / "results.md").read_text(encoding="utf-8")
    assert "1 of 54 results has no complete score" in text
    assert "the endpoint went away." in text
    assert re.search(r"local:svc: \d+ of 5,760 test samples without an answer", text)
    assert "Images under 64 px were enlarged." in text
    assert "INVALID: The client's CPU was at 93 %." in text
    assert "INCOMPLETE" in text
    assert "| shots | 5, 20, all |" in text
    assert "| python | 3.11.9 |" in text
    assert "The data do not separate" in text


def test_every_mean_has_its_n_and_no_percentile_is_made_up(folder):
    document = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    assert all(record["n"] >= 1 for record in document["accuracy"])
    assert all(record["sem"] is None for record in document["accuracy"] if record["n"] < 2)
    assert all(record["n"] > 0 for record in document["latency"])
    assert len(document["results"]) == 54


def test_csv_has_one_line_a_trial_with_flat_columns(folder):
    rows = list(csv.DictReader(io.StringIO((folder / "results.csv").read_text(encoding="utf-8"))))
    assert len(rows) == 54
    assert {row["shots"] for row in rows} == {"5", "20", "all"}
    flat = set(rows[0])
    assert all(name in flat or any(column.startswith(f"{name}_") for column in flat) for name in RESULT_FIELDS)
    assert float(rows[0]["latency_ms_p50"]) > 0


def test_a_cell_that_a_spreadsheet_would_run_is_made_inert():
    text = records_csv([{"reason": "=HYPERLINK(1)", "value": -1.5}])
    assert text == "reason,value\n'=HYPERLINK(1),-1.5\n"


def test_markdown_cells_cannot_break_the_table():
    text = Table("t", ("a",), (("x | y\n<b>z</b>",),)).to_markdown()
    assert text.splitlines()[-1] == "| x \\| y &lt;b&gt;z&lt;/b&gt; |"


def test_a_report_without_any_result_says_so(store, tmp_path):
    path = build_report(store, experiment=None, out_dir=tmp_path / "all")
    assert "There are no results yet." in path.read_text(encoding="utf-8")
    assert (tmp_path / "all" / "results.csv").read_text(encoding="utf-8").startswith("provider,variant,")


def test_a_second_report_replaces_the_first_and_its_figures(store, make_trial, tmp_path):
    (tmp_path / "figures").mkdir()
    stale, own = tmp_path / "figures" / "load_timeline.png", tmp_path / "figures" / "mine.png"
    stale.write_bytes(b"old")
    own.write_bytes(b"kept")
    make_trial(variant="svc", samples=70)
    build_report(store, experiment=None, out_dir=tmp_path)
    assert not stale.exists()
    assert own.exists()
    assert not list(tmp_path.rglob("*.part"))


def test_the_same_rows_give_the_same_figures(store, make_trial, tmp_path):
    make_trial(variant="svc", samples=70)
    make_trial(variant="auto", samples=70)
    for name in ("one", "two"):
        build_report(store, experiment=None, out_dir=tmp_path / name)
    for path in (tmp_path / "one" / "figures").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / "figures" / path.name).read_bytes()


@pytest.mark.parametrize("name", ["$x_1^2$ 50%", "_hidden", "日本語 🐶", "a" * 200, "back\\slash {brace}"])
def test_odd_names_draw_without_an_error(store, make_trial, tmp_path, name):
    make_trial(variant=name, dataset=name, samples=8)
    make_trial(variant=name, dataset=name, shots=None, samples=8)
    text = build_report(store, experiment=None, out_dir=tmp_path).read_text(encoding="utf-8")
    assert name in text


def test_an_unknown_experiment_writes_nothing(comparison, tmp_path):
    with pytest.raises(UsageError):
        build_report(comparison, experiment="other", out_dir=tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_a_folder_that_cannot_be_written_is_one_sentence(store, make_trial, tmp_path):
    make_trial(variant="svc", samples=8)
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    with pytest.raises(WorkspaceError, match=re.escape(os.fspath(blocked))):
        build_report(store, experiment=None, out_dir=blocked)
