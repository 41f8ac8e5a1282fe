"""Says what a file is that should be an image, a list or an archive and is not: the cause, and what to do."""

from __future__ import annotations

from typing import NamedTuple

from automl_bench.datasets.account import Reason


def _words(text: str) -> list[str]:
    return text.split()


HEAD_BYTES = 512
"""So many bytes from a file's beginning tell its kind."""

GIT_LFS_MARK = b"version https://git-lfs.github.com/spec/"


class Foreign(NamedTuple):
    """What a file is instead; `phrase` follows its name."""

    reason: Reason
    phrase: str
    remedy: str


_CONVERT = "Convert it to JPEG or PNG"
_HEIC = Foreign(
    Reason.UNREADABLE_FORMAT,
    "is a HEIC image, a format that is not understood here",
    f"{_CONVERT}, for example with `heif-convert` (package libheif-examples) or ImageMagick's `magick x.heic x.jpg`.",
)
_GIT_LFS = Foreign(
    Reason.GIT_LFS,
    "is a Git LFS pointer, not the file itself",
    "Run `git lfs install` and `git lfs pull` in its repository, and import again.",
)
_WEB_PAGE = Foreign(
    Reason.WEB_PAGE, "is a web page (HTML), not what its name says", "Download it again: an error page was saved."
)


def _format(name: str) -> Foreign:
    return Foreign(Reason.UNREADABLE_FORMAT, f"is a {name} file, a format that is not understood here", f"{_CONVERT}.")


_MARKS: tuple[tuple[int, bytes, Foreign], ...] = (
    (0, GIT_LFS_MARK, _GIT_LFS),
    (128, b"DICM", _format("DICOM")),
    (0, b"\xff\x0a", _format("JPEG XL")),
    (0, b"\0\0\0\x0cJXL ", _format("JPEG XL")),
    (0, b"8BPS", _format("Photoshop")),
    (0, b"%PDF", _format("PDF")),
    (0, b"\x93NUMPY", _format("NumPy")),
    (0, b"\x89HDF", _format("HDF5")),
)
_HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")

FOREIGN_ENDINGS = frozenset(
    _words(
        ".heic .heif .hif .dcm .dicom .jxl .svg .psd .cr2 .cr3 .nef .arw .dng .orf .rw2 .raf .eps .ai .xcf "
        ".nii .exr .hdr .tga .npy"
    )
)
"""Endings of images that are not understood."""

DOCUMENT_ENDINGS = frozenset(
    _words(
        ".txt .md .rst .pdf .doc .docx .odt .rtf .html .htm .csv .tsv .json .jsonl .xml .yaml .yml .toml .ini "
        ".cfg .xls .xlsx .ods .ppt .pptx .py .ipynb .m .mat .r .sh .bat .c .cc .cpp .h .java .js .css .zip "
        ".tar .gz .tgz .bz2 .xz .7z .rar .parquet .arrow .pkl .pickle .db .sqlite .log .lock .bib .tex .names "
        ".data .license .sha256 .md5 .cls .mp4 .mov .avi .mkv .mp3 .wav .pt .pth .onnx .h5 .pb .tfrecord "
        ".tfrecords .names .cache .bak .url .lnk .exe"
    )
)
"""Endings of files that nobody takes for images."""

DOCUMENT_NAMES = frozenset(_words("readme license licence copying authors changelog makefile notice citation version"))
"""Names without ending of files that nobody takes for images."""


def foreign_content(head: bytes) -> Foreign | None:
    """Return what a file is by its first `HEAD_BYTES`, or None if that is not known."""
    for at, mark, foreign in _MARKS:
        if head[at : at + len(mark)] == mark:
            return foreign
    if head[4:8] == b"ftyp" and head[8:12] in _HEIF_BRANDS:
        return _HEIC
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:15].lower()
    if text.startswith((b"<!doctype html", b"<html", b"<head", b"<!doctype")):
        return _WEB_PAGE
    return None


def is_git_lfs_pointer(head: bytes) -> bool:
    """Return whether a file is a pointer that Git LFS left in place of the real one."""
    return head.startswith(GIT_LFS_MARK)
