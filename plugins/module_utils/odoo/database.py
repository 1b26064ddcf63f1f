# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A tenant's database and role: cloned from a template under another name, made the tenant's own, and then renamed.

A run killed at any moment leaves at worst the unfinished name, which the next run drops. Until then it is the platform's own;
from then on it is read and written as the tenant, who may have left anything in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from psycopg import errors, sql

from ..domain.odoo.template import OWNER, UNFINISHED
from ..errors import NotFound, Unavailable
from ..outcome import Outcome
from ..postgres.connection import Address, AsServer, AsTenant, InUnfinished
from ..postgres.deputy import deputy_of
from ..secrets.tenant import TenantSecrets
from . import parameters as odoo_parameters
from . import tables
from .password import hash_password

# What a tenant's role may not; it is spelled out so that a role altered by hand is put right.
_ATTRIBUTES = "NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS NOINHERIT"
_READ_ROLE = "SELECT rolpassword, rolconnlimit FROM pg_authid WHERE rolname = %s"
_READ_DATABASE = "SELECT datistemplate, datallowconn FROM pg_database WHERE datname = %s"
_LOCK = "SELECT pg_advisory_lock(hashtextextended('saasodoo database ' || %s, 0))"
_UNLOCK = "SELECT pg_advisory_unlock(hashtextextended('saasodoo database ' || %s, 0))"


@dataclass(frozen=True)
class TenantDatabase:
    """The database ``name`` and the role of the same name as they are to be.

    ``template`` is cloned where there is no database yet; ``parameters`` are Odoo's system parameters that the platform
    owns (web.base.url and such); ``connection_limit`` is the role's.
    """

    name: str
    template: str
    parameters: Mapping[str, str]
    connection_limit: int

    @property
    def unfinished(self) -> str:
        """Its name until it is complete."""
        return f"{self.name}{UNFINISHED}"


@contextmanager
def exclusively(server: AsServer, name: str) -> Iterator[None]:
    """Let one session at a time work on ``name``: a killed run's statement that still runs is waited for."""
    server.execute(_LOCK, (name,))
    try:
        yield
    finally:
        server.execute(_UNLOCK, (name,))


def converge(address: Address, wanted: TenantDatabase, secrets: TenantSecrets, *, check: bool) -> Outcome:
    """Bring database and role to what is wanted, or with ``check`` say what would change.

    In check mode a server that does not answer may only be predicted: then all would be made. Raises Unavailable otherwise,
    NotFound without a template, Conflict where the tenant has left its own parameters in no state to be read.
    """
    try:
        with address.connect() as server, exclusively(server, wanted.name):
            before = describe(server, address, wanted, secrets)
            if not check:
                ensure(server, address, wanted, secrets, before)
    except Unavailable:
        if not check:
            raise
        before = {}
    return Outcome(before, target(wanted, secrets))


def release(address: Address, name: str, *, check: bool) -> Outcome:
    """Drop database and role, or with ``check`` say what would be dropped."""
    with address.connect() as server, exclusively(server, name):
        found = present(server, name)
        if not check:
            remove(server, name)
    return Outcome(found, dict.fromkeys(found, False))


def describe(server: AsServer, address: Address, wanted: TenantDatabase, secrets: TenantSecrets) -> dict[str, Any]:
    """Return what is there, in the words of ``target``; what is not there is missing from it.

    Nothing is known of what is inside while the role has another password than this platform's.
    """
    found: dict[str, Any] = {}
    fits = False
    if role := server.execute(_READ_ROLE, (wanted.name,)).fetchone():
        fits = role["rolpassword"] == secrets.role_verifier
        found["role"] = {"connection_limit": role["rolconnlimit"], "password": "as derived" if fits else "another"}
    if fits and _is_there(server, wanted.name):
        found |= _inside(address, wanted, secrets)
    return found


def target(wanted: TenantDatabase, secrets: TenantSecrets) -> dict[str, Any]:
    """Return what ``describe`` says once all is as wanted."""
    return {
        "role": {"connection_limit": wanted.connection_limit, "password": "as derived"},
        "parameters": dict(wanted.parameters),
        "secret_generation": secrets.generation,
    }


def ensure(server: AsServer, address: Address, wanted: TenantDatabase, secrets: TenantSecrets, before: Mapping[str, Any]) -> None:
    """Bring role and database to what is wanted; ``before`` is what ``describe`` found. Raises as ``converge`` does."""
    after = target(wanted, secrets)
    if before.get("role") != after["role"]:
        write_role(server, wanted.name, secrets.role_verifier, wanted.connection_limit)
    if not _is_there(server, wanted.name):
        _make(server, address, wanted, secrets)
        return
    inside = before if "parameters" in before else _inside(address, wanted, secrets)
    if all(inside[name] == after[name] for name in ("parameters", "secret_generation")):
        return
    with _as_tenant(address, wanted, secrets) as database, database.transaction():
        odoo_parameters.write(database, wanted.parameters)
        if inside["secret_generation"] != secrets.generation:
            admin = hash_password(secrets.admin_password)
            odoo_parameters.write_secrets(database, secrets.generation, secrets.database_secret, admin)


@contextmanager
def _as_tenant(address: Address, wanted: TenantDatabase, secrets: TenantSecrets) -> Iterator[AsTenant]:
    """Log in as the tenant's own role, which has the derived password."""
    what = f"the parameters of Odoo in database {wanted.name} can't be read or written by its own role"
    with address.log_in(wanted.name, secrets.role_password, wanted.name) as database, tables.understood(what):
        yield database


def _inside(address: Address, wanted: TenantDatabase, secrets: TenantSecrets) -> dict[str, Any]:
    with _as_tenant(address, wanted, secrets) as database:
        return {
            "parameters": odoo_parameters.read(database, wanted.parameters),
            "secret_generation": odoo_parameters.generation(database),
        }


def _is_there(server: AsServer, name: str) -> bool:
    return server.execute(_READ_DATABASE, (name,)).fetchone() is not None


def present(server: AsServer, name: str) -> dict[str, bool]:
    """Return which of the database, its unfinished form and the role there are."""
    found = {"database": name, "unfinished": f"{name}{UNFINISHED}"}
    there = {word: _is_there(server, each) for word, each in found.items()}
    return there | {"role": server.execute(_READ_ROLE, (name,)).fetchone() is not None}


def remove(server: AsServer, name: str) -> None:
    """Drop the database, whoever is connected, its unfinished form, the role and its deputy."""
    for each in (f"{name}{UNFINISHED}", name):
        drop_database(server, each)
    for each in (deputy_of(name), name):
        server.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(each)))


def write_role(server: AsServer, name: str, verifier: str, connection_limit: int) -> None:
    """Make a tenant's role, or put it right; ``verifier`` is its password's."""
    exists = server.execute(_READ_ROLE, (name,)).fetchone()
    statement = sql.SQL("{} ROLE {} {} LOGIN CONNECTION LIMIT {} PASSWORD {}").format(
        sql.SQL("ALTER" if exists else "CREATE"),
        sql.Identifier(name),
        sql.SQL(_ATTRIBUTES),
        sql.Literal(connection_limit),
        sql.Literal(verifier),
    )
    server.execute(statement)


def close(server: AsServer, database: str) -> None:
    """Let nobody but the superuser into ``database``."""
    server.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(database)))


def protect(server: AsServer, database: str, role: str) -> None:
    """Let only ``role`` into ``database``. That stays the superuser's: ``role`` can't drop, rename or open it to others."""
    close(server, database)
    names = {"database": sql.Identifier(database), "role": sql.Identifier(role)}
    server.execute(sql.SQL("GRANT CONNECT, CREATE, TEMPORARY ON DATABASE {database} TO {role}").format(**names))


def drop_database(server: AsServer, name: str) -> None:
    """Drop a database where it exists, whoever is connected and though it be a template."""
    found = server.execute(_READ_DATABASE, (name,)).fetchone()
    if found and found["datistemplate"]:
        server.execute(sql.SQL("ALTER DATABASE {} IS_TEMPLATE false").format(sql.Identifier(name)))
    server.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def _make(server: AsServer, address: Address, wanted: TenantDatabase, secrets: TenantSecrets) -> None:
    """Clone, make it the tenant's own, rename."""
    drop_database(server, wanted.unfinished)
    _clone(server, wanted)
    with address.into_unfinished(wanted.unfinished) as database, database.transaction():
        _give(database, wanted.name)
        odoo_parameters.renew(database)
        odoo_parameters.write(database, wanted.parameters)
        odoo_parameters.write_secrets(
            database, secrets.generation, secrets.database_secret, hash_password(secrets.admin_password)
        )
    names = {"old": sql.Identifier(wanted.unfinished), "new": sql.Identifier(wanted.name)}
    server.execute(sql.SQL("ALTER DATABASE {old} RENAME TO {new}").format(**names))


def _clone(server: AsServer, wanted: TenantDatabase) -> None:
    names = {"new": sql.Identifier(wanted.unfinished), "template": sql.Identifier(wanted.template)}
    try:
        server.execute(sql.SQL("CREATE DATABASE {new} TEMPLATE {template}").format(**names))
    except errors.InvalidCatalogName:
        raise NotFound(f"no template database {wanted.template} on this server", action="make it with odoo_template") from None
    except errors.ObjectInUse as error:
        found = str(error).strip().splitlines()[-1]
        raise Unavailable(f"template database {wanted.template} is in use", found=found) from None
    protect(server, wanted.unfinished, wanted.name)


def _give(database: InUnfinished, role: str) -> None:
    """Make ``role`` the owner of all that the template's owner owns in this database."""
    names = {"old": sql.Identifier(OWNER), "new": sql.Identifier(role)}
    database.execute(sql.SQL("REASSIGN OWNED BY {old} TO {new}").format(**names))
