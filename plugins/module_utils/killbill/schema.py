# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Kill Bill's own database in PostgreSQL: role, database, and the schema that comes inside its war."""

from __future__ import annotations

import contextlib
import io
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from ..errors import Conflict, InvalidInput
from ..postgres.connection import Connection, connect_server
from ..secrets.platform_key import derive
from ..secrets.scram import make_verifier, matches

#: What Kill Bill's secrets are derived for.
SUBJECT = "killbill"
#: Role and database have one name, which pg_hba.conf lets in (samerole).
NAME = "killbill"

_MODULES = ("account", "beatrix", "catalog", "entitlement", "invoice", "payment", "subscription", "tenant", "usage", "util")
_CONNECTIONS = 40  # that the role may have open, so that it can't starve the registry beside it
_TABLE = re.compile(r"^\s*create table (?:if not exists )?(\w+)", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True)
class Schema:
    """Statements for a superuser (``prelude``), and groups of those for Kill Bill's role; each group is made as a whole."""

    prelude: str
    groups: tuple[tuple[str, ...], ...]

    def tables(self, group: int) -> frozenset[str]:
        """Return the names of the tables the group makes."""
        return frozenset(name for statement in self.groups[group] for name in _TABLE.findall(statement))


@dataclass(frozen=True)
class Server:
    """The Postgres server to use, reached as its superuser by the platform key."""

    host: str
    port: int
    name: str
    key: bytes


def read_schema(war: Path, *plugins: Path) -> Schema:
    """Return the schema in Kill Bill's ``war``, and that of each plugin's jar. Raises InvalidInput for files that are neither."""
    try:
        with zipfile.ZipFile(war) as archive:
            prelude = _from_library(archive, "util", "ddl-postgresql.sql")
            core = "\n".join(_from_library(archive, module, "ddl.sql") for module in _MODULES)
        others = [_from_plugin(plugin) for plugin in plugins]
    except (OSError, zipfile.BadZipFile, KeyError) as error:
        raise InvalidInput("Kill Bill's schema can't be read", found=str(error), expected=f"Kill Bill's war at {war}") from None
    return Schema(prelude, tuple(tuple(_statements(text)) for text in (core, *others)))


def _from_library(war: zipfile.ZipFile, module: str, file: str) -> str:
    pattern = re.compile(rf"WEB-INF/lib/killbill-{module}-[\d.]+\.jar")
    name = next((name for name in war.namelist() if pattern.fullmatch(name)), f"killbill-{module}.jar")
    with zipfile.ZipFile(io.BytesIO(war.read(name))) as library:
        return library.read(f"org/killbill/billing/{module}/{file}").decode()


def _from_plugin(jar: Path) -> str:
    with zipfile.ZipFile(jar) as archive:
        return archive.read("ddl.sql").decode()


def _statements(text: str) -> Iterator[str]:
    """Yield the statements one by one: an event trigger of the prelude looks at the text of each CREATE TABLE alone."""
    for statement in re.split(r";\s*$", re.sub(r"/\*!.*?\*/", "", text), flags=re.MULTILINE):
        if statement.strip():
            yield statement.strip()


@dataclass(frozen=True)
class State:
    """What there is: whether the role has the right password, whether the database is there, the tables in it."""

    role: bool = False
    database: bool = False
    tables: frozenset[str] = frozenset()

    def described(self, schema: Schema) -> dict[str, object]:
        """Return the state as a diff shows it: only what is ours."""
        wanted = frozenset().union(*(schema.tables(group) for group in range(len(schema.groups))))
        return {
            "role": NAME if self.role else None,
            "database": NAME if self.database else None,
            "tables": len(self.tables & wanted),
        }


def read_state(server: Server) -> State:
    """Return what there is on ``server``. Raises Unavailable."""
    with connect_server(server.host, server.port, server.name, server.key) as connection:
        found = connection.execute("SELECT rolpassword FROM pg_authid WHERE rolname = %s", (NAME,)).fetchone()
        role = found is not None and matches(found["rolpassword"], derive(server.key, SUBJECT, "database"))
        database = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (NAME,)).fetchone() is not None
    if not database:
        return State(role)
    with connect_server(server.host, server.port, server.name, server.key, NAME) as connection:
        rows = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
    return State(role, database, frozenset(row["tablename"] for row in rows))


def plan(schema: Schema, state: State) -> tuple[State, tuple[int, ...]]:
    """Return what there will be, and the groups to make. Raises Conflict when one is there in part."""
    missing = []
    for number in range(len(schema.groups)):
        tables = schema.tables(number)
        if present := tables & state.tables:
            if present != tables:
                raise Conflict(
                    f"database {NAME} has another schema",
                    found=f"no tables {', '.join(sorted(tables - present))}",
                    action="migrate it as Kill Bill's documentation says, or drop it if nothing in it is needed",
                )
        else:
            missing.append(number)
    return State(True, True, state.tables.union(*(schema.tables(number) for number in missing))), tuple(missing)


def make(server: Server, schema: Schema, state: State, missing: tuple[int, ...]) -> None:
    """Make the role, the database and the ``missing`` groups of the schema."""
    with connect_server(server.host, server.port, server.name, server.key) as connection:
        if not state.role:
            _make_role(connection, server.key)
        if not state.database:
            connection.execute(sql.SQL("CREATE DATABASE {0} OWNER {0}").format(sql.Identifier(NAME)))
        connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(NAME)))
    with connect_server(server.host, server.port, server.name, server.key, NAME) as connection:
        for number in missing:
            with connection.transaction():
                if number == 0:
                    connection.execute(schema.prelude.encode())
                connection.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(NAME)))
                for statement in schema.groups[number]:
                    connection.execute(statement.encode())


def _make_role(connection: Connection, key: bytes) -> None:
    name = sql.Identifier(NAME)
    with contextlib.suppress(psycopg.errors.DuplicateObject):
        connection.execute(sql.SQL("CREATE ROLE {}").format(name))
    rights = sql.SQL("LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION CONNECTION LIMIT {}").format(_CONNECTIONS)
    connection.execute(
        sql.SQL("ALTER ROLE {} {} PASSWORD {}").format(name, rights, make_verifier(derive(key, SUBJECT, "database")))
    )
