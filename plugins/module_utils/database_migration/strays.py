# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Looks at the servers for what moves have left: things nobody accounts for, and ways back that no longer lead back."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import psycopg

from ..domain.migration.record import Migration
from ..domain.migration.strays import Kind, Owner, Stray, Thing, strays
from ..domain.tenant.tenant import short_id
from ..errors import Conflict, NotFound, TimedOut, Unavailable
from ..pgbouncer.databases import PgBouncer
from ..postgres.connection import Address, AsServer, Connection
from ..registry import tenant_lock
from ..registry.tenant_name import REFERENCE
from . import journal, replication
from .schema_fingerprint import changes, schema_fingerprint

_TENANTS = f"""
SELECT t.id, {REFERENCE} AS reference, array_remove(array_agg(a.server_name), NULL) AS places
FROM tenant.tenants t LEFT JOIN database.allocations a ON a.tenant_id = t.id GROUP BY t.id
"""
# Tenants' names end in a short id; templates' do not.
_OF_TENANTS = """
SELECT 'database' AS kind, datname AS name FROM pg_database WHERE datname ~ '^odoo_.*_[0-9a-f]{12}(__new)?$'
UNION ALL SELECT 'role', rolname FROM pg_roles WHERE rolname ~ '^odoo_.*_[0-9a-f]{12}(__deputy)?$'
"""


def find_strays(connection: Connection, servers: Iterable[Address], home: Path) -> tuple[list[Stray], list[str]]:
    """Return what nobody accounts for on ``servers``, and the names of those that do not answer.

    Their PgBouncers are configured below ``home``. What a run makes or takes down meanwhile is no stray: tenants are asked
    before and after, and one that a run works on is left to that.
    """
    before, things, silent = _owners(connection), [], []
    for server in servers:
        try:
            things += _things(server, home)
        except Unavailable:
            silent.append(server.name)
    lasting = {stray.thing for stray in strays(things, before)}
    found = [stray for stray in strays(things, _owners(connection)) if stray.thing in lasting]
    return [stray for stray in found if not (stray.owner and tenant_lock.holder(connection, stray.owner))], silent


def _owners(connection: Connection) -> dict[str, Owner]:
    moves = {each.tenant_id: each for each in journal.unfinished(connection)}
    return {
        short_id(row["id"]): Owner(row["reference"], frozenset(row["places"]), moves.get(row["id"]))
        for row in connection.execute(_TENANTS)
    }


def _things(server: Address, home: Path) -> list[Thing]:
    found = [Thing(server.name, Kind(each.kind), each.name, each.database) for each in replication.strays(server)]
    with server.connect() as connection:
        for row in connection.execute(_OF_TENANTS):
            found.append(Thing(server.name, Kind(row["kind"]), row["name"], row["name"] if row["kind"] == "database" else ""))
    routed = PgBouncer(home / "pgbouncer" / server.name).databases()
    names = [name for name in routed if name.startswith("odoo_") and not name.endswith("__session")]
    return found + [Thing(server.name, Kind.ENTRY, name, name) for name in names]


def broken_way_back(migration: Migration, source: Address, target: Address, *, patience: float) -> str:
    """Say why the former database does not follow any more and never will; '' when it does, or may be merely slow.

    Looks at the slot, at what tables both have, and writes a row that has to arrive within ``patience`` seconds unless there
    is an error. Raises Unavailable when a server does not answer.
    """
    name = f"saasodoo_{short_id(migration.tenant_id)}_rev"
    try:
        with target.inside(migration.database_name) as home, source.inside(migration.database_name) as former:
            replication.lag(home, name)
            if not replication.is_subscribed(former, name):
                return f"subscription {name} on server {source.name} is gone or disabled"
            if found := changes(schema_fingerprint(former), schema_fingerprint(home)):
                return f"tables were changed since, by a module perhaps: {'; '.join(found[:3])}"
            return _follows(home, former, name, patience)
    except (NotFound, Conflict) as error:
        return str(error)
    except psycopg.errors.UndefinedTable:
        return "the row that shows whether it follows can't be written: schema saasodoo_migration is gone"
    except psycopg.OperationalError as error:
        raise Unavailable(f"server {source.name} or {target.name} does not answer", found=type(error).__name__) from None


def _follows(home: AsServer, former: AsServer, name: str, patience: float) -> str:
    """Errors alone say little: a restart of the other server counts as one. One that comes while nothing arrives does."""
    before = replication.apply_errors(former, name)
    try:
        replication.wait_for_sentinel(former, replication.write_sentinel(home), patience)
    except TimedOut:
        new = replication.apply_errors(former, name) - before
        return (
            f"the former database refuses what was written since ({new} errors, which its server's log tells)" if new > 1 else ""
        )
    return ""
