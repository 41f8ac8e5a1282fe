"""Downloads that survive a broken connection: they go on where they stopped, and count only once they are verified.

The part that has arrived is kept as `<file>.part` beside `<file>.part.json` (address, validator). It is continued with
a range request under `If-Range` (RFC 9110, 13.1.5): a server whose file has changed sends the whole new one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl_bench.errors import ChecksumMismatch, DatasetError
from automl_bench.toolkit.whole_files import cannot, write_text

if TYPE_CHECKING:
    import requests

Progress = Callable[[int, int | None], None]
"""Called with (bytes here, bytes in all or None)."""

TRIES = 8
"""Times in a row that a connection may break without a single byte arriving."""

_STEP_BYTES = 1 << 18
_TIMEOUT_SECONDS = (20.0, 60.0)
_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 30.0


class _Broken(Exception):
    """The connection broke; what has arrived is kept."""


def download(
    url: str,
    target: Path,
    *,
    sha256: str = "",
    size: int | None = None,
    progress: Progress = lambda done, total: None,
    first_pause_seconds: float = _FIRST_PAUSE_SECONDS,
) -> Path:
    """Download a file, continuing what an earlier attempt left, and verify it.

    Args:
        url: http or https.
        target: The file; a verified one that is there already is kept. Its folder is made.
        sha256: Expected digest in hex, or "".
        size: Expected bytes, or None.
        progress: Called as bytes arrive.
        first_pause_seconds: Wait after the first break; doubles up to half a minute.

    Returns:
        `target`.

    Raises:
        ChecksumMismatch: If the whole file is not the expected one; it is deleted.
        DatasetError: If the server refuses or cannot be reached; what has arrived stays for the next attempt.
        WorkspaceError: If it cannot be written.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if not (target.is_file() and _is_expected(target, sha256, size)):
            part = target.with_name(target.name + ".part")
            _until_whole(url, part, size, progress, first_pause_seconds)
            _verify(part, url, sha256, size)
            part.replace(target)
            _note(part).unlink(missing_ok=True)
    except OSError as error:
        raise cannot("write", target, error) from error
    return target


def _is_expected(path: Path, sha256: str, size: int | None) -> bool:
    return (size is None or path.stat().st_size == size) and (not sha256 or file_sha256(path) == sha256)


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _verify(part: Path, url: str, sha256: str, size: int | None) -> None:
    found = part.stat().st_size
    reason = ""
    if size is not None and found != size:
        reason = f"it has {found:,} bytes, where {size:,} are expected"
    elif sha256 and (digest := file_sha256(part)) != sha256:
        reason = f"its SHA-256 is {digest}, where {sha256} is expected"
    if reason:
        part.unlink()
        _note(part).unlink(missing_ok=True)
        raise ChecksumMismatch(
            f"{url} is not the file that the catalogue describes: {reason}.",
            remedy="Try again later or use --mirror; if upstream has changed it, correct the catalogue entry.",
        )


def _until_whole(url: str, part: Path, size: int | None, progress: Progress, first_pause: float) -> None:
    import requests
    from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential

    with requests.Session() as session:
        while True:
            before = _length(part)
            try:
                for attempt in Retrying(
                    retry=retry_if_exception_type(_Broken),
                    stop=stop_after_attempt(TRIES),
                    wait=wait_exponential(multiplier=first_pause, max=_LONGEST_PAUSE_SECONDS),
                    reraise=True,
                ):
                    with attempt:
                        _continue(session, url, part, size, progress)
            except _Broken as error:
                if _length(part) > before:  # it breaks often, but it moves
                    continue
                raise DatasetError(
                    f"{url} cannot be downloaded: {error}.",
                    remedy="Run the same command again to go on from here, use --mirror, or download the file by hand "
                    "and give its folder with --from.",
                ) from error
            else:
                return


def _length(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _note(part: Path) -> Path:
    return part.with_name(part.name + ".json")


def _validator(part: Path, url: str) -> str:
    """Return what identifies the version of which `part` is the beginning, or "" if it cannot be continued."""
    try:
        note: Any = json.loads(_note(part).read_text(encoding="utf-8"))
        return str(note["validator"]) if note["url"] == url else ""
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _continue(session: requests.Session, url: str, part: Path, size: int | None, progress: Progress) -> None:
    """Make one request and append what it brings.

    Raises:
        _Broken: If the connection fails before the whole file is here.
        DatasetError: If the server refuses.
    """
    import requests
    import urllib3

    done = _length(part)
    validator = _validator(part, url)
    if done and done == size:
        return
    headers = {"Accept-Encoding": "identity"}
    if done and validator:
        headers |= {"Range": f"bytes={done}-", "If-Range": validator}
    try:
        with session.get(url, headers=headers, stream=True, timeout=_TIMEOUT_SECONDS) as answer:
            if answer.status_code == 416 and done:  # past the end: the file here is longer than the server's
                part.unlink()
                raise _Broken("the server's file has changed")
            _refuse_failure(url, answer)
            if answer.status_code != 206 or _range_start(answer) != done:
                done = 0
            _write_note(part, url, answer)
            _append(answer, part, done, progress)
    except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as error:
        raise _Broken(_reason(error)) from error
    except urllib3.exceptions.HTTPError as error:
        raise _Broken(_reason(error)) from error
    except requests.RequestException as error:
        raise DatasetError(f"{url} cannot be downloaded: {error}.", remedy="Check the address.") from error


def _append(answer: requests.Response, part: Path, done: int, progress: Progress) -> None:
    length = answer.headers.get("Content-Length")
    total = done + int(length) if length and length.isdigit() else None
    try:
        sink = part.open("r+b" if done else "wb")
    except OSError as error:
        raise cannot("write", part, error) from error
    with sink:
        if done:
            sink.seek(done)
            sink.truncate()
        while step := answer.raw.read1(_STEP_BYTES):  # what has come, not less: a break loses none of it
            try:
                sink.write(step)
            except OSError as error:
                raise cannot("write", part, error) from error
            done += len(step)
            progress(done, total)
    if total is not None and done < total:
        raise _Broken(f"the connection closed after {done:,} of {total:,} bytes")


def _refuse_failure(url: str, answer: requests.Response) -> None:
    if answer.status_code in (429, 500, 502, 503, 504):
        raise _Broken(f"the server answered {answer.status_code} {answer.reason}")
    if answer.status_code not in (200, 206):
        raise DatasetError(
            f"{url} cannot be downloaded: the server answered {answer.status_code} {answer.reason}.",
            remedy="Use --mirror with another address, or download it by hand and give its folder with --from.",
        )


def _range_start(answer: requests.Response) -> int | None:
    unit, _, span = answer.headers.get("Content-Range", "").partition(" ")
    start = span.partition("-")[0]
    return int(start) if unit == "bytes" and start.isdigit() else None


def _write_note(part: Path, url: str, answer: requests.Response) -> None:
    tag = answer.headers.get("ETag", "")
    strong = tag if tag and not tag.startswith("W/") else ""
    validator = strong or answer.headers.get("Last-Modified", "")
    write_text(_note(part), json.dumps({"url": url, "validator": validator}))


def _reason(error: Exception) -> str:
    innermost: BaseException = error
    while innermost.__cause__ or innermost.__context__:
        innermost = innermost.__cause__ or innermost.__context__ or innermost
    return f"{type(innermost).__name__}: {innermost}".rstrip(".")
