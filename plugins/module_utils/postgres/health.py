# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether a Postgres server does what tenants need of it: answer, keep what is written, through its PgBouncer too."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import psycopg

from ..domain.server.database_server import Health, Server
from ..errors import Unavailable
from .connection import Connection, connect_server, one

_AT_ONCE = 16
_PATIENCE = "SET statement_timeout = '10s'"
_SANITY = """
SELECT pg_is_in_recovery() AS recovering, current_setting('wal_level') AS wal_level,
    current_setting('data_directory') AS data_directory,
    (SELECT string_agg(slot_name, ', ') FROM pg_replication_slots WHERE wal_status IN ('unreserved', 'lost')) AS lost_slots
"""
# A commit that has to reach the disk and leaves nothing behind but a few bytes of log.
_WRITE = "SELECT pg_logical_emit_message(true, 'saasodoo', 'health check')"
_LEAST_FREE_SHARE = 0.03
_LEAST_FREE_BYTES = 256 * 2**20


@dataclass(frozen=True)
class Finding:
    """What a check of one server found; ``message`` says why it is unhealthy, or what to look at although it is healthy."""

    server: str
    health: Health
    message: str = ""


def check_servers(servers: Iterable[Server], key: bytes, *, patience: float) -> list[Finding]:
    """Check servers side by side; one that does not answer is tried again for ``patience`` seconds."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(lambda server: check_server(server, key, patience=patience), servers))


def check_server(server: Server, key: bytes, *, patience: float) -> Finding:
    """Check one server: a durable write, replication, room on its disk, and the way through its PgBouncer."""
    try:
        with connect_server(server.host, server.port, server.name, key, wait=patience) as connection:
            problem, remark = _examine(connection)
        with connect_server(server.pooler_host, server.pooler_port, server.name, key, wait=patience) as connection:
            connection.execute("SELECT 1")
    except (Unavailable, psycopg.Error) as error:
        return Finding(server.name, Health.UNHEALTHY, " ".join(str(error).split()))
    return Finding(server.name, Health.UNHEALTHY if problem else Health.HEALTHY, problem or remark)


def _examine(connection: Connection) -> tuple[str, str]:
    """Return what makes the server unfit, and what is only worth a look; '' for nothing."""
    connection.execute(_PATIENCE)
    found = one(connection.execute(_SANITY))
    if found["recovering"]:
        return "it is in recovery and takes no writes", ""
    if found["wal_level"] != "logical":
        return f"wal_level is {found['wal_level']}, not logical", ""
    connection.execute(_WRITE)
    lost = f"replication slots without their log: {found['lost_slots']}" if found["lost_slots"] else ""
    return _disk(Path(found["data_directory"])), lost


def _disk(folder: Path) -> str:
    """Say that the disk of a server on this machine is nearly full; '' when it is not, or can't be seen from here."""
    try:
        usage = shutil.disk_usage(folder)
    except OSError:
        return ""
    if usage.free > max(_LEAST_FREE_BYTES, usage.total * _LEAST_FREE_SHARE) or usage.free > 10 * 2**30:
        return ""
    return f"its disk is nearly full: {usage.free // 2**20} MB free"
