"""How long trainings took elsewhere."""

from __future__ import annotations

from automl_bench.contract import ReportedTimes, Stage

POINTS = (
    (10, 2577.6), (15, 2664), (30, 2797.2), (40, 2998.8), (60, 3373.2), (70, 4082.4), (120, 2520),
    (160, 2556), (185, 4730.4), (240, 2793.6), (280, 3020.4), (480, 3438), (505, 4219.2), (640, 4820.4),
    (740, 4939.2), (960, 5094), (980, 6829.2), (1120, 6022.8), (1920, 7452), (2020, 10324.8),
    (2560, 10530), (2960, 12412.8), (3920, 19080), (4480, 17326.8), (7680, 23097.6), (8080, 31867.2),
    (17920, 58028.4), (32320, 118242),
)  # fmt: skip
"""Labelled images and seconds of the trainings in Nyckel's image classification benchmark, May 2023."""

REPORTED = (ReportedTimes(Stage.TRAIN, POINTS, "2023-05", "trainings published by Nyckel for seven image datasets"),)
