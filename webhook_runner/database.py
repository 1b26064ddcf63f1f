"""The runner's connections to the registry: a pool that survives the registry's restarts, one transaction per use."""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.rows import DictRow, dict_row
from psycopg_pool import ConnectionPool, PoolTimeout

from ansible_collections.saasodoo.platform.plugins.module_utils.errors import Unavailable

Connection = psycopg.Connection[DictRow]

_WAIT = 4  # seconds for a connection; Kill Bill gives up on an answer after 15


def queue_conninfo(conninfo: str) -> str:
    """Return ``conninfo`` so that procrastinate's tables are found: its names are unqualified, also in its functions."""
    return make_conninfo(conninfo, options="-c search_path=public,pg_temp", connect_timeout=3)


class Registry:
    """A pool of connections to the registry, as the runner's own role."""

    def __init__(self, conninfo: str, *, size: int) -> None:
        self._pool: ConnectionPool[Connection] = ConnectionPool(
            queue_conninfo(conninfo),
            min_size=1,
            max_size=size,
            timeout=_WAIT,
            open=False,
            reconnect_timeout=5,
            check=ConnectionPool.check_connection,
            kwargs={"row_factory": dict_row, "autocommit": True, "application_name": "saasodoo-runner"},
        )

    def open(self) -> None:
        """Begin to connect; the registry need not be there yet."""
        self._pool.open(wait=False)

    def close(self) -> None:
        """Close all connections."""
        self._pool.close(timeout=2)

    @contextmanager
    def transaction(self, *, cause: str = "", correlation_id: str = "") -> Iterator[Connection]:
        """Yield a connection in a transaction, which leaving commits; who acts and why is written with every journal entry.

        Raises Unavailable when the registry is away or goes away meanwhile.
        """
        try:
            with self._pool.connection() as connection, connection.transaction():
                if cause:
                    connection.execute(
                        "SELECT set_config('saasodoo.actor', %s, true), set_config('saasodoo.cause', %s, true),"
                        " set_config('saasodoo.correlation_id', %s, true)",
                        (getpass.getuser(), cause, correlation_id),
                    )
                yield connection
        except (psycopg.OperationalError, PoolTimeout) as error:
            raise Unavailable("the registry does not answer", found=type(error).__name__) from error
