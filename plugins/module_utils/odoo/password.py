# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Odoo's password hashes, made without Odoo: PBKDF2-HMAC-SHA512 in passlib's text form."""

from __future__ import annotations

import base64
import hashlib
import os

#: Many rounds (Odoo's own 600,000 take 0.3 s of CPU) are for what people think up; a derived password has 192 random bits, which
#: nobody guesses. Odoo takes fewer, and hashes anew with its own number at the first log-in (res_users.py, _crypt_context).
ROUNDS = 1_000
_SALT_BYTES = 16


def hash_password(password: str, *, salt: bytes | None = None, rounds: int = ROUNDS) -> str:
    """Return what res_users.password holds for ``password``, a derived one; the salt is random unless given."""
    salt = os.urandom(_SALT_BYTES) if salt is None else salt
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, rounds)
    return f"$pbkdf2-sha512${rounds}${_text(salt)}${_text(digest)}"


def _text(data: bytes) -> str:
    """Return passlib's adapted base64: no padding, a dot for the plus."""
    return base64.b64encode(data, altchars=b"./").rstrip(b"=").decode()
