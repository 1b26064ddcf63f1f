"""What is measured before a move, on two real servers: each thing that could stand in the way is seen, and nothing changed."""

from __future__ import annotations

import shutil
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.saasodoo.platform.plugins.module_utils.database_migration import preflight as migration_preflight
from ansible_collections.saasodoo.platform.plugins.module_utils.database_migration import publication
from ansible_collections.saasodoo.platform.plugins.module_utils.database_migration.empty_database import Shape
from ansible_collections.saasodoo.platform.plugins.module_utils.database_migration.preflight import measure, missing_locale
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.migration.preflight import (
    Findings,
    choose,
    notes,
    obstacles,
)
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.migration.record import Strategy
from ansible_collections.saasodoo.platform.plugins.module_utils.errors import NotFound, Unavailable
from ansible_collections.saasodoo.platform.plugins.module_utils.postgres.connection import AsTenant
from tests.fixtures.pools import Pool, make_pool
from tests.fixtures.waiting import eventually

_MAKE_THE_TENANTS = """
DO $$ BEGIN IF current_database() ~ '^t_' THEN EXECUTE format('SET ROLE %I', current_database()); END IF; END $$
"""


def look(pools: tuple[Pool, Pool], tenant: str, backup: Path = Path("/tmp/not/there/yet")) -> Findings:
    return measure(pools[0].address, pools[1].address, tenant, backup, as_tenant=partial(_log_in, pools[0], tenant))


def _log_in(pool: Pool, tenant: str) -> AbstractContextManager[AsTenant]:
    return pool.address.log_in(tenant, "secret", tenant)


def execute(pool: Pool, database: str, *statements: str) -> list[Any]:
    """Execute statements as the superuser; what is made in a tenant's schema is the tenant's."""
    with pool.superuser(database) as connection:
        connection.execute(_MAKE_THE_TENANTS)
        return [connection.execute(statement.encode()) for statement in statements]


def test_a_plain_database_may_move_while_people_work(pools: tuple[Pool, Pool], tenant_name: str) -> None:
    execute(
        pools[0],
        tenant_name,
        "CREATE TABLE large (id int PRIMARY KEY, name text)",
        "INSERT INTO large SELECT n, repeat('x', 100) FROM generate_series(1, 20000) AS n",
        "CREATE TABLE rel (a int, b int)",
    )
    with pools[0].address.inside(tenant_name) as database:
        publication.publish(database)
    found = look(pools, tenant_name)
    assert (found.tables, found.tables_without_key, found.large_objects, found.unreplicable) == (2, 1, 0, ())
    assert found.size_bytes > found.largest_table_bytes > 2_000_000
    assert (found.source.name, found.target.name) == ("pool-a", "pool-b")
    assert found.source.major == found.target.major >= 15
    for server in (found.source, found.target):
        assert (server.wal_level, server.free_slots, server.free_senders, server.free_workers) == ("logical", 60, 60, 60)
        assert server.free_bytes == pytest.approx(shutil.disk_usage("/tmp").free, rel=0.1)
    assert found.backup_free_bytes == pytest.approx(shutil.disk_usage("/tmp").free, rel=0.1)
    assert found.backup_on_target_disk
    assert obstacles(found, Strategy.ONLINE, 60, running=True, reserve=0) == ()
    assert choose("auto", found, running=True)[0] == Strategy.ONLINE


def test_what_can_not_be_replicated_is_found(pools: tuple[Pool, Pool], tenant_name: str) -> None:
    execute(pools[0], tenant_name, "CREATE UNLOGGED TABLE fast (id int PRIMARY KEY)", "SELECT lo_create(0)")
    found = look(pools, tenant_name)
    assert found.large_objects == 1
    strategy, reason = choose("auto", found, running=True)
    assert strategy is Strategy.OFFLINE
    assert "1 large objects" in reason
    assert "fast is unlogged" in reason
    execute(pools[0], tenant_name, "SELECT lo_unlink(oid) FROM pg_largeobject_metadata")


def test_odoos_module_operation_is_found_until_it_is_done(pools: tuple[Pool, Pool], tenant_name: str) -> None:
    execute(
        pools[0],
        tenant_name,
        "CREATE TABLE ir_module_module (name text PRIMARY KEY, state text)",
        "INSERT INTO ir_module_module VALUES ('base', 'installed'), ('sale', 'to install'), ('crm', 'uninstalled')",
    )
    found = look(pools, tenant_name)
    assert found.module_operation == "sale is to install"
    assert len(obstacles(found, Strategy.ONLINE, 60, running=True, reserve=0)) == 1
    execute(pools[0], tenant_name, "UPDATE ir_module_module SET state = 'installed' WHERE name = 'sale'")
    assert look(pools, tenant_name).module_operation == ""


def test_tables_that_are_altered_are_named_and_not_waited_for(pools: tuple[Pool, Pool], tenant_name: str) -> None:
    execute(pools[0], tenant_name, "CREATE TABLE ir_module_module (name text, state text)")
    with pools[0].superuser(tenant_name) as other, other.transaction():
        other.execute("ALTER TABLE ir_module_module ADD COLUMN more int")
        found = look(pools, tenant_name)
    assert (found.altered, found.module_operation) == (("public.ir_module_module",), "")
    assert look(pools, tenant_name).altered == ()


def test_open_and_prepared_transactions_are_seen(pools: tuple[Pool, Pool], tenant_name: str) -> None:
    assert look(pools, tenant_name).longest_transaction_seconds == 0
    with pools[0].superuser(tenant_name) as other, other.transaction():
        other.execute("SELECT 1")
        eventually(lambda: look(pools, tenant_name).longest_transaction_seconds > 0.5)
    found = look(pools, tenant_name)
    assert (found.longest_transaction_seconds, found.prepared_transactions) == (0, 0)


def test_who_writes_for_long_on_the_target_is_told(
    pools: tuple[Pool, Pool], tenant_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migration_preflight, "_WRITING", migration_preflight._WRITING.replace("10 s", "0.5 s"))
    assert look(pools, tenant_name).writing == ()
    with pools[1].address.connect() as other, other.transaction():
        other.execute("SELECT pg_current_xact_id()")
        (writer,) = eventually(lambda: look(pools, tenant_name).writing)
        found = look(pools, tenant_name)
    assert writer.startswith("saasodoo_admin in postgres writes on server pool-b for ")
    assert obstacles(found, Strategy.ONLINE, 60, running=True, reserve=0) == (), "it is waited for"
    assert any("saasodoo_admin in postgres" in each for each in notes(found, Strategy.ONLINE, running=True))


def test_roles_that_only_the_source_has_are_named(pools: tuple[Pool, Pool], tenant_name: str) -> None:
    execute(pools[0], "postgres", "CREATE ROLE reports", "CREATE ROLE owner_of_one", "CREATE ROLE on_both")
    execute(pools[1], "postgres", "CREATE ROLE on_both")
    try:
        execute(
            pools[0],
            tenant_name,
            "CREATE TABLE a (id int PRIMARY KEY)",
            "GRANT SELECT ON a TO reports, on_both, PUBLIC",
            "CREATE TABLE b (id int PRIMARY KEY)",
            "RESET ROLE",
            "ALTER TABLE b OWNER TO owner_of_one",
        )
        found = look(pools, tenant_name)
    finally:
        execute(pools[0], tenant_name, "RESET ROLE", "DROP OWNED BY reports, owner_of_one, on_both")
        execute(pools[0], "postgres", "DROP ROLE reports, owner_of_one, on_both")
        execute(pools[1], "postgres", "DROP ROLE on_both")
    assert found.missing_roles == ("owner_of_one", "reports")
    for strategy in Strategy:
        roles, closed = obstacles(found, strategy, 60, running=True, reserve=0)
        assert "owner_of_one, reports" in roles
        assert "public.b" in closed


def test_rows_that_hide_from_their_own_owner_are_named(pools: tuple[Pool, Pool], tenant_name: str) -> None:
    execute(
        pools[0],
        tenant_name,
        "CREATE TABLE seen (id int PRIMARY KEY)",
        "ALTER TABLE seen ENABLE ROW LEVEL SECURITY",
        "CREATE TABLE hidden (id int PRIMARY KEY)",
        "ALTER TABLE hidden ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY",
    )
    found = look(pools, tenant_name)
    assert found.closed == ("public.hidden",)
    for strategy in Strategy:
        (sentence,) = obstacles(found, strategy, 60, running=True, reserve=0)
        assert "NO FORCE ROW LEVEL SECURITY" in sentence


def test_slots_that_are_taken_are_not_free(pools: tuple[Pool, Pool], tenant_name: str) -> None:
    execute(pools[1], "postgres", "SELECT pg_create_physical_replication_slot('taken')")
    try:
        found = look(pools, tenant_name)
    finally:
        execute(pools[1], "postgres", "SELECT pg_drop_replication_slot('taken')")
    assert (found.source.free_slots, found.target.free_slots) == (60, 59)


def test_a_server_that_can_not_take_it_is_found(pools: tuple[Pool, Pool], tenant_name: str) -> None:
    execute(pools[0], tenant_name, "CREATE TABLE a (id int)")
    with make_pool("pool-c", "wal_level=replica", "max_prepared_transactions=2") as small:
        away = measure(
            pools[0].address, small.address, tenant_name, Path("/tmp"), as_tenant=partial(_log_in, pools[0], tenant_name)
        )
        assert away.target.wal_level == "replica"
        assert "pool-c" in choose("auto", away, running=True)[1]
        execute(small, "postgres", "CREATE DATABASE undecided")
        execute(small, "undecided", "CREATE TABLE a (id int)", "BEGIN", "INSERT INTO a VALUES (1)", "PREPARE TRANSACTION 'x'")
        back = measure(small.address, pools[0].address, "undecided", Path("/tmp"), as_tenant=partial(_log_in, small, "undecided"))
        assert back.prepared_transactions == 1
        execute(small, "undecided", "ROLLBACK PREPARED 'x'")


def test_no_such_database_and_a_server_that_is_away_are_told(pools: tuple[Pool, Pool], tenant_name: str) -> None:
    with pytest.raises(NotFound, match="no_such_thing"):
        look(pools, "no_such_thing")
    with make_pool("pool-d") as gone:
        gone.cluster.kill()
        with pytest.raises(Unavailable, match="pool-d"):
            measure(pools[0].address, gone.address, tenant_name, Path("/tmp"), as_tenant=partial(_log_in, pools[0], tenant_name))


def test_it_writes_nothing(pools: tuple[Pool, Pool], tenant_name: str) -> None:
    for pool in pools:
        execute(pool, "postgres", "ALTER ROLE saasodoo_admin SET default_transaction_read_only = on")
    try:
        assert look(pools, tenant_name).database == tenant_name
    finally:
        for pool in pools:
            execute(
                pool,
                "postgres",
                "SET default_transaction_read_only = off",
                "ALTER ROLE saasodoo_admin RESET default_transaction_read_only",
            )


@pytest.mark.parametrize(
    ("shape", "missing"),
    [
        (Shape("UTF8", "C", "POSIX", "libc", None, -1, ()), ""),
        (Shape("UTF8", "C.UTF-8", "C.utf8", "libc", None, -1, ()), ""),
        (Shape("UTF8", "xx_XX.UTF-8", "C", "libc", None, -1, ()), "xx_XX.UTF-8"),
        (Shape("UTF8", "C", "xx_XX.UTF-8", "libc", None, -1, ()), "xx_XX.UTF-8"),
        (Shape("UTF8", "C", "C", "icu", "de-u-co-phonebk", -1, ()), ""),
    ],
)
def test_locales_are_known_by_their_names(pools: tuple[Pool, Pool], shape: Shape, missing: str) -> None:
    with pools[1].address.connect() as server:
        assert missing_locale(server, shape) == missing
