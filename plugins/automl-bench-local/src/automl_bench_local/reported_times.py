"""How long stages took on another machine: what `plan` expects before anything was run on this one."""

from __future__ import annotations

from automl_bench.contract import ReportedTimes, Stage

MEASURED = "2026-11-29"
WHERE = "measured on two busy cores with images of 8 to 70 pixels"

REPORTED = (
    ReportedTimes(Stage.TRAIN, ((12, 4.1), (50, 4.5), (57, 7.0), (200, 9.0), (500, 25.0)), MEASURED, WHERE),
    ReportedTimes(Stage.DEPLOY, ((12, 1.5), (60, 1.9), (200, 3.0), (500, 3.0)), MEASURED, WHERE),
    ReportedTimes(Stage.INVOKE, ((24, 0.3), (300, 0.75), (300, 13.1), (450, 0.78), (450, 5.4)), MEASURED, WHERE),
)
"""Seconds by labelled images, of the accuracy pass by calls; larger images take longer."""
