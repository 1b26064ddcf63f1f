"""Allocation as a machine of states: whatever happens in whatever order, no server is overfilled and every reason is true."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from ansible_collections.saasodoo.platform.plugins.module_utils.domain.billing.plan import DatabaseType
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.server.allocation import (
    Decision,
    Kind,
    Request,
    decide,
    spare_needed,
)
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.server.allocation_settings import AllocationSettings
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.server.database_server import (
    Health,
    Place,
    Purpose,
    Server,
    ServerStatus,
)

SETTINGS = AllocationSettings(port_first=21200, port_last=21213, max_instances=3, max_servers=5, reservation_seconds=600)
TENANTS = st.integers(1, 12).map(lambda number: UUID(int=number))
TYPES = st.sampled_from([DatabaseType.SHARED, DatabaseType.SHARED, DatabaseType.SHARED, DatabaseType.DEDICATED])
NAMES = st.sampled_from(["pool-1", "pool-2", "pool-3", "dedicated-1"])
PURPOSES = st.sampled_from([Purpose.HOME, Purpose.TARGET])


class Allocations(RuleBasedStateMachine):
    """A registry in memory that writes what the decisions say, as the adapter does."""

    def __init__(self) -> None:
        super().__init__()
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        self.fleet: dict[str, Server] = {}

    def _write(self, server: Server) -> None:
        self.fleet[server.name] = server

    def _change(self, tenant: UUID, purpose: Purpose, /, **changes: Any) -> None:
        """Change the tenant's place of that purpose, or with no changes give it back."""
        for server in self.fleet.values():
            found = server.place_of(tenant)
            if found and found.purpose is purpose:
                others = tuple(place for place in server.places if place is not found)
                self._write(replace(server, places=(*others, replace(found, **changes)) if changes else others))
                return

    def _place(self, tenant: UUID, purpose: Purpose) -> Place | None:
        places = [place for server in self.fleet.values() for place in server.places if place.tenant_id == tenant]
        return next((place for place in places if place.purpose is purpose), None)

    def _holds(self, place: Place) -> bool:
        return place.slot is not None and (place.expires_at is None or self.now < place.expires_at)

    def _leased(self, server: Server) -> bool:
        return server.builder_lease is not None and self.now < server.builder_lease

    def _some(self, number: int, *statuses: ServerStatus) -> Server | None:
        found = [server for server in self.fleet.values() if server.status in statuses]
        return found[number % len(found)] if found else None

    @initialize(servers=st.integers(0, 2))
    def some_servers_are_there(self, servers: int) -> None:
        for _ in range(servers):
            new = SETTINGS.next_server(self.fleet.values(), DatabaseType.SHARED)
            self._write(replace(new, status=ServerStatus.ACTIVE, health_status=Health.HEALTHY))

    @rule(tenants=st.lists(TENANTS, min_size=2, max_size=6, unique=True))
    def many_ask_at_once(self, tenants: list[UUID]) -> None:
        for tenant in tenants:
            self.allocate(tenant, DatabaseType.SHARED)

    @rule(tenant=TENANTS, db_type=TYPES)
    def allocate(self, tenant: UUID, db_type: DatabaseType) -> None:
        self.ask(Request(tenant, db_type))

    @rule(tenant=TENANTS, db_type=TYPES, avoid=st.frozensets(NAMES, max_size=2), only=st.none() | st.none() | NAMES)
    def move(self, tenant: UUID, db_type: DatabaseType, avoid: frozenset[str], only: str | None) -> None:
        """A migration looks for a second place; now and then where somebody wishes."""
        self.ask(Request(tenant, db_type, Purpose.TARGET, avoid, only))

    def ask(self, request: Request) -> None:
        decision = decide(self.fleet.values(), request, SETTINGS, self.now)
        self._check(decision, request)
        server = decision.server
        if decision.kind is Kind.BUILD:
            assert server is not None
            lease = self.now + timedelta(seconds=SETTINGS.lease_seconds)
            self._write(replace(server, builder=request.builder, builder_lease=lease))
        elif decision.kind is Kind.PLACED:
            assert server is not None
            assert decision.slot is not None
            mine = server.place_of(request.tenant_id)
            if mine and mine.in_use:
                return
            self._change(request.tenant_id, request.purpose)
            kept = tuple(place for place in self.fleet[server.name].places if place.slot != decision.slot)
            until = self.now + timedelta(seconds=SETTINGS.reservation_seconds)
            place = Place(request.tenant_id, decision.slot, until, request.purpose)
            self._write(replace(server, places=(*kept, place)))

    def _check(self, decision: Decision, request: Request) -> None:
        before = set(self.fleet)
        new = {decision.server.name} if decision.kind is Kind.BUILD and decision.server else set()
        assert {row.server for row in decision.explanation} == before | new, "a server has no reason"
        chosen = [row.server for row in decision.explanation if row.chosen]
        assert chosen == ([decision.server.name] if decision.server else [])
        assert decision.known == (decision.kind is Kind.BUILD and new <= before)
        if decision.known and decision.server:
            old = self.fleet[decision.server.name]
            assert old.builder == request.builder or not self._leased(old), "a live builder's work was taken over"
        for row in decision.explanation:
            if row.server in before and not row.chosen:
                assert self._true(row.reason, self.fleet[row.server], request), (
                    f"untrue of {self.fleet[row.server]}: {row.reason}"
                )
        mine = self._place(request.tenant_id, request.purpose)
        if decision.kind is Kind.PLACED:
            self._check_place(decision, request)
        elif mine and mine.in_use:
            assert decision.kind is Kind.REFUSED
            assert self._excluded(next(server for server in self.fleet.values() if mine in server.places), request)
        else:
            if request.only:
                assert decision.kind is Kind.REFUSED, "something else is built than what was wished for"
            assert not any(self._fit(server, request) for server in self.fleet.values()), "a server with room was passed over"

    def _check_place(self, decision: Decision, request: Request) -> None:
        assert decision.server is not None
        place = decision.server.place_of(request.tenant_id)
        assert place is None or place.purpose is request.purpose, "two databases of a tenant on one server"
        assert not self._excluded(decision.server, request)
        if place and place.in_use:
            return
        assert self._fit(decision.server, request)
        assert decision.slot is not None
        assert 1 <= decision.slot <= decision.server.max_instances
        holders = [p for p in decision.server.places if p.slot == decision.slot and self._holds(p)]
        assert all(holder.tenant_id == request.tenant_id for holder in holders), "somebody else's place was given away"
        if place is None:
            fit = [server for server in self.fleet.values() if self._fit(server, request)]
            assert self._filled(decision.server) == max(map(self._filled, fit)), "a fuller server was passed over"

    def _filled(self, server: Server) -> float:
        return server.taken(self.now) / server.max_instances

    def _excluded(self, server: Server, request: Request) -> bool:
        return server.name in request.avoid or request.only not in (None, server.name)

    def _has_another(self, server: Server, request: Request) -> bool:
        return any(place.tenant_id == request.tenant_id and place.purpose is not request.purpose for place in server.places)

    def _fit(self, server: Server, request: Request) -> bool:
        others = [place for place in server.places if place.tenant_id != request.tenant_id and self._holds(place)]
        return (
            server.server_type is request.db_type
            and server.status is ServerStatus.ACTIVE
            and server.health_status is not Health.UNHEALTHY
            and not self._excluded(server, request)
            and not self._has_another(server, request)
            and len(others) < server.max_instances
        )

    def _true(self, reason: str, server: Server, request: Request) -> bool:
        """Judge a reason by the record alone, not by the code that gave it."""
        held = [place for place in server.places if self._holds(place)]
        full = len(held) == server.max_instances
        word = reason.split(":", maxsplit=1)[0].split(" ", maxsplit=1)[0]
        facts = {
            "wrong": server.server_type is not request.db_type,
            "being": server.status is ServerStatus.PROVISIONING and self._leased(server),
            "half": server.status is ServerStatus.PROVISIONING and not self._leased(server),
            "unhealthy": server.health_status is Health.UNHEALTHY,
            "full": full and all(place.in_use for place in held),
            "reserved": full and not all(place.in_use for place in held),
            "not": request.only not in (None, server.name) if "not asked for" in reason else self._fit(server, request),
            "to": server.name in request.avoid,
            "has": self._has_another(server, request),
        }
        return facts.get(word, server.status == word)

    @rule(tenant=TENANTS, purpose=PURPOSES)
    def confirm(self, tenant: UUID, purpose: Purpose) -> None:
        self._change(tenant, purpose, expires_at=None)

    @rule(tenant=TENANTS, here=TYPES, there=TYPES)
    def migrate(self, tenant: UUID, here: DatabaseType, there: DatabaseType) -> None:
        """A whole move, as far as there are places: the target becomes the home, the home the former."""
        if self._place(tenant, Purpose.FORMER):
            return
        for request in (Request(tenant, here), Request(tenant, there, Purpose.TARGET)):
            self.ask(request)
            self._change(tenant, request.purpose, expires_at=None)
        if self._place(tenant, Purpose.HOME) and self._place(tenant, Purpose.TARGET):
            self._change(tenant, Purpose.HOME, purpose=Purpose.FORMER)
            self._change(tenant, Purpose.TARGET, purpose=Purpose.HOME)

    @rule(tenant=TENANTS)
    def migrate_back(self, tenant: UUID) -> None:
        if self._place(tenant, Purpose.FORMER) and not self._place(tenant, Purpose.TARGET):
            self._change(tenant, Purpose.HOME, purpose=Purpose.TARGET)
            self._change(tenant, Purpose.FORMER, purpose=Purpose.HOME)

    @rule(tenant=TENANTS)
    def terminate(self, tenant: UUID) -> None:
        """What is kept of it frees its place in a pool, and nothing else."""
        home = self._place(tenant, Purpose.HOME)
        if home is None or not home.in_use or self._place(tenant, Purpose.KEPT):
            return
        server = next(each for each in self.fleet.values() if home in each.places)
        shared = server.server_type is DatabaseType.SHARED
        self._change(tenant, Purpose.HOME, purpose=Purpose.KEPT, slot=None if shared else home.slot)
        assert self.fleet[server.name].free(self.now) == server.free(self.now) + shared

    @rule(tenant=TENANTS, purpose=st.sampled_from(Purpose))
    def release(self, tenant: UUID, purpose: Purpose) -> None:
        self._change(tenant, purpose)

    @rule(minutes=st.sampled_from([1, 3, 11]))
    def time_passes(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)

    @rule(number=st.integers(0, 9))
    def build_ends(self, number: int) -> None:
        if server := self._some(number, ServerStatus.PROVISIONING):
            self._write(replace(server, status=ServerStatus.ACTIVE))

    @rule(number=st.integers(0, 9), to=st.sampled_from([ServerStatus.ACTIVE, ServerStatus.DRAINING, ServerStatus.ERROR]))
    def status_changes(self, number: int, to: ServerStatus) -> None:
        if server := self._some(number, ServerStatus.ACTIVE, ServerStatus.DRAINING, ServerStatus.ERROR):
            self._write(replace(server, status=to if server.places or to is ServerStatus.ACTIVE else ServerStatus.RETIRED))

    @rule(number=st.integers(0, 9), to=st.sampled_from(Health))
    def health_changes(self, number: int, to: Health) -> None:
        if server := self._some(number, ServerStatus.ACTIVE, ServerStatus.DRAINING):
            self._write(replace(server, health_status=to))

    @invariant()
    def nothing_is_overfilled(self) -> None:
        for server in self.fleet.values():
            slots = [place.slot for place in server.places if place.slot is not None]
            assert len(slots) == len(set(slots)), "two tenants in one place"
            assert server.free(self.now) >= 0

    @invariant()
    def each_tenant_has_one_place_per_purpose_each_on_a_server_of_its_own(self) -> None:
        places = [(place, server) for server in self.fleet.values() for place in server.places]
        for what in ([(p.tenant_id, p.purpose) for p, _ in places], [(p.tenant_id, s.name) for p, s in places]):
            assert len(what) == len(set(what))
        assert all(place.in_use for place, _ in places if place.purpose is Purpose.FORMER)

    @invariant()
    def names_and_ports_are_unique_and_in_range(self) -> None:
        ports = [port for server in self.fleet.values() for port in (server.port, server.pooler_port)]
        assert len(ports) == len(set(ports))
        assert all(SETTINGS.port_first <= port <= SETTINGS.port_last for port in ports)
        assert sum(server.status is not ServerStatus.RETIRED for server in self.fleet.values()) <= SETTINGS.max_servers

    @invariant()
    def no_spare_is_asked_for_while_enough_is_free(self) -> None:
        free = sum(
            server.free(self.now)
            for server in self.fleet.values()
            if self._fit(server, Request(UUID(int=0), DatabaseType.SHARED))
        )
        assert free < SETTINGS.spare_places or DatabaseType.SHARED not in spare_needed(self.fleet.values(), SETTINGS, self.now)


TestAllocations = Allocations.TestCase
TestAllocations.settings = hypothesis_settings(max_examples=200, stateful_step_count=50, deadline=None, database=None)
