# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Making a logical replication slot, which waits for every transaction that writes anywhere on its server.

Most are over in a moment, another move's load of a large table is not. Who is waited for is told, and how long that goes on
depends on who it is: what the platform does itself is sure to end, what a tenant does is not.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import errors, sql
from psycopg.rows import dict_row

from ..errors import TimedOut, Unavailable
from ..postgres.connection import Address, AsServer, Connection, one
from ..postgres.deputy import is_deputy
from ..secrets.server import SUPERUSER
from ..waiting import Look, wait_until
from .replication import ProgressReport, first_words

_LOOK = 0.2  # seconds between two looks at who is waited for
_THERE = "SELECT active_pid FROM pg_replication_slots WHERE slot_name = %s"
# One at a time: PostgreSQL waits for one transaction after the other.
_WAITED_FOR = """
SELECT each AS pid, a.usename AS role, a.datname AS database, a.application_name AS program,
    extract(epoch FROM clock_timestamp() - a.xact_start)::float8 AS seconds
FROM unnest(pg_blocking_pids(%s)) AS each LEFT JOIN pg_stat_activity a ON a.pid = each LIMIT 1
"""
# A server does not notice by itself that who waits has died, and would make the slot for nobody.
_NOTICE_DEATH = ("client_connection_check_interval", "5s")


@dataclass(frozen=True)
class Patience:
    """For how many seconds one transaction is waited for: somebody's, and one of the platform's own, which is sure to end."""

    others: float = 600
    own: float = 7200

    def check(self, server: str, blocker: dict[str, Any] | None, waited: float) -> None:
        """Raise TimedOut when ``blocker`` on ``server`` was waited for too long."""
        if waited > (self.own if blocker and _is_own(blocker) else self.others):
            what = f"server {server} made no replication slot in {waited:.0f} s: it waits for a transaction that writes"
            raise TimedOut(what, found=_who(blocker) if blocker else None, action="try again when it has ended, or end it")


def create_slot(
    address: Address, database: str, slot: str, *, patience: Patience | None = None, report: ProgressReport | None = None
) -> None:
    """Make a slot without a snapshot, where there is none of that name. Raises as ``create_slot_with_snapshot`` does.

    Do so before anybody is kept waiting, and ``subscribe`` from a later position.
    """
    with address.inside(database) as server:
        if server.execute(_THERE, (slot,)).fetchone():
            return
        for setting in (_NOTICE_DEATH, ("statement_timeout", "0"), ("lock_timeout", "0")):
            server.execute("SELECT set_config(%s, %s, false)", setting)
        create = sql.SQL("SELECT pg_create_logical_replication_slot({}, 'pgoutput')").format(sql.Literal(slot))
        _carry_out(address, server, create, patience or Patience(), report)


@contextmanager
def create_slot_with_snapshot(
    address: Address, database: str, slot: str, *, patience: Patience | None = None, report: ProgressReport | None = None
) -> Iterator[str]:
    """Make a slot and yield the name of the snapshot it begins at, which others can use inside the block.

    A slot of that name is dropped before: its snapshot is gone. The slot stays. Raises TimedOut when ``patience`` with a
    transaction that writes is over, Unavailable when the server does not answer or dies.
    """
    with address.connect() as server:
        drop_slot(server, slot)
    # Nothing may end this connection while it idles with its snapshot.
    options = f"-c idle_in_transaction_session_timeout=0 -c statement_timeout=0 -c {'='.join(_NOTICE_DEATH)}"
    try:
        connection = psycopg.connect(
            **address.parameters(database), replication="database", options=options, autocommit=True, row_factory=dict_row
        )
    except psycopg.OperationalError as error:
        raise Unavailable(f"server {address.name} takes no replication connection", found=first_words(error)) from None
    with connection:
        create = sql.SQL("CREATE_REPLICATION_SLOT {} LOGICAL pgoutput (SNAPSHOT 'export')").format(sql.Identifier(slot))
        yield str(_carry_out(address, connection, create, patience or Patience(), report)["snapshot_name"])


def _carry_out(
    address: Address, connection: Connection, statement: sql.Composed, patience: Patience, report: ProgressReport | None
) -> dict[str, Any]:
    """Carry out the statement in another thread, while this one sees who it waits for. Raises TimedOut, Unavailable."""
    pid, blamed, since = connection.info.backend_pid, None, time.monotonic()
    with ThreadPoolExecutor(1) as thread, address.connect() as server:
        made = thread.submit(lambda: one(connection.execute(statement)))
        try:
            while not wait([made], _LOOK).done:
                row = server.execute(_WAITED_FOR, (pid,)).fetchone()
                if (found := row and row["pid"]) != blamed:
                    blamed, since = found, time.monotonic()
                if row and report:
                    report({"waiting_for": f"{_who(row)}, which writes on server {address.name}"})
                patience.check(address.name, row, time.monotonic() - since)
        except BaseException:
            connection.cancel()
            raise
        try:
            return made.result()
        except psycopg.OperationalError as error:
            raise Unavailable(f"server {address.name} makes no replication slot", found=first_words(error)) from None


def _who(row: dict[str, Any]) -> str:
    if row["role"] is None:
        return "a prepared transaction"
    who = "the platform itself" if _is_own(row) else row["role"]
    program = f" ({row['program']})" if row["program"] else ""
    return f"{who}{program} in {row['database']} for {row['seconds'] or 0:.0f} s"


def _is_own(row: dict[str, Any]) -> bool:
    return bool(row["role"]) and (row["role"] == SUPERUSER or is_deputy(row["role"]))


def drop_slot(server: AsServer, slot: str, *, timeout: float = 20) -> None:
    """Drop a slot where there is one, and end who reads it. Raises TimedOut when that one does not go."""

    def dropped() -> Look:
        row = server.execute(_THERE, (slot,)).fetchone()
        if row is None:
            return Look(True, "")
        if row["active_pid"]:
            server.execute("SELECT pg_terminate_backend(%s)", (row["active_pid"],))
        try:
            server.execute("SELECT pg_drop_replication_slot(%s)", (slot,))
        except (errors.ObjectInUse, errors.UndefinedObject) as error:
            return Look(False, first_words(error))
        return Look(True, "")

    wait_until(f"the end of slot {slot}", dropped, timeout=timeout, pause=0.02)
