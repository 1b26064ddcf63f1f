# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An empty database like one on another server: same locale, settings, access and role, to load a dump into."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from psycopg import errors, sql

from ..errors import Conflict, NotFound
from ..odoo.database import close, protect, write_role
from ..postgres.connection import Address, AsServer, one

# The columns on locales have other names in other versions of PostgreSQL.
_READ = """
SELECT to_jsonb(d) AS found, pg_encoding_to_char(encoding) AS encoding, datconnlimit AS connection_limit
FROM pg_database d WHERE datname = %s
"""
_SETTINGS = """
SELECT setdatabase <> 0 AS of_database, setrole <> 0 AS of_role, each
FROM pg_db_role_setting, unnest(setconfig) WITH ORDINALITY AS setting (each, position)
WHERE setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = %(name)s))
AND setrole IN (0, (SELECT oid FROM pg_roles WHERE rolname = %(name)s)) AND (setdatabase, setrole) <> (0, 0)
ORDER BY 1, 2, position
"""
_TARGETS = {
    (True, False): "ALTER DATABASE {name} SET {setting} FROM CURRENT",
    (False, True): "ALTER ROLE {name} SET {setting} FROM CURRENT",
    (True, True): "ALTER ROLE {name} IN DATABASE {name} SET {setting} FROM CURRENT",
}
# What the superuser has made in the schema that every database is born with.
_BORN_WITH = """
SELECT (SELECT pg_get_userbyid(nspowner) = %(name)s FROM pg_namespace WHERE nspname = 'public') AS owns_public,
    array(SELECT extname::text FROM pg_extension JOIN pg_namespace n ON n.oid = extnamespace JOIN pg_roles r ON r.oid = extowner
        WHERE rolsuper AND extname <> 'plpgsql' AND nspname IN ('public', 'pg_catalog') ORDER BY extname) AS extensions
"""
_PROVIDERS = {"c": "libc", "i": "icu", "b": "builtin"}


@dataclass(frozen=True)
class Setting:
    """One setting, of the database, the role, or the role in the database."""

    of_database: bool
    of_role: bool
    name: str
    value: str


@dataclass(frozen=True)
class Shape:
    """What a database is besides its contents."""

    encoding: str
    collate: str
    ctype: str
    provider: str
    locale: str | None
    connection_limit: int
    settings: tuple[Setting, ...]
    owns_public: bool = False
    extensions: tuple[str, ...] = ()


def read_shape(address: Address, name: str) -> Shape:
    """Return the shape of the database ``name``, with the settings of the role of that name. Raises NotFound, Unavailable."""
    with address.connect() as server:
        shape = _read(server, name)
    with address.inside(name) as database:
        born = one(database.execute(_BORN_WITH, {"name": name}))
    return replace(shape, owns_public=bool(born["owns_public"]), extensions=tuple(born["extensions"]))


def _read(server: AsServer, name: str) -> Shape:
    row = server.execute(_READ, (name,)).fetchone()
    if row is None:
        raise NotFound(f"no database {name} on this server")
    found: Mapping[str, Any] = row["found"]
    settings = []
    for each in server.execute(_SETTINGS, {"name": name}):
        setting, _sign, value = each["each"].partition("=")
        settings.append(Setting(each["of_database"], each["of_role"], setting, value))
    return Shape(
        encoding=row["encoding"],
        collate=found["datcollate"],
        ctype=found["datctype"],
        provider=_PROVIDERS[found["datlocprovider"]],
        locale=found.get("datlocale", found.get("daticulocale")),
        connection_limit=row["connection_limit"],
        settings=tuple(settings),
    )


def create_empty(address: Address, name: str, shape: Shape, verifier: str, connection_limit: int) -> None:
    """Make the role ``name``, or put it right, and its empty database as ``shape`` says; the superuser owns that.

    Extensions that were the superuser's are made by him again, before anybody else has been in.
    ``connection_limit`` is the role's, ``verifier`` its password's. Raises Conflict when the database is there: what was not
    finished is dropped first (odoo_database.remove), what is in use is not for anybody to make again.
    """
    with address.connect() as server:
        write_role(server, name, verifier, connection_limit)
        _create(server, name, shape)
    with address.into_unfinished(name) as database:
        if shape.owns_public:
            database.execute(sql.SQL("ALTER SCHEMA public OWNER TO {}").format(sql.Identifier(name)))
        for extension in shape.extensions:
            database.execute(sql.SQL("CREATE EXTENSION IF NOT EXISTS {} SCHEMA public").format(sql.Identifier(extension)))
    with address.connect() as server:
        protect(server, name, name)


def _create(server: AsServer, name: str, shape: Shape) -> None:
    try:
        server.execute(_creation(name, shape))
    except errors.DuplicateDatabase:
        raise Conflict(
            f"database {name} is there already", action="drop it if it is left from a run that was broken off"
        ) from None
    close(server, name)
    with server.transaction():
        for setting in shape.settings:
            _apply(server, name, setting)


def _creation(name: str, shape: Shape) -> sql.Composed:
    statement = sql.SQL(
        "CREATE DATABASE {} TEMPLATE template0 ENCODING {} LC_COLLATE {} LC_CTYPE {} LOCALE_PROVIDER {} CONNECTION LIMIT {}"
    ).format(
        sql.Identifier(name),
        *(sql.Literal(each) for each in (shape.encoding, shape.collate, shape.ctype)),
        sql.SQL(shape.provider),
        sql.Literal(shape.connection_limit),
    )
    if shape.locale and shape.provider != "libc":
        statement += sql.SQL(" {}_LOCALE {}").format(sql.SQL(shape.provider), sql.Literal(shape.locale))
    return statement


def _apply(server: AsServer, name: str, setting: Setting) -> None:
    """Set it here and keep it for there: lists such as search_path can't be quoted as one value."""
    server.execute("SELECT set_config(%s, %s, true)", (setting.name, setting.value))
    target = sql.SQL(_TARGETS[setting.of_database, setting.of_role])
    server.execute(target.format(name=sql.Identifier(name), setting=sql.Identifier(*setting.name.split("."))))
