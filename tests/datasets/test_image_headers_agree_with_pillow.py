"""Type and size from the first bytes."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from automl_bench.datasets.image_headers import ImageHeader, admit, has_image_extension, parse_header

SAVES: list[tuple[str, dict[str, object]]] = [
    ("PNG", {}),
    ("JPEG", {}),
    ("JPEG", {"progressive": True, "exif": b"Exif\0\0" + b"x" * 3000}),
    ("GIF", {}),
    ("BMP", {}),
    ("WEBP", {}),
    ("WEBP", {"lossless": True}),
    ("WEBP", {"exif": b"Exif\0\0x"}),
]


@pytest.mark.parametrize(("kind", "options"), SAVES)
@pytest.mark.parametrize("size", [(1, 1), (7, 300), (640, 33)])
def test_header_is_what_pillow_says(kind: str, options: dict[str, object], size: tuple[int, int]) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", size, "teal").save(buffer, kind, **options)  # type: ignore[arg-type]
    expected = ImageHeader(f"image/{kind.lower()}", *size)
    assert parse_header(buffer.getvalue()) == expected
    assert admit(buffer.getvalue()) == expected


def test_other_formats_are_left_to_pillow() -> None:
    buffer = io.BytesIO()
    Image.new("L", (5, 6)).save(buffer, "TIFF")
    assert parse_header(buffer.getvalue()) is None
    assert admit(buffer.getvalue()) == ImageHeader("image/tiff", 5, 6)


def test_top_down_bitmap_has_a_positive_height() -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (4, 3)).save(buffer, "BMP")
    content = bytearray(buffer.getvalue())
    content[22:26] = (-3).to_bytes(4, "little", signed=True)
    assert parse_header(bytes(content)) == ImageHeader("image/bmp", 4, 3)


@given(st.sampled_from([b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF89a", b"BM", b"RIFF1234WEBP", b""]), st.binary())
def test_no_bytes_make_the_parser_raise(beginning: bytes, rest: bytes) -> None:
    header = parse_header(beginning + rest)
    assert header is None or (header.width > 0 and header.height > 0)


def test_text_is_no_image() -> None:
    assert parse_header(b"hello") is None
    assert admit(b"hello") == "is no image that can be read"


def test_extensions_are_compared_without_case() -> None:
    assert has_image_extension("A.JPEG")
    assert not has_image_extension("notes.txt")
    assert not has_image_extension("README")
