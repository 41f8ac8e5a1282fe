"""Downloads a Kaggle dataset with Kaggle's own client and the user's own credentials."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import Any

from automl_bench.border.command_lines import quoted_command
from automl_bench.errors import AutomlBenchError, DatasetError, MissingDependency, MissingSecret
from automl_bench.toolkit.whole_files import cannot

COMPETITIONS = "competitions/"


def address_on_kaggle(kaggle: str) -> str:
    """Return the page of a dataset or competition."""
    kind = "" if kaggle.startswith(COMPETITIONS) else "datasets/"
    return f"https://www.kaggle.com/{kind}{kaggle}"


def by_hand(name: str, kaggle: str) -> str:
    """Say how to get a Kaggle dataset without the client."""
    return (
        f"Or sign in at {address_on_kaggle(kaggle)}, press Download, and run "
        f"{quoted_command('data', 'import', name, 'PATH-OF-THE-ZIP')}."
    )


def download_from_kaggle(name: str, kaggle: str, into: Path) -> Path:
    """Download the zip of a Kaggle dataset; the client continues a broken download.

    Args:
        name: Our name of the dataset, for messages.
        kaggle: Kaggle's name, `owner/dataset`, or `competitions/name`.
        into: Folder for the zip.

    Returns:
        The zip file.

    Raises:
        MissingDependency: If the package `kaggle` is not installed.
        MissingSecret: If it finds no credentials.
        DatasetError: If Kaggle refuses or cannot be reached.
        WorkspaceError: If the folder cannot be made.
    """
    try:
        into.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot("make", into, error) from error
    client = _client(name, kaggle)
    if kaggle.startswith(COMPETITIONS):
        competition = kaggle.removeprefix(COMPETITIONS)
        _quietly(client.competition_download_files, name, competition, path=str(into), quiet=True, force=False)
    else:
        _quietly(client.dataset_download_files, name, kaggle, path=str(into), quiet=True, force=False)
    archive = into / f"{kaggle.partition('/')[2]}.zip"
    if not archive.is_file():
        raise DatasetError(f"Kaggle's client did not bring {archive.name}.", remedy=by_hand(name, kaggle))
    return archive


def _client(name: str, kaggle: str) -> Any:
    """Return an authenticated client.

    Importing the package already tries to authenticate, and both import and `authenticate` may end the process where
    no credentials are found: SystemExit is caught here.
    """
    try:
        with contextlib.redirect_stdout(None), contextlib.redirect_stderr(None):
            from kaggle.api.kaggle_api_extended import KaggleApi
    except ImportError as error:
        raise MissingDependency(
            f"the dataset {name!r} comes from Kaggle, whose client cannot be used: {error}.",
            remedy=f"Run `pip install 'automl-bench[kaggle]'`. {by_hand(name, kaggle)}",
        ) from error
    except (SystemExit, OSError) as error:
        raise _no_credentials(name, kaggle) from error
    client = KaggleApi()
    try:
        with contextlib.redirect_stdout(None), contextlib.redirect_stderr(None):
            client.authenticate()
    except (SystemExit, OSError, ValueError) as error:
        raise _no_credentials(name, kaggle) from error
    return client


def _no_credentials(name: str, kaggle: str) -> AutomlBenchError:
    return MissingSecret(
        f"the dataset {name!r} comes from Kaggle, and Kaggle's client finds no credentials.",
        remedy="Set KAGGLE_USERNAME and KAGGLE_KEY, or put kaggle.json into ~/.kaggle (Kaggle: Settings, API). "
        + by_hand(name, kaggle),
    )


def _quietly(call: Any, name: str, kaggle: str, **arguments: Any) -> None:
    """Call the client, with its chatter on stderr and whatever it raises as one of our errors."""
    try:
        with contextlib.redirect_stdout(sys.stderr):
            call(kaggle, **arguments)
    except SystemExit as error:
        raise _no_credentials(name, kaggle) from error
    except Exception as error:  # the client documents none
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DatasetError(f"Kaggle's client failed: {reason[:300]}.", remedy=by_hand(name, kaggle)) from error
