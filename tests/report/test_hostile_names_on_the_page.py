"""Names, labels, error texts and sections of plugins that are HTML or script do nothing in a browser."""

import pytest
from playwright.sync_api import sync_playwright

from automl_bench.contract import ReportSection
from automl_bench.report.build import build_report
from automl_bench.store.records import TrialStatus

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
HOSTILE = [
    "<script>window.hit = 1</script>",
    "<img src=x onerror='window.hit = 2'>",
    "</script><script>window.hit = 3</script>",
    "\" onmouseover=\"window.hit = 4\" x=\"",
    "`<b onclick='window.hit = 5'>bold</b>`",
    "javascript:window.hit=6",
]  # fmt: skip


@pytest.mark.browser
def test_nothing_from_outside_is_obeyed(store, make_trial, tmp_path):
    for place, text in enumerate(HOSTILE):
        make_trial(variant=text, dataset=HOSTILE[place // 3], samples=70, skill=0.3 * place)
    broken = make_trial(variant="svc", samples=8, deviations=(HOSTILE[0],))
    store.set_trial_status(broken, TrialStatus.FAILED, " ".join(HOSTILE))
    section = "".join(HOSTILE) + "<a href='https://example.com/'>away</a><style>body { display: none }</style>"
    path = build_report(
        store, experiment=None, out_dir=tmp_path / "report", sections=[ReportSection(HOSTILE[0], section)]
    )
    (path.parent / "x").write_bytes((path.parent / "figures" / "differences.png").read_bytes())
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path="/usr/bin/chromium", args=ARGUMENTS)
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        requests = []
        page.on("requestfinished", lambda request: requests.append(request.url))
        page.goto(path.as_uri())
        for place in page.locator("h2, h3, dd, td, th button").all()[:200]:
            place.dispatch_event("mouseover")
        page.locator("#decision").click()
        assert page.evaluate("window.hit") is None
        assert page.locator("b, h2 script, dd img, td img").count() == 1  # the observer's own, whose onclick is not run
        page.locator("b").click()
        assert page.evaluate("window.hit") is None
        assert [url for url in requests if not url.startswith("data:")] == [path.as_uri()]
        assert page.locator("#decision").is_visible()
        browser.close()
