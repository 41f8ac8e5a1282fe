"""How long trainings took elsewhere."""

from __future__ import annotations

from automl_bench.contract import Modality, ReportedTimes, Stage

POINTS = (
    (10, 180), (15, 60), (30, 120), (40, 180), (60, 120), (70, 120), (120, 60), (160, 180), (185, 180),
    (240, 120), (280, 120), (480, 60), (505, 240), (640, 240), (740, 180), (960, 120), (980, 480),
    (1120, 180), (1920, 180), (2020, 480), (2560, 600), (2960, 480), (3920, 1800), (4480, 500),
    (7680, 480), (8080, 1140), (17920, 1200), (32320, 3720),
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
