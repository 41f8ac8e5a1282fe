"""Test samples under names that say nothing: the class folder in a path would tell a plugin the label."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from automl_bench.contract import Sample
from automl_bench.errors import DatasetError
from automl_bench.toolkit.whole_files import replaced_file


def blind(samples: Sequence[Sample], cache_dir: Path) -> list[Sample]:
    """Return the samples with files named after their content alone, in the order given.

    Texts and rows have no file: they carry their content and nothing else. The files are hard links where the disk
    allows, else copies; existing ones are used again.

    Args:
        samples: Test samples.
        cache_dir: Where the files go, as `<first two digits>/<sample_id><suffix>`.

    Raises:
        DatasetError: If a sample's file is gone.
        WorkspaceError: If the folder cannot be written to.
    """
    return [replace(one, path=_blinded(one, cache_dir)) if has_file(one) else one for one in samples]


def has_file(sample: Sample) -> bool:
    """Return whether a sample's content lies in a file of its own."""
    return sample.text is None and sample.row is None


def blind_path(sample: Sample, cache_dir: Path) -> Path:
    """Return where a test sample's file lies under a name that says nothing."""
    return cache_dir / sample.sample_id[:2] / f"{sample.sample_id}{sample.path.suffix.lower()}"


def _blinded(sample: Sample, cache_dir: Path) -> Path:
    target = blind_path(sample, cache_dir)
    if target.exists():
        return target
    with replaced_file(target) as draft:
        try:
            _link_or_copy(sample.path, draft)
        except FileNotFoundError as error:
            raise DatasetError(
                f"the file {sample.path} of a test sample is gone.",
                remedy="Put it back, or import the dataset again.",
            ) from error
    return target


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except FileNotFoundError:
        raise
    except OSError:  # another disk, or one without hard links
        shutil.copyfile(source, target)
