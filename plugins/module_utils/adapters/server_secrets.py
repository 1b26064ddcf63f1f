# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Secrets of a Postgres server's superuser; apart from adapters.postgres, so that using them needs no psycopg."""

from __future__ import annotations

from ansible_collections.saasodoo.platform.plugins.module_utils.adapters.scram import make_verifier
from ansible_collections.saasodoo.platform.plugins.module_utils.adapters.secrets import derive

#: The superuser of every cluster.
SUPERUSER = "saasodoo_admin"


def subject(server: str) -> str:
    """Return the subject that the secrets of ``server`` are derived for."""
    return f"server:{server}"


def superuser_verifier(key: bytes, server: str) -> str:
    """Return the superuser's SCRAM verifier. Its salt is derived too, so that server and PgBouncer have the same one."""
    salt = derive(key, subject(server), "admin-salt")[:16].encode("ascii")
    return make_verifier(derive(key, subject(server), "admin"), salt)
