# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What follows from the platform key for one tenant's database."""

from __future__ import annotations

from dataclasses import dataclass

from .platform_key import derive, derive_verifier


@dataclass(frozen=True)
class TenantSecrets:
    """A tenant's secrets of one generation. Never shown, not even by repr."""

    generation: int
    role_password: str
    role_verifier: str
    admin_password: str
    database_secret: str

    def __repr__(self) -> str:
        return f"TenantSecrets(generation={self.generation})"


def tenant_secrets(key: bytes, tenant_id: str, generation: int) -> TenantSecrets:
    """Return the secrets of ``tenant_id`` (a UUID as text)."""
    return TenantSecrets(
        generation,
        role_password=role_password(key, tenant_id, generation),
        role_verifier=role_verifier(key, tenant_id, generation),
        admin_password=derive(key, tenant_id, "odoo-admin", generation),
        database_secret=derive(key, tenant_id, "odoo-secret", generation),
    )


def role_password(key: bytes, tenant_id: str, generation: int) -> str:
    """Return the password of the tenant's role, which its Odoo logs in with."""
    return derive(key, tenant_id, "database", generation)


def role_verifier(key: bytes, tenant_id: str, generation: int) -> str:
    """Return the SCRAM verifier of the tenant's role, which server and PgBouncer keep."""
    return derive_verifier(key, tenant_id, "database", generation)
