# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""PostgreSQL's SCRAM-SHA-256 verifiers (RFC 5802, RFC 7677): made here, so that no password is ever sent in SQL or logged."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import re

_ITERATIONS = 4096  # PostgreSQL's own default
_VERIFIER = re.compile(r"^SCRAM-SHA-256\$(\d+):([^$]+)\$([^:]+):(.+)$")


def make_verifier(password: str, salt: bytes | None = None, iterations: int = _ITERATIONS) -> str:
    """Return what pg_authid.rolpassword holds for ``password``, which is ASCII; the salt is random unless given."""
    salt = os.urandom(16) if salt is None else salt
    salted = hashlib.pbkdf2_hmac("sha256", password.encode("ascii"), salt, iterations)
    stored = hashlib.sha256(_hmac(salted, b"Client Key")).digest()
    fields = (_text(salt), _text(stored), _text(_hmac(salted, b"Server Key")))
    return "SCRAM-SHA-256${}:{}${}:{}".format(iterations, *fields)


def matches(verifier: str | None, password: str) -> bool:
    """Whether ``verifier`` (rolpassword; None when the role has none) is one of ``password``."""
    match = _VERIFIER.match(verifier or "")
    if not match:
        return False
    again = make_verifier(password, base64.b64decode(match[2]), int(match[1]))
    return hmac.compare_digest(again, match[0])


def _hmac(key: bytes, message: bytes) -> bytes:
    return hmac.new(key, message, hashlib.sha256).digest()


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
