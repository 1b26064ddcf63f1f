# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The lock that lets one run at a time act on a tenant: a session-level advisory lock in the registry.

The callback plugin tenant_lock takes it in the ansible-playbook process and never gives it back: the connection ends with
the process, however that dies. Forked task workers share the connection's socket, so the lock outlives a killed
ansible-playbook for as long as one of its tasks still runs, which is what keeps the next run from acting beside it.
"""

from __future__ import annotations

import getpass
import socket
from dataclasses import dataclass
from datetime import datetime

import psycopg

from ..domain.tenant.subdomain import as_subdomain
from ..domain.tenant.tenant import Tenant, parse_id
from ..errors import Conflict, RegistryUnavailable
from ..postgres.connection import Connection
from . import tenants

_KEY = "hashtextextended('tenant:' || %(name)s, 0)"
_TRY = f"SELECT pg_try_advisory_lock({_KEY}) AS taken"
_TAKE = f"SELECT pg_advisory_lock({_KEY})"
_PATIENCE = "SELECT set_config('lock_timeout', %s, false)"
# A controller that vanished from the network loses its locks after about a minute.
_NOTICE_DEATH = "SET tcp_keepalives_idle = 30; SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = 3"
# A lock's 64-bit key is shown as two 32-bit halves.
_HOLDER = f"""
SELECT a.pid, a.application_name AS application, a.backend_start AS since
FROM pg_locks l JOIN pg_stat_activity a USING (pid)
WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND ((l.classid::bigint << 32) | l.objid::bigint) = {_KEY}
"""
_RUN = """
SELECT r.id, r.kind, r.cause, r.worker FROM ops.runs r JOIN tenant.tenants t ON t.id = r.tenant_id
WHERE r.status = 'running' AND (t.subdomain = %(name)s OR t.id::text = %(name)s) ORDER BY r.started_at DESC LIMIT 1
"""


@dataclass(frozen=True)
class Holder:
    """Who holds a tenant's lock: the database session, what it calls itself (see application_name), since when."""

    pid: int
    application: str
    since: datetime


def application_name(process: int) -> str:
    """Return what the lock's session calls itself: the ansible-playbook process that holds it, on this machine.

    At most 63 characters, where PostgreSQL cuts it.
    """
    return f"saasodoo:{process}:{getpass.getuser()[:16]}@{socket.gethostname()[:24]}"


def lock_name(connection: Connection, reference: str) -> str:
    """Return by what a tenant is locked, the same for both of its references: its subdomain, or its id if it has none.

    A tenant not recorded yet is locked by what it is called. Raises NotFound for an id that is not recorded.
    """
    return tenants.find(connection, reference).reference if parse_id(reference) else as_subdomain(reference)


def take(connection: Connection, name: str, wait: float) -> None:
    """Take the lock, waiting at most ``wait`` seconds; the connection (in autocommit) holds it until it is closed.

    Raises Conflict, naming who holds it and since when.
    """
    connection.execute(_NOTICE_DEATH)
    row = connection.execute(_TRY, {"name": name}).fetchone()
    if row is not None and row["taken"]:
        return
    try:
        if wait <= 0:
            raise _taken(connection, name)
        connection.execute(_PATIENCE, (f"{max(1, round(wait * 1000))}ms",))
        connection.execute(_TAKE, {"name": name})
    except psycopg.errors.LockNotAvailable:
        raise _taken(connection, name) from None


def holder(connection: Connection, name: str) -> Holder | None:
    """Return who holds the lock of ``name``, or None when nobody does."""
    row = connection.execute(_HOLDER, {"name": name}).fetchone()
    return Holder(**row) if row else None


def holder_of(connection: Connection, tenant: Tenant) -> Holder | None:
    """Return who holds the lock of ``tenant``, or None when nobody does."""
    return holder(connection, tenant.reference)


def check_held(connection: Connection, tenant: Tenant, process: int) -> None:
    """Raise Conflict unless ``process``, the ansible-playbook that a task runs for, holds the tenant's lock.

    RegistryUnavailable where nobody does: a restart of the registry frees it, just before this.
    """
    found = holder_of(connection, tenant)
    if found is None or found.application != application_name(process):
        raise (Conflict if found else RegistryUnavailable)(
            f"this run does not hold the lock of tenant {tenant.name}",
            found=_describe(found),
            expected=application_name(process),
            action="run it with -e tenant=NAME and the callback plugin saasodoo.platform.tenant_lock enabled (see ansible.cfg); "
            "if it was, its connection to the registry broke: run it again",
        )


def _taken(connection: Connection, name: str) -> Conflict:
    run = connection.execute(_RUN, {"name": name}).fetchone()
    known = f"run {run['id']} ({run['kind']}, cause {run['cause']}, worker {run['worker']})" if run else "no run of the runner"
    return Conflict(
        f"another run is working on tenant {name}",
        found=f"{_describe(holder(connection, name))}, {known}",
        action="wait for it to end, or set SAASODOO_LOCK_WAIT to how many seconds to wait for it",
    )


def _describe(found: Holder | None) -> str:
    if found is None:
        return "held by nobody"
    return f"held by {found.application or 'an unnamed session'} since {found.since:%Y-%m-%d %H:%M:%S %Z} (session {found.pid})"
