"""Migrations in a real registry, written by the operator's role: what is remembered, and what changes together or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg.rows import DictRow, dict_row

from ansible_collections.saasodoo.platform.plugins.module_utils.database_migration import journal
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.migration.record import (
    Migration,
    MigrationCourse,
    MigrationStatus,
    Reason,
    StepState,
    Strategy,
)
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant.status import Status
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant.tenant import Tenant
from ansible_collections.saasodoo.platform.plugins.module_utils.errors import Conflict, NotFound
from ansible_collections.saasodoo.platform.plugins.module_utils.postgres.connection import Connection
from ansible_collections.saasodoo.platform.plugins.module_utils.registry import (
    connection as registry,
)
from ansible_collections.saasodoo.platform.plugins.module_utils.registry import (
    fleet,
    servers,
    tenant_lock,
    tenants,
)
from ansible_collections.saasodoo.platform.plugins.module_utils.registry.connection import connect
from tests.fixtures.registry import Registry, add_server

HOUR = timedelta(hours=1)
_PLACE = """
INSERT INTO database.allocations (tenant_id, purpose, server_name, max_instances, slot, state, expires_at)
VALUES (%(tenant)s, %(purpose)s, %(server)s, 9, %(slot)s, %(state)s,
    CASE WHEN %(state)s = 'reserved' THEN now() + interval '1 hour' END)
"""


@pytest.fixture
def connection(registry_roles: Registry) -> Iterator[Connection]:
    """The registry as playbooks use it, with the servers pool-1 and pool-2."""
    with connect(registry_roles.operator, cause="test", autocommit=True) as opened:
        for number in (1, 2):
            add_server(opened, f"pool-{number}", 23340 + 2 * number, 9)
        opened.execute(
            "INSERT INTO billing.plan_entitlements (plan_name, effective_date, cpu_limit, memory_limit, storage_limit)"
            " VALUES ('basic', '2020-01-01', 2, '4GB', '10GB')"
        )
        yield opened


@pytest.fixture
def tenant(connection: Connection) -> Tenant:
    """A tenant that lives on pool-1 and has a target on pool-2."""
    return add_tenant(connection, "acme")


def add_tenant(connection: Connection, subdomain: str, target: str = "in_use") -> Tenant:
    wanted: dict[str, Any] = {"customer_id": "c1", "plan_name": "basic", "odoo_version": "19.0"}
    made = tenants.create(connection, subdomain=subdomain, ports=range(23150, 23199), **wanted)
    row = connection.execute("SELECT count(*) + 1 AS slot FROM database.allocations WHERE purpose = 'home'").fetchone()
    assert row is not None
    for purpose, server, state in (("home", "pool-1", "in_use"), ("target", "pool-2", target)):
        values = {"tenant": made.id, "purpose": purpose, "server": server, "state": state, "slot": row["slot"]}
        connection.execute(_PLACE, values)
    return made


def start(connection: Connection, tenant: Tenant, strategy: Strategy = Strategy.ONLINE) -> Migration:
    return journal.start(
        connection,
        tenant_id=tenant.id,
        database_name=tenant.database_name,
        strategy=strategy,
        source="pool-1",
        target="pool-2",
        tenant_status=Status.RUNNING,
        reason="the plan asks for it",
    )


def places(connection: Connection, tenant: Tenant) -> dict[str, str]:
    rows = connection.execute("SELECT purpose, server_name FROM database.allocations WHERE tenant_id = %s", (tenant.id,))
    return {row["purpose"]: row["server_name"] for row in rows}


def moved(connection: Connection, tenant: Tenant, until: datetime, strategy: Strategy = Strategy.ONLINE) -> Migration:
    """Return a migration that is kept: the way back open until ``until``, the former kept an hour longer."""
    started = start(connection, tenant, strategy)
    journal.switch(connection, started.id, way_back_until=until if strategy is Strategy.ONLINE else None, keep_until=until + HOUR)
    return journal.finish(connection, started.id, MigrationStatus.KEPT, report={"tables": 600})


def written(connection: Connection, tenant: Tenant) -> list[str]:
    """Return what the journal of everything important says of the tenant's migrations and places."""
    query = "SELECT action FROM ops.journal WHERE subject = %s AND action ~ '^(migration|allocation)' ORDER BY seq"
    return [row["action"] for row in connection.execute(query, (f"tenant:{tenant.id}",))]


def test_a_migration_is_started_once_and_found(connection: Connection, tenant: Tenant) -> None:
    assert journal.open_of(connection, tenant.id) is None
    started = start(connection, tenant)
    assert (started.status, started.strategy, started.tenant_status) == ("under_way", "online", "running")
    assert (started.source, started.target, started.switched, started.finished_at) == ("pool-1", "pool-2", False, None)
    assert (started.cause, started.reason, started.progress, started.report) == ("test", "the plan asks for it", {}, None)
    assert journal.open_of(connection, tenant.id) == journal.get(connection, started.id) == started
    with pytest.raises(Conflict, match=r"not finished; found: from pool-1 to pool-2, under_way"):
        start(connection, tenant)
    other = start(connection, add_tenant(connection, "other"))
    assert journal.open_of(connection, tenant.id) == started != other
    with pytest.raises(NotFound):
        journal.get(connection, tenant.id)


def test_a_finished_migration_makes_room_for_the_next_and_stays_in_the_history(connection: Connection, tenant: Tenant) -> None:
    first = start(connection, tenant)
    undone = journal.finish(connection, first.id, MigrationStatus.UNDONE, "no room")
    assert (undone.status, undone.message, undone.finished_at is not None) == ("undone", "no room", True)
    assert places(connection, tenant) == {"home": "pool-1"}, "the target is given back with it"
    second = start(connection, tenant)
    assert [each.id for each in journal.history(connection, tenant.id)] == [second.id, first.id]


def test_entries_are_added_in_order_with_what_they_tell(connection: Connection, tenant: Tenant) -> None:
    started = start(connection, tenant)
    assert journal.entries(connection, started.id) == ()
    journal.record(connection, started.id, MigrationCourse.ONLINE, "publish", StepState.BEGUN)
    journal.record(
        connection, started.id, MigrationCourse.ONLINE, "publish", StepState.FAILED, detail={"message": "lock not available"}
    )
    journal.record(connection, started.id, MigrationCourse.UNDO, "publish", StepState.DONE)
    found = [(entry.course, entry.step, entry.state, entry.detail) for entry in journal.entries(connection, started.id)]
    assert found == [
        ("online", "publish", "begun", {}),
        ("online", "publish", "failed", {"message": "lock not available"}),
        ("undo", "publish", "done", {}),
    ]


def test_an_entry_is_there_for_others_before_the_call_returns(
    registry_roles: Registry, connection: Connection, tenant: Tenant
) -> None:
    started = start(connection, tenant)
    journal.record(connection, started.id, MigrationCourse.ONLINE, "freeze", StepState.BEGUN)
    with connect(registry_roles.inventory, autocommit=True) as other:
        assert [entry.step for entry in journal.entries(other, started.id)] == ["freeze"]
    with connect(registry_roles.operator) as waiting:
        for write in (
            lambda: start(waiting, tenant),
            lambda: journal.record(waiting, started.id, MigrationCourse.ONLINE, "freeze", StepState.DONE),
            lambda: journal.progress(waiting, started.id, {}),
            lambda: journal.end_way_back(waiting, started.id, ""),
            lambda: journal.finish(waiting, started.id, MigrationStatus.UNDONE),
        ):
            with pytest.raises(ValueError, match="longer transaction"):
                write()


def test_figures_of_progress_are_put_beside_and_over_one_another(connection: Connection, tenant: Tenant) -> None:
    started = start(connection, tenant)
    journal.progress(connection, started.id, {"step": "load", "bytes": 10})
    journal.progress(connection, started.id, {"bytes": 20, "lag": 0})
    assert journal.get(connection, started.id).progress == {"step": "load", "bytes": 20, "lag": 0}
    with pytest.raises(NotFound):
        journal.progress(connection, tenant.id, {})


def test_a_switch_changes_where_the_tenant_lives_with_all_that_follows(connection: Connection, tenant: Tenant) -> None:
    started = start(connection, tenant)
    at = registry.now(connection)
    switched = journal.switch(connection, started.id, way_back_until=at + HOUR, keep_until=at + 2 * HOUR)
    assert switched.switched
    assert (switched.way_back_until, switched.keep_until, switched.status) == (at + HOUR, at + 2 * HOUR, "under_way")
    assert places(connection, tenant) == {"home": "pool-2", "former": "pool-1"}
    assert [(entry.course, entry.step, entry.state) for entry in journal.entries(connection, started.id)] == [
        ("online", "switch", "done")
    ]
    found = servers.of_tenant(connection, tenant.id)
    assert found is not None
    assert found.name == "pool-2"
    assert [each.server for each in fleet.present(connection)] == ["pool-2"]
    again = journal.switch(connection, started.id, way_back_until=None, keep_until=at)
    assert again == switched, "whoever did not hear that it was done may ask again"
    assert len(journal.entries(connection, started.id)) == 1
    assert written(connection, tenant)[2:] == [
        "migration under_way",
        "allocation update",
        "allocation update",
        "migration under_way",
    ]


def test_the_fleet_of_a_past_moment_knows_where_the_tenant_lived(connection: Connection, tenant: Tenant) -> None:
    moments = [clock(connection)]
    migration = moved(connection, tenant, registry.now(connection) + HOUR)
    moments.append(clock(connection))
    journal.reopen(connection, migration.id)
    journal.switch_back(connection, migration.id)
    moments.append(clock(connection))
    journal.finish(connection, migration.id, MigrationStatus.RETURNED)
    moments.append(clock(connection))
    seen = [[each.server for each in fleet.at(connection, moment)] for moment in moments]
    assert seen == [["pool-1"], ["pool-2"], ["pool-1"], ["pool-1"]]


def clock(connection: Connection) -> datetime:
    row = connection.execute("SELECT clock_timestamp() AS now").fetchone()
    assert row is not None
    moment: datetime = row["now"]
    return moment


def test_the_way_back_ends_where_it_began_and_gives_back_the_target(connection: Connection, tenant: Tenant) -> None:
    kept = moved(connection, tenant, registry.now(connection) + HOUR)
    with pytest.raises(Conflict, match=r"can't switch; found: kept, switched, in use: home on pool-2, former on pool-1"):
        journal.switch_back(connection, kept.id)
    reopened = journal.reopen(connection, kept.id)
    assert (reopened.status, reopened.report) == ("under_way", {"tables": 600})
    assert journal.reopen(connection, kept.id) == reopened
    back = journal.switch_back(connection, kept.id)
    assert (back.way_back_until, back.keep_until) == (None, None)
    assert places(connection, tenant) == {"home": "pool-1", "target": "pool-2"}
    assert journal.switch_back(connection, kept.id) == back
    assert journal.entries(connection, kept.id)[-1].course == "return"
    with pytest.raises(Conflict, match="can't switch"):
        journal.switch(connection, kept.id, way_back_until=None, keep_until=registry.now(connection))
    with pytest.raises(Conflict, match="can't become undone"):
        journal.finish(connection, kept.id, MigrationStatus.UNDONE)
    assert journal.finish(connection, kept.id, MigrationStatus.RETURNED).finished_at is not None
    assert places(connection, tenant) == {"home": "pool-1"}


def test_a_return_that_was_given_up_leaves_the_migration_kept(connection: Connection, tenant: Tenant) -> None:
    until = registry.now(connection) + HOUR
    kept = moved(connection, tenant, until)
    journal.reopen(connection, kept.id)
    again = journal.finish(connection, kept.id, MigrationStatus.KEPT, "the way back failed")
    assert (again.status, again.message, again.report, again.way_back_until) == (
        "kept",
        "the way back failed",
        {"tables": 600},
        until,
    )


def test_there_is_no_way_back_when_it_is_over_closed_or_never_was(connection: Connection, tenant: Tenant) -> None:
    at = registry.now(connection)
    over = moved(connection, tenant, at - HOUR)
    with pytest.raises(Conflict, match=r"no way back to pool-1 without losing.*over since"):
        journal.reopen(connection, over.id)
    offline = moved(connection, add_tenant(connection, "still"), at + HOUR, Strategy.OFFLINE)
    with pytest.raises(Conflict, match=r"no way back.*found: offline.*migrate to pool-1 anew"):
        journal.reopen(connection, offline.id)
    closed = moved(connection, add_tenant(connection, "closed"), at + HOUR)
    assert journal.close_way_back(connection, closed.id).way_back_until is None
    with pytest.raises(Conflict, match="no way back"):
        journal.reopen(connection, closed.id)


def test_settling_gives_the_formers_place_back(connection: Connection, tenant: Tenant) -> None:
    kept = moved(connection, tenant, registry.now(connection))
    for wrong in (MigrationStatus.UNDONE, MigrationStatus.RETURNED):
        with pytest.raises(Conflict, match=f"can't become {wrong}; found: kept, switched, the tenant lives on pool-2"):
            journal.finish(connection, kept.id, wrong)
    assert places(connection, tenant) == {"home": "pool-2", "former": "pool-1"}
    settled = journal.finish(connection, kept.id, MigrationStatus.SETTLED, "kept long enough")
    assert (settled.status, settled.report) == ("settled", {"tables": 600})
    assert journal.finish(connection, kept.id, MigrationStatus.SETTLED) == settled, "it is finished once"
    assert places(connection, tenant) == {"home": "pool-2"}
    assert written(connection, tenant)[-4:] == ["migration under_way", "migration kept", "allocation delete", "migration settled"]
    for state in MigrationStatus:
        if state is not MigrationStatus.SETTLED:
            with pytest.raises(Conflict, match=f"can't become {state}"):
                journal.finish(connection, kept.id, state)


def test_what_was_not_switched_is_neither_kept_returned_nor_settled(connection: Connection, tenant: Tenant) -> None:
    started = start(connection, tenant)
    for state in (MigrationStatus.KEPT, MigrationStatus.RETURNED, MigrationStatus.SETTLED):
        with pytest.raises(Conflict, match=f"can't become {state}; found: under_way, not switched, the tenant lives on pool-1"):
            journal.finish(connection, started.id, state)


def test_nobody_switches_to_a_place_that_is_only_reserved(connection: Connection) -> None:
    tenant = add_tenant(connection, "early", target="reserved")
    started = start(connection, tenant)
    with pytest.raises(Conflict, match=r"found: .*in use: home on pool-1; expected: .*home on pool-1, target on pool-2"):
        journal.switch(connection, started.id, way_back_until=None, keep_until=registry.now(connection))
    assert places(connection, tenant) == {"home": "pool-1", "target": "pool-2"}


class Failing(psycopg.Connection[DictRow]):
    """A connection that breaks off at one of its statements."""

    left: int | None = None

    def execute(self, *args: Any, **kwargs: Any) -> Any:
        result = super().execute(*args, **kwargs)
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise ConnectionAbortedError
        return result


@pytest.mark.parametrize("back", [False, True], ids=["there", "back"])
def test_a_switch_broken_off_anywhere_is_done_as_a_whole_or_not_at_all(
    registry_roles: Registry, connection: Connection, tenant: Tenant, back: bool
) -> None:
    at = registry.now(connection) + HOUR
    migration = start(connection, tenant)
    if back:
        journal.switch(connection, migration.id, way_back_until=at, keep_until=at)

    def state() -> tuple[Any, ...]:
        return (
            journal.get(connection, migration.id),
            places(connection, tenant),
            len(journal.entries(connection, migration.id)),
            written(connection, tenant),
        )

    before, attempts = state(), 0
    while state() == before:
        with Failing.connect(registry_roles.operator, autocommit=True, row_factory=dict_row) as failing:
            failing.left = attempts
            try:
                if back:
                    journal.switch_back(failing, migration.id)
                else:
                    journal.switch(failing, migration.id, way_back_until=at, keep_until=at)
            except ConnectionAbortedError:
                assert state() == before
        attempts += 1
        assert attempts < 20
    assert attempts > 6, "it was broken off after each of its statements"


class TestDue:
    """What the maintenance scan finds, as the runner's role sees it."""

    @pytest.fixture
    def scan(self, registry_roles: Registry) -> Iterator[Connection]:
        """The registry as the scan asks it."""
        with connect(registry_roles.runner, autocommit=True) as runner:
            yield runner

    def test_a_dead_run_is_found_and_a_live_one_left_alone(
        self, registry_roles: Registry, connection: Connection, scan: Connection, tenant: Tenant
    ) -> None:
        started, now = start(connection, tenant), registry.now(connection)
        nameless = start(connection, add_tenant(connection, "later"))
        connection.execute("UPDATE tenant.tenants SET subdomain = NULL WHERE id = %s", (nameless.tenant_id,))
        with connect(registry_roles.operator, autocommit=True) as run:
            for name in (tenant.subdomain, str(nameless.tenant_id)):
                assert name is not None
                tenant_lock.take(run, name, 0)
            assert journal.due(scan, now) == ()
        wait_for_locks(connection)
        assert [(due.migration.id, due.reason) for due in journal.due(scan, now)] == [
            (started.id, Reason.INTERRUPTED),
            (nameless.id, Reason.INTERRUPTED),
        ]

    def test_what_is_kept_is_due_when_its_way_back_and_then_its_time_is_over(
        self, connection: Connection, scan: Connection, tenant: Tenant
    ) -> None:
        until = registry.now(connection) + HOUR
        kept = moved(connection, tenant, until)
        assert journal.due(scan, until - HOUR / 2) == ()
        assert [(due.migration, due.reason) for due in journal.due(scan, until)] == [(kept, Reason.WAY_BACK_OVER)]
        assert [due.reason for due in journal.due(scan, until + HOUR)] == [Reason.KEEP_OVER]
        journal.close_way_back(connection, kept.id)
        assert journal.due(scan, until) == ()
        assert [due.reason for due in journal.due(scan, until + HOUR)] == [Reason.KEEP_OVER]
        journal.finish(connection, kept.id, MigrationStatus.SETTLED)
        assert journal.due(scan, until + 2 * HOUR) == ()

    def test_a_return_that_died_is_interrupted_not_over(self, connection: Connection, scan: Connection, tenant: Tenant) -> None:
        until = registry.now(connection) + HOUR
        kept = moved(connection, tenant, until)
        journal.reopen(connection, kept.id)
        assert [due.reason for due in journal.due(scan, until + 2 * HOUR)] == [Reason.INTERRUPTED]

    def test_the_platforms_clock_counts(
        self, registry_roles: Registry, connection: Connection, scan: Connection, tenant: Tenant
    ) -> None:
        moved(connection, tenant, registry.now(connection) + HOUR)
        assert journal.due(scan, registry.now(connection)) == ()
        with connect(registry_roles.operator) as operator:
            registry.set_clock_offset(operator, 3 * 3600)
        assert [due.reason for due in journal.due(scan, registry.now(connection))] == [Reason.KEEP_OVER]


def wait_for_locks(connection: Connection) -> None:
    """Wait until the session that was closed is gone on the server too: taking its locks waits for that."""
    for row in connection.execute("SELECT subdomain, id FROM tenant.tenants").fetchall():
        name = row["subdomain"] or str(row["id"])
        tenant_lock.take(connection, name, 30)
        connection.execute("SELECT pg_advisory_unlock(hashtextextended('tenant:' || %s, 0))", (name,))
