"""What has to be true of a tenant after a move, wherever it died: looked at in registry, servers and PgBouncers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.saasodoo.platform.plugins.module_utils.database_migration import replication
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.migration.record import (
    Migration,
    MigrationStatus,
    Strategy,
)
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant.tenant import Tenant
from ansible_collections.saasodoo.platform.plugins.module_utils.errors import PlatformError
from ansible_collections.saasodoo.platform.plugins.module_utils.pgbouncer.databases import PgBouncer, session_name
from ansible_collections.saasodoo.platform.plugins.module_utils.postgres.connection import Address, Connection
from ansible_collections.saasodoo.platform.plugins.module_utils.postgres.deputy import deputy_of
from ansible_collections.saasodoo.platform.plugins.module_utils.registry import connection as registry

_PLACES = "SELECT purpose, server_name, state FROM database.allocations WHERE tenant_id = %s"
_OPEN = "SELECT id, status FROM ops.migrations WHERE tenant_id = %s AND finished_at IS NULL"
_DATABASES = "SELECT datname AS name FROM pg_database WHERE datname LIKE %s"
_ROLES = "SELECT rolname AS name, rolcanlogin AS open FROM pg_roles WHERE rolname LIKE %s"


@dataclass(frozen=True)
class Expected:
    """Where the tenant lives, and the migration that is kept, if one is."""

    home: str
    kept: Migration | None

    @property
    def former(self) -> str | None:
        """The server that has the database it left."""
        return self.kept.source if self.kept else None

    @property
    def followed(self) -> bool:
        """Whether the former database follows."""
        return bool(self.kept and self.kept.strategy is Strategy.ONLINE and self.kept.way_back_until)


@dataclass(frozen=True)
class Judge:
    """Looks at one platform."""

    conninfo: str
    home: Path
    servers: Mapping[str, Address]

    def pooler(self, server: str) -> PgBouncer:
        """Return the PgBouncer in front of a server."""
        return PgBouncer(self.home / "pgbouncer" / server)

    def problems(self, tenant: Tenant, expected: Expected) -> list[str]:
        """Name all that is not as it should be."""
        with registry.connect(self.conninfo) as connection:
            found = self.registered(connection, tenant, expected)
        for name in self.servers:
            found += [f"{name}: {each}" for each in self._at(name, tenant, expected)]
        return found

    def registered(self, connection: Connection, tenant: Tenant, expected: Expected) -> list[str]:
        """Name what is wrong with the registry's places and migrations of the tenant."""
        places = {row["purpose"]: (row["server_name"], row["state"]) for row in connection.execute(_PLACES, (tenant.id,))}
        wanted = {"home": (expected.home, "in_use")} | ({"former": (expected.former, "in_use")} if expected.former else {})
        found = [f"places {places} instead of {wanted}"] * (places != wanted)
        rows = connection.execute(_OPEN, (tenant.id,)).fetchall()
        unfinished = [(row["id"], row["status"]) for row in rows]
        known = [(expected.kept.id, str(MigrationStatus.KEPT))] if expected.kept else []
        return found + [f"unfinished: {unfinished} instead of {known}"] * (unfinished != known)

    def _at(self, name: str, tenant: Tenant, expected: Expected) -> list[str]:
        database, address = tenant.database_name, self.servers[name]
        lives, was = name == expected.home, name == expected.former
        found: list[str] = []
        with address.connect(wait=30) as server:
            databases = [row["name"] for row in server.execute(_DATABASES, (f"{database}%",))]
            found += [f"databases {databases}"] * (databases != [database] * (lives or was))
            roles = {row["name"]: row["open"] for row in server.execute(_ROLES, (f"{database}%",))}
            if lives or was:  # its deputy stays as long as something is kept of the move
                roles.pop(deputy_of(database), None)
            found += [f"roles {roles}"] * (roles != ({database: lives} if lives or was else {}))
        strays = {(each.kind, each.name[-4:]) for each in replication.strays(address) if tenant.short_id in each.name}
        strays |= {(each.kind, "") for each in replication.strays(address) if each.database == database and
                   each.kind in ("publication", "schema")}  # fmt: skip
        found += [f"{strays} instead of {_made(expected, lives, was)}"] * (strays != _made(expected, lives, was))
        return found + self.misrouted(name, database, expected)

    def misrouted(self, name: str, database: str, expected: Expected) -> list[str]:
        """Name what is wrong with where a server's PgBouncer leads those who ask for a database."""
        pooler, home = self.pooler(name), self.servers[expected.home]
        names = (database, session_name(database)) if name in (expected.home, expected.former) else ()
        wanted = dict.fromkeys(names, (home.host, home.port))
        kept = {each: place for each, place in pooler.databases().items() if each.startswith(database)}
        text = (self.home / "pgbouncer" / name / "databases.ini").read_text()
        found = [f"PgBouncer's file leads to {kept} instead of {wanted}"] * (kept != wanted)
        found += ["PgBouncer's file holds a database"] * ("pool_size=0" in text)
        try:
            paused = {each for each in pooler.console.paused() if each.startswith(database)}
            found += [f"paused: {paused}"] * bool(paused)
            routed = {each: pooler.destination(each) for each in names}
            found += [f"PgBouncer leads to {routed} instead of {wanted}"] * (routed != wanted)
        except PlatformError as error:
            found.append(str(error))
        return found


def _made(expected: Expected, lives: bool, was: bool) -> set[tuple[str, str]]:
    """What a move that is kept rightly has, at the server the tenant lives on and at the one where it was."""
    if not expected.followed or not (lives or was):
        return set()
    both = {("publication", ""), ("schema", "")}
    return both | ({("slot", "_rev")} if lives else {("subscription", "_rev")})
