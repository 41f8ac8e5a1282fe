"""The page of six variants on two datasets, as a reader meets it: from disk, in a browser, decision first."""

import re
from pathlib import Path

import decision_pages
import pytest
from playwright.sync_api import sync_playwright

from automl_bench.report.build import build_report
from automl_bench.store import open_store

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("decision page")]

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
AXE = Path(__file__).parents[2] / ".venv" / "page-tests" / "node_modules" / "axe-core" / "axe.min.js"
GRAVE = ("serious", "critical")
WIDE, NARROW = {"width": 1280, "height": 900}, {"width": 390, "height": 844}

ANSWERS = {
    "Which one?": "simulated:thorough: most accurate on both datasets.",
    "How sure?": "the first tier leads the second by",
    "What does it cost a month?": "100,000 calls a month, 24 h a day: local:auto $0.00",
    "How fast under load?": "simulated:thorough 21.6 ms",
    "Better than guessing?": "Yes, simulated:thorough with",
    "Worth more labels?": "doubling the 50 labels a class should bring simulated:thorough",
    "What is not settled?": "Nothing: every pair that was compared is separated",
    "What next?": "automl-bench report decide",
    "What did this cost?": "108 trials, 216,000 calls",
    "Still running?": "No: no trial is under way, and nothing is left at a provider.",
}
"""The ten questions, and a part of the sentence that answers each."""


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> Path:
    """The page: 108 trials of 2,000 answers each."""
    root = tmp_path_factory.mktemp("decide")
    with open_store(root / "automl-bench.sqlite") as store:
        decision_pages.fill(store, root / "data")
        return build_report(store, experiment="decide", out_dir=root / "report", data=root / "data")


@pytest.fixture(scope="module")
def browser():
    """Debian's Chromium."""
    with sync_playwright() as play:
        opened = play.chromium.launch(executable_path="/usr/bin/chromium", args=ARGUMENTS)
        yield opened
        opened.close()


@pytest.fixture
def open_page(browser, report):
    """Open the page from disk; at the end there must have been no error and no request."""
    opened, troubles = [], []

    def go(viewport=WIDE, **options):
        page = browser.new_page(viewport=viewport, **options)
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("console", lambda message: troubles.append(message.text))
        page.on("request", lambda request: request.url.startswith("data:") or troubles.append(request.url))
        page.goto(report.as_uri())
        opened.append(page)
        return page

    yield go
    for page in opened:
        page.close()
    assert troubles == [report.as_uri()] * len(opened)


@pytest.fixture(scope="module")
def screens(browser, report):
    """The page as it opens, on a wide and on a narrow screen; only to be looked at."""
    opened = {}
    for name, viewport in (("wide", WIDE), ("narrow", NARROW)):
        opened[name] = browser.new_page(viewport=viewport)
        opened[name].goto(report.as_uri())
    yield opened
    for page in opened.values():
        page.close()


def bottom_of(page, text):
    place = page.locator("#decision dd", has_text=text).first.bounding_box()
    return place["y"] + place["height"]


@pytest.mark.parametrize("question", ANSWERS)
def test_a_question_is_answered_on_the_first_screen(screens, question):
    page = screens["wide"]
    group = page.locator("#decision > div", has=page.locator("dt", has_text=question))
    assert ANSWERS[question] in " ".join(group.inner_text().split())
    assert bottom_of(page, ANSWERS[question].split(" report ")[0]) <= WIDE["height"]


@pytest.mark.parametrize("question", list(ANSWERS)[:3])
def test_a_telephone_shows_the_first_three_answers_at_once(screens, question):
    assert bottom_of(screens["narrow"], ANSWERS[question]) <= NARROW["height"]


def test_every_answer_of_the_card_is_on_the_first_screen(screens):
    page = screens["wide"]
    ends = page.eval_on_selector_all("#decision dd", "all => all.map(one => one.getBoundingClientRect().bottom)")
    assert len(ends) > len(ANSWERS)
    assert max(ends) <= WIDE["height"]


def test_the_page_is_light_and_quick_and_holds_its_own_script_only(open_page, report):
    assert report.stat().st_size < 3_000_000
    page = open_page()
    scripts = page.eval_on_selector_all("script:not([type])", "all => all.map(one => one.textContent.length)")
    assert len(scripts) == 1
    assert scripts[0] < 150_000
    # The best of three: what else this machine does is no property of the page.
    first_paint = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
    assert min(one.evaluate(first_paint) for one in (page, open_page(), open_page())) < 1000


@pytest.mark.parametrize("screen", ["wide", "narrow"])
def test_nothing_is_wider_than_the_screen(screens, screen):
    page = screens[screen]
    assert not page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")


def test_without_scripts_verdict_and_tables_are_there(open_page):
    page = open_page(java_script_enabled=False)
    assert page.locator("#decision dd").first.inner_text() == ANSWERS["Which one?"]
    assert page.locator("#support table tbody tr").first.is_visible()
    assert page.locator(".interactive:visible").count() == 0


def column(page, number):
    return page.locator("#quality table tbody tr:visible").locator(f"td:nth-child({number})").all_inner_texts()


def test_tables_sort_by_mouse_and_by_keyboard(open_page):
    page = open_page()
    head = page.locator("#quality th", has_text="p95 ms")
    head.locator("button").click()
    rising = [float(text) for text in column(page, 9)]
    assert rising == sorted(rising)
    assert head.get_attribute("aria-sort") == "ascending"
    head.locator("button").press("Enter")
    assert [float(text) for text in column(page, 9)] == rising[::-1]
    assert head.get_attribute("aria-sort") == "descending"


def test_tables_filter_as_one_types(open_page):
    page = open_page()
    page.get_by_label("Filter What each offers").press_sequentially("signs thrifty")
    assert column(page, 3) == ["simulated:thrifty"]
    assert "1 of 12 rows" in page.locator("#quality .tools").inner_text()


@pytest.mark.parametrize("kind", ["wide", "narrow"])
def test_the_chart_fits_its_screen_and_stays_legible(screens, kind):
    page = screens[kind]
    shown = page.locator("#figure-quality-0 svg:visible")
    assert shown.get_attribute("class") == kind
    heights = shown.locator("text").evaluate_all("all => all.map(one => one.getBoundingClientRect().height)")
    assert min(heights) > 10
    for name in decision_pages.VARIANTS:
        assert shown.get_by_text(name, exact=True).is_visible()


def test_sliders_compute_what_the_page_says_without_scripts(open_page):
    page = open_page()
    for words in page.locator("#use > ul li").all_inner_texts()[:2]:
        assert words in page.locator("#break-even .answer").inner_text()
    assert (
        "below 438,000 calls a month simulated:thrifty, above 438,000 simulated:quick"
        in page.locator("#use").inner_text()
    )


def test_sliders_move_by_keyboard_and_change_month_and_ranking(open_page):
    page = open_page()
    row = page.locator("#break-even tbody tr", has_text="simulated:thrifty")
    assert "$150.00 simulated" in row.inner_text()
    calls = page.get_by_role("slider", name="Calls a month")
    for _ in range(20):
        calls.press("ArrowRight")
    assert calls.get_attribute("aria-valuetext") == "1,000,000"
    assert "$1,500 simulated" in row.inner_text()
    hours = page.get_by_role("slider", name="Hours of service a day")
    hours.press("Home")
    assert "$0.00 simulated" in page.locator("#break-even tbody tr", has_text="simulated:quick").inner_text()
    page.get_by_role("slider", name="Weight of quality").press("Home")
    page.get_by_role("slider", name="Weight of cost").press("Home")
    assert page.locator("#break-even tbody tr").first.inner_text().startswith("local:svc")
    assert "First among all possible weights: local:svc" in page.locator("#break-even").inner_text()


def evidence(page):
    return page.locator("#evidence")


def test_a_cell_of_the_confusion_matrix_leads_to_its_samples(open_page):
    page = open_page()
    cell = evidence(page).get_by_role("button", name="circle answered as cross")
    count = int(cell.inner_text())
    cell.press("Enter")
    assert re.fullmatch(r"\d+ samples: circle answered as cross by A", evidence(page).locator(".answer").inner_text())
    items = evidence(page).locator(".gallery li")
    assert 0 < items.count() <= min(24, count)
    for words in items.all_inner_texts():
        assert "circle\nA: cross" in words


def test_the_difference_of_two_matrices_is_the_difference_of_their_cells(open_page):
    page = open_page()
    value = {}
    for which in ("A", "B", "A minus B"):
        evidence(page).get_by_label("Confusion matrix of").select_option(label=which)
        cells = evidence(page).get_by_role("region", name="Confusion matrix").locator("tbody td").all_inner_texts()
        value[which] = [int(text.replace("−", "-")) for text in cells]
    assert value["A minus B"] == [a - b for a, b in zip(value["A"], value["B"], strict=True)]
    assert sum(value["A"]) == 3 * 2000


@pytest.mark.parametrize("letter", ["A", "B"])
def test_the_gallery_shows_what_only_one_gets_right(open_page, letter):
    page = open_page()
    evidence(page).get_by_label("Samples where").select_option(label=f"only {letter} is right")
    shown = evidence(page).locator(".gallery li").all_inner_texts()
    assert len(shown) == 24
    other = "B" if letter == "A" else "A"
    assert all(re.search(rf"{letter}: .*✓", words) and re.search(rf"{other}: .*✗", words) for words in shown)
    evidence(page).get_by_role("button", name="Next").click()
    assert evidence(page).get_by_text(re.compile(r"^25 to 48 of ")).is_visible()


def test_label_suspects_have_pictures_and_can_be_marked_and_saved(open_page):
    page = open_page()
    evidence(page).get_by_label("Samples where").select_option(label="every variant contradicts the label")
    first = evidence(page).locator(".gallery li").first
    assert first.locator("img").evaluate("one => one.decode().then(() => one.naturalWidth)") == 28
    first.get_by_role("checkbox").press("Space")
    assert "1 marked" in evidence(page).inner_text()
    with page.expect_download() as saved:
        evidence(page).get_by_role("button", name="Save suspects.csv").press("Enter")
    header, line = saved.value.path().read_text(encoding="utf-8").splitlines()
    assert header == "dataset,sample,label"
    assert re.match(r"shapes,[0-9a-f]{64},", line)
    assert re.search(r"automl-bench report( \S+)? --without suspects.csv", evidence(page).inner_text())


@pytest.mark.parametrize(("viewport", "scheme"), [(WIDE, "light"), (NARROW, "dark")])
def test_nothing_on_the_page_keeps_anyone_out(open_page, viewport, scheme):
    if not AXE.is_file():
        pytest.skip("axe-core is not installed: make page-tests")
    page = open_page(viewport, color_scheme=scheme)
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate("axe.run({ resultTypes: ['violations'] })")
    assert found["passes"]
    assert [(one["id"], one["nodes"][0]["html"]) for one in found["violations"] if one["impact"] in GRAVE] == []


def test_figures_on_a_telephone_are_wide_enough_to_be_read_and_scroll_in_their_frame(screens):
    page = screens["narrow"]
    widths = page.locator(".picture img").evaluate_all("all => all.map(one => one.getBoundingClientRect().width)")
    assert min(widths) > 700
    frame = page.locator(".picture").first
    assert frame.evaluate("one => one.scrollWidth > one.clientWidth && one.clientWidth < 390")


def test_a_class_leads_to_its_samples_that_are_missed(open_page):
    page = open_page()
    evidence(page).get_by_role("button", name="circle: show the samples that A or B gets wrong").press("Enter")
    assert evidence(page).locator(".answer").inner_text().endswith("samples: circle that A or B gets wrong")
    shown = evidence(page).locator(".gallery li").all_inner_texts()
    assert shown
    assert all("\ncircle\n" in f"\n{words}" and "✗" in words for words in shown)
