"""Folders of text files by class: `.txt`, or mails (`.eml`) of which subject and text are kept and headers are not."""

from __future__ import annotations

import email
import email.policy
import os
import re
from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING

from automl_bench.datasets.account import Reason, Tally
from automl_bench.datasets.columnar.source_table import SourceTable
from automl_bench.datasets.split_names import split_of
from automl_bench.datasets.survey import kept_out
from automl_bench.errors import DatasetError
from automl_bench.toolkit.whole_files import cannot

if TYPE_CHECKING:
    from email.message import Message

TEXT_ENDING, MAIL_ENDING = ".txt", ".eml"
TEXT_FOLDERS, MAIL_FOLDERS = "text-folders", "mail-folders"
"""Layouts: by the endings, or every file but JSON and the like is a mail."""
MOST_CHARACTERS = 200_000
"""Characters of a mail that are kept."""
_NOT_TEXT = frozenset((".json", ".js", ".md", ".csv", ".html", ".py", ".toml", ".yml", ".yaml", ".map", ".ts"))
_IMAGES = frozenset((".jpg", ".jpeg", ".png", ".gif", ".bmp", ".webp", ".tif", ".tiff"))


def holds_texts(folder: Path) -> bool:
    """Return whether a folder holds text files in folders and no image."""
    found = False
    for path in _files(folder):
        ending = path.suffix.lower()
        if ending in _IMAGES:
            return False
        found = found or (ending in (TEXT_ENDING, MAIL_ENDING) and path.parent != folder)
    return found


def read_text_folders(
    folder: Path, layout: str, words: Mapping[str, str], label_of: Mapping[str, str], tally: Tally
) -> SourceTable:
    """Read every text of a folder of class folders, which may lie in folders for splits or hold such.

    Args:
        folder: The folder.
        layout: `TEXT_FOLDERS` or `MAIL_FOLDERS`.
        words: Further names of split folders.
        label_of: Labels of folders that are not named like their class; then no other folder is read.
        tally: Is told of files that are no samples.

    Raises:
        DatasetError: If there is no text, or a text is not UTF-8.
        WorkspaceError: If a file cannot be read.
    """
    import pyarrow as pa

    texts, labels, splits, places = [], [], [], []
    for path in _files(folder):
        relative = path.relative_to(folder).as_posix()
        if layout == MAIL_FOLDERS:
            is_mail, is_text = path.suffix.lower() not in _NOT_TEXT, False
        else:
            is_mail, is_text = path.suffix.lower() == MAIL_ENDING, path.suffix.lower() == TEXT_ENDING
        found = _class_of(path.relative_to(folder).parts[:-1], words, label_of)
        if not (is_mail or is_text):
            tally.add(Reason.NO_SAMPLE, "", relative)
        elif found is None:
            tally.add(Reason.NO_SAMPLE if label_of else Reason.NO_LABEL, "", relative)
        else:
            content = _read(path)
            texts.append(text_of_mail(content) if is_mail else _decoded(content, path))
            labels.append(found[0])
            splits.append(found[1])
            places.append(relative)
    if not texts:
        raise DatasetError(
            f"{folder} holds no texts in class folders.", remedy="Lay them out as in ham/1.eml and spam/2.txt."
        )
    columns = {"text": texts, "label": labels} | ({"split": splits} if any(splits) else {})
    arrays = tuple(pa.chunked_array([pa.array(values, pa.string())]) for values in columns.values())
    return SourceTable(folder, tuple(columns), arrays, places=pa.chunked_array([pa.array(places, pa.string())]))


def _files(folder: Path) -> Iterator[Path]:
    """Yield all files below a folder in a fixed order, hidden ones and those of operating systems aside."""
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not kept_out(name))
        yield from (Path(parent) / name for name in sorted(names) if not kept_out(name))


def _class_of(parts: tuple[str, ...], words: Mapping[str, str], label_of: Mapping[str, str]) -> tuple[str, str] | None:
    """Return label and split ("" for none) that the folders of a file say, or None if they say no label."""
    if label_of:
        return next(((label_of[part], "") for part in parts if part in label_of), None)
    kinds = [split_of(part, words) for part in parts]
    rest = [part for part, kind in zip(parts, kinds, strict=True) if not kind]
    split = next((kind for kind in kinds if kind), "")
    return (rest[-1], split) if rest else None


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise cannot("read", path, error) from error


def _decoded(content: bytes, path: Path) -> str:
    wide = content.startswith((b"\xff\xfe", b"\xfe\xff"))
    try:
        return content.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DatasetError(f"{path}, line {line}, is not UTF-8.", remedy="Save the texts as UTF-8.") from error


def text_of_mail(content: bytes) -> str:
    """Return subject and text of a mail, without tags, headers and attachments.

    Headers hold the names of lists and servers and the dates of the collection, which would tell the class.
    """
    mail = email.message_from_bytes(content, policy=email.policy.compat32)
    parts = [part for part in mail.walk() if part.get_content_maintype() == "text" and not part.get_filename()]
    plain = [part for part in parts if part.get_content_subtype() != "html"]
    texts = [_text_of(part) for part in plain or parts]
    return "\n".join(filter(None, (_subject(mail), *(text.strip() for text in texts))))[:MOST_CHARACTERS]


def _subject(mail: Message[str, str]) -> str:
    from email.header import decode_header, make_header

    raw = mail.get("Subject", "")
    try:
        found = str(make_header(decode_header(str(raw))))
    except (LookupError, ValueError):
        found = str(raw)
    return re.sub(r"\s+", " ", found.encode("utf-8", "replace").decode()).strip()


def _text_of(part: Message[str, str]) -> str:
    payload = part.get_payload(decode=True)
    content = payload if isinstance(payload, bytes) else str(part.get_payload()).encode("utf-8", "replace")
    for name in (part.get_content_charset() or "utf-8", "utf-8", "latin-1"):
        try:
            text = content.decode(name)
            break
        except (LookupError, UnicodeDecodeError):
            continue
    return _without_tags(text) if part.get_content_subtype() == "html" or "</" in text[:20_000] else text


class _Words(HTMLParser):
    """Gathers the words of a page, without styles and scripts."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._hidden += tag in ("style", "script")

    def handle_endtag(self, tag: str) -> None:
        self._hidden = max(0, self._hidden - (tag in ("style", "script")))

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.found.append(data)


def _without_tags(text: str) -> str:
    words = _Words()
    try:
        words.feed(text)
        words.close()
    except (AssertionError, ValueError):  # what is no HTML at all
        return re.sub(r"<[^>]*>", " ", text)
    return re.sub(r"[ \t]+", " ", " ".join(words.found))
