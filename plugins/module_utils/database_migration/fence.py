# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Keep a tenant's role out of a server, so that nothing more is written to a database that is being left."""

from __future__ import annotations

from psycopg import sql

from ..errors import NotFound
from ..postgres.connection import Connection
from ..waiting import Look, wait_until

_MAY_LOG_IN = "SELECT rolcanlogin FROM pg_roles WHERE rolname = %s"
# The role's sessions anywhere, and others in its database but the superuser's.
_END_SESSIONS = """
SELECT count(pg_terminate_backend(a.pid)) AS ended FROM pg_stat_activity a JOIN pg_roles r ON r.rolname = a.usename
WHERE (a.usename = %s OR a.datname = %s AND NOT r.rolsuper) AND a.pid <> pg_backend_pid() AND a.backend_type = 'client backend'
"""
# A session that had passed the check of its role when that was changed shows up only after some more steps.
_QUIET_LOOKS = 3


def fence(server: Connection, role: str, database: str, *, timeout: float = 10) -> None:
    """Let ``role`` log in no more and end its sessions, and all others in ``database`` but superusers'.

    Raises NotFound without the role, TimedOut when a session does not end in ``timeout`` seconds.
    """
    if not is_fenced(server, role):
        server.execute(sql.SQL("ALTER ROLE {} NOLOGIN").format(sql.Identifier(role)))
    quiet = 0

    def ended() -> Look:
        nonlocal quiet
        row = server.execute(_END_SESSIONS, (role, database)).fetchone()
        left = int(row["ended"]) if row else 0
        quiet = 0 if left else quiet + 1
        return Look(quiet >= _QUIET_LOOKS, f"{left} sessions")

    wait_until(f"the end of the sessions of {role}", ended, timeout=timeout, pause=0.004)


def unfence(server: Connection, role: str) -> None:
    """Let ``role`` log in again. Raises NotFound without the role."""
    if is_fenced(server, role):
        server.execute(sql.SQL("ALTER ROLE {} LOGIN").format(sql.Identifier(role)))


def is_fenced(server: Connection, role: str) -> bool:
    """Whether ``role`` may not log in. Raises NotFound without the role."""
    row = server.execute(_MAY_LOG_IN, (role,)).fetchone()
    if row is None:
        raise NotFound(f"no role {role} on this server")
    return not row["rolcanlogin"]
