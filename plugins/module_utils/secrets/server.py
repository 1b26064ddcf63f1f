# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Secrets of a Postgres server's superuser; apart from postgres.connection, so that using them needs no psycopg."""

from __future__ import annotations

from .platform_key import derive_verifier

#: The superuser of every cluster.
SUPERUSER = "saasodoo_admin"


def subject(server: str) -> str:
    """Return the subject that the secrets of ``server`` are derived for."""
    return f"server:{server}"


def superuser_verifier(key: bytes, server: str) -> str:
    """Return the superuser's SCRAM verifier, which server and PgBouncer keep."""
    return derive_verifier(key, subject(server), "admin")
