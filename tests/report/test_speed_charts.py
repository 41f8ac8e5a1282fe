"""Speed on the page: single calls beside answers under load, and each step of a rising rate; only what was measured."""

import xml.etree.ElementTree as ET

import numpy as np

from automl_bench.report.labels import Labelled
from automl_bench.report.latency import LatencyPool
from automl_bench.report.speed_charts import latency_charts, sweep_charts

CELL = {"n": 400, "low": 19.0, "high": 22.0}


def percentiles(p50, p95, p99=None):
    tail = {"needs": 299, "n": 60} if p99 is None else {**CELL, "value": p99}
    return {"p50": {**CELL, "value": p50}, "p95": {**CELL, "value": p95}, "p99": tail}


def run(loop="open", *, valid=True, complete=True, rate=40.0, **summary):
    settings = {"open": {"rate": rate}, "closed": {"concurrency": 10}, "sweep": {"sweep_from": 1.0, "sweep_to": 80.0}}
    return {
        "loop": loop, "valid": valid, "complete": complete, "settings": settings[loop], "summary": summary,
    }  # fmt: skip


def rows(*runs, series="local:svc", chosen=None):
    return [Labelled(series, "pets", (0, 0), {"load_runs": list(runs), "chosen": chosen})]


def pool(series="local:svc", calls=200):
    times = np.linspace(5.0, 15.0, calls)
    return LatencyPool(series, "pets", 20, 1, times, {}, None, 0, None, None, True, None)


def pictures(chart):
    return [ET.fromstring(text) for text in (chart.wide, chart.narrow)]


def of_kind(picture, tag, kind):
    return [one for one in picture.iter(tag) if kind in (one.get("class") or "").split()]


def test_answers_under_load_stand_below_the_box_of_single_calls():
    named = rows(run(response_ms=percentiles(20.0, 60.0, 90.0)), run("closed", response_ms=percentiles(30.0, 50.0)))
    (chart,) = latency_charts([pool()], named)
    for picture in pictures(chart):
        assert len(of_kind(picture, "polygon", "box")) == 1
        assert len(of_kind(picture, "circle", "dot")) == 2, "p50 of both loads"
        assert len(of_kind(picture, "rect", "dot")) == 0
        # p95 of both is a square; p99 a diamond, and one load has too few calls for it
        assert len(of_kind(picture, "polygon", "dot")) == 3
        assert "open loop, 40/s asked, n=400: p50 20 ms, p95 60 ms, p99 90 ms" in picture.get("aria-label")
        assert "one call at a time, n=200: p5 5.5 ms, p50 10 ms, p95 14.5 ms" in picture.get("aria-label")
        _, _, width, height = map(float, picture.get("viewBox").split())
        texts = list(picture.iter("text"))
        assert all(0 <= float(one.get("x")) <= width and 0 < float(one.get("y")) < height for one in texts)


def test_without_a_complete_load_run_the_box_figure_is_enough():
    unfinished = rows(run(complete=False), run("closed", response_ms={"p50": {"needs": 5, "n": 2}}))
    assert latency_charts([pool()], unfinished) == []


def test_a_load_run_that_is_not_valid_is_hollow_and_says_so():
    (chart,) = latency_charts([pool()], rows(run(valid=False, response_ms=percentiles(20.0, 60.0))))
    picture = pictures(chart)[0]
    assert len(of_kind(picture, "circle", "hollow")) == 1
    assert "open loop, 40/s asked, n=400, not VALID" in picture.get("aria-label")


def test_too_few_single_calls_have_no_box_and_the_variant_keeps_its_name():
    (chart,) = latency_charts([pool(calls=36)], rows(run(response_ms=percentiles(20.0, 60.0))))
    for picture in pictures(chart):
        assert of_kind(picture, "polygon", "box") == []
        assert "local:svc: one call at a time, n=36, too few" in [one.text for one in picture.iter("text")]


def test_of_a_sweep_the_last_good_rate_is_shown():
    steps = [step(5.0, 8.0), step(20.0, 9.0), step(80.0, 70.0, knee="queueing at the service")]
    (chart,) = latency_charts([pool()], rows(run("sweep", steps=steps)))
    assert "sweep, 1 to 80/s, at 20/s, n=400: p50 9 ms, p95 27 ms" in chart.wide


def test_loads_of_another_choice_of_the_training_are_not_mixed_in():
    assert latency_charts([pool()], rows(run(response_ms=percentiles(20.0, 60.0)), chosen="words")) == []


def step(rate, p50, knee=None):
    return {"rate": rate, "knee": knee, "response_ms": percentiles(p50, 3 * p50)}


def test_each_step_of_a_sweep_is_drawn_and_the_one_at_which_it_stopped_is_hollow():
    knee = {"cause": "queueing at the service", "evidence": "p95 rose."}
    steps = [step(5.0, 8.0), step(20.0, 9.0), step(80.0, 70.0, knee="queueing at the service")]
    (chart,) = sweep_charts(rows(run("sweep", steps=steps, knee=knee)))
    assert "local:svc on pets: queueing at the service. p95 rose." in chart.caption
    assert chart.instead_of == "latency_against_rate"
    for picture in pictures(chart):
        # Three steps in the panels of p50 and p95, and one marker in the legend; p99 has too few calls.
        assert len(of_kind(picture, "circle", "dot")) == 2 * 3 + 1
        assert len(of_kind(picture, "circle", "hollow")) == 2
        assert picture.get("aria-label").endswith(
            "local:svc p50 8 ms, p95 24 ms at 5/s, p50 70 ms, p95 210 ms at 80/s."
        )
