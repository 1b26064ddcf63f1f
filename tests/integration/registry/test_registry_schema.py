"""The registry's schema on a real PostgreSQL: forward, back, forward again, and never half."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from ansible_collections.saasodoo.platform.plugins.module_utils.domain.change import Change
from ansible_collections.saasodoo.platform.plugins.module_utils.errors import Conflict, InvalidInput, PlatformError
from ansible_collections.saasodoo.platform.plugins.module_utils.registry import schema_steps
from ansible_collections.saasodoo.platform.plugins.module_utils.registry.schema import NOTHING, Release, State, sync
from tests.fixtures.postgres import Cluster
from tests.fixtures.registry import FILES, KEY, Registry, connections, fresh_database

STEPS = schema_steps.available(FILES / "schema_steps")

_OBJECTS = """
    SELECT n.nspname, 'relation', c.relname, c.relkind::text FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname !~ '^pg_|^information_schema$' AND c.relname !~ '^_?yoyo'
    UNION ALL
    SELECT n.nspname, 'column', c.relname || '.' || a.attname,
        format_type(a.atttypid, a.atttypmod) || CASE WHEN a.attnotnull THEN ' not null' ELSE '' END
    FROM pg_attribute AS a
    JOIN pg_class AS c ON c.oid = a.attrelid AND c.relkind IN ('r', 'v') JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname !~ '^pg_|^information_schema$' AND c.relname !~ '^_?yoyo' AND a.attnum > 0 AND NOT a.attisdropped
    UNION ALL
    SELECT n.nspname, 'constraint', k.conrelid::regclass || '.' || k.conname, pg_get_constraintdef(k.oid) FROM pg_constraint AS k
    JOIN pg_class AS c ON c.oid = k.conrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname !~ '^pg_|^information_schema$' AND c.relname !~ '^_?yoyo'
    UNION ALL
    SELECT n.nspname, 'function', p.oid::regprocedure::text, md5(p.prosrc) FROM pg_proc AS p
    JOIN pg_namespace AS n ON n.oid = p.pronamespace
    WHERE n.nspname !~ '^pg_|^information_schema$'
    UNION ALL
    SELECT n.nspname, 'type', t.typname, '' FROM pg_type AS t JOIN pg_namespace AS n ON n.oid = t.typnamespace
    WHERE n.nspname !~ '^pg_|^information_schema$' AND t.typname !~ '^_?_?yoyo'
    UNION ALL
    SELECT '', 'trigger', tgrelid::regclass || '.' || tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
    ORDER BY 1, 2, 3, 4
"""


def objects(registry: Registry) -> list[tuple[object, ...]]:
    with psycopg.connect(registry.admin) as connection:
        return connection.execute(_OBJECTS).fetchall()


@pytest.fixture
def empty(registry_cluster: Cluster, tmp_path: Path) -> object:
    with fresh_database(registry_cluster) as name:
        yield connections(registry_cluster, name, tmp_path)


def test_forward_back_and_forward_again_gives_the_same(empty: Registry) -> None:
    assert objects(empty) == []
    sync(empty.owner, KEY, Release(FILES), check=False)
    complete = objects(empty)
    assert any("procrastinate_jobs" in row for row in complete)

    sync(empty.owner, KEY, Release(FILES, "0000"), check=False)
    assert objects(empty) == []

    sync(empty.owner, KEY, Release(FILES), check=False)
    assert objects(empty) == complete


@pytest.mark.parametrize("step", range(1, len(STEPS)))
def test_each_step_can_be_undone_and_done_again(registry_roles: Registry, step: int) -> None:
    complete = objects(registry_roles)
    version = STEPS[step - 1].partition("-")[0]

    change = sync(registry_roles.owner, KEY, Release(FILES, version), check=False)
    assert change.after.steps == tuple(STEPS[:step])
    assert objects(registry_roles) != complete

    sync(registry_roles.owner, KEY, Release(FILES), check=False)
    assert objects(registry_roles) == complete


def test_a_new_registry_is_foretold_made_and_then_left_alone(registry_cluster: Cluster, tmp_path: Path) -> None:
    with fresh_database(registry_cluster) as name:
        registry = connections(registry_cluster, name, tmp_path)
    try:
        foretold = sync(registry.owner, KEY, Release(FILES), check=True)
        made = sync(registry.owner, KEY, Release(FILES), check=False)
        again = sync(registry.owner, KEY, Release(FILES), check=False)
    finally:
        with psycopg.connect(registry_cluster.conninfo(), autocommit=True) as admin:
            admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    expected = State("present", tuple(STEPS), schema_steps.installed_queue_version(), "as shipped")
    assert foretold == made == Change(NOTHING, expected)
    assert again == Change(expected, expected)


def test_a_grant_that_slipped_is_told_and_taken_back(registry_roles: Registry) -> None:
    with psycopg.connect(registry_roles.admin) as admin:
        admin.execute("GRANT DELETE ON database.servers TO saasodoo_runner")

    for check in (True, True, False):
        change = sync(registry_roles.owner, KEY, Release(FILES), check=check)
        assert (change.before.grants, change.after.grants) == ("differ", "as shipped")
    assert not sync(registry_roles.owner, KEY, Release(FILES), check=False).changed


def test_check_mode_writes_nothing(empty: Registry) -> None:
    change = sync(empty.owner, KEY, Release(FILES), check=True)
    assert (change.before.steps, change.after.steps) == ((), tuple(STEPS))
    assert objects(empty) == []


def test_a_step_that_fails_leaves_the_ones_before_it_and_nothing_of_itself(empty: Registry, tmp_path: Path) -> None:
    folder = tmp_path / "files/schema_steps"
    folder.mkdir(parents=True)
    (folder / "0001-good.sql").write_text("CREATE TABLE one (id int);")
    (folder / "0002-bad.sql").write_text("CREATE TABLE two (id int); CREATE TABLE one (id int);")

    with pytest.raises(Conflict, match=r"0002-bad failed.*already exists"):
        schema_steps.apply(empty.owner, folder, ["0001-good", "0002-bad"])

    (folder / "0002-bad.sql").write_text("CREATE TABLE two (id int);")
    schema_steps.apply(empty.owner, folder, ["0001-good", "0002-bad"])
    with psycopg.connect(empty.admin) as connection:
        assert connection.execute("SELECT count(*) FROM one, two").fetchone() == (0,)


_TENANTS = """
    INSERT INTO billing.plan_entitlements (plan_name, effective_date, cpu_limit, memory_limit, storage_limit, db_type) VALUES
        ('small', '2020-01-01', 1, '1GB', '1GB', 'dedicated'), ('small', '2021-01-01', 1, '1GB', '1GB', 'shared'),
        ('large', '2020-01-01', 1, '1GB', '1GB', 'dedicated');
    INSERT INTO database.servers (name, server_type, status, port, pooler_port, max_instances, cpu_limit, memory_limit) VALUES
        ('pool-1', 'shared', 'active', 23100, 23101, 9, 1, '1GB'), ('pool-2', 'shared', 'active', 23102, 23103, 9, 1, '1GB');
    INSERT INTO tenant.tenants (subdomain, customer_id, plan_name, database_name, odoo_version, provisioning_status) VALUES
        ('right', 'c', 'small', 'odoo_right', '19.0', 'ready'), ('elsewhere', 'c', 'large', 'odoo_elsewhere', '19.0', 'ready'),
        ('unfinished', 'c', 'small', 'odoo_unfinished', '19.0', 'provisioning'),
        ('nowhere', 'c', 'small', 'odoo_nowhere', '19.0', 'pending');
    INSERT INTO database.allocations (tenant_id, server_name, max_instances, slot, state)
    SELECT id, 'pool-1', 9, row_number() OVER (), 'in_use' FROM tenant.tenants WHERE subdomain <> 'nowhere';
"""


def test_tenants_of_before_there_were_migrations_stay_where_they_are(registry_roles: Registry) -> None:
    sync(registry_roles.owner, KEY, Release(FILES, "0007"), check=False)
    with psycopg.connect(registry_roles.owner) as connection:
        connection.execute(_TENANTS)
    sync(registry_roles.owner, KEY, Release(FILES), check=False)
    with psycopg.connect(registry_roles.owner) as connection:
        plans = connection.execute(
            "SELECT subdomain, applied_plan, failed_plan FROM tenant.tenants ORDER BY subdomain"
        ).fetchall()
        places = connection.execute("SELECT DISTINCT purpose, server_name FROM database.allocations").fetchall()
    assert places == [("home", "pool-1")]
    assert plans == [("elsewhere", None, None), ("nowhere", None, None), ("right", "small", None), ("unfinished", None, None)]


def test_a_move_that_is_under_way_while_the_schema_is_brought_up_ends_where_it_began(registry_roles: Registry) -> None:
    sync(registry_roles.owner, KEY, Release(FILES, "0017"), check=False)
    with psycopg.connect(registry_roles.owner) as connection:
        connection.execute(_TENANTS)
        connection.execute("""
            UPDATE tenant.tenants SET provisioning_status = 'ready';
            UPDATE tenant.tenants SET status = 'starting';
            UPDATE tenant.tenants SET status = 'running';
            UPDATE tenant.tenants SET status = 'stopping' WHERE subdomain = 'elsewhere';
            UPDATE tenant.tenants SET status = 'stopped' WHERE subdomain = 'elsewhere';
            UPDATE tenant.tenants SET operation = 'migrate' WHERE subdomain <> 'right';
            INSERT INTO ops.migrations (tenant_id, database_name, strategy, source, target, tenant_status)
            SELECT id, database_name, 'online', 'pool-1', 'pool-2', status FROM tenant.tenants WHERE subdomain = 'elsewhere';
            UPDATE tenant.tenants SET status = 'migrating' WHERE subdomain IN ('elsewhere', 'unfinished');
        """)
    sync(registry_roles.owner, KEY, Release(FILES), check=False)
    with psycopg.connect(registry_roles.owner) as connection:
        found = connection.execute("SELECT subdomain, returns_to FROM tenant.tenants ORDER BY subdomain").fetchall()
    assert found == [("elsewhere", "stopped"), ("nowhere", "running"), ("right", None), ("unfinished", "running")]


def test_there_is_no_way_back_to_one_place_while_a_tenant_has_two(registry_roles: Registry) -> None:
    with psycopg.connect(registry_roles.owner) as connection:
        connection.execute(_TENANTS)
        connection.execute(
            "INSERT INTO database.allocations (tenant_id, purpose, server_name, max_instances, slot, state)"
            " SELECT id, 'former', 'pool-2', 9, 1, 'in_use' FROM tenant.tenants WHERE subdomain = 'right'"
        )
    sync(registry_roles.owner, KEY, Release(FILES, "0008"), check=False)
    complete = objects(registry_roles)
    with pytest.raises(Conflict, match="0008-migrations"):
        sync(registry_roles.owner, KEY, Release(FILES, "0007"), check=False)
    assert objects(registry_roles) == complete


def test_a_registry_of_a_newer_release_is_refused(registry_roles: Registry) -> None:
    with psycopg.connect(registry_roles.admin) as admin:
        admin.execute("UPDATE _yoyo_migration SET migration_id = '9999-future' WHERE migration_id LIKE '0007%'")
    with pytest.raises(Conflict, match=r"newer than this release.*9999-future"):
        sync(registry_roles.owner, KEY, Release(FILES), check=False)


def test_an_unknown_version_is_refused(registry_roles: Registry) -> None:
    with pytest.raises(InvalidInput, match=r"unknown version.*0042"):
        sync(registry_roles.owner, KEY, Release(FILES, "0042"), check=False)


def test_job_tables_of_an_unknown_version_are_refused(registry_roles: Registry) -> None:
    with psycopg.connect(registry_roles.admin) as admin:
        admin.execute("COMMENT ON TABLE procrastinate_jobs IS '99.1.0'")
    with pytest.raises(PlatformError, match="another procrastinate"):
        sync(registry_roles.owner, KEY, Release(FILES), check=False)


def test_job_tables_of_an_older_version_are_brought_forward(registry_roles: Registry) -> None:
    with psycopg.connect(registry_roles.admin) as admin:
        admin.execute("COMMENT ON TABLE procrastinate_jobs IS '3.4.0'")  # the last release that changed them
    change = sync(registry_roles.owner, KEY, Release(FILES), check=False)
    assert (change.before.queue, change.after.queue) == ("3.4.0", schema_steps.installed_queue_version())
    assert sync(registry_roles.owner, KEY, Release(FILES), check=False) == Change(change.after, change.after)


def test_the_steps_between_two_versions_of_the_job_tables_are_procrastinates_own() -> None:
    steps = [file.name for file in schema_steps.queue_steps("3.2.0", "3.4.0")]
    assert steps == [
        "03.03.00_01_pre_priority_lock_fetch_job.sql",
        "03.04.00_01_pre_add_retry_failed_job_procedure.sql",
        "03.04.00_50_post_add_retry_failed_job_procedure.sql",
    ]


def test_places_of_the_terminated_are_free_after_the_step_and_taken_again_after_its_way_back(registry_roles: Registry) -> None:
    places = "SELECT subdomain, purpose, slot FROM database.allocations JOIN tenant.tenants ON id = tenant_id ORDER BY subdomain"
    sync(registry_roles.owner, KEY, Release(FILES, "0013"), check=False)
    with psycopg.connect(registry_roles.owner) as connection:
        connection.execute(_TENANTS)
        connection.execute("UPDATE tenant.tenants SET status = 'terminated' WHERE subdomain = 'right'")
        before = connection.execute(places).fetchall()
    sync(registry_roles.owner, KEY, Release(FILES), check=False)
    with psycopg.connect(registry_roles.owner) as connection:
        kept = [("right", "kept", None) if name == "right" else (name, purpose, slot) for name, purpose, slot in before]
        assert connection.execute(places).fetchall() == kept
    sync(registry_roles.owner, KEY, Release(FILES, "0013"), check=False)
    with psycopg.connect(registry_roles.owner) as connection:
        assert connection.execute(places).fetchall() == before
