"""Errors that quote secrets, in the words and encodings that services and SDKs use, and the search for what is left."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Mapping
from urllib.parse import quote

Encoding = Callable[[str], str]

ENCODINGS: Mapping[str, Encoding] = {
    "plain": lambda secret: secret,
    "base64": lambda secret: base64.b64encode(f"user:{secret}:".encode()).decode(),
    "url": lambda secret: quote(secret, safe=""),
    "json": lambda secret: json.dumps({"key": secret}),
}
MORE_ENCODINGS: Mapping[str, Encoding] = {
    **ENCODINGS,
    "backwards": lambda secret: secret[::-1],
    "hex": lambda secret: secret.encode().hex(" "),
}
WORDS = [
    "The key {} is not valid.",
    "HTTP 401: Authorization: Basic {}",
    "GET https://service.invalid/v1?api_key={}&page=2 was refused",
    "the canonical string should have been\\nhost:service.invalid\\nx-amz-security-token:{}\\n\\nx-amz-date",
    "Invalid JSON in request: {}",
    "\x1b[31mrefused\x1b[0m \x1b]0;title\x07 with {}",
    "KeyError: {}",
    "curl -H 'X-Key: {}' https://service.invalid",
    "Traceback (most recent call last):\\n  File 'sdk.py', line 3\\n    login({})",
    "SharedAccessSignature={}&se=2026",
    "{}{}",
    "set-cookie: session={}; Path=/",
]
"""Twelve kinds of words; each has room for a secret, and the last but one for two."""

SHORTEST_LEAK = 16
"""Characters of a secret that give it away wherever they stand."""
STEP = 4


def pieces(secrets: Iterable[str]) -> list[bytes]:
    """Return what must not be found: pieces of each secret in each encoding.

    Whatever is left of a secret and is `SHORTEST_LEAK + STEP` characters long holds one of them.
    """
    found: dict[str, None] = {}
    for secret in secrets:
        forms = [secret, quote(secret, safe=""), json.dumps(secret)[1:-1], secret[::-1], secret.encode().hex(" ")]
        # What depends on the bytes before and behind a secret is no part of it: four letters of base64 at each end.
        forms += [base64.b64encode(b"x" * lead + secret.encode()).decode()[4:-4] for lead in range(3)]
        for form in forms:
            last = max(0, len(form) - SHORTEST_LEAK)
            found |= dict.fromkeys(form[at : at + SHORTEST_LEAK] for at in [*range(0, last, STEP), last])
    return [piece.encode() for piece in found]


def leaks(texts: Mapping[str, bytes], secrets: Iterable[str]) -> list[str]:
    """Return where a piece of a secret stands: the piece, and the name of the text."""
    wanted = pieces(secrets)
    return [f"{piece!r} in {name}" for name, text in texts.items() for piece in wanted if piece in text]
