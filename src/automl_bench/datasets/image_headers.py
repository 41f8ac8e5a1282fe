"""An image's type and size from its first bytes, without decoding it: about a microsecond instead of Pillow's forty.

Formats: PNG (ISO 15948, IHDR), JPEG (ITU T.81, frame headers SOF0-SOF15), GIF89a, BMP, WebP (RFC 9649). Anything else
is asked of Pillow, which opens lazily. `admit` also says whether an image can be used.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import NamedTuple

from automl_bench.datasets import decoding

EXTENSION_TYPES = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".jpe": "image/jpeg",
    ".jfif": "image/jpeg",
    ".gif": "image/gif",
    ".bmp": "image/bmp",
    ".dib": "image/bmp",
    ".webp": "image/webp",
    ".tif": "image/tiff",
    ".tiff": "image/tiff",
    ".avif": "image/avif",
    ".ppm": "image/x-portable-pixmap",
    ".pgm": "image/x-portable-pixmap",
    ".jp2": "image/jp2",
    ".heic": "image/heic",
}
"""Media type that a file's extension promises."""

TYPE_EXTENSIONS = {
    "image/png": ".png",
    "image/jpeg": ".jpg",
    "image/gif": ".gif",
    "image/bmp": ".bmp",
    "image/webp": ".webp",
    "image/tiff": ".tiff",
    "image/avif": ".avif",
}
"""Extension for files that come without a name."""

_FRAME_HEADERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_HEAD_BYTES = 2**20
_BARE_MARKERS = frozenset({0x01, *range(0xD0, 0xD9)})


class ImageHeader(NamedTuple):
    """What the first bytes say; width and height in pixels."""

    media_type: str
    width: int
    height: int


def has_image_extension(name: str) -> bool:
    """Return whether a file name ends like an image's."""
    return name[name.rfind(".") :].lower() in EXTENSION_TYPES


def parse_header(head: bytes) -> ImageHeader | None:
    """Read type and size from the beginning of a file; None if the format is none of the five or the head is damaged.

    Args:
        head: The file's first bytes; 32 suffice except for JPEG, whose frame header may follow large metadata.
    """
    try:
        return _parse(head)
    except (struct.error, IndexError):
        return None


def _parse(head: bytes) -> ImageHeader | None:
    if head[:8] == b"\x89PNG\r\n\x1a\n" and head[12:16] == b"IHDR":
        return _header("image/png", *struct.unpack_from(">II", head, 16))
    if head[:3] == b"\xff\xd8\xff":
        return _parse_jpeg(head)
    if head[:6] in (b"GIF89a", b"GIF87a"):
        return _header("image/gif", *struct.unpack_from("<HH", head, 6))
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return _parse_webp(head)
    if head[:2] == b"BM" and len(head) > 26:
        (info_bytes,) = struct.unpack_from("<I", head, 14)
        if info_bytes == 12:
            return _header("image/bmp", *struct.unpack_from("<HH", head, 18))
        width, height = struct.unpack_from("<ii", head, 18)
        return _header("image/bmp", width, abs(height))  # a negative height means "top row first"
    return None


def _header(media_type: str, width: int, height: int) -> ImageHeader | None:
    return ImageHeader(media_type, width, height) if 0 < width < 2**31 and 0 < height < 2**31 else None


def _parse_jpeg(head: bytes) -> ImageHeader | None:
    at = 2
    while True:
        while head[at] != 0xFF:
            return None
        while head[at] == 0xFF:  # fill bytes may come before a marker
            at += 1
        marker = head[at]
        at += 1
        if marker in _BARE_MARKERS:
            continue
        if marker in _FRAME_HEADERS:
            height, width = struct.unpack_from(">HH", head, at + 3)
            return _header("image/jpeg", width, height)
        if marker in (0xD9, 0xDA):  # the picture begins or ends without a frame header
            return None
        at += struct.unpack_from(">H", head, at)[0]


def _parse_webp(head: bytes) -> ImageHeader | None:
    kind = head[12:16]
    if kind == b"VP8X":
        width = int.from_bytes(head[24:27], "little") + 1
        height = int.from_bytes(head[27:30], "little") + 1
        return _header("image/webp", width, height)
    if kind == b"VP8L" and head[20] == 0x2F:
        (bits,) = struct.unpack_from("<I", head, 21)
        return _header("image/webp", (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
    if kind == b"VP8 " and head[23:26] == b"\x9d\x01\x2a":
        width, height = struct.unpack_from("<HH", head, 26)
        return _header("image/webp", width & 0x3FFF, height & 0x3FFF)
    return None


def _head_of(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_HEAD_BYTES)


def admit(source: bytes | Path, *, thorough: bool = False) -> ImageHeader | str:
    """Return an image's type and size, or say why it cannot be used, as a phrase that follows its name.

    What is admitted is complete by its structure (`decoding.damage`); a damage that only decoding shows may remain.

    Args:
        source: The bytes of a file, or its path.
        thorough: Decode it, instead of looking at its structure. A path is always decoded.

    Raises:
        OSError: If the file cannot be read.
    """
    if isinstance(source, bytes) and not source:
        return "is empty (0 bytes)"
    try:
        header = parse_header(source if isinstance(source, bytes) else _head_of(source))
        if header is None:
            look = decoding.look_at(source)
            header = ImageHeader(look.media_type or "application/octet-stream", look.width, look.height)
        if header.width * header.height > decoding.MOST_PIXELS:
            return decoding.TOO_MANY_PIXELS
        if thorough or not isinstance(source, bytes):
            decoding.decode(source)
    except decoding.UndecodablePicture as error:
        return str(error)
    return header if not isinstance(source, bytes) else decoding.damage(source, header.media_type) or header
