# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Places on Postgres servers, as the registry keeps them: read, decide and write in one transaction.

Reservations and leases measure how long processes may take, so they follow the database's clock, not the platform's
(ops.now), which tests move by weeks.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
from psycopg.types.json import Jsonb

from ansible_collections.saasodoo.platform.plugins.module_utils.adapters import plans, tenants
from ansible_collections.saasodoo.platform.plugins.module_utils.adapters.registry import Connection
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.allocation import (
    SPARE_BUILDER,
    Decision,
    Kind,
    Request,
    decide,
    decide_spare,
)
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.allocation_settings import AllocationSettings
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.database_server import (
    Health,
    Place,
    Purpose,
    Server,
    ServerStatus,
)
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.plan import DatabaseType
from ansible_collections.saasodoo.platform.plugins.module_utils.errors import Conflict, NotFound

# Excludes a second decision while one is made: rows alone don't, since the first server has none to lock.
_EXCLUDE_OTHER_DECISIONS = "SELECT pg_advisory_xact_lock(hashtextextended('database.allocations: one decision at a time', 0))"
# Holds the servers as they are while deciding, so that none is drained or found unhealthy in between.
_HOLD_SERVERS = "SELECT * FROM database.servers ORDER BY name FOR NO KEY UPDATE"
_READ_SERVERS = "SELECT * FROM database.servers ORDER BY name"
_READ_PLACES = "SELECT server_name, tenant_id, slot, expires_at, purpose FROM database.allocations"
# Holds the place, so that it is not given away as expired while it is taken into use.
_HOLD_PLACE = "SELECT server_name, slot, state FROM database.allocations WHERE tenant_id = %s AND purpose = %s FOR UPDATE"
_VACATE = """
DELETE FROM database.allocations
WHERE (tenant_id = %(tenant)s AND purpose = %(purpose)s) OR (server_name = %(server)s AND slot = %(slot)s)
"""
_RESERVE = """
INSERT INTO database.allocations (tenant_id, purpose, server_name, max_instances, slot, expires_at, explanation)
VALUES (%(tenant)s, %(purpose)s, %(server)s, %(max_instances)s, %(slot)s, %(expires_at)s, %(explanation)s)
"""
_RENEW = """
UPDATE database.allocations SET expires_at = %(expires_at)s WHERE tenant_id = %(tenant)s AND purpose = %(purpose)s
"""
_CONFIRM = """
UPDATE database.allocations SET state = 'in_use', expires_at = NULL
WHERE tenant_id = %s AND purpose = %s AND state = 'reserved'
"""
_KEEP = """
UPDATE database.allocations a SET purpose = 'kept', slot = CASE s.server_type WHEN 'dedicated' THEN a.slot END
FROM database.servers s WHERE s.name = a.server_name AND a.tenant_id = %s AND a.purpose = 'home'
"""
_RELEASE = "DELETE FROM database.allocations WHERE tenant_id = %s AND purpose = %s"
_BEGIN_BUILD = """
INSERT INTO database.servers (name, server_type, status, host, port, pooler_host, pooler_port, max_instances, cpu_limit,
    memory_limit, builder, builder_lease)
VALUES (%(name)s, %(server_type)s, 'provisioning', %(host)s, %(port)s, %(pooler_host)s, %(pooler_port)s,
    %(max_instances)s, %(cpu_limit)s, %(memory_limit)s, %(builder)s, %(lease)s)
"""
_GO_ON_WITH_BUILD = "UPDATE database.servers SET builder = %(builder)s, builder_lease = %(lease)s WHERE name = %(name)s"

_NOT_RECORDED = UUID(int=0)
_NO_PLACE = {"state": "absent"}


@dataclass(frozen=True)
class Change:
    """A decision and what it changes: the tenant's place (state, server, slot) or the build, before and after.

    Times of expiry are left out: renewing one is no change to whoever asks again.
    """

    before: dict[str, Any]
    after: dict[str, Any]
    decision: Decision | None = None


class Allocations:
    """The places of one registry. Every method is one transaction; with ``check`` it writes nothing."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def servers(self) -> tuple[Server, ...]:
        """Return every server with its places, as they are now."""
        with self._connection.transaction():
            return self._fleet(_READ_SERVERS)

    def now(self) -> datetime:
        """Return the time that reservations and leases follow."""
        row = self._connection.execute("SELECT clock_timestamp() AS now").fetchone()
        assert row is not None
        moment: datetime = row["now"]
        return moment

    def request_of(
        self,
        tenant: str,
        db_type: DatabaseType | None = None,
        *,
        purpose: Purpose = Purpose.HOME,
        avoid: Iterable[str] = (),
        only: str | None = None,
        check: bool = False,
    ) -> Request:
        """Return what the tenant (id or subdomain) asks for: ``db_type``, or what its plan entitles it to; see Request.

        Raises NotFound when there is no such tenant or its plan is unknown. With ``check`` a tenant not recorded yet
        is taken for one that has no place, so that the steps of a first run can be predicted.
        """
        try:
            found = tenants.find(self._connection, tenant)
        except NotFound:
            if check and db_type:
                return Request(_NOT_RECORDED, db_type, purpose, frozenset(avoid), only)
            raise
        kind = db_type or plans.entitlement(self._connection, found.plan_name).db_type
        return Request(found.id, kind, purpose, frozenset(avoid), only)

    def allocate(self, request: Request, settings: AllocationSettings, *, in_use: bool = False, check: bool = False) -> Change:
        """Reserve a place for the tenant (``in_use``: for good), or lease it the build of a server, or tell it to wait.

        The same call again gives the same place and renews the reservation or the lease. Raises Conflict, with every
        server's reason, when there is no place and no room for another server; NotFound when there is no such tenant.
        """
        with self._connection.transaction():
            fleet, now = self._hold()
            decision = decide(fleet, request, settings, now)
            wish = f"server {request.only}" if request.only else f"a {request.db_type} server"
            _refuse(decision, f"no place for tenant {request.tenant_id} on {wish}", by_hand=request.only is not None)
            before = _place_of(fleet, request, now)
            if decision.kind is not Kind.PLACED:
                return self._change_build(fleet, decision, request.builder, settings, now=now, check=check)
            assert decision.server is not None
            place = decision.server.place_of(request.tenant_id)
            lasts = place is not None and place.in_use
            state = "in_use" if lasts or in_use else "reserved"
            after = {"state": state, "server": decision.server.name, "slot": decision.slot}
            if not check and not lasts:
                self._reserve(request, decision, now + timedelta(seconds=settings.reservation_seconds), place is not None)
                if in_use:
                    self._connection.execute(_CONFIRM, (request.tenant_id, request.purpose))
            return Change(before, after, decision)

    def prepare_spare(self, db_type: DatabaseType, settings: AllocationSettings, *, check: bool = False) -> Change:
        """Lease the build of the next server of ``db_type`` when too few places are free; no decision when enough are."""
        with self._connection.transaction():
            fleet, now = self._hold()
            decision = decide_spare(fleet, db_type, settings, now)
            if decision is None:
                return Change({}, {})
            _refuse(decision, f"no room for a spare {db_type} server")
            return self._change_build(fleet, decision, SPARE_BUILDER, settings, now=now, check=check)

    def confirm(self, tenant_id: UUID, purpose: Purpose = Purpose.HOME, *, check: bool = False) -> Change:
        """Turn the tenant's reservation into a place in use, which never expires.

        Raises Conflict when it has none (never asked for, or expired and given away); not in check mode, where the
        step that reserves it may be one that was only predicted.
        """
        with self._connection.transaction():
            before = self._place(tenant_id, purpose)
            if before == _NO_PLACE and not check:
                raise Conflict(
                    f"tenant {tenant_id} has no place to take into use",
                    expected=f"a reservation ({purpose})",
                    action="allocate a place first",
                )
            if not check:
                self._connection.execute(_CONFIRM, (tenant_id, purpose))
            return Change(before, {**before, "state": "in_use"})

    def release(self, tenant_id: UUID, purpose: Purpose = Purpose.HOME, *, check: bool = False) -> Change:
        """Give the tenant's place back, reserved or in use."""
        with self._connection.transaction():
            before = self._place(tenant_id, purpose)
            if not check:
                self._connection.execute(_RELEASE, (tenant_id, purpose))
            return Change(before, dict(_NO_PLACE))

    def keep(self, tenant_id: UUID, *, check: bool = False) -> Change:
        """Have the tenant's home be what is kept of it: in a pool that frees its place, and the server is still not retired."""
        with self._connection.transaction():
            before, kept = self._place(tenant_id, Purpose.HOME), self._place(tenant_id, Purpose.KEPT)
            if before == _NO_PLACE:
                return Change(kept, kept)
            if not check:
                self._connection.execute(_KEEP, (tenant_id,))
            return Change(before, {"state": "kept", "server": before["server"]})

    def _hold(self) -> tuple[tuple[Server, ...], datetime]:
        self._connection.execute(_EXCLUDE_OTHER_DECISIONS)
        return self._fleet(_HOLD_SERVERS), self.now()

    def _fleet(self, query: str) -> tuple[Server, ...]:
        rows = self._connection.execute(query).fetchall()
        places: dict[str, list[Place]] = {row["name"]: [] for row in rows}
        for row in self._connection.execute(_READ_PLACES):
            place = Place(row["tenant_id"], row["slot"], row["expires_at"], Purpose(row["purpose"]))
            places[row["server_name"]].append(place)
        return tuple(_server(row, tuple(places[row["name"]])) for row in rows)

    def _place(self, tenant_id: UUID, purpose: Purpose) -> dict[str, Any]:
        row = self._connection.execute(_HOLD_PLACE, (tenant_id, purpose)).fetchone()
        return {"state": row["state"], "server": row["server_name"], "slot": row["slot"]} if row else dict(_NO_PLACE)

    def _reserve(self, request: Request, decision: Decision, expires_at: datetime, renew: bool) -> None:
        assert decision.server is not None
        values = {
            "tenant": request.tenant_id,
            "purpose": request.purpose,
            "server": decision.server.name,
            "max_instances": decision.server.max_instances,
            "slot": decision.slot,
            "expires_at": expires_at,
            "explanation": Jsonb([asdict(row) for row in decision.explanation]),
        }
        if renew:
            self._connection.execute(_RENEW, values)
            return
        self._connection.execute(_VACATE, values)  # its reservation elsewhere, and whose reservation of this place expired
        try:
            self._connection.execute(_RESERVE, values)
        except psycopg.errors.ForeignKeyViolation:
            raise NotFound(f"there is no tenant {request.tenant_id}") from None

    def _change_build(
        self,
        fleet: tuple[Server, ...],
        decision: Decision,
        builder: str,
        settings: AllocationSettings,
        *,
        now: datetime,
        check: bool,
    ) -> Change:
        if decision.server is None:
            return Change({}, {}, decision)
        lease = now + timedelta(seconds=settings.lease_seconds)
        leased = replace(decision.server, builder=builder, builder_lease=lease)
        if not check:
            self._connection.execute(_GO_ON_WITH_BUILD if decision.known else _BEGIN_BUILD, {**asdict(leased), "lease": lease})
        before = next(({"build": server.name, "builder": server.builder} for server in fleet if server.name == leased.name), {})
        return Change(before, {"build": leased.name, "builder": builder}, replace(decision, server=leased))


def _server(row: dict[str, Any], places: tuple[Place, ...]) -> Server:
    return Server(
        name=row["name"],
        server_type=DatabaseType(row["server_type"]),
        status=ServerStatus(row["status"]),
        health=Health(row["health_status"]),
        host=row["host"],
        port=row["port"],
        pooler_host=row["pooler_host"],
        pooler_port=row["pooler_port"],
        max_instances=row["max_instances"],
        cpu_limit=row["cpu_limit"],
        memory_limit=row["memory_limit"],
        builder=row["builder"],
        builder_lease=row["builder_lease"],
        health_message=row["health_message"],
        health_checked_at=row["health_checked_at"],
        places=places,
    )


def _place_of(fleet: tuple[Server, ...], request: Request, now: datetime) -> dict[str, Any]:
    for server in fleet:
        place = server.place_of(request.tenant_id)
        if place and place.purpose is request.purpose:
            state = "in_use" if place.in_use else "reserved" if place.held(now) else "expired"
            return {"state": state, "server": server.name, "slot": place.slot}
    return dict(_NO_PLACE)


def _refuse(decision: Decision, what: str, *, by_hand: bool = False) -> None:
    if decision.kind is Kind.REFUSED:
        raise Conflict(
            f"{what}: {decision.obstacle}",
            found="; ".join(f"{row.server}: {row.reason}" for row in decision.explanation) or "no server",
            action="wish for another server, or for none" if by_hand else "raise the limit, or drain and remove a server",
        )
