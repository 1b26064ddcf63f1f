"""The allocation decision: each rule of the policy once, with its explanation."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest

from ansible_collections.saasodoo.platform.plugins.module_utils.domain.billing.plan import DatabaseType
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.server.allocation import (
    SPARE_BUILDER,
    Decision,
    Kind,
    Request,
    decide,
    decide_spare,
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
from ansible_collections.saasodoo.platform.plugins.module_utils.errors import InvalidInput

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LATER, EARLIER = NOW + timedelta(minutes=1), NOW - timedelta(minutes=1)
SHARED, DEDICATED = DatabaseType.SHARED, DatabaseType.DEDICATED
SETTINGS = AllocationSettings(port_first=21200, port_last=21219, max_instances=5, max_servers=5)
TENANT = UUID(int=7)


def server(
    number: int, in_use: int = 0, *, reserved: tuple[datetime, ...] = (), kind: DatabaseType = SHARED, size: int = 5
) -> Server:
    """Make an active, healthy server with ``in_use`` tenants, and reservations until the given times."""
    places = [Place(uuid4(), slot, None) for slot in range(1, in_use + 1)]
    places += [Place(uuid4(), in_use + n, until) for n, until in enumerate(reserved, start=1)]
    return Server(
        name=f"{'pool' if kind is SHARED else 'dedicated'}-{number}",
        server_type=kind,
        status=ServerStatus.ACTIVE,
        health_status=Health.HEALTHY,
        host="127.0.0.1",
        pooler_host="127.0.0.1",
        port=21198 + 2 * number + (100 if kind is DEDICATED else 0),
        pooler_port=21199 + 2 * number + (100 if kind is DEDICATED else 0),
        max_instances=size if kind is SHARED else 1,
        cpu_limit=Decimal(2),
        memory_limit="4GB",
        places=tuple(places),
    )


def building(found: Server, builder: str, lease: datetime | None) -> Server:
    """Turn ``found`` into a server that ``builder`` makes until ``lease``."""
    return replace(found, status=ServerStatus.PROVISIONING, health_status=Health.UNKNOWN, builder=builder, builder_lease=lease)


def ask(*fleet: Server, kind: DatabaseType = SHARED, settings: AllocationSettings = SETTINGS) -> Decision:
    """Decide for TENANT at NOW."""
    return decide(fleet, Request(TENANT, kind), settings, NOW)


def chosen(decision: Decision) -> str:
    """Return the name of the server placed on."""
    assert decision.kind is Kind.PLACED
    assert decision.server is not None
    return decision.server.name


def reasons(decision: Decision) -> dict[str, str]:
    """Return the explanation by server."""
    return {row.server: row.reason for row in decision.explanation}


def test_the_fullest_server_with_room_is_taken_and_the_oldest_of_equals() -> None:
    fleet = [server(1, 5), server(2, 1), server(10, 3), server(3, 3)]
    decision = ask(*fleet)
    assert (chosen(decision), decision.slot) == ("pool-3", 4)
    assert reasons(decision) == {
        "pool-1": "full (5 in use, 0 reserved, of 5)",
        "pool-2": "not needed: pool-3 is fuller or older, servers are filled one after the other",
        "pool-3": "the fullest with room: 3 of 5 places taken",
        "pool-10": "not needed: pool-3 is fuller or older, servers are filled one after the other",
    }
    assert [row.server for row in decision.explanation if row.chosen] == ["pool-3"]


@pytest.mark.parametrize(
    ("unfit", "reason"),
    [
        (replace(server(1), health_status=Health.UNHEALTHY), "unhealthy"),
        (replace(server(1), status=ServerStatus.DRAINING), "draining"),
        (replace(server(1), status=ServerStatus.RETIRED), "retired"),
        (replace(server(1), status=ServerStatus.ERROR), "error"),
        (server(1, 5), "full (5 in use, 0 reserved, of 5)"),
        (server(1, 4, reserved=(LATER,)), "reserved: no place free (4 in use, 1 reserved, of 5)"),
        (server(1, kind=DEDICATED), "wrong type: dedicated, not shared"),
        (building(server(1), "tenant:x", LATER), "being built by tenant:x"),
    ],
)
def test_an_unfit_server_is_never_chosen_and_the_reason_is_told(unfit: Server, reason: str) -> None:
    decision = ask(unfit, server(2))
    assert chosen(decision) == "pool-2"
    assert reasons(decision)[unfit.name] == reason


def test_a_server_never_checked_is_fit() -> None:
    assert chosen(ask(replace(server(1), health_status=Health.UNKNOWN))) == "pool-1"


def test_an_expired_reservation_frees_its_place() -> None:
    decision = ask(server(1, 4, reserved=(EARLIER,)))
    assert (chosen(decision), decision.slot) == ("pool-1", 5)


def test_places_nobody_had_go_before_expired_ones() -> None:
    assert ask(server(1, 2, reserved=(EARLIER,))).slot == 4


def test_a_reservation_is_kept_while_its_server_is_fit() -> None:
    mine = replace(server(1), places=(Place(TENANT, 3, LATER),))
    decision = ask(mine, server(2, 4))
    assert (chosen(decision), decision.slot) == ("pool-1", 3)
    assert reasons(decision)["pool-2"] == "not needed: the tenant has its place"
    assert chosen(ask(replace(mine, status=ServerStatus.DRAINING), server(2, 4))) == "pool-2"


def test_a_late_tenant_finds_its_expired_place_again_when_nobody_took_it() -> None:
    mine = replace(server(1, 4), places=(*server(1, 4).places, Place(TENANT, 5, EARLIER)))
    assert ask(mine, server(2, 4)).slot == 5
    assert chosen(ask(mine, server(2, 4))) == "pool-1"


@pytest.mark.parametrize(
    "change", [{"status": ServerStatus.DRAINING}, {"health_status": Health.UNHEALTHY}, {"server_type": DEDICATED}]
)
def test_a_place_in_use_stays_whatever_becomes_of_its_server(change: dict[str, Any]) -> None:
    mine = replace(server(1), places=(Place(TENANT, 2, None),), **change)
    assert chosen(ask(mine, server(2))) == "pool-1"


def home(number: int, others: int = 0, **changes: Any) -> Server:
    """Make a server the tenant lives on, beside ``others``."""
    found = server(number, others)
    return replace(found, places=(*found.places, Place(TENANT, 5, None)), **changes)


def move(*fleet: Server, avoid: tuple[str, ...] = (), only: str | None = None, kind: DatabaseType = SHARED) -> Decision:
    """Decide where TENANT's database is to be moved."""
    return decide(fleet, Request(TENANT, kind, Purpose.TARGET, frozenset(avoid), only), SETTINGS, NOW)


def test_a_target_is_the_fullest_other_server_but_never_the_home_or_one_to_avoid() -> None:
    decision = move(home(1, 3), server(2, 3), server(3, 1), avoid=("pool-2",))
    assert chosen(decision) == "pool-3"
    assert reasons(decision) | {"pool-3": ""} == {
        "pool-1": "has the tenant's home already",
        "pool-2": "to be avoided",
        "pool-3": "",
    }


def test_a_target_is_kept_while_its_server_is_fit_and_stays_once_in_use() -> None:
    def target(until: datetime | None, **changes: Any) -> Server:
        return replace(server(2), places=(Place(TENANT, 2, until, Purpose.TARGET),), **changes)

    assert move(home(1), target(LATER), server(3, 4)).slot == 2
    assert chosen(move(home(1), target(LATER, status=ServerStatus.DRAINING), server(3))) == "pool-3"
    assert chosen(move(home(1), target(LATER), server(3), avoid=("pool-2",))) == "pool-3"
    assert chosen(move(home(1), target(None, status=ServerStatus.DRAINING), server(3))) == "pool-2"
    assert chosen(ask(home(1), target(None))) == "pool-1", "the home is where it was"


def test_a_former_database_takes_its_place_and_the_reason_tells() -> None:
    former = replace(server(1, 4), places=(*server(1, 4).places, Place(uuid4(), 5, None, Purpose.FORMER)))
    assert reasons(move(former, server(2)))["pool-1"] == "full (5 in use (1 of them kept after a move), 0 reserved, of 5)"
    mine = replace(server(3), places=(Place(TENANT, 1, None, Purpose.FORMER),))
    assert reasons(move(home(1), server(2), mine))["pool-3"] == "has the tenant's former already"
    with pytest.raises(InvalidInput, match="no place is given to a former database"):
        Request(TENANT, SHARED, Purpose.FORMER)


def test_a_server_wished_for_is_taken_though_another_is_fuller() -> None:
    decision = move(home(1), server(2, 4), server(3), only="pool-3")
    assert chosen(decision) == "pool-3"
    assert reasons(decision)["pool-2"] == "not asked for: only pool-3 is"


@pytest.mark.parametrize(
    ("only", "obstacle"),
    [
        ("pool-1", "pool-1: has the tenant's home already"),
        ("pool-2", "pool-2: full (5 in use, 0 reserved, of 5)"),
        ("pool-3", "pool-3: draining"),
        ("pool-4", "pool-4: being built by tenant:other"),
        ("dedicated-5", "dedicated-5: wrong type: dedicated, not shared"),
        ("pool-9", "pool-9: there is no such server"),
    ],
)
def test_a_server_wished_for_in_vain_is_refused_with_its_reason_and_nothing_is_built(only: str, obstacle: str) -> None:
    draining = replace(server(3), status=ServerStatus.DRAINING)
    building_still = building(server(4), "tenant:other", LATER)
    decision = move(home(1), server(2, 5), draining, building_still, server(5, kind=DEDICATED), server(6), only=only)
    assert (decision.kind, decision.obstacle, decision.server) == (Kind.REFUSED, obstacle, None)


@pytest.mark.parametrize("wish", [{"only": "pool-3"}, {"avoid": ("pool-2",)}])
def test_a_target_in_use_does_not_go_elsewhere_for_a_wish(wish: dict[str, Any]) -> None:
    decision = move(home(1), replace(server(2), places=(Place(TENANT, 1, None, Purpose.TARGET),)), server(3), **wish)
    assert (decision.kind, decision.obstacle) == (Kind.REFUSED, "its target is in use on pool-2")


def test_what_is_to_be_avoided_is_not_built_on() -> None:
    decision = move(home(1), building(server(2), "tenant:other", EARLIER), avoid=("pool-2",))
    assert decision.server is not None
    assert (decision.kind, decision.server.name) == (Kind.BUILD, "pool-3")


def test_without_room_the_caller_builds_the_next_server() -> None:
    decision = ask(server(1, 5), server(3, 5))
    assert (decision.kind, decision.known) == (Kind.BUILD, False)
    assert decision.server == replace(server(2), health_status=Health.UNKNOWN, status=ServerStatus.PROVISIONING)
    assert reasons(decision)["pool-2"] == "to be built: no shared server can take the tenant"


def test_one_shared_server_is_built_at_a_time() -> None:
    decision = ask(server(1, 5), building(server(2), "tenant:other", LATER))
    assert (decision.kind, decision.server) == (Kind.WAIT, None)
    assert reasons(decision)["pool-2"] == "being built by tenant:other"


@pytest.mark.parametrize("kind", list(DatabaseType))
def test_a_dead_builders_server_is_built_on(kind: DatabaseType) -> None:
    dead = building(server(1, kind=kind), "tenant:other", EARLIER)
    decision = ask(dead, kind=kind)
    assert (decision.kind, decision.server, decision.known) == (Kind.BUILD, dead, True)
    assert reasons(decision)[dead.name] == "to be built on: its builder's lease has expired"


def test_the_same_tenant_goes_on_with_its_own_build_at_once() -> None:
    dead, own = building(server(1), "tenant:other", EARLIER), building(server(2), f"tenant:{TENANT}", LATER)
    decision = ask(dead, own)
    assert (decision.kind, decision.server) == (Kind.BUILD, own)


def test_each_tenant_builds_its_own_dedicated_server_and_takes_any_empty_one() -> None:
    other = building(server(1, kind=DEDICATED), "tenant:other", LATER)
    decision = ask(other, kind=DEDICATED)
    assert decision.kind is Kind.BUILD
    assert decision.server is not None
    assert (decision.server.name, decision.server.max_instances, decision.server.cpu_limit) == ("dedicated-2", 1, Decimal(4))
    assert chosen(ask(server(1, kind=DEDICATED), kind=DEDICATED)) == "dedicated-1"


@pytest.mark.parametrize(
    ("settings", "obstacle"),
    [
        (replace(SETTINGS, max_servers=2), "there are 2 servers already, as many as max_servers allows"),
        (replace(SETTINGS, port_last=21203), "all ports from 21200 to 21203 are given to servers"),
    ],
)
def test_no_place_and_no_room_is_refused_with_every_servers_reason(settings: AllocationSettings, obstacle: str) -> None:
    decision = ask(server(1, 5), replace(server(2), health_status=Health.UNHEALTHY), settings=settings)
    assert (decision.kind, decision.obstacle) == (Kind.REFUSED, obstacle)
    assert reasons(decision) == {"pool-1": "full (5 in use, 0 reserved, of 5)", "pool-2": "unhealthy"}


def test_a_retired_server_counts_only_for_its_ports() -> None:
    gone = replace(server(1), status=ServerStatus.RETIRED)
    decision = ask(gone, settings=replace(SETTINGS, max_servers=1))
    assert decision.server is not None
    assert (decision.server.name, decision.server.port) == ("pool-2", 21202)


def test_spares_are_needed_when_few_places_are_free() -> None:
    settings = replace(SETTINGS, spare_places=3, spare_dedicated=1)
    empty = server(1, kind=DEDICATED)
    assert spare_needed([], settings, NOW) == (SHARED, DEDICATED)
    assert spare_needed([server(1, 2), empty], settings, NOW) == ()
    assert spare_needed([server(1, 3), empty], settings, NOW) == (SHARED,)
    assert spare_needed([server(1, 2, reserved=(EARLIER,)), empty], settings, NOW) == ()
    assert spare_needed([replace(server(1), status=ServerStatus.DRAINING), empty], settings, NOW) == (SHARED,)
    assert spare_needed([building(server(1), "tenant:x", LATER), empty], settings, NOW) == ()
    assert spare_needed([building(server(1), "tenant:x", EARLIER), empty], settings, NOW) == (SHARED,)
    assert spare_needed([server(1), building(empty, "tenant:x", LATER)], settings, NOW) == (DEDICATED,)
    assert spare_needed([server(1), building(empty, SPARE_BUILDER, LATER)], settings, NOW) == ()


def test_a_spare_is_built_only_when_needed_and_explained() -> None:
    assert decide_spare([server(1)], SHARED, SETTINGS, NOW) is None
    decision = decide_spare([server(1, 2)], SHARED, SETTINGS, NOW)
    assert decision is not None
    assert decision.kind is Kind.BUILD
    assert reasons(decision)["pool-1"] == "3 places free (2 in use, 0 reserved, of 5), fewer than wanted"


def test_the_timeout_follows_from_the_waiting_time() -> None:
    assert SETTINGS.timeout_message == "Database allocation timeout after 5 minutes"
    assert replace(SETTINGS, retry_after=2, lease_seconds=30).timeout_message == "Database allocation timeout after 1 minute"
    assert replace(SETTINGS, retry_after=3, lease_seconds=30).timeout_message == "Database allocation timeout after 90 seconds"


@pytest.mark.parametrize(
    "wrong",
    [{"retries": 0}, {"spare_places": -1}, {"lease_seconds": 300}, {"shared_memory_limit": "much"}, {"max_instances": -1}],
)
def test_settings_that_cannot_work_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        replace(SETTINGS, **wrong)
