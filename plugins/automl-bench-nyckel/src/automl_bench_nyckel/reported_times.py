"""How long trainings took elsewhere."""

from __future__ import annotations

from automl_bench.contract import Modality, ReportedTimes, Stage

POINTS = (
    (10, 10.9), (15, 5.2), (30, 9.4), (40, 25.8), (60, 14.5), (70, 34.6), (120, 16.3), (160, 27.3),
    (185, 14.7), (240, 34.4), (280, 47.6), (480, 18), (505, 15.2), (640, 60), (740, 34.8), (960, 30.2),
    (980, 24.8), (1120, 13.1), (1920, 11.3), (2020, 47.5), (2560, 150), (2960, 26.6), (3920, 66.1),
    (4480, 48.4), (7680, 63.2), (8080, 71.3), (17920, 138.4), (32320, 283.8),
)  # fmt: skip
"""Labelled images and seconds of the trainings in Nyckel's image classification benchmark, May 2023."""

REPORTED = (
    ReportedTimes(
        Stage.TRAIN,
        POINTS,
        "2023-05",
        "trainings published by Nyckel for seven image datasets",
        modality=Modality.IMAGE,
    ),
)
