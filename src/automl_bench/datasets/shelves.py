"""Places that datasets are shared through: a folder, or an object storage of S3, Google Cloud or Azure.

A shelf holds named contents. What is put there appears whole or not at all, under its name at once.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from automl_bench.border.texts import clean
from automl_bench.errors import DatasetError, MissingDependency, UsageError
from automl_bench.toolkit.whole_files import cannot

if TYPE_CHECKING:
    from obstore.store import ObjectStore

SCHEMES = ("s3", "gs", "az")
"""Schemes of addresses that obstore is asked for."""

_STEP_BYTES = 1 << 20


class Shelf(Protocol):
    """A place that holds contents by name; names are POSIX paths. Safe to use from several threads."""

    def size(self, name: str) -> int | None:
        """Return the size of a content in bytes, or None if it is not there."""
        ...

    def names(self, prefix: str) -> list[str]:
        """Return the names below a prefix, sorted."""
        ...

    def put(self, name: str, source: Path | bytes) -> None:
        """Bring a file or bytes there under a name, replacing what has it."""
        ...

    def get(self, name: str, target: Path) -> None:
        """Fetch a content into a file."""
        ...


def open_shelf(where: str) -> Shelf:
    """Return the shelf at a folder's path or an address: s3://BUCKET/PATH, gs://BUCKET/PATH, az://CONTAINER/PATH.

    Raises:
        UsageError: If the address has another scheme, names no bucket, or holds credentials.
        MissingDependency: If it is an address and obstore is not installed.
        DatasetError: If the storage's own settings do not do.
    """
    parts = urlsplit(where)
    if "://" not in where:
        return FolderShelf(Path(where).expanduser().absolute())
    if parts.scheme not in SCHEMES or not parts.netloc or parts.query or "@" in parts.netloc:
        raise UsageError(  # what else stands in the address may be a secret
            f"an address of {parts.scheme}://{parts.netloc.rpartition('@')[2]} is no place for datasets.",
            remedy="Give a folder, s3://BUCKET/PATH, gs://BUCKET/PATH or az://CONTAINER/PATH.",
        )
    try:
        from obstore.store import from_url
    except ImportError as error:
        raise MissingDependency(
            "the client for object storages is not installed.", remedy="Run `pip install 'automl-bench[remote]'`."
        ) from error
    with _storage_errors(where):
        return ObjectShelf(from_url(where), where)


class FolderShelf:
    """A folder, for example on a shared disk.

    Args:
        root: The folder; made when something is put there.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def size(self, name: str) -> int | None:
        """Return the size of a content in bytes, or None if it is not there."""
        try:
            return (self._root / name).stat().st_size
        except FileNotFoundError:
            return None
        except OSError as error:
            raise cannot("read", self._root / name, error) from error

    def names(self, prefix: str) -> list[str]:
        """Return the names below a prefix, sorted."""
        folder = self._root / prefix
        found = (path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
        return sorted(path.relative_to(self._root).as_posix() for path in found)

    def put(self, name: str, source: Path | bytes) -> None:
        """Bring a file or bytes there: under a temporary name first, so that nobody sees half of it."""
        target = self._root / name
        draft = target.with_name(f".{target.name}.{os.getpid()}.tmp")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(source, bytes):
                draft.write_bytes(source)
            else:
                shutil.copyfile(source, draft)
            draft.replace(target)
        except OSError as error:
            with suppress(OSError):
                draft.unlink(missing_ok=True)
            raise cannot("write", target, error) from error

    def get(self, name: str, target: Path) -> None:
        """Fetch a content into a file."""
        try:
            shutil.copyfile(self._root / name, target)
        except OSError as error:
            raise cannot("copy", self._root / name, error) from error


class ObjectShelf:
    """A bucket or container, or a path in one.

    Args:
        store: The storage, as obstore opens it.
        where: Its address, for messages.
    """

    def __init__(self, store: ObjectStore, where: str) -> None:
        self._store = store
        self._where = where

    def size(self, name: str) -> int | None:
        """Return the size of a content in bytes, or None if it is not there."""
        with _storage_errors(self._where):
            try:
                return int(self._store.head(name)["size"])
            except FileNotFoundError:
                return None

    def names(self, prefix: str) -> list[str]:
        """Return the names below a prefix, sorted."""
        with _storage_errors(self._where):
            return sorted(str(one["path"]) for part in self._store.list(prefix) for one in part)

    def put(self, name: str, source: Path | bytes) -> None:
        """Bring a file or bytes there; a storage shows an object only when it is whole."""
        with _storage_errors(self._where):
            self._store.put(name, source)

    def get(self, name: str, target: Path) -> None:
        """Fetch a content into a file, in pieces of a few MB."""
        with _storage_errors(self._where):
            stream = self._store.get(name).stream(min_chunk_size=_STEP_BYTES)
            try:
                with target.open("wb") as file:
                    for piece in stream:
                        file.write(piece)
            except OSError as error:
                if error.errno is None:  # the storage's
                    raise
                raise cannot("write", target, error) from error


@contextmanager
def _storage_errors(where: str) -> Iterator[None]:
    """Turn whatever the client raises into one sentence."""
    from obstore.exceptions import BaseError

    try:
        yield
    except (BaseError, OSError, ValueError) as error:
        said = clean(str(error).strip().splitlines()[0], longest=300) if str(error).strip() else type(error).__name__
        raise DatasetError(
            f"{where} cannot be used: {said.rstrip('.')}.",
            remedy="Check the address, the network and the credentials: docs/datasets.md names the variables read.",
        ) from error
