"""What a tenant does to its own database while that moves: the move says at once what it was, in words, and is undone."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.saasodoo.platform.plugins.module_utils.database_migration import dump as database_copy
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant.tenant import Tenant
from ansible_collections.saasodoo.platform.plugins.module_utils.errors import Conflict, PlatformError
from ansible_collections.saasodoo.platform.plugins.module_utils.postgres.deputy import Deputy
from ansible_collections.saasodoo.platform.plugins.module_utils.postgres.log import last_error
from tests.fixtures.bare_moves import BareMoves, at_step

_TABLES = """
CREATE TABLE keyed (id int PRIMARY KEY, name text DEFAULT 'a', more int);
INSERT INTO keyed SELECT i, 'x' FROM generate_series(1, 1000) i;
CREATE TABLE keyless (a int, b text);
INSERT INTO keyless SELECT i, 'x' FROM generate_series(1, 1000) i;
CREATE VIEW names AS SELECT name FROM keyed;
CREATE FUNCTION twice(i int) RETURNS int LANGUAGE sql AS 'SELECT 2 * i';
"""


def fails(moves: BareMoves, tenant: Tenant, step: str, act: Callable[[], object]) -> tuple[str, float]:
    """Move the tenant, ``act`` as the step begins; return the error, and the seconds from then until all was undone.

    Asserts that the tenant runs where it was, and nothing else is left.
    """
    before = moves.remains(tenant)
    acted: list[float] = []

    def reached(begun: str) -> None:
        if begun == step and not acted:
            acted.append(time.monotonic())
            act()

    with at_step(reached), pytest.raises(PlatformError) as error:
        moves.move(tenant)
    took = time.monotonic() - acted[0]
    assert moves.remains(tenant) == before
    assert moves.last(tenant).status == "undone"
    with moves.session(tenant) as session:
        session.execute("INSERT INTO keyless VALUES (0, 'goes on')")
    return str(error.value), took


@pytest.mark.parametrize("step", ["back_up", "load", "catch_up", "way_back"])
@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("ALTER TABLE keyed ADD COLUMN y int", "table public.keyed: column y added"),
        ("ALTER TABLE keyed ALTER COLUMN name SET DEFAULT 'b'", "public.keyed: an expression or an option changed"),
        ("GRANT SELECT ON keyless TO PUBLIC", "table public.keyless: privileges changed"),
    ],
)
def test_a_changed_definition_ends_the_move_in_seconds_and_is_named(
    bare_moves: BareMoves, statement: str, words: str, step: str
) -> None:
    tenant = bare_moves.tenant(_TABLES)

    def act() -> None:
        with bare_moves.session(tenant) as session:
            session.execute(statement.encode())

    error, took = fails(bare_moves, tenant, step, act)
    assert "tables or other definitions were changed during the move" in error
    assert words in error
    assert took < 20


def test_a_target_that_refuses_what_was_written_is_told_in_its_own_words(bare_moves: BareMoves) -> None:
    tenant = bare_moves.tenant(_TABLES)

    def act() -> None:
        with bare_moves.pools[1].superuser(tenant.database_name) as target:
            target.execute("INSERT INTO keyed VALUES (5000)")
        with bare_moves.session(tenant) as session:
            session.execute("INSERT INTO keyed VALUES (5000)")

    error, took = fails(bare_moves, tenant, "catch_up", act)
    assert "server pool-b refuses what was written meanwhile" in error
    assert 'duplicate key value violates unique constraint "keyed_pkey" (table public.keyed)' in error
    assert took < 40


def test_who_would_wait_for_the_dump_ends_it(bare_moves: BareMoves, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The dump has locked all tables but the last, which somebody has: TRUNCATE of another waits, and all who read it."""
    tenant = bare_moves.tenant(_TABLES, "CREATE TABLE zz_last (id int PRIMARY KEY)")
    waited: list[float] = []

    def truncate() -> None:
        with bare_moves.session(tenant) as other:
            time.sleep(1)
            begin = time.monotonic()
            other.execute("TRUNCATE keyless")
            waited.append(time.monotonic() - begin)

    monkeypatch.setattr(database_copy, "_table_sizes", lambda *_: {})  # which would wait for the last one, too
    thread = threading.Thread(target=truncate)
    with bare_moves.session(tenant) as holder, holder.transaction():
        holder.execute("LOCK TABLE zz_last IN ACCESS EXCLUSIVE MODE")
        thread.start()
        with pytest.raises(Conflict) as error:
            database_copy.dump(Deputy(bare_moves.pools[0].address, tenant.database_name), tmp_path / "dump")
        thread.join(30)
    assert "table public.keyless was to be altered or emptied while it was copied" in str(error.value)
    assert "TRUNCATE" in str(error.value)
    assert waited[0] < 5


def test_of_a_log_only_the_last_error_of_this_subscription_is_told_and_no_data() -> None:
    log = """
2026-11-23 09:00:00 UTC [10] LOG:  logical replication apply worker for subscription "saasodoo_a_fwd" has started
2026-11-23 09:00:00 UTC [11] LOG:  logical replication apply worker for subscription "saasodoo_b_fwd" has started
2026-11-23 09:00:01 UTC [11] ERROR:  of another one
2026-11-23 09:00:01 UTC [10] ERROR:  could not identify an equality operator for type json
2026-11-23 09:00:01 UTC [10] DETAIL:  Key (name)=(secret) already exists.
2026-11-23 09:00:01 UTC [10] CONTEXT:  processing remote data for replication origin "pg_1" during message type "UPDATE" \
for replication target relation "public.odd" in transaction 740, finished at 0/1
2026-11-23 09:00:02 UTC [12] ERROR:  somebody's query
""".splitlines()
    assert last_error(log, "saasodoo_a_fwd") == "could not identify an equality operator for type json (table public.odd)"
    assert last_error(log, "saasodoo_c_fwd") == ""
