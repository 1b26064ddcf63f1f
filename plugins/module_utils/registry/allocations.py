# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Places on Postgres servers, as the registry keeps them: read, decide and write in one transaction, with ``check`` only decide.

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

from ..domain.billing.plan import DatabaseType
from ..domain.change import Change
from ..domain.server.allocation import SPARE_BUILDER, Decision, Kind, Request, decide, decide_spare
from ..domain.server.allocation_settings import AllocationSettings
from ..domain.server.database_server import Purpose, Server
from ..errors import Conflict, NotFound
from ..postgres.connection import Connection
from . import plans, servers, tenants
from .connection import clock

# Excludes a second decision while one is made: rows alone don't, since the first server has none to lock.
_EXCLUDE_OTHER_DECISIONS = "SELECT pg_advisory_xact_lock(hashtextextended('database.allocations: one decision at a time', 0))"
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
_NOT_RECORDED = UUID(int=0)
_NO_PLACE = {"state": "absent"}


@dataclass(frozen=True)
class PlaceChange(Change[dict[str, Any]]):
    """A decision and what it changes: the tenant's place (state, server, slot) or the build.

    Times of expiry are left out: renewing one is no change to whoever asks again.
    """

    decision: Decision | None = None


def request_of(
    connection: Connection,
    tenant: str,
    db_type: DatabaseType | None = None,
    *,
    purpose: Purpose = Purpose.HOME,
    avoid: Iterable[str] = (),
    only: str | None = None,
    check: bool = False,
) -> Request:
    """Return what the tenant (id or subdomain) asks for: ``db_type``, or what its plan entitles it to; see Request.

    Raises NotFound when there is no such tenant (but see tenant_id_of) or its plan is unknown.
    """
    if db_type is not None:
        return Request(tenant_id_of(connection, tenant, check=check), db_type, purpose, frozenset(avoid), only)
    found = tenants.find(connection, tenant)
    return Request(found.id, plans.entitlement(connection, found.plan_name).db_type, purpose, frozenset(avoid), only)


def tenant_id_of(connection: Connection, tenant: str, *, check: bool = False) -> UUID:
    """Return the id of a tenant (id or subdomain); its plan need not be known.

    Raises NotFound when there is no such tenant. With ``check`` one that is not recorded yet is taken for one that has no
    place, so that the steps of a first run can be predicted.
    """
    try:
        return tenants.find(connection, tenant).id
    except NotFound:
        if check:
            return _NOT_RECORDED
        raise


def allocate(
    connection: Connection, request: Request, settings: AllocationSettings, *, in_use: bool = False, check: bool = False
) -> PlaceChange:
    """Reserve a place for the tenant (``in_use``: for good), or lease it the build of a server, or tell it to wait.

    The same call again gives the same place and renews the reservation or the lease. Raises Conflict, with every
    server's reason, when there is no place and no room for another server; NotFound when there is no such tenant.
    """
    with connection.transaction():
        fleet, now = _hold(connection)
        decision = decide(fleet, request, settings, now)
        wish = f"server {request.only}" if request.only else f"a {request.db_type} server"
        _refuse(decision, f"no place for tenant {request.tenant_id} on {wish}", by_hand=request.only is not None)
        before = _place_of(fleet, request, now)
        if decision.server is None or decision.kind is not Kind.PLACED:
            return _change_build(connection, fleet, decision, request.builder, settings, now=now, check=check)
        place = decision.server.place_of(request.tenant_id)
        lasts = place is not None and place.in_use
        state = "in_use" if lasts or in_use else "reserved"
        after = {"state": state, "server": decision.server.name, "slot": decision.slot}
        if not check and not lasts:
            expires_at = now + timedelta(seconds=settings.reservation_seconds)
            _reserve(connection, request, decision.server, decision, expires_at, renew=place is not None)
            if in_use:
                connection.execute(_CONFIRM, (request.tenant_id, request.purpose))
        return PlaceChange(before, after, decision)


def prepare_spare(
    connection: Connection, db_type: DatabaseType, settings: AllocationSettings, *, check: bool = False
) -> PlaceChange:
    """Lease the build of the next server of ``db_type`` when too few places are free; no decision when enough are."""
    with connection.transaction():
        fleet, now = _hold(connection)
        decision = decide_spare(fleet, db_type, settings, now)
        if decision is None:
            return PlaceChange({}, {})
        _refuse(decision, f"no room for a spare {db_type} server")
        return _change_build(connection, fleet, decision, SPARE_BUILDER, settings, now=now, check=check)


def confirm(connection: Connection, tenant_id: UUID, purpose: Purpose = Purpose.HOME, *, check: bool = False) -> PlaceChange:
    """Turn the tenant's reservation into a place in use, which never expires.

    Raises Conflict when it has none (never asked for, or expired and given away); not in check mode, where the
    step that reserves it may be one that was only predicted.
    """
    with connection.transaction():
        before = _place(connection, tenant_id, purpose)
        if before == _NO_PLACE and not check:
            raise Conflict(
                f"tenant {tenant_id} has no place to take into use",
                expected=f"a reservation ({purpose})",
                action="allocate a place first",
            )
        if not check:
            connection.execute(_CONFIRM, (tenant_id, purpose))
        return PlaceChange(before, {**before, "state": "in_use"})


def release(connection: Connection, tenant_id: UUID, purpose: Purpose = Purpose.HOME, *, check: bool = False) -> PlaceChange:
    """Give the tenant's place back, reserved or in use."""
    with connection.transaction():
        before = _place(connection, tenant_id, purpose)
        if not check:
            connection.execute(_RELEASE, (tenant_id, purpose))
        return PlaceChange(before, dict(_NO_PLACE))


def keep(connection: Connection, tenant_id: UUID, *, check: bool = False) -> PlaceChange:
    """Have the tenant's home be what is kept of it: in a pool that frees its place, and the server is still not retired."""
    with connection.transaction():
        before, kept = _place(connection, tenant_id, Purpose.HOME), _place(connection, tenant_id, Purpose.KEPT)
        if before == _NO_PLACE:
            return PlaceChange(kept, kept)
        if not check:
            connection.execute(_KEEP, (tenant_id,))
        return PlaceChange(before, {"state": "kept", "server": before["server"]})


def _hold(connection: Connection) -> tuple[tuple[Server, ...], datetime]:
    connection.execute(_EXCLUDE_OTHER_DECISIONS)
    return servers.fleet(connection, hold=True), clock(connection)


def _place(connection: Connection, tenant_id: UUID, purpose: Purpose) -> dict[str, Any]:
    row = connection.execute(_HOLD_PLACE, (tenant_id, purpose)).fetchone()
    return {"state": row["state"], "server": row["server_name"], "slot": row["slot"]} if row else dict(_NO_PLACE)


def _reserve(
    connection: Connection, request: Request, server: Server, decision: Decision, expires_at: datetime, *, renew: bool
) -> None:
    values = {
        "tenant": request.tenant_id,
        "purpose": request.purpose,
        "server": server.name,
        "max_instances": server.max_instances,
        "slot": decision.slot,
        "expires_at": expires_at,
        "explanation": Jsonb([asdict(row) for row in decision.explanation]),
    }
    if renew:
        connection.execute(_RENEW, values)
        return
    connection.execute(_VACATE, values)  # its reservation elsewhere, and whose reservation of this place expired
    try:
        connection.execute(_RESERVE, values)
    except psycopg.errors.ForeignKeyViolation:
        raise NotFound(f"there is no tenant {request.tenant_id}") from None


def _change_build(
    connection: Connection,
    fleet: tuple[Server, ...],
    decision: Decision,
    builder: str,
    settings: AllocationSettings,
    *,
    now: datetime,
    check: bool,
) -> PlaceChange:
    if decision.server is None:
        return PlaceChange({}, {}, decision)
    lease = now + timedelta(seconds=settings.lease_seconds)
    leased = replace(decision.server, builder=builder, builder_lease=lease)
    if not check:
        if decision.known:
            servers.save(connection, decision.server, leased)
        else:
            servers.add(connection, leased)
    before = next(({"build": server.name, "builder": server.builder} for server in fleet if server.name == leased.name), {})
    return PlaceChange(before, {"build": leased.name, "builder": builder}, replace(decision, server=leased))


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
