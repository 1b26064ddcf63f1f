"""What each component may and may not do in a real registry, and that the journal only grows."""

from __future__ import annotations

import threading
import uuid
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from ansible_collections.saasodoo.platform.plugins.module_utils.errors import Unavailable
from ansible_collections.saasodoo.platform.plugins.module_utils.registry.connection import connect
from ansible_collections.saasodoo.platform.plugins.module_utils.secrets import scram
from tests.fixtures.registry import Registry

TABLES = [
    "billing.plan_entitlements", "billing.accounts", "billing.trials",
    "tenant.tenants", "tenant.tenant_versions", "tenant.transitions", "tenant.allowed_transitions", "tenant.port_range",
    "tenant.storage",
    "database.servers", "database.allocations",
    "ops.clock", "ops.journal", "ops.events", "ops.runs", "ops.run_events", "ops.run_totals",
    "ops.migrations", "ops.migration_steps",
    "auth.users", "auth.sessions", "communication.outbox", "public.procrastinate_jobs", "public._yoyo_migration",
]  # fmt: skip
COMPONENTS = ["operator", "runner", "inventory"]


def conninfo(registry: Registry, component: str) -> str:
    return str(getattr(registry, component))


def refused(registry: Registry, component: str, statement: str) -> bool:
    """Whether the component may not do it. Anything but a refusal for want of privileges is an error of the test."""
    with psycopg.connect(conninfo(registry, component)) as connection:
        try:
            connection.execute(statement)
        except (psycopg.errors.InsufficientPrivilege, psycopg.errors.ReadOnlySqlTransaction):
            return True
        finally:
            connection.rollback()
    return False


def test_the_table_list_of_these_tests_is_complete(registry_roles: Registry) -> None:
    with psycopg.connect(registry_roles.admin) as admin:
        rows = admin.execute(
            "SELECT relnamespace::regnamespace || '.' || relname FROM pg_class WHERE relkind = 'r' "
            "AND relnamespace::regnamespace::text !~ '^pg_|^information_schema' AND relname !~ '^_?yoyo|^procrastinate'"
        ).fetchall()
    assert {row[0] for row in rows} <= set(TABLES)


def test_the_inventory_reader_cannot_write(registry_roles: Registry) -> None:
    for table in TABLES:
        _no_writes(registry_roles, table)


def _no_writes(registry_roles: Registry, table: str) -> None:
    column = {"ops.clock": "singleton"}.get(table, "ctid")
    writes = [
        f"INSERT INTO {table} DEFAULT VALUES",
        f"DELETE FROM {table}",
        f"TRUNCATE {table} CASCADE",
        f"DROP TABLE {table} CASCADE",
    ]
    for write in [*writes, f"SELECT {column} FROM {table} FOR UPDATE"]:
        for prepare in ("", "SET default_transaction_read_only = off; COMMIT; "):
            assert refused(registry_roles, "inventory", prepare + write), write


@pytest.mark.parametrize("statement", ["CREATE TABLE public.mine ()", "CREATE SCHEMA mine", "CREATE TEMP TABLE mine ()",
                                       "SELECT ops.append_journal('a', 'b', '{}')", "CREATE ROLE mine",
                                       "SELECT * FROM auth.users", "SELECT * FROM communication.outbox",
                                       "SELECT * FROM ops.events", "SELECT * FROM public.procrastinate_jobs",
                                       "SET ROLE saasodoo_owner", "SET ROLE saasodoo_journal"])  # fmt: skip
def test_the_inventory_reader_makes_and_sees_nothing_else(registry_roles: Registry, statement: str) -> None:
    assert refused(registry_roles, "inventory", f"SET default_transaction_read_only = off; COMMIT; {statement}")


@pytest.mark.parametrize("component", COMPONENTS)
def test_nobody_but_the_owner_drops_alters_or_truncates(registry_roles: Registry, component: str) -> None:
    for table in TABLES:
        for statement in (f"DROP TABLE {table} CASCADE", f"ALTER TABLE {table} ADD COLUMN x int", f"TRUNCATE {table} CASCADE"):
            assert refused(registry_roles, component, statement), statement


@pytest.mark.parametrize("component", COMPONENTS)
def test_nobody_but_the_owner_makes_or_drops_anything(registry_roles: Registry, component: str) -> None:
    for schema in ("billing", "database", "tenant", "ops", "auth", "communication", "public"):
        for statement in (f"CREATE TABLE {schema}.mine ()", f"DROP SCHEMA {schema} CASCADE"):
            assert refused(registry_roles, component, statement), statement


@pytest.mark.parametrize("table", ["billing.plan_entitlements", "database.servers", "database.allocations", "ops.clock"])
def test_the_runner_changes_no_plan_server_place_or_clock(registry_roles: Registry, table: str) -> None:
    column = {"billing.plan_entitlements": "description", "database.servers": "host", "database.allocations": "state"}
    update = f"UPDATE {table} SET {column.get(table, 'time_offset')} = DEFAULT"
    for statement in (f"INSERT INTO {table} DEFAULT VALUES", update, f"DELETE FROM {table}"):
        assert refused(registry_roles, "runner", statement), statement


@pytest.mark.parametrize("component", ["runner", "inventory"])
@pytest.mark.parametrize("table", ["ops.migrations", "ops.migration_steps"])
def test_migrations_are_read_by_all_and_written_by_playbooks_alone(registry_roles: Registry, component: str, table: str) -> None:
    assert not refused(registry_roles, component, f"SELECT * FROM {table}")
    for statement in (f"INSERT INTO {table} DEFAULT VALUES", f"UPDATE {table} SET id = DEFAULT", f"DELETE FROM {table}"):
        assert refused(registry_roles, component, statement), statement


@pytest.mark.parametrize("statement", ["UPDATE ops.migration_steps SET state = 'done'", "DELETE FROM ops.migration_steps",
                                       "DELETE FROM ops.migrations"])  # fmt: skip
def test_what_a_migration_did_is_not_rewritten(registry_roles: Registry, statement: str) -> None:
    assert refused(registry_roles, "operator", statement)


def test_the_runner_does_its_work(registry_roles: Registry) -> None:
    with psycopg.connect(registry_roles.runner) as runner:
        runner.execute("INSERT INTO ops.events (event_type, body) VALUES ('SUBSCRIPTION_CREATION', '{}')")
        runner.execute(
            "SELECT procrastinate_defer_jobs_v1(ARRAY["
            "ROW('sync', 'sync', 0, NULL, NULL, '{}', NULL)::procrastinate_job_to_defer_v1])"
        )
        assert runner.execute("SELECT count(*) FROM procrastinate_jobs").fetchone() == (1,)
        assert runner.execute("SELECT count(*) FROM procrastinate_events").fetchone() == (1,)
        runner.execute("UPDATE ops.events SET handled_at = now()")


def test_a_tenants_row_history_transition_and_journal_are_one_write(registry_roles: Registry) -> None:
    tenant = uuid.uuid4()
    with psycopg.connect(registry_roles.operator) as operator:
        operator.execute("SELECT set_config('saasodoo.cause', 'event:7', false)")
        operator.execute(
            "INSERT INTO tenant.tenants (id, customer_id, plan_name, database_name, odoo_version) "
            "VALUES (%s, 'c', 'p', 'odoo_d', '19.0')",
            (tenant,),
        )
    with psycopg.connect(registry_roles.inventory) as inventory:
        assert inventory.execute("SELECT count(*) FROM tenant.tenant_versions WHERE upper_inf(valid)").fetchone() == (1,)
        newest = "SELECT actor, cause, subject, action FROM ops.journal ORDER BY seq DESC LIMIT 1"
        assert inventory.execute(newest).fetchone() == (
            "saasodoo_operator", "event:7", f"tenant:{tenant}", "insert",
        )  # fmt: skip


def test_the_fleet_is_read_as_of_any_moment(registry_roles: Registry) -> None:
    def fleet(connection: psycopg.Connection[tuple[object, ...]], moment: object) -> list[tuple[object, ...]]:
        return connection.execute("SELECT plan_name, status, short_id FROM tenant.tenants_as_of(%s)", (moment,)).fetchall()

    with psycopg.connect(registry_roles.operator, autocommit=True) as operator:
        clock = "SELECT clock_timestamp()"
        moments = [operator.execute(clock).fetchone()]
        operator.execute(
            "INSERT INTO tenant.tenants (customer_id, plan_name, database_name, odoo_version)"
            " VALUES ('c', 'one', 'odoo_d', '19.0')"
        )
        moments.append(operator.execute(clock).fetchone())
        operator.execute("UPDATE tenant.tenants SET plan_name = 'two'")
        operator.execute("UPDATE tenant.tenants SET status = 'running'")
        moments.append(operator.execute(clock).fetchone())
        short_id = operator.execute("SELECT short_id FROM tenant.tenants").fetchone()
        assert short_id is not None
        seen = [fleet(operator, moment[0]) for moment in moments if moment]
    assert seen == [[], [("one", "creating", short_id[0])], [("two", "running", short_id[0])]]


@pytest.mark.parametrize("component", ["owner", *COMPONENTS])
@pytest.mark.parametrize("statement", ["UPDATE ops.journal SET action = 'x'", "DELETE FROM ops.journal", "TRUNCATE ops.journal",
                                       "INSERT INTO ops.journal (actor, subject, action, previous_hash, hash) "
                                       "VALUES ('a', 'b', 'c', '', '')",
                                       "ALTER TABLE ops.journal DISABLE TRIGGER ALL", "DROP TRIGGER refuse_change ON ops.journal",
                                       "SET session_replication_role = replica"])  # fmt: skip
def test_no_component_changes_the_journal(registry_roles: Registry, component: str, statement: str) -> None:
    assert refused(registry_roles, component, statement)


@pytest.mark.parametrize("statement", ["UPDATE ops.journal SET action = 'x'", "DELETE FROM ops.journal", "TRUNCATE ops.journal"])
def test_even_the_superuser_has_to_disarm_the_journal_first(registry_roles: Registry, statement: str) -> None:
    assert refused(registry_roles, "admin", statement)


def _write_three(registry: Registry) -> None:
    with psycopg.connect(registry.operator) as operator:
        for number in range(3):
            operator.execute("SELECT ops.append_journal('test', 'write', jsonb_build_object('n', %s::int))", (number,))


def _breaks(registry: Registry) -> list[tuple[int, str]]:
    with psycopg.connect(registry.inventory) as inventory:
        inventory.execute("SET timezone = 'Asia/Tokyo'")
        return [(row[0], row[1]) for row in inventory.execute("SELECT * FROM ops.journal_breaks()")]


@pytest.mark.parametrize(
    ("tampering", "problem"),
    [
        ("UPDATE ops.journal SET detail = '{\"n\": 7}' WHERE seq = %s", "changed"),
        ("UPDATE ops.journal SET actor = 'nobody' WHERE seq = %s", "changed"),
        ("UPDATE ops.journal SET at = at - interval '1 us' WHERE seq = %s", "changed"),
        ("DELETE FROM ops.journal WHERE seq = %s", "an entry before it is gone or changed"),
        ("UPDATE ops.journal SET hash = repeat('a', 64) WHERE seq = %s", "an entry before it is gone or changed"),
    ],
)
def test_tampering_breaks_the_journals_chain(registry_roles: Registry, tampering: str, problem: str) -> None:
    _write_three(registry_roles)
    assert _breaks(registry_roles) == []
    with psycopg.connect(registry_roles.admin) as admin:
        row = admin.execute("SELECT max(seq) - 1 FROM ops.journal").fetchone()
        assert row is not None
        admin.execute("ALTER TABLE ops.journal DISABLE TRIGGER ALL")
        admin.execute(tampering, row)
    assert problem in [found for _, found in _breaks(registry_roles)]


def test_history_survives_a_clock_that_is_set_back(registry_roles: Registry) -> None:
    with psycopg.connect(registry_roles.owner) as owner:
        owner.execute(
            "INSERT INTO tenant.tenants (customer_id, plan_name, database_name, odoo_version) VALUES ('c', 'p', 'odoo_d', '19.0')"
        )
        owner.execute("UPDATE tenant.tenant_versions SET valid = tstzrange(now() + interval '1 hour', NULL)")
        owner.execute("UPDATE tenant.tenants SET plan_name = 'q'")
        rows = owner.execute("SELECT isempty(valid), upper_inf(valid) FROM tenant.tenant_versions ORDER BY valid").fetchall()
    assert rows == [(False, False), (False, True)]


def test_a_plan_in_force_is_not_rewritten_even_in_sql(registry_roles: Registry) -> None:
    with psycopg.connect(registry_roles.operator, autocommit=True) as operator:
        operator.execute(
            "INSERT INTO billing.plan_entitlements (plan_name, effective_date, cpu_limit, memory_limit, storage_limit) "
            "VALUES ('now', '2020-01-01', 1, '1GB', '1GB'), ('later', '2999-01-01', 1, '1GB', '1GB')"
        )
        operator.execute("UPDATE billing.plan_entitlements SET cpu_limit = 2 WHERE plan_name = 'later'")
        with pytest.raises(psycopg.errors.CheckViolation, match="add a new effective_date"):
            operator.execute("UPDATE billing.plan_entitlements SET cpu_limit = 2 WHERE plan_name = 'now'")


def test_a_verifier_made_here_is_one_that_postgres_knows(registry_roles: Registry) -> None:
    with psycopg.connect(registry_roles.admin) as admin:
        admin.execute("SET password_encryption = 'scram-sha-256'")
        admin.execute("CREATE ROLE someone PASSWORD 's3cret-of_someone'")
        row = admin.execute("SELECT rolpassword FROM pg_authid WHERE rolname = 'someone'").fetchone()
        admin.rollback()
    assert row is not None
    assert scram.matches(row[0], "s3cret-of_someone")
    assert not scram.matches(row[0], "s3cret-of_somebody")
    assert not scram.matches(None, "s3cret-of_someone")


def test_a_registry_that_goes_away_before_the_last_word_is_away(registry_roles: Registry) -> None:
    with (
        psycopg.connect(registry_roles.admin, autocommit=True) as admin,
        pytest.raises(Unavailable, match="went away in the middle"),
        connect(registry_roles.operator) as connection,
    ):
        connection.execute("SELECT FROM ops.clock")  # what follows is the commit
        admin.execute("SELECT pg_terminate_backend(%s, 20000)", (connection.info.backend_pid,))


def test_who_has_to_give_way_to_another_may_try_again(registry_roles: Registry) -> None:
    both_hold = threading.Barrier(2)

    def locks(first: int, second: int) -> str:
        try:
            with connect(registry_roles.operator) as connection:
                connection.execute("SELECT pg_advisory_xact_lock(%s)", (first,))
                both_hold.wait(timeout=20)
                connection.execute("SELECT pg_advisory_xact_lock(%s)", (second,))
        except Unavailable:
            return "gave way"
        return "went on"

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(locks, (1, 2), (2, 1))) == ["gave way", "went on"]
