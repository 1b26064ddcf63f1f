# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The platform's own way to a Postgres server: as its superuser, directly, never through a tenant's role."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg.rows import DictRow, dict_row

from ..errors import Unavailable
from ..secrets.platform_key import derive
from ..secrets.server import SUPERUSER, subject

Connection = psycopg.Connection[DictRow]

_CONNECT_TIMEOUT = 5  # seconds
_PAUSE = 0.1  # seconds between two tries


@dataclass(frozen=True)
class Address:
    """Where the server ``name`` is, and what its superuser's password follows from: the platform ``key``."""

    host: str
    port: int
    name: str
    key: bytes = field(repr=False)

    def connect(self, dbname: str = "postgres", *, wait: float = 0) -> AbstractContextManager[Connection]:
        """Connect as ``connect_server`` does."""
        return connect_server(self.host, self.port, self.name, self.key, dbname, wait=wait)

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
    host: str, port: int, name: str, key: bytes, dbname: str = "postgres", *, wait: float = 0
) -> Iterator[Connection]:
    """Connect to the server ``name`` as its superuser, in autocommit; the password follows from the platform ``key``.

    ``port`` may be the server's own or its PgBouncer's (``dbname`` "pgbouncer" is the latter's console). A server that does
    not answer is tried again for ``wait`` seconds, which a crash recovery may take. Raises Unavailable, also when the server
    goes away in the middle of the block.
    """
    parts = Address(host, port, name, key).parameters(dbname)
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
                raise Unavailable(f"server {name} does not answer at {where}", found=_reason(error)) from None
        time.sleep(_PAUSE)


def _reason(error: psycopg.Error) -> str:
    return " ".join(str(error).split())
