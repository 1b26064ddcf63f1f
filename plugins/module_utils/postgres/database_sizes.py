# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What databases take on a server's disk, and whether their tenants' roles may write.

A role's default for new transactions is what an Odoo keeps to. A tenant who means harm can set it otherwise in a session, so
who stays over its plan is also told of to a person (domain/tenant/attention.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from psycopg import sql

from .connection import AsServer

_READ = """
SELECT d.datname AS name, pg_database_size(d.oid) AS size, EXISTS (
    SELECT FROM pg_db_role_setting s JOIN pg_roles r ON r.oid = s.setrole
    WHERE r.rolname = d.datname AND s.setdatabase = 0 AND 'default_transaction_read_only=on' = ANY(s.setconfig)
) AS read_only
FROM pg_database d WHERE d.datname = ANY(%s)
"""
_END_SESSIONS = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s"


@dataclass(frozen=True)
class DatabaseSize:
    """``size`` in bytes; ``read_only`` says whether the role of the same name only reads, unless it says otherwise itself."""

    size: int
    read_only: bool


def read(server: AsServer, names: Iterable[str]) -> dict[str, DatabaseSize]:
    """Return the sizes of those of the databases that are there."""
    rows = server.execute(_READ, (list(names),))
    return {row["name"]: DatabaseSize(row["size"], row["read_only"]) for row in rows}


def set_read_only(server: AsServer, name: str, *, read_only: bool) -> None:
    """Have the role of a database only read, or write again. Its sessions end, since they keep what they began with."""
    how = sql.SQL("SET default_transaction_read_only = on" if read_only else "RESET default_transaction_read_only")
    server.execute(sql.SQL("ALTER ROLE {} {}").format(sql.Identifier(name), how))
    server.execute(_END_SESSIONS, (name,))
