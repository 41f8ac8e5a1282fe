"""Names of folders that tell by themselves that they are no class."""

from __future__ import annotations


def _words(text: str) -> list[str]:
    return text.split()


GENERIC_NAMES = frozenset(
    _words("images image imgs img pictures photos pics data dataset datasets jpg jpeg png jpegimages raw files all")
)
"""Folders that hold the images, whatever they show."""

BESIDE_NAMES = frozenset(
    _words(
        "doc docs documentation paper papers assets figures figs screenshots static web src code scripts "
        "notebooks meta metadata annotations annotation annots labels label masks mask groundtruth "
        "ground_truth gt bboxes license licenses imagesets readme_files sample_images"
    )
)
"""Folders that stand beside the classes and are none."""
