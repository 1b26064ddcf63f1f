"""After the switch: what hinders the proof makes no move that succeeded fail, and a way back that is lost is told first."""

from __future__ import annotations

import time

import psycopg
import pytest

from ansible_collections.saasodoo.platform.plugins.module_utils.database_migration import journal
from ansible_collections.saasodoo.platform.plugins.module_utils.database_migration.replication_slot import drop_slot
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.migration.record import Due
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant.tenant import Tenant
from ansible_collections.saasodoo.platform.plugins.module_utils.errors import Conflict, TimedOut
from ansible_collections.saasodoo.platform.plugins.module_utils.registry.connection import connect, now
from tests.fixtures.bare_moves import BareMoves, at_step

_TABLES = "CREATE TABLE keyed (id int PRIMARY KEY, name text); CREATE TABLE keyless (a int)"
_IMPATIENT = {"pause_tries": 2, "pause_between": 0.1, "pause_timeout": 0.2}


def due(moves: BareMoves, tenant: Tenant) -> list[Due]:
    with connect(moves.registry, autocommit=True) as connection:
        found = journal.due(connection, now(connection))
    return [each for each in found if each.migration.tenant_id == tenant.id]


def moved_unproved(moves: BareMoves, tenant: Tenant, then: str = "SELECT 1") -> psycopg.Connection[dict[str, object]]:
    """Move the tenant while a transaction begins right after the switch, which goes on; it has done ``then``."""
    session = moves.session(tenant)

    def reached(step: str) -> None:
        if step == "verify":
            session.execute("BEGIN")
            session.execute(then.encode())

    with at_step(reached):
        facts = moves.move(tenant, settings=_IMPATIENT).facts
    assert (facts["migration"]["status"], facts["migration"]["report"]) == ("kept", None)
    assert "is still to be proved" in facts["migration"]["message"]
    assert "don't end" in facts["migration"]["message"]
    return session


def test_a_transaction_begun_right_after_the_switch_leaves_the_proof_to_the_scan(bare_moves: BareMoves) -> None:
    tenant = bare_moves.tenant(_TABLES)
    with moved_unproved(bare_moves, tenant, "INSERT INTO keyed VALUES (1)") as session:
        assert bare_moves.home_of(tenant) == bare_moves.pools[1]
        assert [each.reason for each in due(bare_moves, tenant)] == ["unproved"]
        assert "pool-a slot" not in bare_moves.remains(tenant), "it would hold back the log of the server that was left"
        again = bare_moves.do(tenant, "proved", settings=_IMPATIENT).facts["migration"]
        assert (again["status"], again["report"], again["differs"]) == ("kept", None, False)
        session.execute("COMMIT")
    proved = bare_moves.do(tenant, "proved").facts["migration"]
    assert proved["report"]["equal"]
    assert proved["message"] == "moved"
    assert due(bare_moves, tenant) == []
    assert not bare_moves.do(tenant, "proved").changed


def test_tables_that_were_changed_before_the_proof_leave_the_tenant_where_it_is(bare_moves: BareMoves) -> None:
    """There is no going back from that, so nothing may try it."""
    tenant = bare_moves.tenant(_TABLES)
    with moved_unproved(bare_moves, tenant) as session:
        session.execute("COMMIT")
        session.execute("ALTER TABLE keyed ADD COLUMN more int")
    found = bare_moves.do(tenant, "proved").facts["migration"]
    assert (found["status"], found["report"], found["differs"]) == ("kept", None, False)
    assert "neither a proof nor a way back: table public.keyed is not the same" in found["message"]
    assert [each.reason for each in due(bare_moves, tenant)] == ["way_back_over"]
    bare_moves.do(tenant, "way_back_closed")
    assert not bare_moves.do(tenant, "proved").facts["migration"]["differs"]
    assert due(bare_moves, tenant) == []


def test_what_a_late_proof_finds_takes_the_tenant_back(bare_moves: BareMoves) -> None:
    tenant = bare_moves.tenant(_TABLES, "INSERT INTO keyless VALUES (1)")
    with moved_unproved(bare_moves, tenant):
        pass
    with bare_moves.pools[0].superuser(tenant.database_name) as former:
        former.execute("INSERT INTO keyless VALUES (2)")
    found = bare_moves.do(tenant, "proved").facts["migration"]
    assert found["differs"]
    assert "public.keyless" in found["message"]
    assert due(bare_moves, tenant) == [] or found["report"], "it is told of; the role takes the tenant back in the same run"
    bare_moves.do(tenant, "switched_back", "returned")
    assert bare_moves.home_of(tenant) == bare_moves.pools[0]


def test_a_lost_way_back_is_refused_before_anybody_waits(bare_moves: BareMoves) -> None:
    tenant = bare_moves.tenant(_TABLES)
    bare_moves.move(tenant)
    with bare_moves.pools[1].address.connect() as server:
        drop_slot(server, f"saasodoo_{tenant.short_id}_rev")
    with bare_moves.writer(tenant) as writer:
        time.sleep(0.5)
        with pytest.raises(Conflict, match=r"no way back to pool-a .* found: no replication slot"):
            bare_moves.do(tenant, "switched_back")
        time.sleep(0.5)
    assert writer.longest < 1
    assert writer.problems() == []
    assert bare_moves.last(tenant).status == "kept"
    assert bare_moves.home_of(tenant) == bare_moves.pools[1]
    assert [each.reason for each in due(bare_moves, tenant)] == ["way_back_over"], "so that the scan takes it down"


def test_a_way_back_that_is_behind_is_refused_before_anybody_waits(bare_moves: BareMoves) -> None:
    tenant = bare_moves.tenant(_TABLES)
    bare_moves.move(tenant)
    writer = bare_moves.pools[0].superuser(tenant.database_name)
    with writer as former, former.transaction():
        former.execute(
            "LOCK TABLE saasodoo_migration.sentinel IN SHARE ROW EXCLUSIVE MODE"
        )  # nothing can be applied as long as this goes on
        with bare_moves.session(tenant) as session:
            session.execute("INSERT INTO keyed VALUES (1)")
        with pytest.raises(TimedOut, match="replication was not ready"):
            bare_moves.do(tenant, "switched_back", settings={"drain_timeout": 1.0})
    assert bare_moves.last(tenant).status == "kept"
    bare_moves.do(tenant, "switched_back", "returned")
    assert bare_moves.home_of(tenant) == bare_moves.pools[0]
    with bare_moves.session(tenant) as session:
        assert session.execute("SELECT id FROM keyed").fetchall() == [{"id": 1}]
