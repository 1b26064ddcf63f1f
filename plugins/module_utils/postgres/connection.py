# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The ways into a Postgres server, different in type: as the server, as a tenant, and into what nobody has been in yet.

A tenant can leave functions wherever a row or a name leads to one, so the superuser neither touches a table of a finished
tenant's database nor looks a name up where a tenant may make some: that is done by who is nobody (docs/security.md).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any, NewType, TypeVar

import psycopg
from psycopg.rows import DictRow, dict_row

from ..errors import Unavailable
from ..secrets.platform_key import derive
from ..secrets.server import SUPERUSER, subject

Connection = psycopg.Connection[DictRow]
#: The superuser's session. In a tenant's database it asks catalogs, and changes what tests/conventions lists (CHANGES).
AsServer = NewType("AsServer", psycopg.Connection[DictRow])
#: A session that may do in one database what its tenant may, and nothing anywhere else: whatever runs in it is the tenant's own.
AsTenant = NewType("AsTenant", psycopg.Connection[DictRow])
#: The superuser's session in a database that only the platform has been in: a template, or a clone before it has its name.
InUnfinished = NewType("InUnfinished", psycopg.Connection[DictRow])
_Session = TypeVar("_Session", AsServer, InUnfinished)

_CONNECT_TIMEOUT = 5  # seconds
# No name and no operator of a tenant's is ever found: temporary ones come last, and never for functions and operators.
_CATALOGS = "-c search_path=pg_catalog,pg_temp"
# What asks catalogs is done in less, and nobody waits behind it for longer. Who has to be patient says so.
_BOUNDED = f"{_CATALOGS} -c statement_timeout=120s -c lock_timeout=30s"
# A tenant over its plan's storage only reads (database_sizes.py); what the platform does for it is still to be possible.
_AS_TENANT = f"{_BOUNDED} -c default_transaction_read_only=off"
_PAUSE = 0.1  # seconds between two tries


@dataclass(frozen=True)
class Address:
    """Where the server ``name`` is, and what its superuser's password follows from: the platform ``key``."""

    host: str
    port: int
    name: str
    key: bytes = field(repr=False)

    def connect(self, *, wait: float = 0) -> AbstractContextManager[AsServer]:
        """Connect to the server's own database ``postgres``, which no tenant gets into, as ``connect_server`` does."""
        return self._superuser(AsServer, "postgres", _CATALOGS, wait)

    def inside(self, database: str) -> AbstractContextManager[AsServer]:
        """Connect to a tenant's database as the server: to ask its catalogs."""
        return self._superuser(AsServer, database, _BOUNDED)

    def into_unfinished(self, database: str) -> AbstractContextManager[InUnfinished]:
        """Connect to a database that nobody but the platform has been in."""
        return self._superuser(InUnfinished, database, _CATALOGS)

    @contextmanager
    def _superuser(self, way: Callable[[Connection], _Session], dbname: str, options: str, wait: float = 0) -> Iterator[_Session]:
        """Connect as the superuser, by one of its two ways in."""
        with connect_server(self.host, self.port, self.name, self.key, dbname, wait=wait, options=options) as connection:
            yield way(connection)

    @contextmanager
    def log_in(self, role: str, password: str, database: str) -> Iterator[AsTenant]:
        """Connect to a tenant's database as a role with the tenant's rights. Raises Unavailable as ``connect_server`` does."""
        parts = self.parameters(database) | {"user": role, "password": password, "options": _AS_TENANT}
        with _connected(parts, self.name) as connection:
            yield AsTenant(connection)

    @property
    def password(self) -> str:
        """The superuser's password: for a program's environment or another server, never for a log."""
        return derive(self.key, subject(self.name), "admin")

    def parameters(self, dbname: str) -> dict[str, Any]:
        """Return libpq's connection parameters, the password among them."""
        return {
            "host": self.host,
            "port": self.port,
            "dbname": dbname,
            "user": SUPERUSER,
            "password": self.password,
            "connect_timeout": _CONNECT_TIMEOUT,
        }


@contextmanager
def connect_server(
    host: str, port: int, name: str, key: bytes, dbname: str = "postgres", *, wait: float = 0, options: str = ""
) -> Iterator[Connection]:
    """Connect to the server ``name`` as its superuser, in autocommit; the password follows from the platform ``key``.

    ``port`` may be the server's own or its PgBouncer's (``dbname`` "pgbouncer" is the latter's console). A server that does
    not answer is tried again for ``wait`` seconds, which a crash recovery may take. ``options`` are settings of the session
    (libpq: options). Raises Unavailable, also when the server goes away in the middle of the block.
    """
    parts = Address(host, port, name, key).parameters(dbname) | {"options": options}
    with _connected(parts, name, wait) as connection:
        yield connection


@contextmanager
def _connected(parts: dict[str, Any], name: str, wait: float = 0) -> Iterator[Connection]:
    with _open(parts, name, time.monotonic() + wait) as connection:
        try:
            yield connection
        except psycopg.OperationalError as error:
            if not passes(connection, error):
                raise
            raise Unavailable(f"server {name} went away in the middle", found=_reason(error)) from None


def one(cursor: psycopg.Cursor[DictRow]) -> DictRow:
    """Return the row of a statement that always has one. Raises LookupError where it has none after all."""
    row = cursor.fetchone()
    if row is None:
        raise LookupError(f"{cursor.statusmessage} gave no row, where there always is one")
    return row


def passes(connection: Connection, error: psycopg.OperationalError) -> bool:
    """Say whether the error may pass by itself: the server went away, or ended this transaction for the sake of another."""
    return connection.broken or isinstance(error, psycopg.errors.DeadlockDetected | psycopg.errors.SerializationFailure)


def _open(parts: dict[str, Any], name: str, end: float) -> Connection:
    while True:
        try:
            # PgBouncer's transaction pooling has no prepared statements before 1.21, and its console has none at all.
            return psycopg.connect(**parts, autocommit=True, row_factory=dict_row, prepare_threshold=None)
        except psycopg.OperationalError as error:
            if time.monotonic() > end:
                where = f"{parts['host']}:{parts['port']}, database {parts['dbname']}"
                who = "" if parts["user"] == SUPERUSER else f" {parts['user']}"
                raise Unavailable(f"server {name} does not answer{who} at {where}", found=_reason(error)) from None
        time.sleep(_PAUSE)


def _reason(error: psycopg.Error) -> str:
    return " ".join(str(error).split())
