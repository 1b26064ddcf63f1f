# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Secrets are derived, not stored: from one platform key, per subject, purpose and generation (docs/decisions.md)."""

from __future__ import annotations

import base64
import hashlib
import hmac
from pathlib import Path

from ..errors import InvalidInput
from .scram import make_verifier

#: What a tenant has secrets for: its database role, Odoo's administrator, Odoo's database.secret, Odoo's master password.
TENANT_PURPOSES = ("database", "odoo-admin", "odoo-secret", "odoo-master")

_KEY_BYTES = 32
_SECRET_BYTES = 24  # 192 bits: 32 characters of base64url, no padding
_SALT = b"saasodoo.platform"


def read_platform_key(path: str | Path) -> bytes:
    """Return the platform key: the file's 64 hexadecimal digits. Raises InvalidInput when it is missing, open or odd."""
    file = Path(path)
    try:
        mode, text = file.stat().st_mode & 0o777, file.read_text(encoding="ascii").strip()
        key = bytes.fromhex(text)
    except (OSError, ValueError) as error:
        raise InvalidInput(f"the platform key {file} can't be read", found=type(error).__name__) from None
    if mode & 0o077 or len(key) != _KEY_BYTES:
        raise InvalidInput(
            f"the platform key {file} is not fit", found=f"mode {mode:04o}, {len(key)} bytes", expected="mode 0600, 32 bytes"
        )
    return key


def derive(key: bytes, subject: str, purpose: str, generation: int = 1) -> str:
    """Return the secret of ``subject`` (a tenant id, a role) for ``purpose``: HKDF-SHA256, URL-safe text.

    The same arguments give the same secret, so runs stay idempotent; raising the generation rotates it.
    """
    info = "\x1f".join(("saasodoo", subject, purpose, str(generation))).encode()
    return base64.urlsafe_b64encode(hkdf_sha256(key, salt=_SALT, info=info, length=_SECRET_BYTES)).decode()


def derive_verifier(key: bytes, subject: str, purpose: str, generation: int = 1) -> str:
    """Return the SCRAM verifier of that secret. Its salt is derived too, so that all who are told it have the same one."""
    salt = derive(key, subject, f"{purpose}-salt", generation)[:16].encode("ascii")
    return make_verifier(derive(key, subject, purpose, generation), salt)


def hkdf_sha256(key: bytes, *, salt: bytes, info: bytes, length: int) -> bytes:
    """Return ``length`` bytes (at most 8160) derived from ``key``: RFC 5869, extract and expand, with SHA-256."""
    extracted = hmac.digest(salt or bytes(hashlib.sha256().digest_size), key, "sha256")
    block, output = b"", b""
    for counter in range(1, -(-length // len(extracted)) + 1):
        block = hmac.digest(extracted, block + info + bytes([counter]), "sha256")
        output += block
    return output[:length]
