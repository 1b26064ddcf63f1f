# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How large a Postgres server's settings are to be, from what it may use and whom it serves."""

from __future__ import annotations

from ...errors import InvalidInput

_MIB = 2**20
_GIB = 2**30
#: Connections kept for the platform: provisioning, health checks, backups, replication.
_OWN_CONNECTIONS = 30
_LEAST_MEMORY = 128 * _MIB
#: A session of Odoo's grows to some 70 MB of caches and plans, a dump or a move's WAL sender to as much.
_LEAST_SESSION = 128 * _MIB
#: Replication besides that of tenants: standbys, base backups, a dump's snapshot, what a run that died has not taken back yet.
_OWN_REPLICATION = 10
#: Background workers that neither apply what is replicated nor run queries: the launcher, and an extension's.
_OWN_WORKERS = 4
_ORIGINS_SINCE = 18


def postgres_settings(memory: int, cpus: float, connections: int) -> dict[str, int | str]:
    """Return the postgresql.conf settings of a server with ``memory`` bytes and ``cpus`` cores.

    ``connections`` is how many its tenants may hold together. Shares of memory follow the PostgreSQL manual (19.4: a quarter
    for shared buffers); work_mem is small because each of many connections may use it several times over, and
    maintenance_work_mem leaves room in what a session may have (session_memory, for a tenant with 20 of them).
    Raises InvalidInput when there is too little memory.
    """
    if memory < _LEAST_MEMORY or cpus <= 0 or connections < 1:
        found = f"{memory // _MIB} MB, {cpus} CPU, {connections} connections"
        raise InvalidInput(
            "a Postgres server can't be made so small", found=found, expected=f"{_LEAST_MEMORY // _MIB} MB or more"
        )
    workers = _query_workers(cpus)
    return {
        "max_connections": connections + _OWN_CONNECTIONS,
        "shared_buffers": _megabytes(memory // 4, 32 * _MIB, 16 * _GIB),
        "effective_cache_size": _megabytes(memory * 3 // 4, 64 * _MIB, memory),
        "work_mem": _megabytes(memory // 4 // connections, 2 * _MIB, 64 * _MIB),
        "maintenance_work_mem": _megabytes(memory // 64, _LEAST_SESSION // 2, _GIB),
        "max_wal_size": _megabytes(memory, 512 * _MIB, 16 * _GIB),
        "max_parallel_workers": workers,
        "max_parallel_workers_per_gather": min(2, workers // 2),
        "max_worker_processes": workers + 16,
    }


def session_memory(memory: int, sessions: int) -> int:
    """Return the bytes that a session may have of its own on a server with ``memory`` bytes, where a tenant has ``sessions``.

    A tenant may set work_mem to what it likes, and where a server has no memory left all its sessions end. With this, all of
    one tenant's have half of that memory; but each has at least what Odoo and a move need, so on a server with
    less than ``sessions`` times twice _LEAST_SESSION they have more.
    """
    return max(_LEAST_SESSION, memory // 2 // sessions)


def replication_settings(places: int, cpus: float, version: int) -> dict[str, int]:
    """Return the limits of a server with that many places, so that whoever lives there, and was moved from there, may move.

    A place takes one of each at most: a slot and its WAL sender when its tenant is followed, a subscription with its worker and
    its origin when it follows, as a former database does for as long as the way back is kept. Each needs a restart to change.
    ``version`` is the server's major one: from 18 on origins have a limit of their own, before they had that of the slots.
    """
    each = places + _OWN_REPLICATION
    return {
        "max_replication_slots": each,
        "max_wal_senders": each,
        "max_logical_replication_workers": each,
        "max_worker_processes": each + _query_workers(cpus) + _OWN_WORKERS,
        **({"max_active_replication_origins": each} if version >= _ORIGINS_SINCE else {}),
    }


def _query_workers(cpus: float) -> int:
    return max(2, round(cpus))


def _megabytes(size: int, least: int, most: int) -> str:
    return f"{max(least, min(size, most)) // _MIB}MB"
