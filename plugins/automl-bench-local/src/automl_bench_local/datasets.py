"""Datasets that come with the plugin: they need no network."""

from __future__ import annotations

from pathlib import Path

from automl_bench.contract import DatasetSource

DIGITS_TRAINING = 898
"""scikit-learn's own example trains on the first half of the 1,797 digits and tests on the second."""

DIGITS_SCALE = 15
"""A digit's values are 0 to 16; times 15 they fill a grey image, and divided by 15 they are exact again."""

DATA = Path(__file__).parent / "data"


def build_digits(folder: Path) -> Path:
    """Write scikit-learn's digits as 8 × 8 grey PNG files in a tree of class folders, train and test.

    Returns:
        The tree, inside the empty folder given.
    """
    from PIL import Image
    from sklearn.datasets import load_digits

    digits = load_digits()
    tree = folder / "digits"
    for number, (values, target) in enumerate(zip(digits.images, digits.target, strict=True)):
        split = "train" if number < DIGITS_TRAINING else "test"
        place = tree / split / str(target)
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray((values * DIGITS_SCALE).astype("uint8")).save(place / f"{number:04d}.png", optimize=True)
    return tree


SOURCES = (
    DatasetSource(
        name="digits",
        title="Handwritten digits, 8 × 8 grey; first half train, second half test",
        licence="CC-BY-4.0",
        source="scikit-learn's load_digits: test part of UCI's Optical Recognition of Handwritten Digits",
        build=build_digits,
    ),
    DatasetSource(
        name="fashion-mini",
        title="Fashion-MNIST, 100 train and 30 test images of each of 10 classes, 28 × 28 grey",
        licence="MIT",
        source="https://github.com/zalandoresearch/fashion-mnist, first images of each class",
        path=DATA / "fashion-mini.tar.xz",
    ),
)
