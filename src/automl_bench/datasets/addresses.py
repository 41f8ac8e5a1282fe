"""Tells what the cell of a list is that should be a path on this machine, and fetches what has an http address."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import unquote, urlsplit

from automl_bench.errors import AutomlBenchError, DatasetError

_SCHEME = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]+)://")
_WINDOWS = re.compile(r"^([A-Za-z]:[\\/]|\\\\)")
_COPY = {
    "gs": "gcloud storage cp --recursive gs://BUCKET/FOLDER .",
    "s3": "aws s3 sync s3://BUCKET/FOLDER .",
    "s3a": "aws s3 sync s3://BUCKET/FOLDER .",
}
_WEB = ("http", "https")
_AT_ONCE = 8


def scheme_of(cell: str) -> str:
    """Return the scheme of an address ("gs", "s3", "https"…), or "" for a path."""
    match = _SCHEME.match(cell)
    return match[1].lower() if match else ""


def is_elsewhere(cell: str) -> bool:
    """Return whether a cell names something that is not a path on this machine."""
    return bool(scheme_of(cell) or _WINDOWS.match(cell))


def refuse_elsewhere(cell: str, where: str) -> None:
    """Refuse a path that leads to another machine.

    Args:
        cell: The path as the list has it.
        where: File and line.

    Raises:
        DatasetError: If it is an address of a bucket or the web, or an absolute path of Windows.
    """
    scheme = scheme_of(cell)
    if scheme in _WEB:
        raise DatasetError(
            f"{where}: {cell!r} is an address, and the images must be on this machine.",
            remedy="Add --download to fetch them, or download them and name the files.",
        )
    if scheme == "file":
        raise DatasetError(f"{where}: {cell!r} is an address.", remedy="Write it as a path.")
    if scheme:
        copy = _COPY.get(scheme, "the tools of that service")
        raise DatasetError(
            f"{where}: {cell!r} lies in a bucket, and the images must be on this machine.",
            remedy=f"Copy them first (for example with `{copy}`), and name the files by paths relative to the list; "
            "--download fetches http and https addresses only.",
        )
    if _WINDOWS.match(cell):
        raise DatasetError(
            f"{where}: {cell!r} is an absolute path of a Windows machine.",
            remedy="Name the files by paths relative to the list.",
        )


def download_all(
    addresses: Sequence[str], into: Path, progress: Callable[[int, int | None], None]
) -> dict[str, Path | str]:
    """Fetch web addresses, a few at once.

    Args:
        addresses: What to fetch; only http and https.
        into: Folder for the files.
        progress: Called with (files done, files in all).

    Returns:
        For each address its file, or why it could not be fetched.
    """
    from automl_bench.datasets.downloading import download

    distinct = list(dict.fromkeys(addresses))
    width = len(str(len(distinct)))

    def fetch(number: int, address: str) -> Path | str:
        name = unquote(urlsplit(address).path.rsplit("/", 1)[-1]) or "file"
        folder = into / f"{number:0{width}d}"
        folder.mkdir(parents=True)
        try:
            return download(address, folder / re.sub(r"[^\w.-]", "_", name)[-100:])
        except AutomlBenchError as error:
            return error.message

    found: dict[str, Path | str] = {}
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for address, result in zip(distinct, pool.map(fetch, range(len(distinct)), distinct), strict=True):
            found[address] = result
            progress(len(found), len(distinct))
    return found


def near_miss(path: str) -> str:
    """Return a phrase on the file that is probably meant by a path that does not exist, or "".

    Looked for: other capitals, and %20 and the like read as in addresses.
    """
    if not path:
        return ""
    plain = unquote(path)
    if plain != path and os.path.exists(plain):  # noqa: PTH110 - strings throughout
        return f"; {plain!r} exists"
    found = ""
    for part in Path(path).parts:
        parent, found = found, os.path.join(found, part)  # noqa: PTH118
        if not os.path.exists(found):  # noqa: PTH110
            try:
                names = os.listdir(parent or ".")  # noqa: PTH208
            except OSError:
                return ""
            alike = [name for name in names if name.casefold() == part.casefold()]
            if not alike:
                return ""
            found = os.path.join(parent, alike[0])  # noqa: PTH118
    return f"; {found!r} exists"
