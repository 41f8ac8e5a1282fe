"""Google's token endpoint on this machine, and the key file of a service account whose tokens it gives.

The assertion of a request is held to RFC 7523: signed with the account's key, for Google, in time.
"""

from __future__ import annotations

import json
import secrets
import threading
import time
from functools import cache
from pathlib import Path
from urllib.parse import parse_qs

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth import jwt

EMAIL = "automl-bench@bench-project.iam.gserviceaccount.com"
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
AUDIENCE = "https://oauth2.googleapis.com/token"
"""What the SDK names as the audience, wherever the key file sends it."""
SCOPE = "https://www.googleapis.com/auth/cloud-platform"


@cache
def _key_pair() -> tuple[str, str]:
    """Return a private and a public key in PEM, once for a process."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private.decode(), public.decode()


def private_key() -> str:
    """Return the account's private key, which may be nowhere but in its file."""
    return _key_pair()[0]


def write_key_file(path: Path, token_uri: str) -> Path:
    """Write a service account's key file and return its path."""
    content = {
        "type": "service_account",
        "project_id": "bench-project",
        "private_key_id": "0123456789abcdef",
        "private_key": private_key(),
        "client_email": EMAIL,
        "client_id": "100000000000000000001",
        "token_uri": token_uri,
    }
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


class TokenIssuer:
    """Gives tokens and knows which hold.

    Args:
        lifetime: Seconds that a token holds.
    """

    def __init__(self, lifetime: int = 3600) -> None:
        self.lifetime = lifetime
        self.issued: dict[str, float] = {}
        self._lock = threading.Lock()

    def grant(self, body: bytes) -> tuple[int, dict[str, object]]:
        """Return status and content of the answer to a request for a token."""
        form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        if form.get("grant_type") != GRANT:
            return 400, {"error": "unsupported_grant_type", "error_description": "another grant"}
        try:
            claims = jwt.decode(form["assertion"], certs=_key_pair()[1], audience=AUDIENCE)
        except (KeyError, ValueError) as error:
            return 400, {"error": "invalid_grant", "error_description": f"{error}: {form.get('assertion', '')}"}
        if claims["iss"] != EMAIL or SCOPE not in claims.get("scope", "").split():
            return 400, {"error": "invalid_scope", "error_description": "another account or scope"}
        token = f"ya29.planted-{secrets.token_hex(16)}"
        with self._lock:
            self.issued[token] = time.monotonic() + self.lifetime
        return 200, {"access_token": token, "expires_in": self.lifetime, "token_type": "Bearer"}

    def holds(self, authorization: str) -> bool:
        """Return whether a header carries a token that holds now."""
        with self._lock:
            return time.monotonic() < self.issued.get(authorization.removeprefix("Bearer "), 0.0)

    def revoke(self) -> None:
        """Make all tokens invalid before their time."""
        with self._lock:
            self.issued = dict.fromkeys(self.issued, 0.0)
