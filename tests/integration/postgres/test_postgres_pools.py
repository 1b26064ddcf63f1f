"""Postgres servers for tenants, as the playbooks make them: kept apart, kept running, checked, drained and retired."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from ansible_collections.saasodoo.platform.plugins.module_utils.host.supervisord import Supervisord
from ansible_collections.saasodoo.platform.plugins.module_utils.postgres.connection import Address, connect_server
from ansible_collections.saasodoo.platform.plugins.module_utils.registry.connection import connect
from ansible_collections.saasodoo.platform.plugins.module_utils.secrets.scram import make_verifier
from tests.fixtures.ansible import run_tasks
from tests.fixtures.pool_platform import SIZE, PoolPlatform, as_tenant, make_tenants, pool_platform
from tests.fixtures.pools import superuser
from tests.fixtures.postgres import running_cluster
from tests.fixtures.processes import frozen, seconds_to_stop
from tests.fixtures.waiting import eventually

_STOP = 10  # seconds that any process may take to end when it is asked to


@pytest.fixture(scope="module")
def platform() -> Iterator[PoolPlatform]:
    with pool_platform() as made:
        yield made


@pytest.fixture(scope="module")
def tenants(platform: PoolPlatform) -> tuple[str, ...]:
    return make_tenants(platform)


def test_the_first_run_is_predicted_and_the_second_changes_nothing(platform: PoolPlatform) -> None:
    assert platform.first_check.failure is None, platform.first_check.text
    assert platform.first_check.changed == platform.first.changed > 0
    again = platform.play("postgres_pools")
    assert (again.failure, again.changed) == (None, 0), again.text


def test_the_pool_is_recorded_with_its_health_and_made_for_moving(platform: PoolPlatform) -> None:
    server = platform.server()
    assert (server["status"], server["health_status"], server["builder"]) == ("active", "healthy", "")
    with connect_server("127.0.0.1", server["port"], "pool-1", platform.key) as admin:
        row = admin.execute(
            "SELECT current_setting('wal_level') AS wal, current_setting('data_checksums') AS sums,"
            " (SELECT count(*) FROM pg_authid WHERE rolcanlogin AND rolpassword NOT LIKE 'SCRAM-SHA-256$%') AS open"
        ).fetchone()
    assert row == {"wal": "logical", "sums": "on", "open": 0}


def test_secrets_are_neither_on_command_lines_nor_readable_by_others(platform: PoolPlatform) -> None:
    commands = b"".join(file.read_bytes() for file in Path("/proc").glob("[0-9]*/cmdline") if file.exists())
    assert b"SCRAM-SHA" not in commands
    for name in ("pgbouncer.ini", "databases.ini", "userlist.txt"):
        assert (platform.home / "pgbouncer/pool-1" / name).stat().st_mode & 0o007 == 0, name
    assert (platform.home / "postgres/pool-1/data").stat().st_mode & 0o077 == 0
    assert "SCRAM-SHA" not in platform.first.text


@pytest.mark.parametrize("pooler", [False, True])
def test_a_tenant_reaches_its_own_database_and_no_other(platform: PoolPlatform, tenants: tuple[str, ...], pooler: bool) -> None:
    mine, other = tenants
    with as_tenant(platform, mine, mine, pooler=pooler) as connection:
        assert connection.execute("SELECT current_database(), session_user").fetchone() == (mine, mine)
    foreign = [other, "postgres", *([f"{other}__session"] if pooler else ["template1"])]
    for dbname in foreign:
        with pytest.raises(psycopg.OperationalError, match=r"no pg_hba.conf entry|permission denied|not allowed"):
            as_tenant(platform, mine, dbname, pooler=pooler)


@pytest.mark.parametrize("pooler", [False, True])
def test_a_wrong_password_is_refused(platform: PoolPlatform, tenants: tuple[str, ...], pooler: bool) -> None:
    port = platform.server()["pooler_port" if pooler else "port"]
    with pytest.raises(psycopg.OperationalError, match=r"authentication failed"):
        psycopg.connect(host="127.0.0.1", port=port, user=tenants[0], password=tenants[1], dbname=tenants[0])


def test_transactions_share_connections_and_sessions_keep_theirs(platform: PoolPlatform, tenants: tuple[str, ...]) -> None:
    mine = tenants[0]
    with as_tenant(platform, mine, mine, pooler=True) as one, as_tenant(platform, mine, mine, pooler=True) as two:
        pids = {connection.execute("SELECT pg_backend_pid()").fetchone() for connection in (one, two, one, two)}
        assert len(pids) == 1
    alias = f"{mine}__session"
    with as_tenant(platform, mine, alias, pooler=True) as listener, as_tenant(platform, mine, alias, pooler=True) as second:
        pids = {connection.execute("SELECT pg_backend_pid()").fetchone() for connection in (listener, second)}
        assert len(pids) == 2
        listener.execute("LISTEN bus")
        with as_tenant(platform, mine, mine, pooler=True) as speaker:
            speaker.execute("NOTIFY bus, 'hello'")
        assert [note.payload for note in listener.notifies(timeout=10, stop_after=1)] == ["hello"]


def test_what_odoo_sends_at_connecting_is_accepted(platform: PoolPlatform, tenants: tuple[str, ...]) -> None:
    with as_tenant(platform, tenants[0], tenants[0], pooler=True, options="-c timezone=UTC") as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_a_new_database_drops_no_client_and_again_changes_nothing(platform: PoolPlatform, tenants: tuple[str, ...]) -> None:
    verifier = make_verifier("x", b"another-salt-000")
    new = platform.pooler_entry("odoo_c_000000000003", verifier=verifier)
    with as_tenant(platform, tenants[0], tenants[0], pooler=True) as client:
        before = client.execute("SELECT 1").fetchone()
        (check,) = run_tasks([new], check=True)
        made, again = run_tasks([new, new])
        assert (before, client.execute("SELECT 1").fetchone()) == ((1,), (1,))
    assert (check["changed"], made["changed"], again["changed"]) == (True, True, False)
    assert check["diff"] == made["diff"]
    assert verifier not in str(made)
    with connect_server("127.0.0.1", platform.server()["pooler_port"], "pool-1", platform.key, "pgbouncer") as console:
        names = {row["name"] for row in console.execute("SHOW DATABASES")}
    assert {"odoo_c_000000000003", "odoo_c_000000000003__session", *tenants} <= names
    gone = platform.pooler_entry("odoo_c_000000000003", state="absent")
    removed, again = run_tasks([gone, gone])
    assert (removed["changed"], again["changed"]) == (True, False)
    with connect_server("127.0.0.1", platform.server()["pooler_port"], "pool-1", platform.key, "pgbouncer") as console:
        assert "odoo_c_000000000003" not in {row["name"] for row in console.execute("SHOW DATABASES") if not row["disabled"]}


def test_a_tenant_is_no_administrator_of_pgbouncer(platform: PoolPlatform, tenants: tuple[str, ...]) -> None:
    with pytest.raises(psycopg.OperationalError, match=r"not allowed|permission"):
        as_tenant(platform, tenants[0], "pgbouncer", pooler=True)


@pytest.mark.parametrize("entry", [{"database": "Odoo"}, {"database": "x" * 60}, {"database": "a;b"}, {"verifier": "plain"}])
def test_an_entry_that_would_break_pgbouncers_files_is_refused(platform: PoolPlatform, entry: dict[str, str]) -> None:
    good = {"verifier": make_verifier("x"), "database": "odoo_d"}
    options = platform.pooler_entry(**(good | entry))
    (result,) = run_tasks([options])
    assert (result.get("failed"), result.get("code")) == (True, "invalid_input"), result


@pytest.mark.parametrize("process", ["postgres-pool-1", "pgbouncer-pool-1"])
def test_a_killed_process_comes_back_and_tenants_get_on(platform: PoolPlatform, tenants: tuple[str, ...], process: str) -> None:
    pid = platform.pid(process)
    os.kill(pid, signal.SIGKILL)
    mine = tenants[0]

    def served() -> bool:
        try:
            with as_tenant(platform, mine, mine, pooler=True) as connection:
                return connection.execute("SELECT 1").fetchone() == (1,) and platform.pid(process) not in (0, pid)
        except psycopg.OperationalError:
            return False

    eventually(served, seconds=40)


def test_the_pooler_ends_in_time_although_its_server_is_frozen(platform: PoolPlatform, tenants: tuple[str, ...]) -> None:
    mine = tenants[0]
    with as_tenant(platform, mine, mine, pooler=True), frozen(platform.pid("postgres-pool-1")):
        assert seconds_to_stop(platform.home, "pgbouncer-pool-1") < _STOP
    mended = platform.play("postgres_pools")
    assert mended.failure is None, mended.text


def test_a_server_ends_in_time_although_its_subscriber_is_frozen_and_loses_nothing(
    platform: PoolPlatform, tenants: tuple[str, ...]
) -> None:
    """It would wait for the subscriber to confirm what was written last."""
    mine = tenants[0]
    pool = Address("127.0.0.1", platform.server()["port"], "pool-1", platform.key)
    with running_cluster() as copy, psycopg.connect(copy.conninfo(), autocommit=True) as subscriber:
        with superuser(pool, mine) as admin:
            admin.execute("CREATE TABLE kept (number int PRIMARY KEY)")
            admin.execute("CREATE PUBLICATION kept FOR TABLE kept")
        subscriber.execute("CREATE TABLE kept (number int PRIMARY KEY)")
        where = sql.Literal(make_conninfo(**pool.parameters(mine)))
        subscriber.execute(sql.SQL("CREATE SUBSCRIPTION kept CONNECTION {} PUBLICATION kept").format(where))
        copied = "SELECT FROM pg_subscription_rel WHERE srsubstate = 'r'"
        eventually(lambda: subscriber.execute(copied).fetchall(), "the subscriber has the table")
        copy.freeze()
        try:
            with superuser(pool, mine) as admin:
                admin.execute("INSERT INTO kept SELECT generate_series(1, 1000)")
            assert seconds_to_stop(platform.home, "postgres-pool-1") < _STOP
        finally:
            copy.kill()
    mended = platform.play("postgres_pools")
    assert mended.failure is None, mended.text
    with superuser(pool, mine) as admin:
        assert admin.execute("SELECT count(*) AS count FROM kept").fetchone() == {"count": 1000}
        admin.execute("SELECT pg_drop_replication_slot('kept')")
        admin.execute("DROP PUBLICATION kept")
        admin.execute("DROP TABLE kept")


@pytest.mark.parametrize("process", ["postgres-pool-1", "pgbouncer-pool-1"])
def test_health_follows_what_is_really_there(platform: PoolPlatform, process: str) -> None:
    stop = {"name": process, "state": "stopped", "manager": "supervisord", "home": str(platform.home)}
    run_tasks([{"saasodoo.platform.process": stop}])
    try:
        result = platform.health()
        assert (result["changed"], result["unhealthy"]) == (True, ["pool-1"]), result
        server = platform.server()
        assert server["health_status"] == "unhealthy"
        assert "does not answer" in server["health_message"]
        again = platform.health()
        assert not again["changed"], again
    finally:
        mended = platform.play("postgres_pools")
    assert mended.failure is None, mended.text
    assert platform.server()["health_status"] == "healthy"
    assert platform.play("postgres_pool_health").changed == 0


def test_a_changed_size_restarts_the_server_with_it(platform: PoolPlatform) -> None:
    larger: dict[str, Any] = {
        "saasodoo_postgres_pools": [{"name": "pool-1", **SIZE, "memory_limit": "512MB", "max_instances": 5}]
    }
    assert platform.play("postgres_pools", **larger).failure is None
    server = platform.server()
    assert (server["memory_limit"], server["max_instances"]) == ("512MB", 5)
    with connect_server("127.0.0.1", server["port"], "pool-1", platform.key) as admin:
        assert admin.execute("SHOW shared_buffers").fetchone() == {"shared_buffers": "128MB"}
    assert platform.play("postgres_pools").failure is None
    assert platform.server()["max_instances"] == 4


def test_a_server_with_older_limits_runs_on_and_takes_the_new_ones_when_it_is_restarted(platform: PoolPlatform) -> None:
    """It was made when all servers allowed the same, and an update does not stop it."""

    def slots() -> int:
        with connect_server("127.0.0.1", platform.server()["port"], "pool-1", platform.key, wait=30) as admin:
            row = admin.execute("SELECT current_setting('max_replication_slots')::int AS found").fetchone()
        assert row is not None
        return int(row["found"])

    file = platform.home / "postgres/pool-1/postgresql.conf"
    made = file.read_text()
    assert (slots(), "max_replication_slots = '14'" in made) == (14, True), "its four tenants, and ten besides"
    file.write_text(made.replace("max_replication_slots = '14'", "max_replication_slots = '12'"))
    os.kill(platform.pid("postgres-pool-1"), signal.SIGKILL)
    eventually(lambda: slots() == 12)
    pid = platform.pid("postgres-pool-1")
    updated = platform.play("postgres_pools")
    assert updated.changes == ["Configure the server"], updated.text
    assert (platform.pid("postgres-pool-1"), slots(), file.read_text()) == (pid, 12, made)
    restarted = platform.play("postgres_pool_restart", postgres_pool_name="pool-1")
    assert restarted.changes == ["Start the server"], restarted.text
    assert (platform.pid("postgres-pool-1") != pid, slots()) == (True, 14)
    refused = platform.play("postgres_pool_restart", postgres_pool_name="pool-8").failure
    assert refused is not None
    assert "there is no server pool-8 in use" in refused["msg"]


def test_a_draining_pool_stays_so_until_told_otherwise(platform: PoolPlatform) -> None:
    assert platform.play("postgres_pool_drain", postgres_pool_name="pool-1").changed == 1
    assert platform.play("postgres_pools").changed == 0
    assert platform.server()["status"] == "draining"
    assert platform.play("postgres_pool_drain", postgres_pool_name="pool-1", postgres_pool_state="active").changed == 1
    assert platform.server()["status"] == "active"


def test_retiring_is_refused_while_tenants_live_there_and_final_afterwards(platform: PoolPlatform) -> None:
    pools = [{"name": "pool-1", **SIZE}, {"name": "pool-9", **SIZE}]
    assert platform.play("postgres_pools", saasodoo_postgres_pools=pools).failure is None
    add_tenant(platform, "pool-9")
    refused = platform.play("postgres_pool_retire", postgres_pool_name="pool-9")
    assert refused.failure is not None
    assert "tenants resident" in refused.failure["msg"]
    assert platform.server("pool-9")["status"] == "active"
    pid = platform.pid("postgres-pool-9")
    with connect(platform.registry) as connection:
        connection.execute("DELETE FROM database.allocations")
    retired = platform.play("postgres_pool_retire", postgres_pool_name="pool-9", postgres_pool_keep_data=False)
    assert retired.failure is None, retired.text
    assert platform.server("pool-9")["status"] == "retired"
    assert Supervisord(platform.home).read("postgres-pool-9").state == "absent"
    assert not Path(f"/proc/{pid}").exists()
    assert not (platform.home / "postgres/pool-9").exists()
    assert platform.play("postgres_pool_retire", postgres_pool_name="pool-9").changed == 0
    again = platform.play("postgres_pools", saasodoo_postgres_pools=pools).failure
    assert again is not None
    assert again["code"] == "conflict"


def add_tenant(platform: PoolPlatform, server: str) -> None:
    """Give a tenant `resident` a place on ``server`` and nothing else."""
    with connect(platform.registry) as connection:
        row = connection.execute(
            "INSERT INTO tenant.tenants (subdomain, customer_id, plan_name, database_name, odoo_version)"
            " VALUES ('resident', 'c1', 'basic-monthly', 'odoo_c1_resident', '19.0') RETURNING id"
        ).fetchone()
        assert row is not None
        connection.execute(
            "INSERT INTO database.allocations (tenant_id, server_name, max_instances, slot, state)"
            " VALUES (%s, %s, 4, 1, 'in_use')",
            (row["id"], server),
        )
