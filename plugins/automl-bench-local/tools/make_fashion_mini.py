"""Make fashion-mini.tar.xz from the IDX files of Fashion-MNIST: the same images on every run.

    apt-get install dataset-fashion-mnist
    python tools/make_fashion_mini.py /usr/share/datasets/fashion-mnist src/automl_bench_local/data/fashion-mini.tar.xz

The first 100 training and the first 30 test images of each class, each as an optimised grey PNG, with fixed
times.
"""

from __future__ import annotations

import gzip
import io
import sys
import tarfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

CLASSES = (
    "T-shirt",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
SPLITS = (("train", "train", 100), ("test", "t10k", 30))
PUBLISHED = 1503619200
"""25 August 2017, in seconds since 1970."""
MEAN, SPREAD = 0.2860, 0.3530
"""Of the whole training set: shows that the files are the right ones, read rightly."""


def read_idx(path: Path) -> NDArray[np.uint8]:
    """Read one gzipped IDX file of bytes: images (n, 28, 28) or labels (n,)."""
    content = gzip.decompress(path.read_bytes())
    dimensions = content[3]
    shape = tuple(np.frombuffer(content, ">u4", dimensions, 4))
    return np.frombuffer(content, np.uint8, offset=4 + 4 * dimensions).reshape(shape)


def png(pixels: NDArray[np.uint8]) -> bytes:
    """Encode one grey image as small as Pillow can."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def write_archive(source: Path, target: Path) -> None:
    """Write the archive: `<split>/<class>/<number in the original set>.png`."""
    with tarfile.open(target, "w:xz", preset=9, format=tarfile.USTAR_FORMAT) as archive:
        for split, stem, count in SPLITS:
            images = read_idx(source / f"{stem}-images-idx3-ubyte.gz")
            labels = read_idx(source / f"{stem}-labels-idx1-ubyte.gz")
            if split == "train":
                scaled = images / 255.0
                if round(scaled.mean(), 4) != MEAN or round(scaled.std(), 4) != SPREAD:
                    raise SystemExit("these are not the Fashion-MNIST images")
            for number, name in enumerate(CLASSES):
                for position in np.flatnonzero(labels == number)[:count]:
                    content = png(images[position])
                    entry = tarfile.TarInfo(f"{split}/{name}/{position:05d}.png")
                    entry.size, entry.mtime, entry.mode = len(content), PUBLISHED, 0o644
                    archive.addfile(entry, io.BytesIO(content))


if __name__ == "__main__":
    write_archive(Path(sys.argv[1]), Path(sys.argv[2]))
