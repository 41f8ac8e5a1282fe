"""How what goes wrong on this machine becomes one of the host's provider errors."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from automl_bench.errors import PermissionDenied, ProviderError, QuotaExceeded


@contextmanager
def disk_errors() -> Iterator[None]:
    """Turn an OSError inside the block into the provider error that fits.

    Raises:
        QuotaExceeded: If the disk is full or a quota is used up.
        PermissionDenied: If a folder may not be written.
        ProviderError: For any other failure of the file system.
    """
    try:
        yield
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        fact = f"{where}{error.strerror or error}."
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise QuotaExceeded(fact, remedy="Free some space, or set cache_folder to another disk.") from error
        if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
            raise PermissionDenied(fact, remedy="Make the folder writable, or set cache_folder.") from error
        raise ProviderError(fact, remedy="Fix the file or folder and run the same command again.") from error
