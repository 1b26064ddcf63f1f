# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which Postgres server a tenant gets, and why. Pure: records, request, settings and time give a decision.

Policy, and the reason for each rule:

- Among fit shared servers the fullest with room is taken. Servers fill up one after the other, so what is left over
  stays whole: an almost empty server is quickly drained and retired, and "the next one is needed" is one number.
- A server never checked (health unknown) is fit: it became active only after it answered its maker. Unhealthy never is.
- A reservation that expired holds no place. A tenant keeps its live reservation only while that server is fit; once in
  use it stays, whatever becomes of the server: moving a database is a migration, not an allocation.
- A migration takes a second place, the target, on any other fit server; the former database holds its place until dropped.
- What a terminated tenant leaves in a pool takes no place: nobody works with it. A dedicated server stays its tenant's.
- A server somebody wishes for is taken or refused with the reason: nothing else is taken, or built, in its stead.
- One shared server is built at a time, since it has room for many: others wait. Dedicated servers are built by each
  tenant that needs one, but belong to nobody until taken, so a tenant whose run dies strands no server.
- A builder that dies loses its lease; the next caller makes the same server, same name and ports, to its end.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from ...errors import InvalidInput
from ..billing.plan import DatabaseType
from .allocation_settings import AllocationSettings
from .database_server import Health, Place, Purpose, Server, ServerStatus

#: Who builds what no tenant waits for.
SPARE_BUILDER = "spare"


@dataclass(frozen=True)
class Request:
    """A tenant asks for a place on a server of ``db_type``: its home, or the target of a migration.

    ``avoid`` names servers never to choose, ``only`` the one to choose or none. Raises InvalidInput for a former or a kept
    place: that is what becomes of a home.
    """

    tenant_id: UUID
    db_type: DatabaseType
    purpose: Purpose = Purpose.HOME
    avoid: frozenset[str] = frozenset()
    only: str | None = None

    def __post_init__(self) -> None:
        if self.purpose not in (Purpose.HOME, Purpose.TARGET):
            raise InvalidInput(f"no place is given to a {self.purpose} database", expected=f"{Purpose.HOME} or {Purpose.TARGET}")

    def excluded(self, server: str) -> str:
        """Say why the server named is out of the question, whatever it is like; '' when it is not."""
        if server in self.avoid:
            return "to be avoided"
        return f"not asked for: only {self.only} is" if self.only not in (None, server) else ""

    @property
    def builder(self) -> str:
        """Whom a build is leased to. A tenant has one run at a time, so its next run goes on where a dead one stopped."""
        return f"tenant:{self.tenant_id}"


class Kind(StrEnum):
    """What was decided."""

    PLACED = "placed"  # here is the place
    BUILD = "build"  # the caller makes a server, then asks again
    WAIT = "wait"  # somebody else makes one; ask again
    REFUSED = "refused"  # no place, and no room for another server


@dataclass(frozen=True)
class Considered:
    """One server of the explanation."""

    server: str
    chosen: bool
    reason: str


@dataclass(frozen=True)
class Decision:
    """The answer. ``server`` is where the place is, or the server to build; ``slot`` is set when placed.

    ``known`` tells a build that goes on with a server that has a record from a new one. ``explanation`` names every
    server there was, and the new one.
    """

    kind: Kind
    explanation: tuple[Considered, ...]
    server: Server | None = None
    slot: int | None = None
    known: bool = False
    obstacle: str = ""


def decide(servers: Iterable[Server], request: Request, settings: AllocationSettings, now: datetime) -> Decision:
    """Return the place for ``request``, or what has to happen first."""
    fleet = tuple(sorted(servers, key=_by_age))
    unfit = {server.name: _unfit(server, request, now) for server in fleet}
    if kept := _kept(fleet, request, unfit):
        return _keep(*kept, request, unfit)
    fit = [server for server in fleet if not unfit[server.name]]
    if fit:
        chosen = max(fit, key=lambda server: server.taken(now) / server.max_instances)
        others = f"not needed: {chosen.name} is fuller or older, servers are filled one after the other"
        reason = f"the fullest with room: {chosen.taken(now)} of {chosen.max_instances} places taken"
        slot = chosen.free_slot(now)
        return Decision(Kind.PLACED, _explain(unfit, chosen, reason, others), chosen, slot)
    if request.only:
        why_not = unfit.get(request.only, "there is no such server")
        return Decision(Kind.REFUSED, _explain(unfit), obstacle=f"{request.only}: {why_not}")
    usable = [server for server in fleet if server.name not in request.avoid]
    return _construct(fleet, unfit, request.db_type, request.builder, settings=settings, now=now, usable=usable)


def decide_spare(
    servers: Iterable[Server], db_type: DatabaseType, settings: AllocationSettings, now: datetime, builder: str = SPARE_BUILDER
) -> Decision | None:
    """Return how to prepare the next server of ``db_type`` ahead, or None when there is enough."""
    fleet = tuple(sorted(servers, key=_by_age))
    if db_type not in spare_needed(fleet, settings, now):
        return None
    kept = {server.name: _wrong(server, db_type, now) or f"{_room(server, now)}, fewer than wanted" for server in fleet}
    return _construct(fleet, kept, db_type, builder, settings=settings, now=now)


def spare_needed(servers: Iterable[Server], settings: AllocationSettings, now: datetime) -> tuple[DatabaseType, ...]:
    """Return the types of which too few places are free: what the next server should be prepared ahead for.

    A shared server being built counts with all its places; a dedicated one only when it is built as the spare, because
    a tenant that builds one will take it.
    """
    free = dict.fromkeys(DatabaseType, 0)
    for server in servers:
        if not _wrong(server, server.server_type, now):
            free[server.server_type] += server.free(now)
        elif server.being_built(now) and (server.server_type is DatabaseType.SHARED or server.builder == SPARE_BUILDER):
            free[server.server_type] += server.max_instances
    wanted = {DatabaseType.SHARED: settings.spare_places, DatabaseType.DEDICATED: settings.spare_dedicated}
    return tuple(db_type for db_type in DatabaseType if free[db_type] < wanted[db_type])


def _by_age(server: Server) -> tuple[int, str]:
    """Sort by name as people count: pool-2 before pool-10."""
    return len(server.name), server.name


def _kept(fleet: Sequence[Server], request: Request, unfit: dict[str, str]) -> tuple[Server, Place] | None:
    """Return the place the tenant has and keeps: in use, or reserved (even lately expired) on a server that is fit."""
    for server in fleet:
        place = server.place_of(request.tenant_id)
        if place and place.purpose is request.purpose and (place.in_use or not unfit[server.name]):
            return server, place
    return None


def _keep(server: Server, place: Place, request: Request, unfit: dict[str, str]) -> Decision:
    if request.excluded(server.name):
        return Decision(Kind.REFUSED, _explain(unfit), obstacle=f"its {place.purpose} is in use on {server.name}")
    why = "already in use by this tenant" if place.in_use else "already reserved for this tenant"
    return Decision(Kind.PLACED, _explain(unfit, server, why), server, place.slot)


def _wrong(server: Server, db_type: DatabaseType, now: datetime) -> str:
    """Say why a server takes no new tenants of ``db_type``, whether or not it has room; '' when it does."""
    if server.server_type is not db_type:
        return f"wrong type: {server.server_type}, not {db_type}"
    if server.status is ServerStatus.PROVISIONING:
        return f"being built by {server.builder}" if server.being_built(now) else "half built: its builder's lease has expired"
    if server.status is not ServerStatus.ACTIVE:
        return f"{server.status}"
    return "unhealthy" if server.health_status is Health.UNHEALTHY else ""


def _unfit(server: Server, request: Request, now: datetime) -> str:
    """Say why ``server`` can't take the tenant of ``request``; '' when it can."""
    if excluded := request.excluded(server.name):
        return excluded
    place = server.place_of(request.tenant_id)
    if place and place.purpose is not request.purpose:
        return f"has the tenant's {place.purpose} already"
    if wrong := _wrong(server, request.db_type, now):
        return wrong
    return "" if server.free(now) or (place and place.held(now)) else _room(server, now)


def _room(server: Server, now: datetime) -> str:
    free, reserved = server.free(now), server.reserved(now)
    former = sum(place.purpose is Purpose.FORMER for place in server.places)
    kept = f" ({former} of them kept after a move)" if former else ""
    taken = f"{server.taken(now) - reserved} in use{kept}, {reserved} reserved, of {server.max_instances}"
    taken += f"; {server.kept} of terminated tenants" if server.kept else ""
    if free:
        return f"{free} places free ({taken})"
    return f"full ({taken})" if not reserved else f"reserved: no place free ({taken})"


def _explain(
    unfit: dict[str, str], chosen: Server | None = None, reason: str = "", others: str = "not needed: the tenant has its place"
) -> tuple[Considered, ...]:
    """Give every server its reason; ``chosen`` may be a server that is not there yet."""
    reasons = {name: why or others for name, why in unfit.items()}
    if chosen:
        reasons[chosen.name] = reason
    return tuple(Considered(name, chosen is not None and name == chosen.name, why) for name, why in reasons.items())


def _construct(
    fleet: Sequence[Server],
    unfit: dict[str, str],
    db_type: DatabaseType,
    builder: str,
    *,
    settings: AllocationSettings,
    now: datetime,
    usable: Sequence[Server] | None = None,
) -> Decision:
    """Decide who makes the next server of ``db_type``, and which one that is. Only ``usable`` ones (None: all) are built on."""
    begun = [server for server in fleet if server.server_type is db_type and server.status is ServerStatus.PROVISIONING]
    unfinished = [server for server in begun if usable is None or server in usable]
    own = next((server for server in unfinished if server.builder == builder), None)
    left = own or next((server for server in unfinished if not server.being_built(now)), None)
    if left:
        why = "to be built on: begun by this caller" if own else "to be built on: its builder's lease has expired"
        return Decision(Kind.BUILD, _explain(unfit, left, why), left, known=True)
    if unfinished and db_type is DatabaseType.SHARED:
        return Decision(Kind.WAIT, _explain(unfit))
    if obstacle := settings.no_room(fleet):
        return Decision(Kind.REFUSED, _explain(unfit), obstacle=obstacle)
    new = settings.next_server(fleet, db_type)
    return Decision(Kind.BUILD, _explain(unfit, new, f"to be built: no {db_type} server can take the tenant"), new)
