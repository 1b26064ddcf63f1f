# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The registry's database as a whole: brought to one version of its schema, job tables and grants, or back."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from ..domain.change import Change
from ..postgres.connection import Connection
from . import connection as registry
from . import schema_steps
from .access import apply_grants, connect_admin, unseal

_ONE_AT_A_TIME = "SELECT pg_advisory_lock(hashtextextended('registry.schema', 0))"
_DATABASE_EXISTS = "SELECT FROM pg_database WHERE datname = %s"
_JOURNAL = "SELECT ops.append_journal('registry', 'migrate', jsonb_build_object('schema', %s::text, 'queue', %s::text))"


@dataclass(frozen=True)
class State:
    """What the registry's database is like: its steps, the version of its job tables, and whether privileges are as shipped."""

    database: str
    steps: tuple[str, ...] = ()
    queue: str = ""
    grants: str = "none"


NOTHING = State("absent")


@dataclass(frozen=True)
class Release:
    """The schema as the role's files have it: ``folder`` holds schema_steps/ and grants.sql."""

    folder: Path
    version: str = schema_steps.LATEST

    def wanted(self) -> State:
        """Return what the database is to be like. Grants belong to the newest step; an older one brings its release's own."""
        shipped = schema_steps.available(self.folder / "schema_steps")
        chosen = tuple(schema_steps.up_to(shipped, self.version))
        complete = len(chosen) == len(shipped)
        return State(
            "present", chosen, schema_steps.installed_queue_version() if chosen else "", "as shipped" if complete else "none"
        )

    def read(self, name: str) -> str:
        """Return one of the role's SQL files."""
        return (self.folder / name).read_text(encoding="utf-8")


def sync(owner: str, key: bytes, release: Release, *, check: bool) -> Change[State]:
    """Bring the database that ``owner`` (conninfo of its owner) names to ``release``; return its state before and after."""
    parts = conninfo_to_dict(owner)
    with connect_admin(str(parts["host"]), int(str(parts["port"])), key, "postgres") as server:
        server.execute(_ONE_AT_A_TIME)
        wanted = release.wanted()
        if server.execute(_DATABASE_EXISTS, (parts["dbname"],)).fetchone() is None:
            if not check:
                _create_database(server, parts)
                _sync_database(owner, key, release, check=False)
            return Change(NOTHING, wanted)
        return _sync_database(owner, key, release, check=check)


def _create_database(server: Connection, parts: dict[str, Any]) -> None:
    create = sql.SQL("CREATE DATABASE {} OWNER {}")
    server.execute(create.format(sql.Identifier(parts["dbname"]), sql.Identifier(parts["user"])))


def _sync_database(owner: str, key: bytes, release: Release, *, check: bool) -> Change[State]:
    """Do the work inside the database: the superuser opens and closes, the owner makes the steps."""
    wanted = release.wanted()
    parts = conninfo_to_dict(owner)
    with connect_admin(str(parts["host"]), int(str(parts["port"])), key, str(parts["dbname"])) as admin:
        present = State("present", tuple(schema_steps.applied(admin)), schema_steps.queue_version(admin))
        schema_steps.check_known(present.steps, schema_steps.available(release.folder / "schema_steps"))
        if replace(present, grants=wanted.grants) != wanted:
            before = replace(present, grants="none" if not present.steps else "of other steps")
            if not check:
                unseal(admin)
                _apply(owner, release, wanted)
                _finish(admin, release, wanted)
            return Change(before, wanted)
        if not wanted.steps or wanted.grants == "none":
            return Change(present, wanted)
        differs = apply_grants(admin, release.read("grants.sql"), check=check)
    return Change(replace(present, grants="differ" if differs else wanted.grants), wanted)


def _apply(owner: str, release: Release, wanted: State) -> None:
    with registry.connect(owner, autocommit=True) as connection:
        if not wanted.steps:
            connection.execute(release.read("queue.rollback.sql"))
        schema_steps.apply(owner, release.folder / "schema_steps", wanted.steps)
        if wanted.steps:
            schema_steps.update_queue(connection)


def _finish(admin: Connection, release: Release, wanted: State) -> None:
    if wanted.grants != "none":
        apply_grants(admin, release.read("grants.sql"), check=False)
        admin.execute(_JOURNAL, (wanted.steps[-1], wanted.queue))
