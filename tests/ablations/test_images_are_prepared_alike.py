"""The `images` setting: one re-encoding for everyone, cached, and original bytes where nothing has to change."""

from __future__ import annotations

import errno
import hashlib
import io
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from automl_bench.ablations import images
from automl_bench.ablations.images import ImageSetting, prepare, target_size
from automl_bench.contract import Sample
from automl_bench.datasets.decoding import decode
from automl_bench.errors import DatasetError, InvalidSetting, WorkspaceError

TYPES = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp", "TIFF": "image/tiff"}


def gradient(width: int, height: int, mode: str = "RGB") -> Image.Image:
    picture = Image.linear_gradient("L").resize((width, height))
    return picture.convert(mode)


@pytest.fixture
def picture(tmp_path):
    """Return a function that saves a picture and describes it as a sample."""

    def make(width=40, height=30, kind="PNG", mode="RGB", image=None, known=True, **options):
        image = image or gradient(width, height, mode)
        buffer = io.BytesIO()
        image.save(buffer, kind, **options)
        content = buffer.getvalue()
        digest = hashlib.sha256(content).hexdigest()
        path = tmp_path / f"{digest[:8]}.{kind.lower()}"
        path.write_bytes(content)
        width, height = (image.width, image.height) if known else (None, None)
        return Sample(digest, path, len(content), TYPES[kind], width, height)

    return make


def opened(sample: Sample) -> Image.Image:
    with Image.open(sample.path) as found:
        found.load()
    assert (sample.width, sample.height) == found.size
    assert sample.size_bytes == sample.path.stat().st_size
    assert Image.MIME[found.format] == sample.media_type
    return found


def test_an_empty_setting_changes_nothing(picture, tmp_path):
    samples = [picture()]
    assert prepare(samples, ImageSetting(), tmp_path / "cache") == samples
    assert prepare(samples, ImageSetting(quality=50), tmp_path / "cache") == samples
    assert not (tmp_path / "cache").exists()


def test_a_picture_that_fits_keeps_its_bytes(picture, tmp_path):
    sample = picture(100, 80)
    assert prepare([sample], ImageSetting(min_side=64, max_side=128, format="png"), tmp_path / "cache") == [sample]
    unknown = picture(100, 80, known=False)
    (found,) = prepare([unknown], ImageSetting(min_side=64, max_side=128), tmp_path / "cache")
    assert found.path == unknown.path


def test_a_small_picture_is_enlarged_until_its_short_side_is_long_enough(picture, tmp_path):
    sample = picture(40, 30)
    (found,) = prepare([sample], ImageSetting(min_side=64), tmp_path / "cache")
    assert opened(found).size == (85, 64)
    assert found.sample_id == sample.sample_id
    assert found.media_type == "image/png"


def test_a_large_picture_is_reduced_until_its_long_side_is_short_enough(picture, tmp_path):
    (found,) = prepare([picture(400, 300, "JPEG")], ImageSetting(max_side=128), tmp_path / "cache")
    assert opened(found).size == (128, 96)
    assert found.media_type == "image/jpeg"


@pytest.mark.parametrize(("kind", "target"), [("PNG", "jpeg"), ("JPEG", "png"), ("WEBP", "png"), ("TIFF", "jpeg")])
def test_formats_are_converted(picture, tmp_path, kind, target):
    (found,) = prepare([picture(40, 30, kind)], ImageSetting(format=target), tmp_path / "cache")
    assert found.media_type == f"image/{target}"
    assert opened(found).size == (40, 30)


def test_quality_decides_the_size_of_a_jpeg(picture, tmp_path):
    noise = Image.effect_noise((64, 64), 80).convert("RGB")
    sample = picture(image=noise)
    sizes = [
        prepare([sample], ImageSetting(format="jpeg", quality=quality), tmp_path / "cache")[0].size_bytes
        for quality in (20, None, 95)
    ]
    assert sizes == sorted(set(sizes))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16", "I"])
@pytest.mark.parametrize("target", ["png", "jpeg"])
def test_every_mode_is_resized_without_losing_its_range(picture, tmp_path, mode, target):
    image = gradient(20, 20).convert("L").convert("I").point(lambda value: value * 257) if mode[0] == "I" else None
    image = image.convert(mode) if image else gradient(20, 20, mode)
    sample = picture(image=image, kind="TIFF" if mode == "I" else "PNG")
    (found,) = prepare([sample], ImageSetting(min_side=32, format=target), tmp_path / "cache")
    grey = opened(found).convert("L")
    assert grey.size == (32, 32)
    darkest, brightest = grey.getextrema()
    assert darkest < 40
    assert brightest > 215


@pytest.mark.parametrize("kind", ["jpeg", "png"])
def test_transparency_becomes_white_in_every_format(picture, tmp_path, kind):
    sample = picture(image=Image.new("RGBA", (16, 16), (255, 0, 0, 0)))
    (flat,) = prepare([sample], ImageSetting(format=kind), tmp_path / "cache")
    assert opened(flat).mode == "RGB"
    assert min(opened(flat).getpixel((8, 8))) > 250


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_without_any_setting_a_turned_picture_is_sent_upright_and_the_others_as_they_are(picture, tmp_path, kind):
    exif = Image.Exif()
    exif[0x0112] = 6
    turned, other = picture(40, 30, kind, exif=exif), picture(50, 30, kind)
    found = prepare([turned, other], ImageSetting(), tmp_path / "cache")
    assert opened(found[0]).size == (30, 40)
    assert 0x0112 not in opened(found[0]).getexif()
    assert found[1] == other
    assert prepare([turned, other], ImageSetting(upright=False), tmp_path / "cache") == [turned, other]
    (kept,) = prepare([turned], ImageSetting(upright=False, format="png"), tmp_path / "cache")
    assert decode(kept.path).size == (30, 40), "whoever applies the tag still gets it upright"


def test_a_record_from_before_the_setting_leaves_pictures_as_they_were():
    assert ImageSetting.of({}).changes_nothing
    assert ImageSetting.of({"min_side": 64}) == ImageSetting(min_side=64, upright=False)
    assert ImageSetting.of(ImageSetting().recorded()) == ImageSetting()
    assert ImageSetting().recorded() == {"upright": True}


def test_a_photo_that_was_taken_sideways_is_turned_upright(picture, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    (found,) = prepare([picture(400, 200, "JPEG", exif=exif)], ImageSetting(max_side=100), tmp_path / "cache")
    assert opened(found).size == (50, 100)
    assert 0x0112 not in opened(found).getexif()


def test_the_cache_is_used_again_and_a_damaged_entry_is_made_anew(picture, tmp_path, monkeypatch):
    sample, setting = picture(40, 30), ImageSetting(min_side=64)
    (first,) = prepare([sample], setting, tmp_path / "cache")
    content = first.path.read_bytes()
    first.path.write_bytes(b"")
    assert prepare([sample], setting, tmp_path / "cache") == [first]
    assert first.path.read_bytes() == content

    def forbidden(*_):
        raise AssertionError("encoded again")

    monkeypatch.setattr(images, "_encode", forbidden)
    assert prepare([sample], setting, tmp_path / "cache") == [first]


def test_other_settings_have_other_cache_entries(picture, tmp_path):
    sample = picture(40, 30)
    paths = {
        prepare([sample], setting, tmp_path / "cache")[0].path
        for setting in (ImageSetting(min_side=64), ImageSetting(min_side=65), ImageSetting(min_side=64, format="jpeg"))
    }
    assert len(paths) == 3


def test_copies_of_one_content_share_an_entry_and_order_is_kept(picture, tmp_path):
    small, fitting = picture(40, 30), picture(90, 80)
    other_path = tmp_path / "copy.png"
    other_path.write_bytes(fitting.path.read_bytes())
    copy = replace(fitting, path=other_path)
    seen = []
    found = prepare(
        [small, fitting, small, copy],
        ImageSetting(min_side=64),
        tmp_path / "cache",
        progress=lambda done, total: seen.append((done, total)),
    )
    assert found[0] == found[2]
    assert [sample.path for sample in found[1::2]] == [fitting.path, other_path]
    assert seen == [(1, 2), (2, 2)]


def test_the_result_does_not_depend_on_the_number_of_threads(picture, tmp_path):
    samples = [picture(20 + number, 30) for number in range(12)]
    setting = ImageSetting(min_side=48, format="jpeg")
    contents = [
        [
            sample.path.read_bytes()
            for sample in prepare(samples, setting, tmp_path / f"cache{workers}", workers=workers)
        ]
        for workers in (1, 8)
    ]
    assert contents[0] == contents[1]
    assert len(set(contents[0])) == 12


def test_a_damaged_picture_is_named_with_the_command_that_finds_all(picture, tmp_path):
    sample = picture(40, 30)
    sample.path.write_bytes(sample.path.read_bytes()[:60])
    with pytest.raises(DatasetError, match=sample.path.name) as caught:
        prepare([sample], ImageSetting(min_side=64), tmp_path / "cache")
    assert "--skip-bad" in caught.value.remedy
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]


def test_a_missing_picture_is_named(picture, tmp_path):
    sample = picture(40, 30)
    sample.path.unlink()
    with pytest.raises(DatasetError, match="does not exist"):
        prepare([sample], ImageSetting(min_side=64), tmp_path / "cache")


def test_a_picture_too_long_and_narrow_for_both_bounds_is_named(picture, tmp_path):
    with pytest.raises(DatasetError, match="400 × 10 pixels") as caught:
        prepare([picture(400, 10)], ImageSetting(min_side=64, max_side=128), tmp_path / "cache")
    assert "max_side" in caught.value.remedy


def test_a_setting_for_samples_that_are_no_pictures_is_refused(tmp_path):
    text = Sample("0" * 64, tmp_path / "a.txt", 3, "text/plain")
    with pytest.raises(InvalidSetting, match="text/plain"):
        prepare([text], ImageSetting(min_side=64), tmp_path / "cache")


def test_a_full_disk_names_the_file_and_leaves_nothing_half_written(picture, tmp_path, monkeypatch):
    def full(self, file, *_, **__):
        file.write(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full, raising=True)
    sample = Sample("0" * 64, _saved_before(tmp_path), 1, "image/png", 4, 4)
    with pytest.raises(WorkspaceError, match="No space left on device"):
        prepare([sample], ImageSetting(min_side=64), tmp_path / "cache")
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]


def _saved_before(folder: Path) -> Path:
    path = folder / "tiny.ppm"
    path.write_bytes(b"P6 4 4 255\n" + bytes(48))
    return path


@pytest.mark.parametrize(
    "values",
    [
        {"min_side": 0},
        {"min_side": -1},
        {"max_side": 20_000},
        {"min_side": "64"},
        {"max_side": 12.5},
        {"min_side": True},
        {"quality": 96},
        {"quality": 0},
        {"format": "webp"},
        {"format": "PNG"},
        {"min_side": 100, "max_side": 99},
    ],
)
def test_a_setting_out_of_range_is_refused_by_name(values):
    with pytest.raises(InvalidSetting, match=next(iter(values))) as caught:
        ImageSetting(**values)
    assert caught.value.remedy


SIDES = st.integers(1, 3000)


@settings(deadline=None)
@given(width=SIDES, height=SIDES, least=st.none() | SIDES, most=st.none() | SIDES)
def test_sizes_keep_their_bounds_and_proportions(width, height, least, most):
    if least is not None and most is not None and least > most:
        least, most = most, least
    found = target_size((width, height), ImageSetting(min_side=least, max_side=most))
    assert most is None or max(found) <= most
    assert least is None or min(found) >= least or max(found) == most
    scale = max(found) / max(width, height)
    assert abs(min(found) - max(1.0, min(width, height) * scale)) <= 0.5 + 0.5 / max(found) * min(found) + 1e-9
    fits = (least is None or min(width, height) >= least) and (most is None or max(width, height) <= most)
    assert not fits or found == (width, height)


@pytest.mark.parametrize(
    "setting",
    [
        ImageSetting(),
        ImageSetting(min_side=64),
        ImageSetting(max_side=20),
        ImageSetting(min_side=32, max_side=64, format="jpeg"),
        ImageSetting(format="png"),
    ],
)
def test_what_is_foreseen_is_what_will_be_but_for_the_bytes(picture, tmp_path, setting):
    samples = [picture(), picture(40, 30, "JPEG"), picture(100, 64, "WEBP"), picture(64, 64), picture(33, 47, "TIFF")]
    cache = tmp_path / "cache"
    foreseen = images.foreseen(samples, setting, cache)
    assert not cache.exists()
    prepared = prepare(samples, setting, cache)
    for before, after in zip(foreseen, prepared, strict=True):
        assert replace(before, size_bytes=0) == replace(after, size_bytes=0)
        assert before.size_bytes in (0, after.size_bytes)
    assert images.foreseen(samples, setting, cache) == prepared, "what is in the cache is known to the byte"


def test_a_picture_that_fits_no_size_is_foreseen_too(picture, tmp_path):
    with pytest.raises(DatasetError, match="no size has its short side"):
        images.foreseen([picture(400, 10)], ImageSetting(min_side=64, max_side=128), tmp_path / "cache")
