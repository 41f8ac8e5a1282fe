"""From the bytes of a picture to its pixels: the one rule that every stage shares.

The import, the checks, the image hashes, every upload that re-encodes, local models and the training script that runs
in a job all decode with `decode`. So that the script can carry it along, this file imports Pillow and NumPy only.

The rule (`RULE` is its version; whatever is derived from decoded pixels is keyed by it):

* The first picture of the file counts: the first frame of an animation, the first page of a TIFF, the first image of an
  MPO. Bytes behind a complete picture (the video of a motion photo) are no damage.
* It is turned upright by its EXIF orientation. An EXIF block that cannot be read counts as absent.
* The result has 8 bits a channel and mode "L" (sources without colour) or "RGB".
* 16 bits a channel: the high byte. 32-bit integers and floats have no scale of their own; see `_eight_bits`.
* Transparent pixels are laid on white. CMYK and other colour models are converted by Pillow, without colour profiles.
* Colour profiles are not applied: pixel values are taken as they are stored.
* More than `MOST_PIXELS` pixels are not decoded.
"""

from __future__ import annotations

import struct
import threading
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

RULE = "2"
"""Version of the rule."""

MOST_PIXELS = 178_956_970
"""Most pixels of a picture that is decoded: what Pillow, and so every script that uses it, refuses to go beyond."""

TOO_MANY_PIXELS = f"has more than {MOST_PIXELS:,} pixels, too many to be decoded safely"

ORIENTATION_TAG = 0x0112

NO_PICTURE = "is no image that can be read"
TURNED = "turned by EXIF"
DEEP = "more than 8 bits a channel"
OTHER_COLOURS = "CMYK or another colour model"
TRANSPARENT = "transparent"
SEVERAL = "several frames or pages"
ODDITIES = (TURNED, DEEP, OTHER_COLOURS, TRANSPARENT, SEVERAL)
"""What a service that decodes the original bytes may treat in another way than `decode`."""

_PLAIN_MODES = frozenset({"1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX"})
_TRANSPARENT_MODES = frozenset({"RGBA", "LA", "PA", "RGBa", "La"})
_GREY_MODES = frozenset({"1", "LA", "La"})
_NO_END = "is truncated or damaged (its end is missing)"
_warnings_lock = threading.Lock()
_is_silent = False


class UndecodablePicture(ValueError):
    """The bytes give no whole picture; the text is a phrase that follows the file's name."""


class Look(NamedTuple):
    """What can be told of a picture without decoding it.

    Attributes:
        media_type: By content; "image/jpeg" for MPO, whose first picture is a JPEG.
        width: Pixels of the upright picture.
        height: Pixels of the upright picture.
        orientation: EXIF orientation, 1 to 8; 1 is upright.
        oddities: Those of `ODDITIES` that it has.
    """

    media_type: str
    width: int
    height: int
    orientation: int
    oddities: tuple[str, ...]


def decode(source: bytes | Path, *, upright: bool = True) -> Image.Image:
    """Return a picture's pixels by the rule above, in mode "L" or "RGB".

    Args:
        source: The bytes of a file, or its path.
        upright: Whether to turn the picture by its EXIF orientation.

    Raises:
        UndecodablePicture: If there is no whole picture.
        OSError: If the file cannot be read.
    """
    with opened(source) as image:
        return pixels_of(image, upright=upright)


def look_at(source: bytes | Path) -> Look:
    """Return what the head of a picture says, without decoding it.

    Raises:
        UndecodablePicture: If it is no picture, or one of too many pixels.
        OSError: If the file cannot be read.
    """
    with opened(source) as image:
        return look_of(image)


@contextmanager
def opened(source: bytes | Path) -> Iterator[Image.Image]:
    """Open a picture lazily, for `look_of` and `pixels_of`.

    Raises:
        UndecodablePicture: If it is no picture, or one of too many pixels.
        OSError: If the file cannot be read.
    """
    from PIL import Image

    file: BinaryIO = BytesIO(source) if isinstance(source, bytes) else source.open("rb")
    with file:
        with _quiet():
            try:
                image = Image.open(file)
            except Image.DecompressionBombError as error:
                raise UndecodablePicture(TOO_MANY_PIXELS) from error
            except (OSError, ValueError, SyntaxError, EOFError, TypeError, KeyError, struct.error) as error:
                raise UndecodablePicture(NO_PICTURE) from error
        with image:
            if image.width * image.height > MOST_PIXELS:
                raise UndecodablePicture(TOO_MANY_PIXELS)
            yield image


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence Pillow's remarks about sizes and odd metadata: they are findings of `data check`.

    Warning filters belong to the process, so one thread at a time changes them; nothing slow happens meanwhile.
    """
    if _is_silent:
        yield
        return
    with _warnings_lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def be_silent() -> None:
    """Ignore all warnings in this process from now on, one that only decodes: silencing each picture costs a tenth."""
    global _is_silent  # as warning filters are, it is the process's
    warnings.simplefilter("ignore")
    _is_silent = True


def look_of(image: Image.Image) -> Look:
    """Return what the head of an opened picture says."""
    from PIL import Image

    orientation = orientation_of(image)
    width, height = image.size
    if orientation >= 5 and image.format != "TIFF":  # Pillow turns a TIFF by itself
        width, height = height, width
    oddities = {
        TURNED: orientation != 1,
        DEEP: image.mode.startswith(("I", "F")) or _has_16_bits(image),
        OTHER_COLOURS: image.mode not in _PLAIN_MODES and not image.mode.startswith(("I", "F")),
        TRANSPARENT: _is_transparent(image),
        SEVERAL: image.format != "MPO" and bool(getattr(image, "is_animated", False)),
    }
    media_type = "image/jpeg" if image.format == "MPO" else Image.MIME.get(image.format or "", "")
    return Look(media_type, width, height, orientation, tuple(name for name in ODDITIES if oddities[name]))


def orientation_of(image: Image.Image) -> int:
    """Return the EXIF orientation of an opened picture, 1 to 8; 1 if it has none.

    Of a PNG that is not loaded, Pillow would load the pixels to look behind them.
    """
    if image.format == "PNG" and "exif" not in image.info and not _has_late_exif(image):
        return 1
    with _quiet():
        try:
            value = image.getexif().get(ORIENTATION_TAG, 1)
        except Exception:  # noqa: BLE001  # a damaged EXIF block raises nearly anything, and says nothing of the pixels
            return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _has_late_exif(image: Image.Image) -> bool:
    """Whether a PNG's EXIF chunk follows the pixels."""
    file: Any = getattr(image, "fp", None)
    if file is None or "Raw profile type exif" in image.info:
        return True
    here, at = file.tell(), 8
    try:
        while True:
            file.seek(at)
            head = file.read(8)
            if len(head) < 8 or head[4:] in (b"IEND", b"eXIf"):
                return bool(head[4:] == b"eXIf")
            at += 12 + int.from_bytes(head[:4], "big")
    finally:
        file.seek(here)


def _has_16_bits(image: Image.Image) -> bool:
    """Whether Pillow will reduce 16 bits a channel by itself, as it does with colour; ask before the picture loads."""
    tiles: Any = getattr(image, "tile", None) or ()
    raw_modes = (tile[3] if isinstance(tile[3], str) else (tile[3] or ("",))[0] for tile in tiles)
    return any(";16" in str(mode) for mode in raw_modes)


def _is_transparent(image: Image.Image) -> bool:
    return image.mode in _TRANSPARENT_MODES or "transparency" in image.info


def pixels_of(image: Image.Image, *, upright: bool = True, look: Look | None = None) -> Image.Image:
    """Return the pixels of an opened picture by the rule, in mode "L" or "RGB".

    Args:
        image: The opened picture.
        upright: Whether to turn it by its EXIF orientation.
        look: What `look_of` said of it, if it was asked: saves looking for the orientation again.

    Raises:
        UndecodablePicture: If it is truncated or damaged, or its colour model cannot be converted.
    """
    from PIL import Image

    try:
        image.load()
    except Image.DecompressionBombError as error:
        raise UndecodablePicture(TOO_MANY_PIXELS) from error
    except MemoryError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UndecodablePicture(f"is truncated or damaged ({reason[:120]})") from error
    orientation = _orientation_left(image, look) if upright else 1
    return turned(_in_plain_mode(image), orientation)


def _orientation_left(image: Image.Image, look: Look | None) -> int:
    """Return the orientation of a loaded picture: 1 if Pillow has turned it by itself, as it does a TIFF."""
    return orientation_of(image) if look is None or image.format == "TIFF" else look.orientation


def turned(picture: Image.Image, orientation: int) -> Image.Image:
    """Return a picture of an EXIF orientation upright."""
    return picture if orientation == 1 else picture.transpose(_turns()[orientation])


def _turns() -> dict[int, Image.Transpose]:
    """Return what brings a picture of each EXIF orientation upright (CIPA DC-008, 4.6.4.A)."""
    from PIL.Image import Transpose as T  # noqa: N817

    return {
        2: T.FLIP_LEFT_RIGHT,
        3: T.ROTATE_180,
        4: T.FLIP_TOP_BOTTOM,
        5: T.TRANSPOSE,
        6: T.ROTATE_270,
        7: T.TRANSVERSE,
        8: T.ROTATE_90,
    }


def _in_plain_mode(image: Image.Image) -> Image.Image:
    from PIL import Image

    if image.mode in {"L", "RGB"} and "transparency" not in image.info:
        return image.copy()
    if image.mode.startswith(("I", "F")):
        return Image.fromarray(_eight_bits(image))
    if _is_transparent(image):
        coloured = image.convert("RGBA")
        white = Image.new("RGBA", coloured.size, "white")
        flat = Image.alpha_composite(white, coloured).convert("RGB")
        return flat.convert("L") if image.mode in _GREY_MODES or image.mode == "L" else flat
    if image.mode in _GREY_MODES:
        return image.convert("L")
    try:
        return image.convert("RGB")
    except ValueError as error:
        raise UndecodablePicture(f"has a colour model that cannot be converted ({image.mode})") from error


def _eight_bits(image: Image.Image) -> NDArray[np.uint8]:
    """Return grey values of more than 8 bits as 8 bits, shape (height, width).

    16-bit formats: the high byte, as Pillow does for 16-bit colour. Other integers and floats, by the range they use:
    0 to 1 (floats only) is stretched to 0 to 255, 0 to 255 stays, 0 to 65,535 is divided by 256, and any other range is
    stretched from its smallest to its largest value. What is no number counts as the smallest value.
    """
    import numpy as np

    values = np.asarray(image)
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format in {"PNG", "PPM"}):
        return (values.astype(np.int64) >> 8).clip(0, 255).astype(np.uint8)
    finite = np.isfinite(values)
    least = float(values[finite].min()) if finite.any() else 0.0
    most = float(values[finite].max()) if finite.any() else 0.0
    scaled = np.where(finite, values, least).astype(np.float64)
    if image.mode.startswith("F") and least >= 0 and most <= 1:
        scaled = scaled * 255
    elif least >= 0 and most <= 65_535:
        scaled = scaled / 256 if most > 255 else scaled
    elif most > least:
        scaled = (scaled - least) * (255 / (most - least))
    else:
        scaled = np.zeros_like(scaled)
    return np.floor(scaled + (0.5 if most <= 255 else 0)).clip(0, 255).astype(np.uint8)


def damage(content: bytes, media_type: str) -> str:
    """Look for damage without decoding: a phrase that follows the file's name, or "" if the structure is complete.

    JPEG: an end marker follows the first scan. PNG: every chunk that carries pixels has its checksum, up to the end
    chunk. GIF: the first picture's blocks are all there. WebP, BMP: as many bytes as the head says. Other formats are
    decoded. For the five formats it costs about as much as a SHA-256 of the same bytes.
    """
    look = {
        "image/jpeg": _damage_of_jpeg,
        "image/png": _damage_of_png,
        "image/gif": _damage_of_gif,
        "image/webp": lambda data: "" if len(data) >= 8 + struct.unpack_from("<I", data, 4)[0] else _NO_END,
        "image/bmp": _damage_of_bmp,
    }.get(media_type)
    try:
        if look is None:
            decode(content)
            return ""
        return look(content)
    except UndecodablePicture as error:
        return str(error)
    except (struct.error, IndexError):
        return _NO_END


def _damage_of_jpeg(data: bytes) -> str:
    """Look for an end marker behind the first scan; inside a scan, FF D9 can be nothing else (T.81, B.1.1.5)."""
    at = 2
    while data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:  # a fill byte
            at += 1
        elif marker == 0xDA:
            return "" if data.rfind(b"\xff\xd9", at) >= 0 else _NO_END
        elif marker == 0x01 or 0xD0 <= marker <= 0xD8:
            at += 2
        else:
            at += 2 + struct.unpack_from(">H", data, at + 2)[0]
    return "" if data.rfind(b"\xff\xd9") > data.find(b"\xff\xda", at) >= 0 else _NO_END  # stray bytes on the way


def _damage_of_png(data: bytes) -> str:
    at, view = 8, memoryview(data)
    while True:
        length, kind = struct.unpack_from(">I4s", data, at)
        if kind == b"IEND":
            return ""
        (checksum,) = struct.unpack_from(">I", data, at + 8 + length)
        if kind in (b"IHDR", b"PLTE", b"IDAT") and zlib.crc32(view[at + 4 : at + 8 + length]) != checksum:
            return "is truncated or damaged (a checksum inside it is wrong)"
        at += 12 + length


def _damage_of_gif(data: bytes) -> str:
    at = 13 + (3 << (data[10] & 7) + 1 if data[10] & 0x80 else 0)
    while True:
        kind = data[at]
        if kind == 0x3B:
            return _NO_END  # the end without a picture
        if kind == 0x2C:
            flags = data[at + 9]
            at += 11 + (3 << (flags & 7) + 1 if flags & 0x80 else 0)
        else:
            at += 2
        while length := data[at]:
            at += 1 + length
        at += 1
        if kind == 0x2C:
            return ""


def _damage_of_bmp(data: bytes) -> str:
    begin, head = struct.unpack_from("<II", data, 10)
    packed = 0
    if head == 12:
        width, height, _, bits = struct.unpack_from("<HHHH", data, 18)
    else:
        width, height, _, bits, packed = struct.unpack_from("<iiHHI", data, 18)
    if packed not in (0, 3, 6):  # run-length coded, of any length
        return "" if len(data) > begin else _NO_END
    return "" if len(data) >= begin + (abs(width) * bits + 31) // 32 * 4 * abs(height) else _NO_END
