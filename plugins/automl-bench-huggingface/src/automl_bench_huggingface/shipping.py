"""Bringing files to a repository: only those that it does not hold yet, contents through the host's transport.

The Hub's own protocol, without Xet: `preupload` says for each file how it is stored and which content is there already;
contents go to addresses that the LFS batch hands out; a commit then names them. The same steps as the SDK's
`create_commit`, which would send contents from five threads of its own with retries of its own.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from automl_bench.contract import HttpRequest, HttpResponse, TrialContext
from automl_bench.errors import ProviderError, RequestRefused, TransientProviderError
from automl_bench_huggingface.failures import error_for, unreadable
from automl_bench_huggingface.naming import DATASET
from automl_bench_huggingface.options import HUB_URL
from automl_bench_huggingface.packing import RepoFile
from automl_bench_huggingface.repositories import revision_of

if TYPE_CHECKING:
    from automl_bench_huggingface.account import Account

T = TypeVar("T")

AT_ONCE = 256
"""Files of one question; the SDK asks about as many."""
COMMIT_FILES = 1000
COMMIT_BYTES = 64 * 1024 * 1024
"""Most files, and most bytes of contents that travel in the commit itself, of one commit: commits are rate-limited."""
IN_FLIGHT = 64
IN_FLIGHT_BYTES = 256 * 1024 * 1024
SENDING_SECONDS = 120.0
ADDRESS_SECONDS = 600.0
"""After so long an address for a content may have expired; a refusal then means that a new one is needed."""

LFS_JSON = "application/vnd.git-lfs+json"
BRANCH = "main"


@dataclass(frozen=True, slots=True)
class Shipped:
    """What came of it.

    Attributes:
        revision: Commit that holds all files.
        sent: Files that were not there.
        found: Files that were.
    """

    revision: str
    sent: int
    found: int


def ship(account: Account, repo_id: str, files: Sequence[RepoFile], context: TrialContext) -> Shipped:
    """Bring the files that are not there yet and commit them.

    Raises:
        ProviderError: The class that fits. Asking again sends the rest only.
    """
    missing = [pair for some in _parts(files) for pair in _missing(account, repo_id, some)]
    found = len(files) - len(missing)
    context.log(f"{found} of {len(files)} files are in {repo_id} already")
    if not missing:
        return Shipped(revision_of(account, DATASET, repo_id), 0, found)
    large = [file for file, is_large in missing if is_large]
    for number, some in enumerate(_parts(large)):
        _send_contents(account, repo_id, some, context, found + number * AT_ONCE, len(files))
    revision = ""
    for bunch in _bunches(missing):
        revision = _commit(account, repo_id, bunch)
    context.progress(len(files), len(files), "files")
    return Shipped(revision, len(missing), found)


def _parts(items: Sequence[T]) -> Iterator[Sequence[T]]:
    return (items[start : start + AT_ONCE] for start in range(0, len(items), AT_ONCE))


def _bunches(pairs: Sequence[tuple[RepoFile, bool]]) -> Iterator[list[tuple[RepoFile, bool]]]:
    """Give the files of each commit. The listings come last, so an unfinished upload lists nothing that is missing."""
    bunch: list[tuple[RepoFile, bool]] = []
    size = 0
    for file, is_large in pairs:
        weight = 0 if is_large else file.size
        if bunch and (len(bunch) >= COMMIT_FILES or size + weight > COMMIT_BYTES):
            yield bunch
            bunch, size = [], 0
        bunch.append((file, is_large))
        size += weight
    if bunch:
        yield bunch


def _post(account: Account, url: str, what: str, content: bytes, media_type: str) -> Any:
    from huggingface_hub import get_session

    with account.asking(what) as api:
        headers = {"Authorization": f"Bearer {api.token}", "Content-Type": media_type}
        if media_type == LFS_JSON:
            headers["Accept"] = LFS_JSON
        return get_session().post(url, headers=headers, content=content).json()


def _missing(account: Account, repo_id: str, files: Sequence[RepoFile]) -> list[tuple[RepoFile, bool]]:
    """Return the files whose content is not in the repository, and whether each is stored as a large file."""
    what = f"compare files with the repository {repo_id}"
    question = [
        {"path": file.path, "sample": base64.b64encode(file.start).decode(), "size": file.size} for file in files
    ]
    url = f"{account.options.hub_url}/api/datasets/{repo_id}/preupload/{BRANCH}"
    answer = _post(account, url, what, json.dumps({"files": question}).encode(), "application/json")
    try:
        told = {str(each["path"]): (str(each["uploadMode"]), each.get("oid")) for each in answer["files"]}
        found = []
        for file in files:
            mode, oid = told[file.path]
            if mode not in ("lfs", "regular"):
                raise unreadable(what)
            is_large = mode == "lfs" and file.size > 0
            if oid != (file.sha256 if is_large else file.git_sha1):
                found.append((file, is_large))
    except (KeyError, TypeError, AttributeError):
        raise unreadable(what) from None
    return found


@dataclass(frozen=True, slots=True)
class _Action:
    """A request that the LFS batch asks for."""

    url: str
    headers: tuple[tuple[str, str], ...]


def _send_contents(
    account: Account,
    repo_id: str,
    files: Sequence[RepoFile],
    context: TrialContext,
    before: int,
    total: int,
) -> None:
    """Send the contents that the Hub does not hold, and let it look at each."""
    asked_at = time.monotonic()
    by_digest = {file.sha256: file for file in files}
    uploads, checks = _actions(account, repo_id, by_digest)
    largest = max((by_digest[digest].size for digest in uploads), default=1)
    in_flight = max(1, min(IN_FLIGHT, IN_FLIGHT_BYTES // max(1, largest)))

    def put(digest: str, action: _Action) -> Callable[[], HttpRequest]:
        file = by_digest[digest]
        return lambda: HttpRequest(
            action.url, "PUT", action.headers, body=file.content(), timeout_seconds=SENDING_SECONDS
        )

    def judge_put(digest: str, response: HttpResponse) -> None:
        if 200 <= response.status < 300:
            return
        if response.status == 403 and time.monotonic() - asked_at > ADDRESS_SECONDS:
            raise TransientProviderError("The address for a content has expired; a new one is asked for.")
        raise error_for(response.status, b"", response.headers, what=f"store {by_digest[digest].path}")

    context.send(
        ((digest, put(digest, action)) for digest, action in uploads.items()),
        in_flight=in_flight,
        progress=lambda count: context.progress(before + count, total, "files"),
        judge=judge_put,
    )
    _let_check(account, by_digest, checks, context)


def _let_check(
    account: Account, files: Mapping[str, RepoFile], checks: Mapping[str, _Action], context: TrialContext
) -> None:
    home = urlsplit(account.options.hub_url).netloc
    carried: dict[str, str] = {}

    def check(digest: str, action: _Action) -> Callable[[], HttpRequest]:
        def make() -> HttpRequest:
            headers = [*action.headers, ("Content-Type", "application/json")]
            if urlsplit(action.url).netloc == home:
                carried[digest] = account.tokens.value()
                headers.append(("Authorization", f"Bearer {carried[digest]}"))
            body = json.dumps({"oid": digest, "size": files[digest].size}).encode()
            return HttpRequest(action.url, "POST", tuple(headers), body=body, timeout_seconds=SENDING_SECONDS)

        return make

    def judge(digest: str, response: HttpResponse) -> None:
        if 200 <= response.status < 300:
            return
        what = f"check the content of {files[digest].path}"
        token = carried.get(digest, "")
        error = error_for(response.status, response.body, response.headers, what=what, hidden=(token,))
        raise account.tokens.judged(error, token)

    context.send(
        ((digest, check(digest, action)) for digest, action in checks.items()), in_flight=IN_FLIGHT, judge=judge
    )


def _actions(
    account: Account, repo_id: str, files: Mapping[str, RepoFile]
) -> tuple[dict[str, _Action], dict[str, _Action]]:
    """Ask where to send contents, and where to have them checked; what is stored already needs neither."""
    what = f"prepare contents for the repository {repo_id}"
    url = f"{account.options.hub_url}/datasets/{repo_id}.git/info/lfs/objects/batch"
    question = {
        "operation": "upload",
        "transfers": ["basic"],
        "objects": [{"oid": file.sha256, "size": file.size} for file in files.values()],
        "hash_algo": "sha256",
        "ref": {"name": BRANCH},
    }
    answer = _post(account, url, what, json.dumps(question).encode(), LFS_JSON)
    uploads: dict[str, _Action] = {}
    checks: dict[str, _Action] = {}
    try:
        for each in answer["objects"]:
            file = files[each["oid"]]
            if "error" in each:
                body = json.dumps(each["error"]).encode()
                raise error_for(int(each["error"]["code"]), body, {}, what=f"store {file.path}")
            actions = each.get("actions") or {}
            if "upload" in actions:
                uploads[file.sha256] = _action(account, actions["upload"], file)
            if "verify" in actions:
                checks[file.sha256] = _action(account, actions["verify"], file)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise unreadable(what) from None
    return uploads, checks


def _action(account: Account, told: Mapping[str, Any], file: RepoFile) -> _Action:
    headers = told.get("header") or {}
    if "chunk_size" in headers:
        raise RequestRefused(
            f"{file.path} is too large to be sent at once.",
            remedy="Set images.max_side in the experiment, for all providers alike, or ask for fewer shots.",
        )
    # A Hub behind an address of one's own may still name itself.
    url = str(told["href"]).replace(HUB_URL, account.options.hub_url)
    return _Action(url, tuple((str(name), str(value)) for name, value in headers.items()))


def _commit(account: Account, repo_id: str, bunch: Sequence[tuple[RepoFile, bool]]) -> str:
    """Commit files and return the commit. A commit that is repeated after a lost answer changes nothing."""
    what = f"commit {len(bunch)} files to the repository {repo_id}"
    lines: list[dict[str, Any]] = [
        {"key": "header", "value": {"summary": "Brought by automl-bench", "description": ""}}
    ]
    for file, is_large in bunch:
        if is_large:
            value = {"path": file.path, "algo": "sha256", "oid": file.sha256, "size": file.size}
            lines.append({"key": "lfsFile", "value": value})
        else:
            encoded = base64.b64encode(file.content()).decode()
            value = {"content": encoded, "path": file.path, "encoding": "base64"}
            lines.append({"key": "file", "value": value})
    content = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    url = f"{account.options.hub_url}/api/datasets/{repo_id}/commit/{BRANCH}"
    answer = _post(account, url, what, content, "application/x-ndjson")
    try:
        revision = str(answer["commitOid"])
    except (KeyError, TypeError):
        raise unreadable(what) from None
    if not revision:
        raise ProviderError(f"Hugging Face's answer to {what} names no commit.")
    return revision
