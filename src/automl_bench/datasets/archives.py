"""Unpacking archives that may be hostile: nothing outside the target, no links that escape, no bombs."""

from __future__ import annotations

import gzip
import lzma
import posixpath
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from automl_bench.datasets.foreign_content import foreign_content
from automl_bench.datasets.tables import one_line
from automl_bench.errors import DatasetError, UnsafeArchive, WorkspaceError
from automl_bench.toolkit.whole_files import cannot

_ZIP_ENDINGS = (".zip",)
_TAR_ENDINGS = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tbz", ".tar.xz", ".txz")
_COPY_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class ArchiveLimits:
    """How much an archive may unpack to.

    Attributes:
        entries: Most files and folders.
        total_bytes: Most bytes in all.
        ratio: Most unpacked bytes for each packed byte, once `ratio_from_bytes` are unpacked.
        ratio_from_bytes: Below this size the ratio does not matter: blank images compress well.
    """

    entries: int = 5_000_000
    total_bytes: int = 500 * 10**9
    ratio: float = 200.0
    ratio_from_bytes: int = 200 * 10**6


def is_archive(path: Path) -> bool:
    """Return whether a file is an archive that `unpack` understands, by its name's ending or its first bytes."""
    if path.suffix.lower() in _OTHER_KINDS:
        return False
    if path.name.lower().endswith(_ZIP_ENDINGS + _TAR_ENDINGS):
        return True
    head = _head(path)
    return _is_zip(head) or (_is_tar(head) and tarfile.is_tarfile(path))


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(512)
    except OSError:
        return b""


def _is_zip(head: bytes) -> bool:
    return head[:4] in (b"PK\3\4", b"PK\5\6", b"PK\7\x08")


def _is_tar(head: bytes) -> bool:
    return head[:2] == b"\x1f\x8b" or head[:3] == b"BZh" or head[:6] == b"\xfd7zXZ\0" or head[257:262] == b"ustar"


_UNPACK = "Unpack it yourself and import the folder."
_IN_BUCKET = "Its images lie in a bucket: copy them here, and give a list with the columns path,label."
_EXPORT = "Export the images to class folders, or as a list with the columns path,label."
_OTHER_KINDS: Mapping[str, tuple[str, str]] = {
    ".7z": ("is a 7z archive, which is not read", _UNPACK),
    ".rar": ("is a RAR archive, which is not read", _UNPACK),
    ".zst": ("is a Zstandard archive, which is not read", _UNPACK),
    ".xlsx": ("is an Excel workbook", 'Save the sheet as "CSV UTF-8", with the columns path,label, and import that.'),
    ".xls": ("is an Excel workbook", 'Save the sheet as "CSV UTF-8", with the columns path,label, and import that.'),
    ".manifest": ("is a manifest of a cloud service", _IN_BUCKET),
    ".json": ("is a JSON file (COCO, Label Studio and others write such files), not a list of samples", _EXPORT),
    ".arrow": (
        "is an Arrow file of a dataset saved to disk",
        "Save it as Parquet, with `to_parquet`, and import that.",
    ),
    ".tfrecord": ("is a TFRecord file, which is not read", _EXPORT),
    ".npz": ("is a NumPy file, which is not read", _EXPORT),
    ".npy": ("is a NumPy file, which is not read", _EXPORT),
    ".h5": ("is an HDF5 file, which is not read", _EXPORT),
    ".pkl": ("is a Python pickle, which is not read because it can run code", _EXPORT),
}


def other_container(path: Path) -> tuple[str, str] | None:
    """Return what a file is that holds samples in a way that is not read, as a phrase and a remedy; else None."""
    foreign = foreign_content(_head(path))
    return _OTHER_KINDS.get(path.suffix.lower()) or ((foreign.phrase, foreign.remedy) if foreign else None)


def unpack(
    archive: Path,
    into: Path,
    *,
    limits: ArchiveLimits | None = None,
    progress: Callable[[int, int | None], None] = lambda done, total: None,
) -> None:
    """Unpack a zip or tar archive (.gz, .bz2, .xz) into a folder.

    Args:
        archive: The file; its first bytes, and if they say nothing its name's ending, say what it is.
        into: Existing folder; the caller deletes it if this fails.
        limits: Bounds; the defaults suit any image dataset that fits a disk.
        progress: Called with (bytes unpacked, bytes in all or None).

    Raises:
        UnsafeArchive: If a member would land outside `into`, is a link that escapes or a device, or the archive is
            larger than the limits; names the member.
        DatasetError: If it is damaged, encrypted, or no archive.
        WorkspaceError: If a file cannot be written (full disk, permissions).
    """
    bounds = _Bounds(archive, limits or ArchiveLimits())
    head = _head(archive)
    foreign = foreign_content(head)
    if foreign:
        raise DatasetError(f"{archive} {foreign.phrase}.", remedy=foreign.remedy)
    try:
        if _is_zip(head) or (archive.name.lower().endswith(_ZIP_ENDINGS) and not _is_tar(head)):
            _unpack_zip(archive, into, bounds, progress)
        else:
            _unpack_tar(archive, into, bounds, progress)
    except (zipfile.BadZipFile, tarfile.ReadError, tarfile.StreamError, zlib.error, lzma.LZMAError, EOFError) as error:
        raise _damaged(archive, error) from error
    except (gzip.BadGzipFile, UnicodeDecodeError) as error:
        raise _damaged(archive, error) from error
    except (RuntimeError, NotImplementedError) as error:  # zipfile: encrypted, or an unknown compression
        raise DatasetError(f"{archive} cannot be unpacked: {one_line(error)}.", remedy=_UNPACK) from error
    except OSError as error:
        if error.errno is None:  # bz2 and tarfile raise bare OSErrors for damaged data
            raise _damaged(archive, error) from error
        raise cannot("write", Path(error.filename) if error.filename else into, error) from error


def _damaged(archive: Path, error: Exception) -> DatasetError:
    reason = one_line(error) or type(error).__name__
    return DatasetError(f"{archive} is damaged or no archive: {reason}.", remedy="Download it again.")


class _Bounds:
    """Counts what is unpacked and refuses what is too much."""

    def __init__(self, archive: Path, limits: ArchiveLimits) -> None:
        self.archive = archive
        self.limits = limits
        self.packed = max(1, archive.stat().st_size)
        self.entries = 0
        self.bytes = 0

    def add(self, member: str, size: int) -> None:
        self.entries += 1
        self.bytes += size
        if self.entries > self.limits.entries:
            raise self.refused(member, f"is entry number {self.entries:,}, where {self.limits.entries:,} are allowed")
        if self.bytes > self.limits.total_bytes:
            raise self.refused(member, f"brings it above {self.limits.total_bytes:,} bytes")
        if self.bytes > self.limits.ratio_from_bytes and self.bytes > self.limits.ratio * self.packed:
            raise self.refused(member, f"brings it above {self.limits.ratio:g} times its packed size, like a bomb")

    def refused(self, member: str, reason: str) -> UnsafeArchive:
        return UnsafeArchive(
            f"{self.archive} is not safe to unpack: its member {member!r} {reason}.",
            remedy="Nothing was kept; unpack it yourself if you trust it, and import the folder.",
        )

    def safe_path(self, member: str) -> str:
        """Return the member's path relative to the target, or refuse it."""
        name = member.replace("\\", "/")
        if name.startswith("/") or (len(name) > 1 and name[1] == ":"):
            raise self.refused(member, "has an absolute path")
        if ".." in name.split("/"):
            raise self.refused(member, "leads outside the target folder")
        if "\0" in name:
            raise self.refused(member, "has a NUL in its name")
        return posixpath.normpath(name)

    def check_room(self, into: Path) -> None:
        free = shutil.disk_usage(into).free
        if self.bytes > free:
            raise WorkspaceError(
                f"{self.archive} unpacks to {self.bytes:,} bytes, but only {free:,} are free at {into.parent}.",
                remedy="Free some space, or set AUTOML_BENCH_WORKSPACE to a folder on another disk.",
            )


def _unpack_zip(archive: Path, into: Path, bounds: _Bounds, progress: Callable[[int, int | None], None]) -> None:
    with zipfile.ZipFile(archive) as file:
        members = [(bounds.safe_path(_name_of(member, archive)), member) for member in file.infolist()]
        _refuse_clashes(members, archive)
        for _, member in members:  # the directory is checked as a whole before the first byte is written
            if member.flag_bits & 1:
                raise DatasetError(f"{archive} is encrypted.", remedy=f"{_UNPACK[:-1]} it makes.")
            mode = member.external_attr >> 16
            if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise bounds.refused(member.filename, "is a link or a device")
            bounds.add(member.filename, member.file_size)
        bounds.check_room(into)
        done = 0
        for name, member in members:
            target = into / name
            if _is_folder(member):
                target.mkdir(parents=True, exist_ok=True)
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            with file.open(member) as source, target.open("wb") as sink:  # never yields more than file_size
                shutil.copyfileobj(source, sink, _COPY_BYTES)
            done += member.file_size
            progress(done, bounds.bytes)


def _is_folder(member: zipfile.ZipInfo) -> bool:
    return member.filename.endswith(("/", "\\"))  # Windows programs write backslashes


def _name_of(member: zipfile.ZipInfo, archive: Path) -> str:
    """Return a member's name: UTF-8, whether or not the archive says so with its flag.

    Without the flag a name may be in the code page of whatever machine wrote it, and no rule tells which: what is not
    UTF-8 is refused.
    """
    if member.flag_bits & 0x800 or member.filename.isascii():
        return member.filename
    raw = member.filename.encode("cp437")  # as zipfile decoded it
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise DatasetError(
            f"{archive} has member names in an unknown code page, for example {member.filename!r}.",
            remedy="Unpack it yourself (for example with `unzip -O cp932` for Japanese, cp866 for Russian, cp1252 for "
            "Western names), and import the folder.",
        ) from error


def _refuse_clashes(members: list[tuple[str, zipfile.ZipInfo]], archive: Path) -> None:
    """Refuse an archive in which one name is a file and a folder; of two files of one name the last one counts."""
    folders: set[str] = set()
    for name, _ in members:
        parent = posixpath.dirname(name)
        while parent and parent not in folders:
            folders.add(parent)
            parent = posixpath.dirname(parent)
    for name, member in members:
        if name in folders and not _is_folder(member):
            raise DatasetError(f"{archive} has {name!r} as a file and as a folder.", remedy=_UNPACK)


def _unpack_tar(archive: Path, into: Path, bounds: _Bounds, progress: Callable[[int, int | None], None]) -> None:
    with tarfile.open(archive, "r:*") as file:
        for member in _checked(file, into, bounds):
            file.extract(member, into, set_attrs=False, filter="data")
            progress(bounds.bytes, None)
        _check_end(file, archive)


def _check_end(file: tarfile.TarFile, archive: Path) -> None:
    """Refuse an archive without the block of zeros that ends it: tarfile takes a cut header for the end."""
    assert file.fileobj is not None
    file.fileobj.seek(file.offset)
    if file.fileobj.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
        raise DatasetError(f"{archive} is damaged: it ends without its end marker.", remedy="Download it again.")


def _checked(file: tarfile.TarFile, into: Path, bounds: _Bounds) -> Iterator[tarfile.TarInfo]:
    for member in file:
        bounds.safe_path(member.name)
        if not (member.isfile() or member.isdir() or member.islnk() or member.issym()):
            raise bounds.refused(member.name, "is a device or a pipe")
        try:
            safe = tarfile.data_filter(member, str(into))
        except tarfile.FilterError as error:
            raise bounds.refused(member.name, f"is refused ({one_line(error)})") from error
        bounds.add(member.name, member.size if member.isfile() else 0)
        yield safe
