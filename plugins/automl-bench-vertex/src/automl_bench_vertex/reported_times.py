"""How long trainings took elsewhere."""

from __future__ import annotations

from automl_bench.contract import Modality, ReportedTimes, Stage

POINTS = (
    (10, 7213), (15, 7203), (30, 7203), (40, 7203), (60, 7203), (70, 7209), (120, 7233), (160, 7213),
    (185, 7203), (240, 7213), (280, 7209), (480, 10813), (505, 7234), (640, 7203), (740, 7203),
    (960, 7203), (980, 7219), (1120, 7214), (1920, 7213), (2020, 7235), (2560, 7213), (2960, 7208),
    (3920, 7214), (4480, 7214), (7680, 7229), (8080, 7240), (17920, 7234), (32320, 7255),
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
