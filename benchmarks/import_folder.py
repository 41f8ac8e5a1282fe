"""How long `data import` of a folder takes, as a ratio to a bare pass of os.scandir + SHA-256 over the same files.

    python benchmarks/import_folder.py [--files 100000] [--classes 100] [--bytes 20000] [--rounds 3] [--folder DIR]
                                       [--check] [--kind png|jpeg]

All are measured in the same process, with the files in the page cache; every second round goes the other way round. The
bare pass is the least that anything can do that hashes the files: one thread, one read, no copy, no image header, no
manifest. An import with `copy`, the default, also writes every file; with `link` it makes hard links. `--bytes` is the
size of a file: a photo of 250 px has about 20,000; with 2,500 (a 49 × 49 PNG) making the new file costs more than the
rest. All pictures differ: noise that is stored as it is (png), or broad structure with some noise, compressed (jpeg).

Nothing is deleted before the end: for about a minute after files were deleted, ext4 looks at each of their inodes again
for every new file ("recently deleted"), which makes new files ten times as dear. Each round gives a ratio to its own
bare pass; the exit code is 1 if the median of one way's ratios is above 3. `os.sync` stands between the runs, so that
none pays for what the one before it wrote. With `--check`, each round also checks the copied dataset, as `data check`
does; the median of its ratios to that import may be 2 at most.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import os
import statistics
import struct
import sys
import tempfile
import time
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path

from PIL import Image

from automl_bench.datasets.checks import check_dataset
from automl_bench.datasets.importing import ImportOptions, import_dataset
from automl_bench.datasets.manifest import read_manifest

LIMIT = 3.0
CHECK_LIMIT = 2.0
WAYS = ("bare", "copy", "link")


def png_of_size(size: int) -> bytes:
    """Return a valid PNG of about `size` bytes, another one each time."""
    side = max(4, int((size - 80) ** 0.5))
    raw = b"".join(b"\0" + os.urandom(side) for _ in range(side))

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    parts = (chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(raw, 0)), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def jpeg_of_size(size: int) -> bytes:
    """Return a JPEG of roughly `size` bytes, another one each time."""
    side = max(16, int((size * 3.3) ** 0.5))
    coarse = Image.frombytes("RGB", (12, 12), os.urandom(12 * 12 * 3)).resize((side, side), Image.Resampling.BICUBIC)
    file = io.BytesIO()
    Image.blend(coarse, grain(side), 0.1).save(file, "JPEG", quality=85)
    return file.getvalue()


@cache
def grain(side: int) -> Image.Image:
    return Image.frombytes("RGB", (side, side), os.urandom(side * side * 3))


KINDS = {"png": png_of_size, "jpeg": jpeg_of_size}


def make_folder(root: Path, files: int, classes: int, size: int, kind: str) -> None:
    for number in range(classes):
        (root / f"class {number:04d}").mkdir(parents=True)
    for number in range(files):
        path = root / f"class {number % classes:04d}" / f"{number:07d}.{kind}"
        path.write_bytes(KINDS[kind](size))


def bare_pass(root: str) -> int:
    """Walk with os.scandir and take the SHA-256 of every file."""
    count = 0
    with os.scandir(root) as folders:
        for folder in folders:
            with os.scandir(folder.path) as files:
                for entry in files:
                    with open(entry.path, "rb") as file:
                        hashlib.sha256(file.read()).hexdigest()
                    count += 1
    return count


def seconds(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def check(folder: Path) -> None:
    report = check_dataset(read_manifest(folder), processes=os.cpu_count() or 1)
    assert report.samples, "an empty dataset would measure nothing"


def one_round(root: Path, data: Path, number: int) -> dict[str, float]:
    """Return the seconds of each way, measured one after the other; even rounds begin with the last."""
    times = {}
    for way in WAYS if number % 2 else WAYS[::-1]:
        os.sync()
        if way == "bare":
            times[way] = seconds(lambda: bare_pass(str(root)))
        else:
            settings = ImportOptions(link=way == "link", processes=os.cpu_count() or 1)
            times[way] = seconds(lambda: import_dataset(f"{way}-{number}", root, data, settings))  # noqa: B023
    return times


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--classes", type=int, default=100)
    parser.add_argument("--bytes", type=int, default=20_000, help="of each file, about")
    parser.add_argument("--kind", choices=sorted(KINDS), default="png")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--check", action="store_true", help="also measure data check")
    parser.add_argument("--folder", type=Path, default=None, help="where to work; by default a temporary folder")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as work:
        root, data = Path(work) / "images", Path(work) / "data"
        make_folder(root, options.files, options.classes, options.bytes, options.kind)
        bare_pass(str(root))
        os.sync()
        print(f"{options.files:,} {options.kind} files of about {options.bytes:,} bytes in {options.classes} classes")
        print(
            f"{'round':>5} {'bare s':>8} {'copy s':>8} {'link s':>8} {'copy ratio':>11} {'link ratio':>11} {'load':>5}"
        )
        ratios: dict[str, list[float]] = {"copy": [], "link": []}
        checks = []
        for number in range(1, options.rounds + 1):
            times = one_round(root, data, number)
            for way, values in ratios.items():
                values.append(times[way] / times["bare"])
            cells = " ".join(f"{times[way]:8.2f}" for way in WAYS)
            ends = " ".join(f"{values[-1]:11.2f}" for values in ratios.values())
            print(f"{number:>5} {cells} {ends} {os.getloadavg()[0]:5.1f}", flush=True)
            if options.check:
                took = seconds(lambda: check(data / f"copy-{number}"))  # noqa: B023
                checks.append(took / times["copy"])
                print(
                    f"      check {took:.2f} s, {checks[-1]:.2f} times the import {os.getloadavg()[0]:5.1f}", flush=True
                )
    medians = {way: statistics.median(values) for way, values in ratios.items()}
    print(f"median of the ratios: copy {medians['copy']:.2f}, link {medians['link']:.2f} (limit {LIMIT:g})")
    slow = max(medians.values()) > LIMIT
    if checks:
        print(f"median of check to import {statistics.median(checks):.2f} (limit {CHECK_LIMIT:g})")
        slow = slow or statistics.median(checks) > CHECK_LIMIT
    return int(slow)


if __name__ == "__main__":
    sys.exit(main())
