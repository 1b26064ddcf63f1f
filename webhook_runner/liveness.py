"""Whether the worker of a run lives. It is dead only where nothing says otherwise: a run's processes are ended for that.

A worker holds a lock of each of its runs in the registry. Held, it lives. But a restart of the registry frees all locks, so that
alone says nothing: on the same host its process is looked at, by its id and start; one elsewhere has been silent for a while,
during which the registry was there to hear it.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg

from ansible_collections.saasodoo.platform.plugins.module_utils.errors import Unavailable
from webhook_runner.database import Connection

_TRY_LOCK = "SELECT pg_try_advisory_lock(hashtextextended('run:' || %s, 0)) AS taken"
_SHOW_LIFE = "UPDATE ops.runs SET seen_at = clock_timestamp() WHERE status = 'running' AND worker = %(worker)s"
# The lock last: it is taken only where all else says that the worker is dead.
_IS_DEAD = """
SELECT CASE WHEN %(here)s OR (
        coalesce(run.seen_at, run.started_at) < clock_timestamp() - make_interval(secs => %(silence)s)
        AND pg_postmaster_start_time() < clock_timestamp() - make_interval(secs => %(silence)s))
    THEN pg_try_advisory_xact_lock(hashtextextended('run:' || run.id, 0)) ELSE false END AS dead
FROM ops.runs run WHERE run.id = %(id)s AND run.status = 'running'
"""


@cache
def worker_name() -> str:
    """Return who runs it: this machine, this process and its start, in the kernel's ticks since the machine's."""
    return f"{socket.gethostname()}/{os.getpid()}/{_start_of(os.getpid())}"


@contextmanager
def held(conninfo: str, run_id: UUID) -> Iterator[None]:
    """Hold the run's lock as long as this process lives, and the registry does. Raises Unavailable when that is away."""
    try:
        connection = psycopg.connect(conninfo, autocommit=True, application_name=f"saasodoo-run:{run_id}")
        connection.execute(_TRY_LOCK, (str(run_id),))
    except psycopg.OperationalError as error:
        raise Unavailable("the registry does not answer", found=type(error).__name__) from error
    try:
        yield
    finally:
        connection.close()


def show(connection: Connection) -> None:
    """Say that this process lives, for its runs."""
    connection.execute(_SHOW_LIFE, {"worker": worker_name()})


def is_dead(connection: Connection, row: dict[str, Any], *, silence: float) -> bool:
    """Say whether the worker of a run is dead; if so this transaction holds the run's lock, so that it is settled once.

    ``row`` has the run's id and worker. ``silence`` is how many seconds one on another host may say nothing.
    """
    host, _, process = row["worker"].partition("/")
    if host == socket.gethostname() and _lives(process):
        return False
    values = {"id": row["id"], "silence": silence, "here": host == socket.gethostname()}
    found = connection.execute(_IS_DEAD, values).fetchone()
    return bool(found and found["dead"])


def _lives(process: str) -> bool:
    pid, _, start = process.partition("/")
    return pid.isdigit() and bool(start) and _start_of(int(pid)) == start


def _start_of(pid: int) -> str:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return ""
    return fields[19] if fields[0] not in "ZX" else ""  # 22 in proc(5), which counts from the process's id
