# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The one way to the registry: a connection that knows who acts, why, and in which flow."""

from __future__ import annotations

import getpass
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import dict_row

from ..errors import InvalidInput, RegistryUnavailable, Unauthorized
from ..postgres.connection import Connection, one, passes

_CONNECT_TIMEOUT = 5  # seconds


def check_conninfo(conninfo: str) -> dict[str, Any]:
    """Return the parts of ``conninfo``; raise InvalidInput unless it names an own user and a password file.

    A component without its own user and password refuses to start; a password in the string would end up in logs.
    """
    try:
        parts = conninfo_to_dict(conninfo)
    except psycopg.ProgrammingError as error:
        raise InvalidInput("the registry connection string can't be read", found=str(error).strip()) from None
    if "password" in parts:
        raise InvalidInput("the registry connection string holds a password", expected="passfile=PATH")
    if not parts.get("user") or not os.access(str(parts.get("passfile", "")), os.R_OK):
        raise InvalidInput(
            "no registry user and password for this component",
            found=f"user {parts.get('user') or 'none'}, passfile {parts.get('passfile') or 'none'}",
            expected="user=NAME passfile=READABLE FILE",
            action="run playbooks/registry.yml, which makes one login role and one password file per component",
        )
    return parts


@contextmanager
def connect(conninfo: str, *, cause: str = "", correlation_id: str = "", autocommit: bool = False) -> Iterator[Connection]:
    """Connect to the registry as the component ``conninfo`` names; leaving the block commits, an error rolls back.

    ``cause`` and ``correlation_id`` default to SAASODOO_CAUSE and SAASODOO_CORRELATION_ID, which a run sets; they and
    the acting user are written with every journal entry. Raises InvalidInput, RegistryUnavailable when it does not answer
    or goes away, and Unauthorized when the component may not do what is done inside the block.
    """
    parts = check_conninfo(conninfo)
    settings = {
        "saasodoo.actor": getpass.getuser(),
        "saasodoo.cause": cause or os.environ.get("SAASODOO_CAUSE", f"operator:{getpass.getuser()}"),
        "saasodoo.correlation_id": correlation_id or os.environ.get("SAASODOO_CORRELATION_ID", ""),
    }
    try:
        connection = psycopg.connect(**{"connect_timeout": _CONNECT_TIMEOUT, **parts}, row_factory=dict_row, autocommit=True)
    except psycopg.OperationalError as error:
        where = f"{parts.get('host', 'local socket')}:{parts.get('port', 5432)}"
        raise RegistryUnavailable(f"the registry at {where} does not answer", found=str(error).strip()) from None
    try:
        with connection:  # leaving it commits, which may fail as well
            for name, value in settings.items():
                connection.execute("SELECT set_config(%s, %s, false)", (name, value))
            connection.set_autocommit(autocommit)
            yield connection
    except (psycopg.errors.InsufficientPrivilege, psycopg.errors.ReadOnlySqlTransaction) as error:
        raise Unauthorized(
            f"the registry does not let {parts['user']} do this",
            found=error.diag.message_primary,
            action="use the connection string of the component whose work it is",
        ) from None
    except psycopg.OperationalError as error:
        if not passes(connection, error):
            raise
        raise RegistryUnavailable("the registry went away in the middle", found=str(error).strip()) from None


def now(connection: Connection) -> datetime:
    """Return the platform's time: the database's clock, moved by ops.clock in test mode."""
    moment: datetime = one(connection.execute("SELECT ops.now() AS now"))["now"]
    return moment


def clock(connection: Connection) -> datetime:
    """Return the database's own time, which nobody moves."""
    moment: datetime = one(connection.execute("SELECT clock_timestamp() AS now"))["now"]
    return moment


def read_clock_offset(connection: Connection) -> int:
    """Return how many seconds the platform's time is ahead of the database's clock."""
    row = connection.execute("SELECT extract(epoch FROM time_offset)::bigint AS seconds FROM ops.clock").fetchone()
    return int(row["seconds"]) if row else 0


def set_clock_offset(connection: Connection, seconds: int) -> None:
    """Move the platform's time to ``seconds`` ahead of the database's clock (test mode), and journal it."""
    connection.execute("UPDATE ops.clock SET time_offset = make_interval(secs => %s)", (seconds,))
    connection.execute("SELECT ops.append_journal('clock', 'move', jsonb_build_object('offset', %s::bigint))", (seconds,))
