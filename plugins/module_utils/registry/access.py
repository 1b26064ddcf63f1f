# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What those who log in to the registry may do there: owners, privileges and settings, as grants.sql says."""

from __future__ import annotations

from contextlib import AbstractContextManager

import psycopg

from ..postgres.connection import Connection, connect_server
from ..secrets.registry import SERVER

# Owner and privileges of everything in the registry: what grants.sql decides.
_ACCESS = """
    SELECT 'relation' AS kind, c.oid::regclass::text AS name, c.relowner AS owner, a.grantee, a.privilege_type
    FROM pg_class AS c CROSS JOIN LATERAL aclexplode(
        coalesce(c.relacl, acldefault((CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END)::"char", c.relowner))) AS a
    WHERE c.relkind IN ('r', 'S', 'v') AND c.relnamespace::regnamespace::text = ANY (%(schemas)s)
    UNION ALL
    SELECT 'function', p.oid::regprocedure::text, p.proowner, a.grantee, a.privilege_type
    FROM pg_proc AS p CROSS JOIN LATERAL aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) AS a
    WHERE p.pronamespace::regnamespace::text = ANY (%(schemas)s)
    UNION ALL
    SELECT 'schema', n.nspname, n.nspowner, a.grantee, a.privilege_type
    FROM pg_namespace AS n CROSS JOIN LATERAL aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) AS a
    WHERE n.nspname = ANY (%(schemas)s)
    UNION ALL
    SELECT 'database', d.datname, d.datdba, a.grantee, a.privilege_type
    FROM pg_database AS d CROSS JOIN LATERAL aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) AS a
    WHERE d.datname = current_database()
    UNION ALL
    SELECT 'setting', unnest(setconfig), setrole, 0, '' FROM pg_db_role_setting WHERE setdatabase = 0
"""
_SCHEMAS = ["public", "billing", "database", "tenant", "ops", "auth", "communication"]
_UNSEAL = """
    DO $$ BEGIN
        IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'saasodoo_journal') THEN
            REASSIGN OWNED BY saasodoo_journal TO saasodoo_owner;
        END IF;
    END $$
"""


def connect_admin(host: str, port: int, key: bytes, dbname: str) -> AbstractContextManager[Connection]:
    """Connect to the registry's server as its superuser, in autocommit. Raises Unavailable."""
    return connect_server(host, port, SERVER, key, dbname)


def unseal(admin: Connection) -> None:
    """Give the journal to the owner while it migrates; apply_grants takes it away again. Nothing may change its rows still."""
    admin.execute(_UNSEAL)


def apply_grants(admin: Connection, grants: str, *, check: bool) -> bool:
    """Apply grants.sql in one transaction; return whether that changes an owner, a privilege or a role's setting.

    With ``check``, or when nothing changes, the transaction is rolled back: looking writes nothing.
    """
    with admin.transaction() as transaction:
        before = _access(admin)
        admin.execute(grants)
        changed = _access(admin) != before
        if check or not changed:
            raise psycopg.Rollback(transaction)
    return changed


def _access(connection: Connection) -> set[tuple[object, ...]]:
    return {tuple(row.values()) for row in connection.execute(_ACCESS, {"schemas": _SCHEMAS})}
