"""The figures published in 2023 go in, and their means and errors come out: as published, and corrected."""

import itertools
from pathlib import Path

import pytest

from automl_bench.report.build import build_report
from automl_bench.report.importing import read_results
from automl_bench.report.labels import labelled, observations
from automl_bench.report.rows import result_rows
from automl_bench.report.summary import ALL_DATASETS, CONSTANT_PANEL, accuracy_table
from automl_bench.report.support import comparisons
from automl_bench.statistics.families import holm
from automl_bench.statistics.means import over_datasets
from automl_bench.statistics.panels import equivalence, friedman, panel_difference

FIXTURE = Path(__file__).parents[1] / "fixtures" / "ancestor_figures.csv"

PUBLISHED = {
    5: (7, {"Nyckel": (73.24, 5.11), "HF": (56.11, 9.47), "Google": (62.09, 8.20), "AWS": (67.11, 6.36)}),
    20: (7, {"Nyckel": (82.36, 3.84), "HF": (77.71, 5.21), "Google": (77.78, 5.78), "AWS": (74.92, 5.85)}),
    80: (6, {"Nyckel": (86.63, 3.33), "HF": (85.08, 4.18), "Google": (83.73, 4.38), "AWS": (81.65, 4.73)}),
    320: (5, {"Nyckel": (85.46, 4.10), "HF": (83.97, 4.98), "Google": (84.59, 5.40), "AWS": (86.83, 4.65)}),
    1280: (3, {"Nyckel": (83.47, 5.05), "HF": (80.16, 5.73), "Google": (87.14, 5.61), "AWS": (81.42, 5.17)}),
}


@pytest.fixture
def rows(store):
    assert store.add_imported(read_results(FIXTURE)) == 112
    return result_rows(store)


@pytest.mark.parametrize("shots", PUBLISHED)
def test_means_and_population_errors_are_those_published(rows, shots):
    n, services = PUBLISHED[shots]
    panel = over_datasets(observations(labelled(rows)))
    for service, (mean, error) in services.items():
        one = panel[service, shots].estimate
        assert one.n == n
        assert 100 * one.mean == pytest.approx(mean, abs=0.0125)  # the file has two decimals
        assert 100 * one.sem_population == pytest.approx(error, abs=0.0125)


def test_the_corrected_error_divides_by_n_minus_1(rows):
    panel = over_datasets(observations(labelled(rows)))
    assert 100 * panel["Nyckel", 5].estimate.sem == pytest.approx(5.52, abs=0.005)
    assert 100 * panel["Nyckel", 1280].estimate.sem == pytest.approx(6.18, abs=0.005)


def test_the_table_shows_the_corrected_error_n_and_the_panel_that_changes(rows):
    table = accuracy_table(rows)
    cells = {row[:2]: row[2:] for row in table.rows}
    assert cells[ALL_DATASETS, "Nyckel"][0] == "73.2 ± 5.5 (n=7)"
    assert cells[ALL_DATASETS, "Nyckel"][4] == "83.5 ± 6.2 (n=3)"
    assert cells["cars", "HF"] == ("13.2 ± — (n=1)", "68.5 ± — (n=1)", "—", "—", "—")
    assert "The mean at 80 shots lacks cars." in table.notes
    assert "The mean at 1280 shots lacks beans, cars, food, pets." in table.notes
    constant = [cells[CONSTANT_PANEL, "Google"][place].split(" ")[0] for place in range(5)]
    assert constant == ["60.3", "72.8", "81.4", "86.6", "87.1"]


def scores(rows, shots):
    """Service → dataset → accuracy."""
    found = {}
    for one in observations(labelled(rows)):
        if one.shots == shots:
            found.setdefault(one.series, {})[one.dataset] = one.value
    return found


@pytest.mark.parametrize(
    ("shots", "other", "value", "low", "high", "wins", "n", "p", "corrected", "chances"),
    [
        (5, "HF", 17.1, -0.3, 34.5, 6, 7, 0.047, 0.28, (0.00, 0.00, 1.00)),
        (5, "Google", 11.2, -6.3, 28.6, 5, 7, 0.219, 0.88, (0.05, 0.00, 0.95)),
        (5, "AWS", 6.1, -2.3, 14.6, 6, 7, 0.156, 0.78, (0.06, 0.00, 0.95)),
        (20, "AWS", 7.4, -0.4, 15.2, 6, 7, 0.078, 0.47, (0.02, 0.03, 0.95)),
        (80, "AWS", 5.0, 0.5, 9.4, 5, 6, 0.063, 0.38, (0.00, 0.01, 1.00)),
        (320, "Google", 0.9, -14.2, 15.9, 2, 5, 1.0, 1.0, (0.45, 0.16, 0.39)),
    ],
)
def test_paired_differences_over_datasets_are_those_computed_for_this_project(
    rows, shots, other, value, low, high, wins, n, p, corrected, chances
):
    found = scores(rows, shots)
    pairs = {pair: panel_difference(found[pair[0]], found[pair[1]]) for pair in itertools.combinations(found, 2)}
    adjusted = dict(zip(pairs, holm([one.p for one in pairs.values()]), strict=True))
    ours = panel_difference(found["Nyckel"], found[other])
    assert (len(ours.datasets), ours.wins) == (n, wins)
    assert [100 * ours.value, 100 * ours.low, 100 * ours.high] == pytest.approx([value, low, high], abs=0.06)
    assert ours.p == pytest.approx(p, abs=0.0006)
    pair = ("Nyckel", other) if ("Nyckel", other) in adjusted else (other, "Nyckel")
    assert adjusted[pair] == pytest.approx(corrected, abs=0.006)
    equal = equivalence([found["Nyckel"][name] - found[other][name] for name in ours.datasets])
    assert (equal.worse, equal.equal, equal.better) == pytest.approx(chances, abs=0.06)


@pytest.mark.parametrize(("shots", "p"), [(5, 0.16), (20, 0.07), (80, 0.17), (320, 0.93), (1280, 0.80)])
def test_friedman_is_never_significant(rows, shots, p):
    assert friedman(scores(rows, shots)).p == pytest.approx(p, abs=0.006)


def test_the_published_ranking_is_not_supported(store, rows):
    found = comparisons(store, labelled(rows))
    assert len(found.compared) == 6
    assert {one.where for one in found.compared} == {"all datasets, 20 shots"}
    assert not any(one.separated for one in found.compared)
    assert not found.family.over_possible
    assert found.family.needed == 8
    assert any("8 datasets would do" in note for note in found.notes)
    (aws,) = [one for one in found.compared if {one.a, one.b} == {"Nyckel", "AWS"}]
    assert (aws.p, aws.corrected) == pytest.approx((0.078, 0.469), abs=0.001)


def test_training_times_come_along(rows):
    (one,) = [r for r in rows if (r["provider"], r["dataset"], r["shots"]) == ("AWS", "food", 320)]
    assert round(one["train_seconds"]) == 118242
    assert one["train_seconds_kind"] == "imported"


def test_importing_the_file_again_doubles_nothing(store, rows):
    assert store.add_imported(read_results(FIXTURE)) == 0
    assert len(result_rows(store)) == len(rows)


def test_a_report_of_imported_results_alone_can_be_built(store, rows, tmp_path):
    page = build_report(store, experiment=None, out_dir=tmp_path / "all").read_text(encoding="utf-8")
    assert "112 imported results" in page
    assert "73.2 ± 5.5 (n=7)" in page
    assert "The data do not separate Nyckel and AWS over datasets" in page
