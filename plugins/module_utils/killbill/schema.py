# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The schema of Kill Bill's own database in PostgreSQL, which comes inside its war."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from psycopg import sql

from ..errors import Conflict, InvalidInput
from ..postgres.connection import connect_server

#: Role and database, which role killbill makes, have one name, which pg_hba.conf lets in (samerole).
NAME = "killbill"

_MODULES = ("account", "beatrix", "catalog", "entitlement", "invoice", "payment", "subscription", "tenant", "usage", "util")
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


def count(schema: Schema, tables: frozenset[str]) -> int:
    """Return how many of ``tables`` are of the schema."""
    return sum(len(schema.tables(group) & tables) for group in range(len(schema.groups)))


def read_tables(server: Server) -> frozenset[str]:
    """Return the tables that are there. Raises Unavailable, also where the database is not there."""
    with connect_server(server.host, server.port, server.name, server.key, NAME) as connection:
        rows = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
    return frozenset(row["tablename"] for row in rows)


def plan(schema: Schema, found: frozenset[str]) -> tuple[int, ...]:
    """Return the groups to make. Raises Conflict when one is there in part."""
    missing = []
    for number in range(len(schema.groups)):
        tables = schema.tables(number)
        if present := tables & found:
            if present != tables:
                raise Conflict(
                    f"database {NAME} has another schema",
                    found=f"no tables {', '.join(sorted(tables - present))}",
                    action="migrate it as Kill Bill's documentation says, or drop it if nothing in it is needed",
                )
        else:
            missing.append(number)
    return tuple(missing)


def make(server: Server, schema: Schema, groups: tuple[int, ...]) -> None:
    """Make the ``groups`` of the schema, each as a whole."""
    with connect_server(server.host, server.port, server.name, server.key, NAME) as connection:
        for number in groups:
            with connection.transaction():
                if number == 0:
                    connection.execute(schema.prelude.encode())
                connection.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(NAME)))
                for statement in schema.groups[number]:
                    connection.execute(statement.encode())
