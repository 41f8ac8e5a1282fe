"""The same pictures to everyone: one re-encoding for all providers, where an experiment asks for one."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl_bench.contract import Sample
from automl_bench.datasets.decoding import (
    ODDITIES,
    ORIENTATION_TAG,
    RULE,
    TURNED,
    Look,
    UndecodablePicture,
    look_at,
    look_of,
    opened,
    orientation_of,
    pixels_of,
)
from automl_bench.errors import DatasetError, InvalidSetting
from automl_bench.toolkit.whole_files import replaced_file

if TYPE_CHECKING:
    from PIL import Image

MEDIA_TYPES = {"png": "image/png", "jpeg": "image/jpeg"}

DEFAULT_QUALITY = 90
"""JPEG quality where the setting names none."""

RECIPE = f"decoding rule {RULE}; bicubic up, Lanczos down"
"""What else decides the bytes; part of the cache key, so that another recipe makes other files."""

Progress = Callable[[int, int], None]
"""Called with (done, total)."""


@dataclass(frozen=True, slots=True)
class ImageSetting:
    """How pictures are brought to a common size and format before any provider gets them. None leaves a thing as it is.

    Attributes:
        min_side: Least length of the short side in pixels; smaller pictures are enlarged (bicubic).
        max_side: Greatest length of the long side in pixels; larger pictures are reduced (Lanczos).
        format: "png" or "jpeg"; None keeps PNG and JPEG as they are and turns anything that is resized into PNG.
        quality: JPEG quality, 1 to 95; None is 90. It concerns only pictures that are encoded anew.
        upright: Whether pictures with an EXIF orientation are turned and encoded anew without the tag, so that services
            that apply the tag and services that ignore it see the same. Otherwise the tag goes out with the pixels.
    """

    min_side: int | None = None
    max_side: int | None = None
    format: str | None = None
    quality: int | None = None
    upright: bool = True

    def __post_init__(self) -> None:
        if not isinstance(self.upright, bool):
            raise InvalidSetting(
                f"the images setting upright = {self.upright!r} is neither true nor false.",
                remedy="Correct upright in the experiment's images section, or leave it out (it is true by default).",
            )
        for name, least, most in (("min_side", 1, 16_384), ("max_side", 1, 16_384), ("quality", 1, 95)):
            value = getattr(self, name)
            if value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
                raise InvalidSetting(
                    f"the images setting {name} = {value!r} is not a whole number from {least} to {most}.",
                    remedy=f"Correct {name} in the experiment's images section, or leave it out.",
                )
        if self.format is not None and self.format not in MEDIA_TYPES:
            raise InvalidSetting(
                f"the images setting format = {self.format!r} is not known.", remedy='Use "png" or "jpeg".'
            )
        if self.min_side is not None and self.max_side is not None and self.min_side > self.max_side:
            raise InvalidSetting(
                f"the images setting min_side = {self.min_side} is above max_side = {self.max_side}.",
                remedy="Lower min_side or raise max_side.",
            )

    @property
    def changes_nothing(self) -> bool:
        """Whether every picture stays as it is; a quality alone changes nothing."""
        return not self.asks_for_encoding and not self.upright

    @property
    def asks_for_encoding(self) -> bool:
        """Whether it says more than how pictures are turned, so that it makes no sense for anything but pictures."""
        return self.min_side is not None or self.max_side is not None or self.format is not None

    @classmethod
    def of(cls, recorded: Mapping[str, Any]) -> ImageSetting:
        """Return the setting that a trial's record stands for; records from before `upright` left pictures alone."""
        return cls(**{"upright": False, **recorded})

    def recorded(self) -> dict[str, Any]:
        """Return what a trial's record says: everything that is set, `upright` in any case."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    def key(self) -> str:
        """Return 16 hex digits that name this setting in the cache."""
        settings = asdict(self) | {"quality": self.quality or DEFAULT_QUALITY, "recipe": RECIPE}
        return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]


def prepare(
    samples: Sequence[Sample],
    setting: ImageSetting,
    cache_dir: Path,
    *,
    workers: int | None = None,
    progress: Progress | None = None,
) -> list[Sample]:
    """Bring pictures to the size and format of a setting, from the cache where that was done before.

    `sample_id` stays the id of the original content; path, size_bytes, media_type, width and height become those of the
    re-encoded file. A picture that fits already keeps its original bytes.

    Args:
        samples: Pictures; a content that repeats is encoded once.
        setting: What to bring them to. One that changes nothing returns the samples as they are.
        cache_dir: Folder for re-encoded files; may be deleted at any time.
        workers: Threads; by default one for each processor.
        progress: Called from this thread as samples get ready.

    Raises:
        DatasetError: If a file is no picture, or too long and narrow for min_side and max_side together.
        InvalidSetting: If a sample is not a picture at all.
        WorkspaceError: If the cache cannot be written.
    """
    if setting.changes_nothing or not samples:
        return list(samples)
    folder = cache_dir / setting.key()
    distinct = {sample.sample_id: sample for sample in samples}
    ready: dict[str, Sample] = {}
    with ThreadPoolExecutor(workers or os.cpu_count() or 1) as pool:
        results = pool.map(lambda sample: _prepare_one(sample, setting, folder), distinct.values())
        try:
            for sample in results:
                ready[sample.sample_id] = sample
                if progress is not None:
                    progress(len(ready), len(distinct))
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    return [_for_copy(ready[sample.sample_id], distinct[sample.sample_id], sample) for sample in samples]


def foreseen(samples: Sequence[Sample], setting: ImageSetting, cache_dir: Path) -> list[Sample]:
    """Describe pictures as `prepare` would return them, without making a file.

    A picture that is not in the cache yet gets the size in pixels and the format that it will have, and 0 bytes, as
    that cannot be known before.

    Raises:
        DatasetError: If a picture is too long and narrow for min_side and max_side together.
        InvalidSetting: If a sample is not a picture at all.
    """
    if setting.changes_nothing:
        return list(samples)
    folder = cache_dir / setting.key()
    if not folder.is_dir():
        return [_foreseen(sample, setting, folder) for sample in samples]
    return [_ready(sample, setting, folder) or _foreseen(sample, setting, folder) for sample in samples]


def decoded_by_services(samples: Sequence[Sample], setting: ImageSetting) -> tuple[int, dict[str, int]]:
    """Count pictures that a provider gets as original bytes and that services may decode in other ways than `decode`.

    Returns:
        How many, and how many for each reason, of `decoding.ODDITIES`.

    Raises:
        DatasetError: If a picture cannot be opened.
    """
    reasons: Counter[str] = Counter()
    count = 0
    for sample in samples:
        if sample.media_type.startswith("image/") and _fits(look := look_at_sample(sample), setting) and look.oddities:
            count += 1
            reasons.update(look.oddities)
    return count, {reason: reasons[reason] for reason in ODDITIES if reasons[reason]}


def _foreseen(sample: Sample, setting: ImageSetting, folder: Path) -> Sample:
    ready = _ready(sample, setting, None)
    if ready is not None:
        return ready
    look = look_at_sample(sample)
    kind = _kind(look, setting)
    size = _possible_size(_size_to_come(look, setting), setting, sample.path)
    path = folder / sample.sample_id[:2] / f"{sample.sample_id}.{kind}"
    return replace(sample, path=path, size_bytes=0, media_type=MEDIA_TYPES[kind], width=size[0], height=size[1])


def _kind(look: Look, setting: ImageSetting) -> str:
    return setting.format or ("jpeg" if look.media_type == MEDIA_TYPES["jpeg"] else "png")


def _size_to_come(look: Look, setting: ImageSetting) -> tuple[int, int]:
    stored_lying = not setting.upright and look.orientation >= 5
    return (look.height, look.width) if stored_lying else (look.width, look.height)


def _for_copy(prepared: Sample, original: Sample, sample: Sample) -> Sample:
    """Return the prepared sample; an untouched one keeps the path of its own copy."""
    return sample if prepared.path == original.path else prepared


def _prepare_one(sample: Sample, setting: ImageSetting, folder: Path) -> Sample:
    return _ready(sample, setting, folder) or _encode(sample, setting, folder / sample.sample_id[:2])


def _ready(sample: Sample, setting: ImageSetting, folder: Path | None) -> Sample | None:
    """Return the sample if it fits as it is, or was re-encoded into the folder before."""
    if not sample.media_type.startswith("image/"):
        if not setting.asks_for_encoding:
            return sample
        raise InvalidSetting(
            f"the images setting was given, but {sample.path} is {sample.media_type or 'of unknown type'}.",
            remedy="Leave the images section out for datasets that are not pictures.",
        )
    if _fits(look_at_sample(sample), setting):
        return sample
    if folder is None:
        return None
    for name, media_type in MEDIA_TYPES.items():
        cached = folder / sample.sample_id[:2] / f"{sample.sample_id}.{name}"
        if cached.is_file():
            with suppress(OSError):  # a damaged cache file is made again
                return _described(sample, cached, media_type)
    return None


def _fits(look: Look, setting: ImageSetting) -> bool:
    size = look.width, look.height
    plain = all(oddity == TURNED for oddity in look.oddities)
    return (
        (not setting.upright or look.orientation == 1)
        and (setting.min_side is None or min(size) >= setting.min_side)
        and (setting.max_side is None or max(size) <= setting.max_side)
        and (setting.format is None or (plain and look.media_type == MEDIA_TYPES[setting.format]))
    )


def look_at_sample(sample: Sample) -> Look:
    """Return what the head of a sample's file says; remembered, as neighbouring ablations share samples.

    Raises:
        DatasetError: If there is no such picture.
    """
    return _look_at(sample.sample_id, sample.path)


@lru_cache(maxsize=200_000)
def _look_at(sample_id: str, path: Path) -> Look:
    try:
        return look_at(path)
    except (OSError, UndecodablePicture) as error:
        raise _unusable(path, error) from error


def _unusable(path: Path, error: Exception) -> DatasetError:
    if isinstance(error, FileNotFoundError):
        return DatasetError(f"the file {path} of the manifest does not exist.", remedy="Import the dataset again.")
    reason = str(error) if isinstance(error, UndecodablePicture) else f"cannot be read: {error}"
    return DatasetError(
        f"the picture {path} {reason}.",
        remedy="Remove or replace it at the source and import the dataset again, or import it with --skip-bad.",
    )


def _encode(sample: Sample, setting: ImageSetting, folder: Path) -> Sample:
    options: dict[str, Any] = {}
    try:
        with opened(sample.path) as image:
            look = look_of(image)
            picture = pixels_of(image, upright=setting.upright)
            if not setting.upright and (orientation := orientation_of(image)) != 1:
                options["exif"] = _exif_of(orientation)
    except (OSError, UndecodablePicture) as error:
        raise _unusable(sample.path, error) from error
    kind = _kind(look, setting)
    picture = _resized(picture, setting, sample.path)
    if kind == "jpeg":
        options["quality"] = setting.quality or DEFAULT_QUALITY
    return _described(sample, _save(picture, kind, options, folder / f"{sample.sample_id}.{kind}"), MEDIA_TYPES[kind])


def _exif_of(orientation: int) -> Image.Exif:
    from PIL import Image

    exif = Image.Exif()
    exif[ORIENTATION_TAG] = orientation
    return exif


def _resized(picture: Image.Image, setting: ImageSetting, path: Path) -> Image.Image:
    from PIL import Image

    width, height = picture.size
    target = _possible_size((width, height), setting, path)
    if target == (width, height):
        return picture
    larger = target[0] > width or target[1] > height
    return picture.resize(target, Image.Resampling.BICUBIC if larger else Image.Resampling.LANCZOS)


def _possible_size(size: tuple[int, int], setting: ImageSetting, path: Path) -> tuple[int, int]:
    """Return the size a picture is brought to, or say that there is none."""
    target = target_size(size, setting)
    if setting.min_side is not None and min(target) < setting.min_side:
        raise DatasetError(
            f"the picture {path} is {size[0]} × {size[1]} pixels: no size has its short side at {setting.min_side} "
            f"or more and its long side at {setting.max_side} or less.",
            remedy="Raise max_side, lower min_side, or leave the picture out of the dataset.",
        )
    return target


def target_size(size: tuple[int, int], setting: ImageSetting) -> tuple[int, int]:
    """Return the size in pixels a picture is brought to, its proportions kept to the nearest pixel.

    First the short side is raised to `min_side`, then the long side is lowered to `max_side`.
    """
    short, long = min(size), max(size)
    numerator, denominator = 1, 1
    if setting.min_side is not None and short < setting.min_side:
        numerator, denominator = setting.min_side, short
    if setting.max_side is not None and long * numerator > setting.max_side * denominator:
        numerator, denominator = setting.max_side, long
    width, height = (max(1, (2 * side * numerator + denominator) // (2 * denominator)) for side in size)
    return width, height


def _save(picture: Image.Image, kind: str, options: dict[str, Any], path: Path) -> Path:
    with replaced_file(path) as draft, draft.open("xb") as file:
        picture.save(file, kind.upper(), **options)
    return path


def _described(sample: Sample, path: Path, media_type: str) -> Sample:
    from PIL import Image

    with Image.open(path) as picture:
        width, height = picture.size
    return replace(sample, path=path, size_bytes=path.stat().st_size, media_type=media_type, width=width, height=height)
