"""Places as the registry keeps them, decided and written by the operator's role; and what the registry refuses by itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg.rows import DictRow, dict_row

from ansible_collections.saasodoo.platform.plugins.module_utils.domain.billing.plan import DatabaseType
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.server.allocation import Decision, Kind, Request
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.server.allocation_settings import AllocationSettings
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.server.database_server import Purpose
from ansible_collections.saasodoo.platform.plugins.module_utils.errors import Conflict, NotFound
from ansible_collections.saasodoo.platform.plugins.module_utils.registry import allocations, servers
from ansible_collections.saasodoo.platform.plugins.module_utils.registry.connection import clock
from tests.fixtures.ansible import run_tasks
from tests.fixtures.registry import Registry, add_server

SETTINGS = AllocationSettings(port_first=23360, port_last=23379, max_instances=2)
Connection = psycopg.Connection[DictRow]


def tenant_id(number: int) -> UUID:
    """Return an id whose first digits, the short id, differ too."""
    return UUID(int=number << 80)


@pytest.fixture
def registry(registry_roles: Registry) -> Iterator[Connection]:
    """A registry with the tenants 1 to 4, as the operator reaches it."""
    with psycopg.connect(registry_roles.operator, autocommit=True, row_factory=dict_row) as connection:
        for number in range(1, 5):
            connection.execute(
                "INSERT INTO tenant.tenants (id, customer_id, plan_name, database_name, odoo_version)"
                " VALUES (%s, 'c', 'p', %s, '19.0')",
                (tenant_id(number), f"odoo_{number}"),
            )
        yield connection


def make_server(registry: Connection, name: str, port: int, places: int = 2, kind: str = "shared") -> None:
    add_server(registry, name, port, places, server_type=DatabaseType(kind))


def take(
    registry: Connection, tenant: int, server: str, slot: int, *, places: int = 2, state: str = "in_use", purpose: str = "home"
) -> None:
    """Write a place directly, past the code that chooses."""
    registry.execute(
        "INSERT INTO database.allocations (tenant_id, purpose, server_name, max_instances, slot, state, expires_at)"
        " VALUES (%(tenant)s, %(purpose)s, %(server)s, %(places)s, %(slot)s, %(state)s,"
        " CASE WHEN %(state)s = 'reserved' THEN now() + interval '1 hour' END)",
        {
            "tenant": tenant_id(tenant),
            "purpose": purpose,
            "server": server,
            "places": places,
            "slot": slot,
            "state": state,
        },
    )


def ask(registry: Connection, tenant: int, *, check: bool = False, kind: DatabaseType = DatabaseType.SHARED) -> Decision:
    decision = allocations.allocate(registry, Request(tenant_id(tenant), kind), SETTINGS, check=check).decision
    assert decision is not None
    return decision


def place(registry: Connection, tenant: int, purpose: str = "home") -> tuple[str, int, str] | None:
    query = "SELECT server_name, slot, state FROM database.allocations WHERE tenant_id = %s AND purpose = %s"
    row = registry.execute(query, (tenant_id(tenant), purpose)).fetchone()
    return (row["server_name"], row["slot"], row["state"]) if row else None


def expire(registry: Connection, tenant: int, purpose: str = "home") -> None:
    statement = "UPDATE database.allocations SET expires_at = now() WHERE tenant_id = %s AND purpose = %s"
    registry.execute(statement, (tenant_id(tenant), purpose))


class TestPlaces:
    def test_an_expired_reservation_is_given_away_and_the_late_tenant_is_told(self, registry: Connection) -> None:
        make_server(registry, "pool-1", 23360, places=1)
        assert ask(registry, 1).kind is Kind.PLACED
        assert ask(registry, 2).kind is Kind.BUILD
        expire(registry, 1)
        assert ask(registry, 2).kind is Kind.PLACED
        assert (place(registry, 1), place(registry, 2)) == (None, ("pool-1", 1, "reserved"))
        with pytest.raises(Conflict, match="no place to take into use"):
            allocations.confirm(registry, tenant_id(1))

    def test_an_expired_place_nobody_took_is_still_the_tenants(self, registry: Connection) -> None:
        make_server(registry, "pool-1", 23360)
        ask(registry, 1)
        expire(registry, 1)
        change = allocations.allocate(registry, Request(tenant_id(1), DatabaseType.SHARED), SETTINGS)
        assert change.before == {"state": "expired", "server": "pool-1", "slot": 1}
        assert change.after == {"state": "reserved", "server": "pool-1", "slot": 1}
        allocations.confirm(registry, tenant_id(1))
        assert place(registry, 1) == ("pool-1", 1, "in_use")

    def test_a_reservation_leaves_a_draining_server_but_a_place_in_use_stays(self, registry: Connection) -> None:
        make_server(registry, "pool-1", 23360)
        make_server(registry, "pool-2", 23362)
        take(registry, 1, "pool-1", 1)
        take(registry, 2, "pool-1", 2, state="reserved")
        registry.execute("UPDATE database.servers SET status = 'draining' WHERE name = 'pool-1'")
        for tenant in (1, 2):
            assert ask(registry, tenant).kind is Kind.PLACED
        assert (place(registry, 1), place(registry, 2)) == (("pool-1", 1, "in_use"), ("pool-2", 1, "reserved"))

    def test_check_mode_gives_the_same_answer_and_writes_nothing(self, registry: Connection) -> None:
        make_server(registry, "pool-1", 23360)
        foretold = ask(registry, 1, check=True)
        assert place(registry, 1) is None
        assert ask(registry, 1) == foretold

    def test_a_target_is_reserved_taken_and_given_back_beside_the_home(self, registry: Connection) -> None:
        make_server(registry, "pool-1", 23360)
        make_server(registry, "pool-2", 23362)
        take(registry, 1, "pool-1", 1)
        request = Request(tenant_id(1), DatabaseType.SHARED, Purpose.TARGET)
        change = allocations.allocate(registry, request, SETTINGS)
        assert (change.before, change.after) == ({"state": "absent"}, {"state": "reserved", "server": "pool-2", "slot": 1})
        assert allocations.allocate(registry, request, SETTINGS).before == change.after
        allocations.confirm(registry, tenant_id(1), Purpose.TARGET)
        assert allocations.allocate(registry, request, SETTINGS).after["state"] == "in_use"
        assert (place(registry, 1), place(registry, 1, "target")) == (("pool-1", 1, "in_use"), ("pool-2", 1, "in_use"))
        assert allocations.release(registry, tenant_id(1), Purpose.TARGET).before["server"] == "pool-2"
        assert (place(registry, 1), place(registry, 1, "target")) == (("pool-1", 1, "in_use"), None)

    def test_a_target_moves_on_from_a_server_to_avoid_and_an_expired_one_is_given_away(self, registry: Connection) -> None:
        for number, port in ((1, 23360), (2, 23362), (3, 23364)):
            make_server(registry, f"pool-{number}", port, places=1)
        take(registry, 1, "pool-1", 1, places=1)
        for avoid, server in ((frozenset[str](), "pool-2"), (frozenset({"pool-2"}), "pool-3")):
            allocations.allocate(registry, Request(tenant_id(1), DatabaseType.SHARED, Purpose.TARGET, avoid), SETTINGS)
            assert place(registry, 1, "target") == (server, 1, "reserved")
        expire(registry, 1, "target")
        ask(registry, 2)
        ask(registry, 3)
        assert {place(registry, tenant) for tenant in (2, 3)} == {("pool-2", 1, "reserved"), ("pool-3", 1, "reserved")}
        assert (place(registry, 1), place(registry, 1, "target")) == (("pool-1", 1, "in_use"), None)

    def test_a_server_wished_for_in_vain_is_refused_with_its_reason(self, registry: Connection) -> None:
        make_server(registry, "pool-1", 23360)
        take(registry, 1, "pool-1", 1)
        wish = Request(tenant_id(1), DatabaseType.SHARED, Purpose.TARGET, only="pool-1")
        with pytest.raises(Conflict, match=r"on server pool-1: pool-1: has the tenant's home already.*wish for another"):
            allocations.allocate(registry, wish, SETTINGS)

    def test_no_server_is_drained_between_decision_and_writing(self, registry: Connection, registry_roles: Registry) -> None:
        make_server(registry, "pool-1", 23360)
        make_server(registry, "pool-2", 23362)
        with psycopg.connect(registry_roles.operator, autocommit=True) as other, registry.transaction():
            other.execute("SET lock_timeout = '50ms'")
            ask(registry, 1, check=True)  # it only decides: what is written holds the journal, which would hide this
            for name in ("pool-1", "pool-2"):
                with pytest.raises(psycopg.errors.LockNotAvailable):
                    other.execute("UPDATE database.servers SET status = 'draining' WHERE name = %s", (name,))

    def test_a_tenant_that_is_not_there_gets_nothing(self, registry: Connection) -> None:
        make_server(registry, "pool-1", 23360)
        with pytest.raises(NotFound):
            ask(registry, 99)

    def test_the_explanation_is_kept_with_the_place_and_in_the_journal(self, registry: Connection) -> None:
        make_server(registry, "pool-1", 23360)
        expected = [{"server": "pool-1", "chosen": True, "reason": ask(registry, 1).explanation[0].reason}]
        row = registry.execute("SELECT explanation FROM database.allocations").fetchone()
        entry = registry.execute("SELECT detail FROM ops.journal WHERE action = 'allocation insert'").fetchone()
        assert row is not None
        assert entry is not None
        assert row["explanation"] == entry["detail"]["explanation"] == expected


class TestBuilds:
    def test_a_dead_builders_server_is_made_to_its_end_by_the_next(self, registry: Connection) -> None:
        first = ask(registry, 1)
        assert (first.kind, ask(registry, 2).kind) == (Kind.BUILD, Kind.WAIT)
        registry.execute("UPDATE database.servers SET builder_lease = now()")
        second = ask(registry, 2)
        assert second.kind is Kind.BUILD
        assert first.server is not None
        assert second.server is not None
        assert (second.server.name, second.server.port) == (first.server.name, first.server.port)
        assert ask(registry, 1).kind is Kind.WAIT

    def test_tenants_build_dedicated_servers_side_by_side(self, registry: Connection) -> None:
        decisions = [ask(registry, tenant, kind=DatabaseType.DEDICATED) for tenant in (1, 2)]
        assert [decision.server.name for decision in decisions if decision.server] == ["dedicated-1", "dedicated-2"]


class TestGuard:
    """The registry itself refuses what the code must never do."""

    @pytest.fixture(autouse=True)
    def _full(self, registry: Connection) -> None:
        make_server(registry, "pool-1", 23360)
        make_server(registry, "pool-2", 23362)
        take(registry, 1, "pool-1", 1)
        take(registry, 2, "pool-1", 2)
        make_server(registry, "pool-3", 23364)
        take(registry, 4, "pool-3", 1, purpose="former")

    @pytest.mark.parametrize(
        ("wrong", "refusal"),
        [
            ({"tenant": 3, "server": "pool-1", "slot": 2}, psycopg.errors.UniqueViolation),  # somebody's place
            ({"tenant": 3, "server": "pool-1", "slot": 3}, psycopg.errors.CheckViolation),  # one too many
            ({"tenant": 3, "server": "pool-1", "slot": 0}, psycopg.errors.CheckViolation),
            ({"tenant": 3, "server": "pool-1", "slot": 3, "places": 3}, psycopg.errors.ForeignKeyViolation),  # a larger server
            ({"tenant": 1, "server": "pool-2", "slot": 1}, psycopg.errors.UniqueViolation),  # a second home
            ({"tenant": 4, "server": "pool-3", "slot": 2, "purpose": "target"}, psycopg.errors.UniqueViolation),  # beside itself
            (
                {"tenant": 4, "server": "pool-2", "slot": 2, "purpose": "former"},
                psycopg.errors.UniqueViolation,
            ),  # a second former
            (
                {"tenant": 3, "server": "pool-2", "slot": 1, "purpose": "former", "state": "reserved"},
                psycopg.errors.CheckViolation,
            ),
            ({"tenant": 3, "server": "pool-2", "slot": 1, "purpose": "other"}, psycopg.errors.CheckViolation),
            ({"tenant": 9, "server": "pool-2", "slot": 1}, psycopg.errors.ForeignKeyViolation),  # nobody
            ({"tenant": 3, "server": "pool-9", "slot": 1}, psycopg.errors.ForeignKeyViolation),  # nowhere
        ],
    )
    def test_no_place_beyond_those_there_are(self, registry: Connection, wrong: dict[str, Any], refusal: type[Exception]) -> None:
        with pytest.raises(refusal):
            take(registry, **wrong)

    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE database.allocations SET slot = 3 WHERE slot = 2",
            "UPDATE database.allocations SET max_instances = 9 WHERE slot = 2",
            "UPDATE database.servers SET max_instances = 1 WHERE name = 'pool-1'",
            "UPDATE database.servers SET server_type = 'dedicated' WHERE name = 'pool-1'",
            "UPDATE database.allocations SET expires_at = now() WHERE slot = 2",
            "UPDATE database.servers SET port = 23362 WHERE name = 'pool-1'",
            "UPDATE database.allocations SET state = 'reserved', expires_at = now() WHERE purpose = 'former'",
        ],
    )
    def test_no_change_makes_a_server_overfull(self, registry: Connection, statement: str) -> None:
        with pytest.raises(psycopg.IntegrityError):
            registry.execute(statement)

    def test_a_server_with_tenants_cannot_be_removed(self, registry_roles: Registry) -> None:
        with psycopg.connect(registry_roles.admin) as admin, pytest.raises(psycopg.errors.ForeignKeyViolation):
            admin.execute("DELETE FROM database.servers WHERE name = 'pool-1'")


def test_servers_are_listed_with_their_places(registry: Connection, registry_roles: Registry) -> None:
    make_server(registry, "pool-1", 23360)
    make_server(registry, "pool-2", 23362)
    make_server(registry, "dedicated-1", 23364, places=1, kind="dedicated")
    take(registry, 1, "pool-1", 1)
    take(registry, 2, "pool-1", 2, state="reserved")
    take(registry, 3, "pool-2", 1, state="reserved")
    expire(registry, 3)
    noun = "saasodoo.platform.postgres_server_info"
    asked: list[dict[str, str]] = [{}, {"server_type": "shared"}, {"name": "pool-1"}, {"name": "pool-9"}]
    everything, shared, one, none = run_tasks([{noun: {"registry": registry_roles.operator, **options}} for options in asked])
    assert not everything["changed"]
    assert everything["stats"] == {
        "shared": {"servers": 2, "in_use": 1, "reserved": 1, "free": 2},
        "dedicated": {"servers": 1, "in_use": 0, "reserved": 0, "free": 1},
    }
    assert [server["name"] for server in shared["servers"]] == ["pool-1", "pool-2"]
    assert [(server["port"], server["in_use"], server["reserved"], server["free"]) for server in one["servers"]] == [
        (23360, 1, 1, 0)
    ]
    assert none["servers"] == []


@pytest.mark.parametrize(("kind", "places", "free"), [("shared", 2, 1), ("dedicated", 1, 0)])
def test_what_is_kept_takes_no_place_in_a_pool(registry: Connection, kind: str, places: int, free: int) -> None:
    make_server(registry, "other-1", 23390, places=places, kind=kind)
    for tenant in range(1, 1 + places):
        take(registry, tenant, "other-1", tenant, places=places)
    predicted = allocations.keep(registry, tenant_id(1), check=True)
    assert place(registry, 1) == ("other-1", 1, "in_use")
    assert allocations.keep(registry, tenant_id(1)) == predicted
    again = allocations.keep(registry, tenant_id(1))
    assert again.before == again.after
    (server,) = (each for each in servers.fleet(registry) if each.name == "other-1")
    assert (server.free(clock(registry)), server.kept) == (free, 1)
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        registry.execute("DELETE FROM database.servers WHERE name = 'other-1'")
    allocations.release(registry, tenant_id(1), Purpose.KEPT)
    (server,) = (each for each in servers.fleet(registry) if each.name == "other-1")
    assert (server.free(clock(registry)), server.kept) == (1, 0)


def test_places_are_counted_for_metrics_as_for_allocation(registry: Connection) -> None:
    for name, port in (("a", 9000), ("b", 9010), ("gone", 9020)):
        make_server(registry, name, port, places=4)
    for tenant, (purpose, state) in enumerate((("home", "in_use"), ("target", "reserved"), ("kept", "in_use")), start=1):
        take(registry, tenant, "a", slot=tenant, places=4, purpose=purpose, state=state)
    registry.execute("UPDATE database.servers SET status = 'retired' WHERE name = 'gone'")
    counted = {(row["server"], row["state"]): row["value"] for row in registry.execute(servers.PLACE_COUNTS)}
    known = [server for server in servers.fleet(registry) if server.name != "gone"]
    assert counted == {
        (server.name, state): count
        for server in known
        for state, count in (("taken", server.given), ("kept", server.kept), ("all", server.max_instances))
    }
    assert [(server.given, server.kept) for server in known] == [(3, 1), (0, 0)]
