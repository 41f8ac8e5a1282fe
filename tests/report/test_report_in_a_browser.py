"""The report in a real browser: it loads, shows its figures, asks nobody for anything."""

import http.server
import threading
from functools import partial

import pytest
from playwright.sync_api import sync_playwright

from automl_bench.report.build import FIGURE_NAMES

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        """Keep the test's output clean."""


@pytest.mark.browser
def test_the_report_loads_in_a_browser_without_errors_or_requests(report_folder):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(report_folder.parent)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}/demo/report.html"
    try:
        with sync_playwright() as play:
            browser = play.chromium.launch(executable_path="/usr/bin/chromium", args=ARGUMENTS)
            page = browser.new_page(viewport={"width": 1100, "height": 900})
            errors, requests = [], []
            page.on("pageerror", lambda error: errors.append(str(error)))
            page.on("request", lambda request: requests.append(request.url))
            page.goto(address)
            assert errors == []
            assert [url for url in requests if not url.startswith("data:")] == [address]
            widths = page.eval_on_selector_all("img", "all => all.map(one => one.naturalWidth)")
            assert len(widths) == len(FIGURE_NAMES) - 1  # of a rising rate the page has a chart of its own
            assert all(width > 300 for width in widths)
            assert page.eval_on_selector_all("img", "all => all.every(one => one.alt.length > 20)")
            assert page.locator("h1").inner_text() == "demo"
            assert page.locator("h2").all_inner_texts()[2:5] == ["In short", "Accuracy", "What the data support"]
            assert page.locator("#seen").inner_text() == "It was cheap."
            assert page.evaluate("window.ran") is None
            wide = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
            assert not page.evaluate(wide)
            page.set_viewport_size({"width": 390, "height": 800})
            assert not page.evaluate(wide)
            light = page.evaluate("getComputedStyle(document.body).backgroundColor")
            page.emulate_media(color_scheme="dark")
            assert page.evaluate("getComputedStyle(document.body).backgroundColor") != light
            page.locator("nav a", has_text="Load runs").click()
            assert page.evaluate("location.hash") == "#load"
            browser.close()
    finally:
        server.shutdown()
        server.server_close()
