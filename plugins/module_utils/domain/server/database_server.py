# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A Postgres server as allocation sees it: its kind, its state and the places on it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from ..billing.plan import DatabaseType

#: What a server, and where it or its PgBouncer is reached, may be called; the registry checks the same.
NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")
HOST = re.compile(r"[A-Za-z0-9:][A-Za-z0-9._:-]{0,252}")


class ServerStatus(StrEnum):
    """database.servers.status."""

    PROVISIONING = "provisioning"
    ACTIVE = "active"
    DRAINING = "draining"
    RETIRED = "retired"
    ERROR = "error"


class Health(StrEnum):
    """database.servers.health_status, as the last health check found it."""

    UNKNOWN = "unknown"
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"


class Purpose(StrEnum):
    """database.allocations.purpose: which of a tenant's databases the place is for. Each is on a server of its own."""

    HOME = "home"  # the one it lives in
    TARGET = "target"  # the one it is being moved to
    FORMER = "former"  # the one it was moved from, kept for a while
    KEPT = "kept"  # the one it lived in until it was terminated, kept for its retention


@dataclass(frozen=True)
class Place:
    """One row of database.allocations: a tenant's place. ``expires_at`` is None once the place is in use.

    ``slot`` is None for what is kept in a pool, which takes no place from those that live there.
    """

    tenant_id: UUID
    slot: int | None
    expires_at: datetime | None
    purpose: Purpose = Purpose.HOME

    @property
    def in_use(self) -> bool:
        """Whether there is, or may be, a database of the tenant, or it only has the place reserved."""
        return self.expires_at is None

    def held(self, now: datetime) -> bool:
        """Whether one of the server's places is the tenant's at ``now``: in use, or reserved and not expired."""
        return self.slot is not None and (self.expires_at is None or now < self.expires_at)


@dataclass(frozen=True)
class Server:
    """One row of database.servers with the places on it.

    ``max_instances`` is the number of places: 50 for a shared server by default, 1 for a dedicated one.
    ``builder`` makes the server while its status is provisioning; until ``builder_lease`` nobody else may.
    """

    name: str
    server_type: DatabaseType
    status: ServerStatus
    health_status: Health
    host: str
    port: int
    pooler_host: str
    pooler_port: int
    max_instances: int
    cpu_limit: Decimal
    memory_limit: str
    builder: str = ""
    builder_lease: datetime | None = None
    places: tuple[Place, ...] = ()
    health_message: str = ""
    health_checked_at: datetime | None = None

    def taken(self, now: datetime) -> int:
        """Return how many places are held at ``now``; an expired reservation holds none."""
        return sum(place.held(now) for place in self.places)

    def reserved(self, now: datetime) -> int:
        """Return how many of the held places are only reserved."""
        return sum(place.held(now) and not place.in_use for place in self.places)

    def free(self, now: datetime) -> int:
        """Return how many places are left at ``now``."""
        return self.max_instances - self.taken(now)

    @property
    def given(self) -> int:
        """How many places are somebody's, expired reservations among them."""
        return sum(place.slot is not None for place in self.places)

    @property
    def kept(self) -> int:
        """How many databases of terminated tenants are kept here."""
        return sum(place.purpose is Purpose.KEPT for place in self.places)

    def place_of(self, tenant_id: UUID) -> Place | None:
        """Return the tenant's place here, expired or not, whatever its purpose: it has no second one on the same server."""
        return next((place for place in self.places if place.tenant_id == tenant_id), None)

    def free_slot(self, now: datetime) -> int | None:
        """Return the lowest place nobody ever had, else the lowest whose reservation expired, else None.

        Expired ones come last, so that a tenant that comes back late may still find its own.
        """
        rows = {place.slot: place for place in self.places}
        slots = range(1, self.max_instances + 1)
        untouched = next((slot for slot in slots if slot not in rows), None)
        return untouched or next((slot for slot in slots if not rows[slot].held(now)), None)

    def being_built(self, now: datetime) -> bool:
        """Whether its builder still has the lease; after that the builder counts as dead."""
        return self.status is ServerStatus.PROVISIONING and self.builder_lease is not None and now < self.builder_lease
