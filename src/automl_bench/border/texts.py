"""One border for texts: no known secret in any form, no control characters, no more than a bounded length.

`scrub` takes secrets out and changes nothing else, so that it may be laid over anything: rows of the results file,
JSON, a whole page. `clean` is for words that people read, such as an error of a service: it also takes out what looks
like a credential that nobody announced, and whatever a terminal would obey.
"""

from __future__ import annotations

import base64
import functools
import html
import json
import logging
import os
import re
import threading
from collections.abc import Iterable, Mapping
from itertools import takewhile
from operator import eq
from urllib.parse import quote, quote_plus

HIDDEN = "•••"
SHORTEST_SCRUBBED = 4
"""Shorter values are not scrubbed: they would blot out ordinary words."""
SHORTEST_ENCODED = 8
"""Encoded forms of shorter values are not looked for: a few letters of base64 stand in any text."""
LONGEST_TEXT = 2000
"""Characters kept of words from outside."""
SHORTEST_REMAINS = 12
"""Characters at an end of a secret that give it away: plugins and SDKs cut long words before they get here."""

_known: set[str] = set()
_known_lock = threading.Lock()
_written: tuple[str, ...] = ()
"""Every form of every known secret, longest first."""

TELLING = re.compile(
    r"(?:^|_)(?:TOKEN|SECRET|PASSWORD|PASSWD|API_?KEY|ACCESS_?KEY|ACCOUNT_?KEY|PRIVATE_?KEY|CONNECTION_?STRING|SAS)"
    r"(?:_ID)?(?:$|_)",
    re.IGNORECASE,
)
"""Names of environment variables whose values are secrets, whoever reads them."""

CREDENTIALS = re.compile(
    r"""
    (?P<kept>
        \b(?:x-[a-z0-9-]*(?:token|signature|secret|key)|authorization|proxy-authorization|(?:set-)?cookie|api-?key)
        ["']?\s*[:=]\s*["']?(?:(?:bearer|basic|key|token|sharedkey)\s+)?
      | \bbearer\s+
      | [?&;](?:sig|signature|x-[a-z0-9-]*(?:signature|token|credential)|[a-z_]*token|[a-z_]*key|secret|password)=
      | \b(?:accountkey|sharedaccesskey|sharedaccesssignature)=
    )
    [^\s"'&;,<>\\]{6,}
    | \beyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?
    | \b(?:AKIA|ASIA)[A-Z0-9]{16}\b
    | \b(?:hf_|sk-|ghp_|ya29\.)[\w.-]{16,}
    | -----BEGIN\ [A-Z\ ]*PRIVATE\ KEY-----.*?(?:-----END\ [A-Z\ ]*PRIVATE\ KEY-----|$)
    """,
    re.IGNORECASE | re.VERBOSE | re.DOTALL,
)
"""What looks like a credential wherever it stands: header lines, addresses with signatures, well-known shapes."""

ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x9b[0-?]*[ -/]*[@-~]|(?:\x1b\]|\x9d)[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"
)
"""Whole sequences that a terminal obeys: colours, cursor, titles, links."""
CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
"""Control characters but for tab and line feed, and the marks that turn the direction of writing."""


def remember(value: str) -> None:
    """Note a secret, so that no text holds it from now on."""
    global _written
    value = value.strip()
    if len(value) < SHORTEST_SCRUBBED or value in _known:
        return
    with _known_lock:
        _known.add(value)
        _known.update(line for line in value.split("\n") if len(line) >= 16)
        _written = tuple(sorted({form for known in _known for form in _forms(known)}, key=len, reverse=True))


def remember_environment(environment: Mapping[str, str] | None = None) -> None:
    """Note the value of every environment variable that is called like a secret, as SDKs read them too."""
    for name, value in (os.environ if environment is None else environment).items():
        if TELLING.search(name) and len(value) >= SHORTEST_ENCODED and not value.startswith(("/", "~", "file:")):
            remember(value)
        elif name.upper().endswith("_PROXY") and (user := re.match(r"\w+://[^/@:]*:([^/@]+)@", value)):
            remember(user[1])


@functools.cache
def _forms(value: str) -> frozenset[str]:
    """Return how a secret may be written: plain, backwards, base64 (standard and for URLs, at each place), hex …"""
    forms = {
        value,
        value[::-1],
        quote(value, safe=""),
        quote(value),
        quote_plus(value),
        quote(value, safe="").lower() if "%" in quote(value, safe="") else value,
        json.dumps(value)[1:-1],
        json.dumps(value, ensure_ascii=False)[1:-1],
        html.escape(value),
        html.escape(value, quote=False),
        repr(value)[1:-1],
    }
    if len(value) >= SHORTEST_ENCODED:
        data = value.encode()
        # S3 quotes what was signed, and that holds the session's token, as bytes with spaces between.
        forms.update((data.hex(), data.hex(" ")))
        for encoded in (base64.b64encode, base64.urlsafe_b64encode):
            for lead in range(3):
                text = encoded(b"\0" * lead + data).decode()
                # What depends on the bytes before and behind the value is cut off: three bytes are four letters.
                first, last = (0, 2, 3)[lead], len(data) + lead
                forms.add(text[first : last // 3 * 4 + (0, 1, 2)[last % 3]].rstrip("="))
    return frozenset(form for form in forms if len(form) >= SHORTEST_SCRUBBED)


def scrub(text: str) -> str:
    """Return the text without any known secret, in whichever form; all else stays as it is."""
    for form in _written:
        if form in text:
            text = text.replace(form, HIDDEN)
    return text


def _without_remains(text: str) -> str:
    """Return the text without the beginnings and ends of known secrets that were cut before they came here."""
    for form in _written:
        if len(form) < SHORTEST_REMAINS:
            break  # the longest come first
        while (begin := text.find(form[:SHORTEST_REMAINS])) >= 0:
            end = begin + _alike(form, text[begin : begin + len(form)])
            text = text[:begin] + HIDDEN + text[end:]
        while (found := text.find(form[-SHORTEST_REMAINS:])) >= 0:
            end = found + SHORTEST_REMAINS
            begin = end - _alike(reversed(form), reversed(text[max(0, end - len(form)) : end]))
            text = text[:begin] + HIDDEN + text[end:]
    return text


def _alike(one: Iterable[str], other: Iterable[str]) -> int:
    """Return how many characters are the same from the beginning on."""
    return sum(takewhile(bool, map(eq, one, other)))


def holds_secret(text: str) -> bool:
    """Whether a text holds a known secret that is long enough to be one by more than chance."""
    return any(form in text for form in _written if len(form) >= SHORTEST_ENCODED)


def printable(text: str) -> str:
    """Return the text without secrets and without anything that a terminal would obey; line breaks stay."""
    return CONTROLS.sub("", ESCAPES.sub("", scrub(text)))


def clean(text: str, *, longest: int = LONGEST_TEXT) -> str:
    """Return words from outside as they may be stored and shown: no secrets, one line, bounded.

    Args:
        text: What a plugin, a service or a file said.
        longest: Characters kept; a longer text ends with an ellipsis.
    """
    # Bounded before patterns run over it, with room for what they take out.
    text = _without_remains(scrub(text[: 20 * longest]))
    text = CREDENTIALS.sub(lambda found: f"{found['kept'] or ''}{HIDDEN}", text)
    text = " ".join(CONTROLS.sub(" ", ESCAPES.sub("", text)).split())
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def loggable(text: str) -> str:
    """Return lines from outside as a log or a traceback may hold them: without credentials and escapes, bounded."""
    text = _without_remains(printable(text))
    text = CREDENTIALS.sub(lambda found: f"{found['kept'] or ''}{HIDDEN}", text)
    return text if len(text) <= 10 * LONGEST_TEXT else f"{text[: 10 * LONGEST_TEXT]}…"


def clean_all(texts: Iterable[str]) -> tuple[str, ...]:
    """Return several words from outside, each cleaned."""
    return tuple(clean(text) for text in texts)


class ScrubbingFilter(logging.Filter):
    """Keeps secrets and terminal escapes out of log records, arguments and tracebacks included."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Scrub the record in place and let it pass."""
        record.msg = loggable(record.getMessage())
        record.args = None
        if record.exc_info and record.exc_info[1] is not None:
            record.exc_text = loggable(logging.Formatter().formatException(record.exc_info))
            record.exc_info = None
        elif record.exc_text:
            record.exc_text = loggable(record.exc_text)
        return True
