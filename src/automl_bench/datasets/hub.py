"""`data import NAME hf://OWNER/DATASET[/CONFIG][@REVISION]`: Parquet files of the hub, by its own client.

The client continues broken downloads and knows credentials (HF_TOKEN, or what its own login has stored). Every file is
verified against the digest that the hub states for the commit, and the commit is what the dataset's source records.
"""

from __future__ import annotations

import fnmatch
import hashlib
import os
import re
import shutil
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from automl_bench.datasets.importing import Imported, ImportOptions, Progress, check_target, import_dataset
from automl_bench.datasets.placing import scratch_folder
from automl_bench.datasets.split_names import SPLIT_WORDS
from automl_bench.errors import (
    AutomlBenchError,
    ChecksumMismatch,
    DatasetError,
    DatasetNotFound,
    MissingDependency,
    UsageError,
)
from automl_bench.toolkit.whole_files import cannot

CONVERTED = "refs/convert/parquet"
"""Branch in which the hub keeps Parquet copies of what was uploaded in another form."""

_PREFIX = re.compile(r"hf:/{1,2}(datasets/)?")
_NAME = r"[A-Za-z0-9][\w.-]*"
_ADDRESS = re.compile(rf"(?P<repo>{_NAME}/{_NAME})(/(?P<config>[\w.-]+))?(@(?P<revision>[\w./-]+))?")


@dataclass(frozen=True, slots=True)
class HubAddress:
    """A dataset of the hub.

    Attributes:
        repo: "owner/name".
        config: Configuration, or "".
        revision: Branch, tag or commit, or "" for the newest.
    """

    repo: str
    config: str = ""
    revision: str = ""

    def __str__(self) -> str:
        return f"hf://{self.repo}{self.config and f'/{self.config}'}{self.revision and f'@{self.revision}'}"


@dataclass(frozen=True, slots=True)
class _File:
    """A Parquet file of one commit: its path, size in bytes, and SHA-256 (large files) or git's SHA-1 of it."""

    path: str
    size: int
    sha256: str
    git_sha1: str


@dataclass(frozen=True, slots=True)
class _Commit:
    revision: str
    files: tuple[_File, ...]
    card: Mapping[str, Any]


def is_hub_address(text: str) -> bool:
    """Return whether what was given in the place of a path is an address of the hub."""
    return _PREFIX.match(text) is not None


def parse_address(text: str) -> HubAddress:
    """Read an address.

    Raises:
        UsageError: If it has another form.
    """
    found = _ADDRESS.fullmatch(_PREFIX.sub("", text, count=1).rstrip("/"))
    if found is None:
        raise UsageError(
            f"{text!r} is no dataset address of the hub.",
            remedy="Write hf://OWNER/DATASET, and if needed /CONFIG and @REVISION behind it, as in hf://ylecun/mnist@main.",
        )
    return HubAddress(found["repo"], found["config"] or "", found["revision"] or "")


def import_from_hub(
    name: str,
    address: HubAddress,
    data_dir: Path,
    downloads: Path,
    options: ImportOptions,
    *,
    progress: Progress = lambda what, done, total: None,
) -> Imported:
    """Download one configuration of a dataset and import it.

    Args:
        name: The dataset's name here.
        address: Where it is.
        data_dir: The workspace's data folder.
        downloads: Folder for downloads; what was downloaded stays there if the import fails, and is used again.
        options: Licence and title come from the hub where they are not given.
        progress: Told about downloading (bytes) and placing (samples).

    Raises:
        DatasetNotFound: If there is no such dataset, revision or configuration, or not for this token.
        ChecksumMismatch: If a file is not what the hub says of it.
        DatasetError: If it has several configurations and none is named, has no Parquet files, or the hub cannot be
            reached.
        MissingDependency: If the hub's client is not installed.
    """
    target = check_target(name, data_dir, replace=options.replace)
    api = _client()
    with _hub_errors(address):
        commit = _commit_with_parquet(api, address)
    config, splits = _choose(address, commit)
    files = [file for found in splits.values() for file in found]
    folder = downloads / "hub" / address.repo.replace("/", "--") / commit.revision
    paths = _download(api, address, commit, files, folder, progress)
    with scratch_folder(target) as scratch:
        _lay_out(splits, paths, scratch)
        source = str(HubAddress(address.repo, config, commit.revision))
        options = replace(
            options,
            source=source,
            title=options.title or str(commit.card.get("pretty_name") or address.repo),
            licence=options.licence if options.licence != "not stated" else _licence(commit.card),
        )
        imported = import_dataset(name, scratch, data_dir, options, progress=progress)
    shutil.rmtree(folder, ignore_errors=True)
    return imported


def _client() -> Any:
    try:
        from huggingface_hub import HfApi
        from huggingface_hub.utils.tqdm import disable_progress_bars
    except ImportError as error:
        raise MissingDependency(
            "the hub's client is not installed.", remedy="Run `pip install 'automl-bench[hub]'`."
        ) from error
    disable_progress_bars()
    return HfApi(library_name="automl-bench")


@contextmanager
def _hub_errors(address: HubAddress) -> Iterator[None]:
    """Turn the client's errors into ours."""
    from huggingface_hub import errors

    try:
        yield
    except errors.GatedRepoError as error:
        raise DatasetNotFound(
            f"{address} asks for its terms to be accepted first.",
            remedy="Accept them on the dataset's page, and set HF_TOKEN to a token of that account.",
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise DatasetNotFound(
            f"{address} does not exist, or is private and this token may not read it.",
            remedy="Check the name; for a private dataset set HF_TOKEN to a token that may read it.",
        ) from error
    except errors.RevisionNotFoundError as error:
        raise DatasetNotFound(
            f"{address.repo} has no revision {address.revision!r}.", remedy="Name a branch, a tag or a whole commit."
        ) from error
    except AutomlBenchError:
        raise
    except (errors.HfHubHTTPError, OSError, RuntimeError, ValueError) as error:
        raise _unreachable(address, error) from error
    except Exception as error:  # the client's transport has its own errors, by another name in each release
        if type(error).__module__.partition(".")[0] not in {"httpx", "httpx2", "httpcore", "httpcore2", "requests"}:
            raise
        raise _unreachable(address, error) from error


def _unreachable(address: HubAddress, error: Exception) -> DatasetError:
    reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
    return DatasetError(
        f"{address} cannot be downloaded: {reason[:300]}.",
        remedy="Run the same command again to go on from here; HF_ENDPOINT names another server of the hub.",
    )


def _commit_with_parquet(api: Any, address: HubAddress) -> _Commit:
    from huggingface_hub import errors

    commit = _commit(api, address.repo, address.revision or None)
    if commit.files:
        return commit
    if not address.revision:
        try:
            converted = _commit(api, address.repo, CONVERTED)
        except errors.RevisionNotFoundError:
            converted = commit
        if converted.files:
            return _Commit(converted.revision, converted.files, {**commit.card, "configs": None})
    raise DatasetError(
        f"{address} has no Parquet files.",
        remedy="Download it with `hf download --repo-type dataset "
        f"{address.repo} --local-dir FOLDER`, and import the folder.",
    )


def _commit(api: Any, repo: str, revision: str | None) -> _Commit:
    info = api.dataset_info(repo, revision=revision, files_metadata=True)
    files = []
    for one in info.siblings or ():
        if one.rfilename.endswith(".parquet") and not any(part.startswith(".") for part in one.rfilename.split("/")):
            sha256 = one.lfs.sha256 if one.lfs else ""
            files.append(_File(one.rfilename, int(one.size or 0), sha256, one.blob_id or ""))
    card = info.card_data.to_dict() if info.card_data else {}
    return _Commit(str(info.sha), tuple(sorted(files, key=lambda file: file.path)), card)


def _choose(address: HubAddress, commit: _Commit) -> tuple[str, dict[str, list[_File]]]:
    """Return the configuration ("" if there is one without a name) and its files by split."""
    configs = _stated_configs(commit) or _configs_by_folder(commit)
    if not address.config and len(configs) > 1:
        example = sorted(configs)[0]
        raise DatasetError(
            f"{address} has several configurations: {', '.join(sorted(configs))}.",
            remedy=f"Choose one, as in {HubAddress(address.repo, example, address.revision)}",
        )
    config = address.config or next(iter(configs))
    if config not in configs:
        raise DatasetNotFound(
            f"{address.repo} has no configuration {config!r}.", remedy=f"It has: {', '.join(sorted(configs))}."
        )
    splits = configs[config]
    if not splits:
        raise DatasetError(
            f"the configuration {config!r} of {address.repo} names no Parquet file that is there.",
            remedy="Name another revision or configuration.",
        )
    return ("" if len(configs) == 1 and not address.config else config), splits


def _stated_configs(commit: _Commit) -> dict[str, dict[str, list[_File]]]:
    """Return what the dataset's card says of configurations: patterns of files, by split."""
    found: dict[str, dict[str, list[_File]]] = {}
    for stated in commit.card.get("configs") or ():
        if not isinstance(stated, Mapping) or "data_files" not in stated:
            continue
        given = stated["data_files"]
        entries = given if isinstance(given, list) else [given]
        splits: dict[str, list[_File]] = {}
        for entry in entries:
            split, paths = (entry.get("split"), entry.get("path")) if isinstance(entry, Mapping) else (None, entry)
            for pattern in paths if isinstance(paths, list) else [paths]:
                for file in commit.files:
                    if fnmatch.fnmatch(file.path, str(pattern)):
                        splits.setdefault(str(split or _split_of(file.path)), []).append(file)
        found[str(stated.get("config_name", "default"))] = splits
    return found


def _configs_by_folder(commit: _Commit) -> dict[str, dict[str, list[_File]]]:
    """Return configurations by the first folder, where several folders are neither `data` nor a split's."""
    by_folder: dict[str, list[_File]] = defaultdict(list)
    for file in commit.files:
        first, _, rest = file.path.partition("/")
        plain = not rest or first == "data" or first.lower() in SPLIT_WORDS
        by_folder["" if plain else first].append(file)
    found: dict[str, dict[str, list[_File]]] = {}
    for folder, files in by_folder.items():
        splits: dict[str, list[_File]] = {}
        for file in files:
            splits.setdefault(_split_of(file.path), []).append(file)
        found[folder or "default"] = splits
    return found


def _split_of(path: str) -> str:
    """Return the split that a file's name or folder says, or "train" for a file that says none."""
    file = PurePosixPath(path)
    words = [re.split(r"[-_.]", file.stem)[0], *(part for part in reversed(file.parts[:-1]))]
    return next((word for word in words if word.lower() in SPLIT_WORDS), "train")


def _download(
    api: Any, address: HubAddress, commit: _Commit, files: Sequence[_File], folder: Path, progress: Progress
) -> dict[str, Path]:
    total, done = sum(file.size for file in files), 0
    paths = {}
    for number, file in enumerate(files, start=1):
        what = f"downloading {number} of {len(files)}"
        progress(what, done, total)
        with _hub_errors(address):
            path = Path(
                api.hf_hub_download(
                    address.repo, file.path, repo_type="dataset", revision=commit.revision, local_dir=folder
                )
            )
        _verify(address, file, path)
        paths[file.path] = path
        done += file.size
        progress(what, done, total)
    return paths


def _verify(address: HubAddress, file: _File, path: Path) -> None:
    try:
        size = path.stat().st_size
        digest = hashlib.sha256() if file.sha256 else hashlib.sha1(f"blob {size}\0".encode(), usedforsecurity=False)
        with path.open("rb") as content:
            while step := content.read(2**20):
                digest.update(step)
        expected = file.sha256 or file.git_sha1
        if expected and digest.hexdigest() != expected:
            path.unlink()
            raise ChecksumMismatch(
                f"{file.path} of {address.repo} is not the file that the hub describes: its digest is "
                f"{digest.hexdigest()}, where {expected} is expected.",
                remedy="Run the same command again: it has been deleted and is downloaded anew.",
            )
    except OSError as error:
        raise cannot("read", path, error) from error


def _lay_out(splits: Mapping[str, Sequence[_File]], paths: Mapping[str, Path], scratch: Path) -> None:
    """Give the files the names that say their split, as the reader of Parquet files expects them."""
    for split, files in splits.items():
        for number, file in enumerate(files):
            try:
                os.link(paths[file.path], scratch / f"{split}-{number:05d}-of-{len(files):05d}.parquet")
            except OSError:
                shutil.copyfile(paths[file.path], scratch / f"{split}-{number:05d}-of-{len(files):05d}.parquet")


def _licence(card: Mapping[str, Any]) -> str:
    stated = card.get("license")
    return ", ".join(map(str, stated)) if isinstance(stated, list) else str(stated or "not stated")
