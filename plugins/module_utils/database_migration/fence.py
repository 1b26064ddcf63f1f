# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Keep a tenant's role out of a server, so that nothing more is written to a database that is being left."""

from __future__ import annotations

from collections.abc import Sequence

from psycopg import sql

from ..errors import NotFound
from ..postgres.connection import AsServer
from ..waiting import Look, wait_until

_MAY_LOG_IN = "SELECT rolcanlogin FROM pg_roles WHERE rolname = %s"
# The role's sessions anywhere, and others in its database but the superuser's and those that are to be spared.
_END_SESSIONS = """
SELECT count(pg_terminate_backend(a.pid)) AS ended FROM pg_stat_activity a JOIN pg_roles r ON r.rolname = a.usename
WHERE (a.usename = %s OR a.datname = %s AND NOT r.rolsuper) AND a.pid <> pg_backend_pid() AND a.backend_type = 'client backend'
    AND a.pid <> ALL (%s)
"""
# A session that had passed the check of its role when that was changed shows up only after some more steps.
_QUIET_LOOKS = 3


def fence(server: AsServer, role: str, database: str, *, timeout: float = 10, spare: Sequence[int] = ()) -> None:
    """Let ``role`` log in no more; end its sessions, and all in ``database`` but superusers' and those of the pids ``spare``.

    Raises NotFound without the role, TimedOut when a session does not end in ``timeout`` seconds.
    """
    if not is_fenced(server, role):
        server.execute(sql.SQL("ALTER ROLE {} NOLOGIN").format(sql.Identifier(role)))
    quiet = 0

    def ended() -> Look:
        nonlocal quiet
        row = server.execute(_END_SESSIONS, (role, database, list(spare))).fetchone()
        left = int(row["ended"]) if row else 0
        quiet = 0 if left else quiet + 1
        return Look(quiet >= _QUIET_LOOKS, f"{left} sessions")

    wait_until(f"the end of the sessions of {role}", ended, timeout=timeout, pause=0.004)


def unfence(server: AsServer, role: str) -> None:
    """Let ``role`` log in again. Raises NotFound without the role."""
    if is_fenced(server, role):
        server.execute(sql.SQL("ALTER ROLE {} LOGIN").format(sql.Identifier(role)))


def is_fenced(server: AsServer, role: str) -> bool:
    """Whether ``role`` may not log in. Raises NotFound without the role."""
    row = server.execute(_MAY_LOG_IN, (role,)).fetchone()
    if row is None:
        raise NotFound(f"no role {role} on this server")
    return not row["rolcanlogin"]
