# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The look at one server: what its tenants' databases take, and what their roles may then do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ..module_utils.domain.tenant.storage import Level, Storage, StorageSettings, measured
from ..module_utils.postgres import database_sizes
from ..module_utils.postgres.connection import Address, Connection
from ..module_utils.registry import tenant_lock
from ..module_utils.registry.connection import now
from ..module_utils.registry.storage import Watched


@dataclass(frozen=True)
class Looked:
    """What was found of a tenant; ``read_only`` says whether its role only read before."""

    tenant: Watched
    found: Storage
    read_only: bool

    @property
    def switches(self) -> bool:
        """Whether what its role may do has to change. What a tenant has set itself is left to it."""
        if self.found.level is Level.READ_ONLY:
            return not self.read_only
        return self.read_only and self.tenant.before.level is Level.READ_ONLY

    @property
    def level_before(self) -> str:
        """Return what a diff shows before; a tenant may have undone it, and a move may have lost it."""
        before = self.tenant.before.level
        is_undone = before is self.found.level is Level.READ_ONLY and not self.read_only
        return f"{before}, but writes" if is_undone else str(before)

    def as_dict(self) -> dict[str, Any]:
        """Return it in plain types."""
        found = self.found
        return {
            "tenant": self.tenant.name,
            "level": str(found.level),
            "used": found.used,
            "limit": found.limit,
            "over_since": found.over_since.isoformat() if found.over_since else None,
            "message": str(found),
        }


def look(
    connection: Connection, address: Address, tenants: Iterable[Watched], settings: StorageSettings, *, check: bool
) -> list[Looked]:
    """Measure the databases of ``tenants`` on the server at ``address``, and set what their roles may do.

    One whose role would have to change while a run works on it is left for the next time. Raises Unavailable.
    """
    moment, by_database = now(connection), {each.database: each for each in tenants}
    with address.connect() as server:
        looked = []
        for name, size in database_sizes.read(server, by_database).items():
            tenant = by_database[name]
            found = Looked(tenant, measured(size.size, tenant.limit, tenant.before, settings, moment), size.read_only)
            if found.switches and tenant_lock.holder(connection, tenant.reference):
                continue
            if found.switches and not check:
                database_sizes.set_read_only(server, name, read_only=found.found.level is Level.READ_ONLY)
            looked.append(found)
    return looked
