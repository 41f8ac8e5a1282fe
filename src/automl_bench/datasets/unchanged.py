"""Are the files still those that were imported? Looked at when they are used, not only when somebody asks.

A file is believed unread if its size is that of the manifest and it was not touched since the manifest was written;
what fails this is read and hashed. An untouched dataset costs one `stat` a file, and a copied one is read once more,
which the upload then finds in memory.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from automl_bench.border.command_lines import quoted_command
from automl_bench.contract import Sample
from automl_bench.datasets.manifest import MANIFEST_NAME
from automl_bench.errors import DatasetError


def require_unchanged(folder: Path, samples: Iterable[Sample]) -> None:
    """Hold the files of samples against the manifest.

    Args:
        folder: The dataset's folder.
        samples: What is about to be used, with paths to the imported files. Texts and rows were held against their
            ids when they were read.

    Raises:
        DatasetError: If a file is gone, or another content stands under its name; names it.
    """
    written = (folder / MANIFEST_NAME).stat()
    doubtful = []
    for sample in {one.path: one for one in samples if one.text is None and one.row is None}.values():
        try:
            now = sample.path.stat()
        except OSError as error:
            raise DatasetError(
                f"{sample.path} of the dataset {folder.name} cannot be read: {error.strerror}.", remedy=_remedy(folder)
            ) from error
        if now.st_size != sample.size_bytes:
            raise _changed(folder, sample)
        if now.st_mtime_ns > written.st_mtime_ns or now.st_ctime_ns > written.st_ctime_ns:
            doubtful.append(sample)
    if doubtful:
        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            for sample, digest in zip(doubtful, pool.map(_digest, doubtful), strict=True):
                if digest != sample.sample_id:
                    raise _changed(folder, sample)


def _digest(sample: Sample) -> str:
    with sample.path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _changed(folder: Path, sample: Sample) -> DatasetError:
    return DatasetError(
        f"{sample.path} is not the file that was imported: its content has changed.", remedy=_remedy(folder)
    )


def _remedy(folder: Path) -> str:
    again = quoted_command("data", "import", f"{folder.name}-2", "PATH")
    return f"Put it back, or import the changed data under another name: {again}"
