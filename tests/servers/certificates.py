"""A certificate authority of a test's own, so that TLS can be tested without trusting anything else."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

import trustme


@dataclass(frozen=True, slots=True)
class Authority:
    """An authority: `bundle` is its PEM file; `server_context` holds a certificate signed by it."""

    bundle: Path
    server_context: ssl.SSLContext


def make_authority(folder: Path, *names: str) -> Authority:
    """Make an authority and a server certificate for `names` (host names and addresses)."""
    authority = trustme.CA()
    bundle = folder / "authority.pem"
    authority.cert_pem.write_to_path(bundle)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*(names or ("127.0.0.1", "::1", "localhost"))).configure_cert(context)
    return Authority(bundle, context)
