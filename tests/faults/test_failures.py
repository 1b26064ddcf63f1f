"""What goes wrong during a move without anybody dying: the tenant stays where it was, and nothing is left at the other server."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.saasodoo.platform.plugins.module_utils.domain.migration.record import MigrationCourse
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.migration.steps import Step
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant.status import Status
from tests.faults.cells import Bench
from tests.faults.gate import Gate
from tests.fixtures.pools import superuser

pytestmark = pytest.mark.timeout(600)


def fails(bench: Bench, course: MigrationCourse, step: Step, disturb: Callable[[str, str], None], log: Path) -> str:
    """Move the tenant, ``disturb`` (source, target) as the step begins, and return what the tenant's message says.

    Asserts that the move fails, the tenant works where it was with all that was written meanwhile, and nothing else is left.
    """
    source, target = bench.prepare(course, log)
    with bench.writer(source) as writer, bench.start("migrate", log, strategy=str(course)) as run:
        with Gate(bench.registry, (course, step, "begun")).shut(lambda: run.poll() is None) as reached:
            assert reached, log.read_text()
            disturb(source, target)
        assert run.wait(240) != 0, "the move succeeded"
    record = bench.tenants.record(bench.name)
    assert writer.problems() + bench.problems() == []
    assert bench.place() == (source, None)
    assert (record.status, record.operation) == (Status.RUNNING, None)
    return record.status_message


def execute(bench: Bench, server: str, *statements: str) -> None:
    """Execute statements in the tenant's database; what is made there is the tenant's."""
    name = bench.tenants.record(bench.name).database_name
    with superuser(bench.servers[server], name) as database:
        database.execute(f'SET ROLE "{name}"')
        for statement in statements:
            database.execute(statement)


def test_a_row_that_got_lost_moves_the_tenant_back_by_itself(bench: Bench, tmp_path: Path) -> None:
    def lose_a_row(source: str, target: str) -> None:
        execute(bench, target, "DELETE FROM faults_keyless WHERE ctid IN (SELECT ctid FROM faults_keyless LIMIT 1)")

    message = fails(bench, MigrationCourse.ONLINE, Step.REVERSE, lose_a_row, tmp_path / "log")
    assert "differ" in message
    assert "faults_keyless" in message


def test_offline_a_row_that_got_lost_keeps_the_tenant_where_it_is(bench: Bench, tmp_path: Path) -> None:
    def lose_a_row(source: str, target: str) -> None:
        execute(bench, target, "DELETE FROM res_partner_category", "DELETE FROM ir_config_parameter WHERE key = 'web.base.url'")

    assert "ir_config_parameter" in fails(bench, MigrationCourse.OFFLINE, Step.VERIFY, lose_a_row, tmp_path / "log")


def test_a_table_that_is_made_meanwhile_would_be_lost(bench: Bench, tmp_path: Path) -> None:
    def make_a_table(source: str, target: str) -> None:
        execute(bench, source, "CREATE TABLE made_meanwhile (id int PRIMARY KEY)", "INSERT INTO made_meanwhile VALUES (1)")

    message = fails(bench, MigrationCourse.ONLINE, Step.LOAD, make_a_table, tmp_path / "log")
    execute(bench, bench.place()[0], "DROP TABLE made_meanwhile")
    assert "made_meanwhile" in message


def test_a_damaged_dump_is_not_loaded(bench: Bench, tmp_path: Path) -> None:
    def damage(source: str, target: str) -> None:
        backups = bench.home / "backups" / bench.tenants.record(bench.name).short_id
        largest = max(max(backups.iterdir()).glob("database/*.dat*"), key=lambda file: file.stat().st_size)
        largest.write_bytes(largest.read_bytes()[:-100])

    assert fails(bench, MigrationCourse.ONLINE, Step.LOAD, damage, tmp_path / "log")


def test_a_slot_that_lost_its_log_is_given_up(bench: Bench, tmp_path: Path) -> None:
    def write_much(source: str, target: str) -> None:
        with bench.servers[source].connect() as server:
            server.execute("ALTER SYSTEM SET max_slot_wal_keep_size = '1MB'")
            server.execute("SELECT pg_reload_conf()")
            for _ in range(4):
                server.execute("SELECT pg_logical_emit_message(false, 'much', repeat('x', 2000000)), pg_switch_wal()")
            server.execute("CHECKPOINT")

    try:
        message = fails(bench, MigrationCourse.ONLINE, Step.SUBSCRIBE, write_much, tmp_path / "log")
    finally:
        for address in bench.servers.values():
            with address.connect() as server:
                server.execute("ALTER SYSTEM RESET max_slot_wal_keep_size")
                server.execute("SELECT pg_reload_conf()")
    assert "lost" in message


def test_a_table_that_stays_locked_is_not_waited_for(bench: Bench, tmp_path: Path) -> None:
    source, _ = bench.place()
    with superuser(bench.servers[source], bench.tenants.record(bench.name).database_name) as database:

        def lock(source: str, target: str) -> None:
            database.execute("BEGIN")
            database.execute("LOCK TABLE faults_keyless IN ACCESS SHARE MODE")

        message = fails(bench, MigrationCourse.ONLINE, Step.PUBLISH, lock, tmp_path / "log")
    assert "faults_keyless" in message
