"""`make docs`: the documentation as a site, every link checked, which loads nothing from elsewhere."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.integrations
def test_the_site_is_whole_and_needs_no_network(tmp_path):
    words = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    ended = subprocess.run(words, cwd=ROOT, env=os.environ, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    pages = {path.relative_to(ROOT / "docs").with_suffix(".html") for path in (ROOT / "docs").rglob("*.md")}
    assert {page for page in pages if not (tmp_path / page).is_file()} <= {Path("design/README.html")}
    searched = json.loads((tmp_path / "search" / "search_index.json").read_text(encoding="utf-8"))
    assert any(one["location"].startswith("python.html") for one in searched["docs"])
    index = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "Which hosted AutoML service" in index
    assert (tmp_path / "plugins-pages" / "automl-bench-mlflow.html").is_file()
    for page in tmp_path.rglob("*.html"):
        loaded = re.findall(
            r"<(?:script|link|img)[^>]+(?:src|href)=.?(https?:[^\s\"'>]+)", page.read_text(encoding="utf-8")
        )
        assert not loaded, f"{page.name} loads {loaded}"
