"""Moves on servers that others use: another move's load, a tenant's long transaction, both at once on one target."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import psycopg
from psycopg.rows import DictRow

from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant.tenant import Tenant
from ansible_collections.saasodoo.platform.plugins.module_utils.odoo.database import drop_database
from tests.fixtures.bare_moves import BareMoves
from tests.fixtures.pools import Pool
from tests.fixtures.waiting import eventually

_SMALL = "CREATE TABLE small (id int PRIMARY KEY, name text); INSERT INTO small SELECT i, 'x' FROM generate_series(1, 100) i"
#: Twelve seconds of COPY in one transaction, whatever the machine: each row is checked for half a second where it is loaded.
_LARGE = """
CREATE TABLE large (id int, filler text);
INSERT INTO large SELECT i, repeat('x', 100) FROM generate_series(1, 24) i;
CREATE FUNCTION slow(id int) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS
    $$ BEGIN PERFORM pg_sleep(CASE WHEN current_setting('application_name') = 'pg_restore' THEN 0.5 ELSE 0 END);
    RETURN true; END $$;
ALTER TABLE large ADD CHECK (slow(id));
"""


def test_two_moves_and_a_long_transaction_on_one_target(bare_moves: BareMoves) -> None:
    """One move's load writes for longer than anybody else may, somebody else until it is told: neither ends the other."""
    small, large = bare_moves.tenant(_SMALL), bare_moves.tenant(_LARGE)
    patience = {"slot_timeout": 6.0}
    first = bare_moves.begin(large, settings=patience)
    eventually(lambda: _loads(bare_moves, large), "a load")
    second = bare_moves.begin(small, settings=patience)
    with stranger(bare_moves.pools[1]) as other:
        eventually(lambda: "way_back" in bare_moves.steps(small), "the small one's way back")
        assert _loads(bare_moves, large), "the large one is over before the small one has come to its way back"
        other.execute("SELECT pg_current_xact_id()")
        # PostgreSQL waits for one after the other, in an order of its own.
        waits = partial(_waits_for, bare_moves, small, "somebody in somebody for")
        eventually(waits, "that somebody is waited for")
    ends = [each.end(60) for each in (first, second)]
    assert [facts["migration"]["status"] if facts else error for facts, error, _ in ends] == ["kept", "kept"]
    waited = [line for line in ends[1][2] if "waiting for" in line]
    assert any(f"the platform itself (pg_restore) in {large.database_name}" in line for line in waited), waited


def test_a_select_that_preflight_allows_is_waited_for(bare_moves: BareMoves) -> None:
    """It uses a table without a key for longer than it took to refuse the move."""
    tenant = bare_moves.tenant("CREATE TABLE keyless (a int)")
    with bare_moves.session(tenant) as reader, reader.transaction():
        reader.execute("SELECT * FROM keyless")
        begun = bare_moves.begin(tenant)
        eventually(lambda: "publish" in bare_moves.steps(tenant), "the first step")
        time.sleep(17)
    facts, error, _ = begun.end(60)
    assert error == ""
    assert facts["migration"]["status"] == "kept"


def test_a_transaction_that_does_not_end_is_told_and_undoes_the_move(bare_moves: BareMoves) -> None:
    tenant = bare_moves.tenant(_SMALL)
    before = bare_moves.remains(tenant)
    with stranger(bare_moves.pools[1]) as other:
        other.execute("SELECT pg_current_xact_id()")
        _, error, _ = bare_moves.begin(tenant, settings={"slot_timeout": 1.0}).end(60)
    assert "server pool-b made no replication slot in 1 s" in error
    assert "somebody in somebody for" in error
    assert bare_moves.remains(tenant) == before
    with bare_moves.session(tenant) as session:
        session.execute("INSERT INTO small VALUES (0)")


@contextmanager
def stranger(pool: Pool) -> Iterator[psycopg.Connection[DictRow]]:
    """Yield a transaction of another tenant on the server."""
    with pool.address.connect() as server:
        server.execute("CREATE ROLE somebody LOGIN PASSWORD 'secret'")
        server.execute("CREATE DATABASE somebody")
        try:
            with pool.session("somebody") as session, session.transaction():
                yield session
        finally:
            drop_database(server, "somebody")
            server.execute("DROP ROLE somebody")


def _waits_for(bare_moves: BareMoves, tenant: Tenant, whom: str) -> bool:
    return whom in bare_moves.last(tenant).progress.get("waiting_for", "")


def _loads(bare_moves: BareMoves, tenant: Tenant) -> bool:
    with bare_moves.pools[1].address.connect() as server:
        found = server.execute(
            "SELECT 1 FROM pg_stat_activity WHERE application_name = 'pg_restore' AND datname = %s AND query LIKE 'COPY%%large%%'"
            " AND state = 'active'",
            (tenant.database_name,),
        )
        return found.fetchone() is not None
