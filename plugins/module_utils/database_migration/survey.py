# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which servers the check for leftovers looks at, and what becomes of a broken way back and of dumps whose time is over."""

from __future__ import annotations

from pathlib import Path

from ..domain.migration.record import MigrationStatus
from ..domain.migration.strays import Stray
from ..errors import Unavailable
from ..host import files
from ..postgres.connection import Address, Connection
from ..registry import servers, tenants
from ..registry.connection import now
from ..secrets.platform_key import read_platform_key
from . import journal, kept_dumps
from .strays import broken_way_back, find_strays


def survey(connection: Connection, key_file: str, home: Path) -> tuple[list[Stray], dict[str, Address], list[str]]:
    """Return the strays on the servers in use, those servers by name, and the names of those that do not answer."""
    addresses = servers.addresses(connection, read_platform_key(key_file))
    found, silent = find_strays(connection, addresses.values(), home)
    return found, {name: address for name, address in addresses.items() if name not in silent}, silent


def close_broken(connection: Connection, servers: dict[str, Address], *, patience: float, check: bool) -> dict[str, str]:
    """Let the time of each way back that is broken be over, and return the reason by tenant.

    From then on nobody goes back by it, and the maintenance scan takes it down, so that its slot holds back no log.
    """
    broken, moment = {}, now(connection)
    for migration in journal.unfinished(connection):
        if migration.status is not MigrationStatus.KEPT or not migration.way_back_until or migration.way_back_until <= moment:
            continue
        source, target = servers.get(migration.source), servers.get(migration.target)
        if source and target:
            try:
                reason = broken_way_back(migration, source, target, patience=patience)
            except Unavailable:
                continue  # which says nothing about the way
            if reason and (check or journal.end_way_back(connection, migration.id, f"no way back any more: {reason}")):
                broken[tenants.find(connection, str(migration.tenant_id)).name] = reason
    return broken


def remove_dumps(connection: Connection, backups: Path, *, days: float, check: bool) -> list[str]:
    """Remove the dumps of moves whose time is over, and parts of dumps; return their folders."""
    over = kept_dumps.over(connection, backups, days=days)
    for folder in () if check else over:
        files.remove(folder)
    return [str(folder) for folder in over]
