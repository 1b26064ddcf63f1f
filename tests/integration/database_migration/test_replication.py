"""Databases that follow another server's: what a migration is made of, between two real servers that log all they are told."""

from __future__ import annotations

import re
import threading
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest
from psycopg import errors, sql

from ansible_collections.saasodoo.platform.plugins.module_utils.database_migration import (
    fence,
    publication,
    replication,
    replication_slot,
    schema_fingerprint,
)
from ansible_collections.saasodoo.platform.plugins.module_utils.errors import (
    Conflict,
    NotFound,
    PlatformError,
    TimedOut,
    Unavailable,
)
from ansible_collections.saasodoo.platform.plugins.module_utils.postgres import sequences
from ansible_collections.saasodoo.platform.plugins.module_utils.postgres.connection import Address, AsServer, Connection
from tests.fixtures.moves import CHANGES, SCHEMA, Move, rows
from tests.fixtures.pools import Pool, make_pool


def identities(database: Connection) -> dict[str, str]:
    """Return the replica identity of each table."""
    found = database.execute(
        "SELECT relname, relreplident FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
    )
    return {row["relname"]: row["relreplident"] for row in found}


def test_all_that_is_written_arrives_and_nothing_is_left_behind(move: Move) -> None:
    move.copy()
    with move.one.session(move.name) as tenant:
        tenant.execute(CHANGES)
        tenant.execute(
            "CREATE SEQUENCE ir_sequence_002 AS smallint START 7 MAXVALUE 1000 CYCLE; SELECT nextval('ir_sequence_002')"
        )
        tenant.execute("DROP SEQUENCE ir_sequence_001")
    move.drain()
    with move.connections() as (source, target):
        assert rows(source) == rows(target)
        assert schema_fingerprint.schema_fingerprint(source) == schema_fingerprint.schema_fingerprint(target)
        sequences.copy_sequences(source, target)
        assert sequences.read_sequences(source) == sequences.read_sequences(target)
        assert replication.lag(source, move.forward).active
        replication.unsubscribe(target, move.forward)
        replication.unsubscribe(target, move.forward)
        replication_slot.drop_slot(source, move.forward)
        replication_slot.drop_slot(source, move.forward)
        for database in (source, target):
            assert identities(database)["keyless"] == "f"
            publication.unpublish(database)
            publication.unpublish(database)
            assert set(identities(database).values()) == {"d"}
    for pool in (move.one, move.other):
        assert replication.strays(pool.address) == []


def test_a_steady_writer_loses_nothing(move: Move) -> None:
    acknowledged: list[int] = []
    stop = threading.Event()

    def write() -> None:
        with move.one.session(move.name) as tenant:
            while not stop.is_set():
                try:
                    row = tenant.execute("INSERT INTO partner (name) VALUES ('written') RETURNING id").fetchone()
                    tenant.execute("UPDATE keyless SET b = b || '.' WHERE a = %s", (len(acknowledged) % 50,))
                except (errors.AdminShutdown, errors.InsufficientPrivilege, psycopg.OperationalError):
                    return
                assert row is not None
                acknowledged.append(row["id"])

    writer = threading.Thread(target=write)
    writer.start()
    try:
        move.copy()
        with move.one.address.connect() as server:
            fence.fence(server, move.name, move.name)
        writer.join(20)
        assert not writer.is_alive()
    finally:
        stop.set()
        writer.join(20)
    move.drain()
    with move.connections() as (source, target):
        assert len(acknowledged) > 50
        there = {row["id"] for row in target.execute("SELECT id FROM partner")}
        assert not set(acknowledged) - there
        assert rows(source) == rows(target)


def test_who_is_fenced_out_stays_out_until_let_in(move: Move) -> None:
    with ExitStack() as stack, move.one.address.connect() as server:
        sessions = [stack.enter_context(move.one.session(move.name)) for _ in range(5)]
        sessions[0].execute("BEGIN; INSERT INTO keyless VALUES (7, 'not committed')")
        assert not fence.is_fenced(server, move.name)
        for _ in range(2):
            fence.fence(server, move.name, move.name)
        assert fence.is_fenced(server, move.name)
        for session in sessions:
            with pytest.raises(psycopg.OperationalError):
                session.execute("SELECT 1")
        with pytest.raises(psycopg.OperationalError, match="not permitted to log in"):
            move.one.session(move.name)
        fence.unfence(server, move.name)
        assert not fence.is_fenced(server, move.name)
        with pytest.raises(NotFound):
            fence.fence(server, "nobody_of_this_name", move.name)
    with move.one.session(move.name) as tenant:
        assert tenant.execute("SELECT 1 FROM keyless WHERE a = 7 AND b = 'not committed'").fetchone() is None


def test_the_way_back_brings_what_was_written_since(move: Move) -> None:
    move.copy()
    publish_there(move)
    replication_slot.create_slot(move.other.address, move.name, move.reverse)
    replication_slot.create_slot(move.other.address, move.name, move.reverse)
    with move.one.session(move.name) as tenant:
        tenant.execute(CHANGES)
    turn(move)
    with move.other.session(move.name) as tenant:
        tenant.execute("INSERT INTO partner (name) VALUES ('written there')")
        tenant.execute("UPDATE keyless SET b = 'changed there' WHERE a = 2; DELETE FROM numbered WHERE id = 3")
    with move.connections() as (source, target):
        replication.wait_for_sentinel(source, replication.write_sentinel(target), 30)
        assert rows(source) == rows(target)
        assert source.execute("SELECT 1 FROM partner WHERE name = 'written there'").fetchone()
    kinds = {(stray.kind, stray.name) for pool in (move.one, move.other) for stray in replication.strays(pool.address)}
    migration = publication.MIGRATION
    assert kinds == {
        ("slot", move.reverse), ("subscription", move.reverse), ("publication", migration), ("schema", migration)
    }  # fmt: skip


def publish_there(move: Move) -> None:
    with move.other.superuser(move.name) as target:
        publication.publish(target)


def turn(move: Move) -> None:
    """What a switch does between freeze and thaw."""
    with move.one.address.connect() as server:
        fence.fence(server, move.name, move.name)
    move.drain()
    with move.connections() as (source, target):
        sequences.copy_sequences(source, target)
        replication.unsubscribe(target, move.forward)
        replication_slot.drop_slot(source, move.forward)
        start = replication.durable_position(target)
        replication.subscribe(source, move.source, move.other.address, move.reverse, start=start)


def test_the_way_back_survives_a_crash_right_after_the_switch(tenant_name: str, pools: tuple[Pool, Pool], tmp_path: Path) -> None:
    """What came from the source is not sent back to it, though the slot may forget how far it was."""
    with pools[0].session(tenant_name) as tenant:
        tenant.execute(SCHEMA)
    move = Move(*pools, tenant_name, tmp_path / "dump")
    move.copy()
    publish_there(move)
    replication_slot.create_slot(move.other.address, move.name, move.reverse)
    with move.one.session(move.name) as tenant:
        tenant.execute(CHANGES)
        tenant.execute("INSERT INTO partner (name) VALUES ('new'); UPDATE partner SET name = 'newer' WHERE name = 'new'")
    turn(move)
    for pool in (move.other, move.one):
        pool.restart()
    with move.other.session(move.name) as tenant:
        tenant.execute("UPDATE partner SET name = 'newest' WHERE name = 'newer'")
    with move.connections() as (source, target):
        replication.wait_for_sentinel(source, replication.write_sentinel(target), 30)
        assert rows(source) == rows(target)
        assert source.execute("SELECT 1 FROM partner WHERE name = 'newest'").fetchone()


def test_what_has_arrived_outlives_a_crash_once_the_sequences_are_copied(move: Move) -> None:
    move.copy()
    with move.one.session(move.name) as tenant:
        tenant.execute(CHANGES)
        tenant.execute("SELECT nextval('ir_sequence_001')")
    move.drain()
    with move.connections() as (source, target):
        wanted, counted = rows(source), sequences.read_sequences(source)
        sequences.copy_sequences(source, target)
    move.one.cluster.kill()  # it can't send anything again
    move.other.restart()
    try:
        with move.other.superuser(move.name) as target:
            assert rows(target) == wanted
            assert sequences.read_sequences(target) == counted
        with move.other.session(move.name) as tenant:
            assert tenant.execute("SELECT nextval('ir_sequence_001')").fetchone() == {"nextval": 8}
    finally:
        move.one.cluster.start()


def test_settled_sequences_are_the_same_after_a_crash(move: Move) -> None:
    with move.one.session(move.name) as tenant:
        tenant.execute("SELECT nextval('ir_sequence_001'); CREATE SEQUENCE unused START 7")
    with move.one.superuser(move.name) as source:
        wanted = sequences.read_sequences(source)
        sequences.settle_sequences(source)
    move.one.restart()
    with move.one.superuser(move.name) as source:
        assert sequences.read_sequences(source) == wanted


def test_replication_goes_on_after_a_crash_of_either_server(move: Move) -> None:
    move.copy()
    for pool in (move.other, move.one):
        with move.one.session(move.name) as tenant:
            tenant.execute("INSERT INTO partner (name) VALUES ('before'); UPDATE keyless SET b = b || '+'")
        pool.restart()
        with move.one.session(move.name) as tenant:
            tenant.execute("INSERT INTO partner (name) VALUES ('after')")
    move.drain()
    with move.connections() as (source, target):
        assert rows(source) == rows(target)


def test_a_change_of_tables_meanwhile_is_seen(move: Move) -> None:
    move.copy()
    with move.connections() as (source, target), move.one.session(move.name) as tenant:
        tenant.execute(CHANGES)
        tenant.execute("SELECT nextval('ir_sequence_001'); ANALYZE; CREATE TEMPORARY TABLE mine (x int)")
        assert schema_fingerprint.changed_definitions(source) == []
        there, parts = schema_fingerprint.schema_fingerprint(target), schema_fingerprint.structure(target)
        assert schema_fingerprint.schema_fingerprint(source) == there
        assert schema_fingerprint.remembered_structure(source) == schema_fingerprint.structure(source) == parts
        for statement in (
            "ALTER TABLE partner ADD COLUMN mail text",
            "ALTER TABLE keyless ALTER COLUMN a TYPE bigint",
            "CREATE INDEX ON keyless (a)",
            "CREATE TABLE added (id int PRIMARY KEY)",
            "ALTER TABLE numbered DROP CONSTRAINT numbered_state_check",
            "CREATE OR REPLACE FUNCTION greet(who text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN 'bye'; END $$",
            "DROP VIEW partners",
            "CREATE TYPE mood AS ENUM ('fine')",
            "GRANT SELECT ON keyless TO PUBLIC",
            "GRANT SELECT (a) ON keyless TO PUBLIC",
            "GRANT USAGE ON SEQUENCE partner_id_seq TO PUBLIC",
            "CREATE POLICY mine ON partner USING (id > 0)",
            "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC",
            "ALTER TABLE partner ALTER COLUMN name SET NOT NULL",
        ):
            tenant.execute("BEGIN")
            tenant.execute(statement)
            changed = schema_fingerprint.schema_fingerprint(AsServer(tenant))
            (words,) = schema_fingerprint.explain(parts, schema_fingerprint.structure(AsServer(tenant)))
            assert re.search(" (is (new|gone)|(added|removed|changed))$", words), words
            tenant.execute("ROLLBACK")
            assert len(schema_fingerprint.changes(there, changed)) == 1, statement
        tenant.execute("CREATE OR REPLACE VIEW partners AS SELECT id, name FROM partner")
        assert schema_fingerprint.changed_definitions(source) == ["public.partners"]
    assert schema_fingerprint.changes({"table a": "1", "table b": "1"}, {"table b": "2", "table c": "1"}) == [
        "table a is gone", "table b is not the same", "table c is new",
    ]  # fmt: skip


def test_a_new_table_without_key_does_not_trouble_the_tenant(move: Move) -> None:
    move.copy()
    with move.one.session(move.name) as tenant:
        tenant.execute(
            "CREATE TABLE scratch (a int); INSERT INTO scratch VALUES (1); UPDATE scratch SET a = 2; DELETE FROM scratch"
        )
    move.drain()


def test_a_locked_table_keeps_the_tenant_waiting_only_shortly(move: Move) -> None:
    with move.one.session(move.name) as tenant, move.one.superuser(move.name) as source:
        tenant.execute("BEGIN; INSERT INTO keyless VALUES (5, 'long')")
        with pytest.raises(Conflict, match=r"public\.keyless has no key"):
            publication.publish(source, patience=0.5)
        assert not publication.is_published(source)
        tenant.execute("COMMIT")
        publication.publish(source)
        assert publication.is_published(source)
        tenant.execute("UPDATE keyless SET b = 'x'; DELETE FROM \"Without Key\"")
        tenant.execute("BEGIN; SELECT * FROM keyless")
        with pytest.raises(Conflict, match=r"public\.keyless"):
            publication.unpublish(source, patience=0.5)
        tenant.execute("COMMIT")
        publication.unpublish(source)
        assert set(identities(source).values()) == {"d"}


def test_a_slot_waits_for_writers_only_so_long(move: Move) -> None:
    with move.one.session(move.name) as tenant:
        tenant.execute("BEGIN; INSERT INTO keyless VALUES (5, 'long')")
        with (
            pytest.raises(TimedOut, match=f"found: {move.name} in {move.name} for"),
            replication_slot.create_slot_with_snapshot(
                move.one.address, move.name, move.forward, patience=replication_slot.Patience(1)
            ),
        ):
            pass
        with pytest.raises(TimedOut, match=f"found: {move.name} in {move.name} for"):
            replication_slot.create_slot(move.one.address, move.name, move.forward, patience=replication_slot.Patience(1))
    assert replication.strays(move.one.address) == []


def test_a_slot_is_dropped_under_its_reader(move: Move) -> None:
    move.copy()
    with move.connections() as (source, target):
        replication.wait_for_sentinel(target, replication.write_sentinel(source), 30)
        replication_slot.drop_slot(source, move.forward)
        with pytest.raises(NotFound):
            replication.lag(source, move.forward)
        with pytest.raises(TimedOut, match="replication was not ready"):
            replication.wait_for_sentinel(target, replication.write_sentinel(source), 0.5)


def test_a_subscription_is_dropped_though_its_publisher_is_dead(move: Move) -> None:
    move.copy()
    move.one.cluster.kill()
    try:
        with move.other.superuser(move.name) as target:
            assert replication.is_subscribed(target, move.forward)
            replication.unsubscribe(target, move.forward)
            assert not replication.is_subscribed(target, move.forward)
    finally:
        move.one.cluster.start()


def test_a_slot_that_lost_its_log_is_told(tmp_path: Path) -> None:
    with make_pool("small", "max_slot_wal_keep_size=1MB", "min_wal_size=32MB", "max_wal_size=32MB") as pool:
        slot = "saasodoo_000000000000_fwd"
        replication_slot.create_slot(pool.address, "postgres", slot)
        with pool.address.connect() as server:
            assert replication.lag(server, slot).wal_status == "reserved"
            server.execute("CREATE TABLE public.much (x text)")
            for _ in range(4):
                server.execute("INSERT INTO public.much SELECT repeat('x', 1000) FROM generate_series(1, 20000)")
                server.execute("SELECT pg_switch_wal()")
                server.execute("CHECKPOINT")
            with pytest.raises(Conflict, match="lost its log"):
                replication.lag(server, slot)
            replication_slot.drop_slot(server, slot)


def test_passwords_stay_out_of_logs_and_errors(move: Move) -> None:
    move.copy()
    with move.other.superuser(move.name) as target:
        wrong = Address(move.one.address.host, 1, "nowhere", b"another key" * 3)
        with pytest.raises(Unavailable) as nowhere:
            replication.subscribe(target, move.target, wrong, "saasodoo_00000000beef_fwd")
        closed = Address(move.one.address.host, move.one.address.port, "another", move.one.address.key)
        with pytest.raises(Unavailable, match="can't subscribe") as refused:
            replication.subscribe(target, move.target, closed, "saasodoo_00000000beef_fwd")
        with pytest.raises(PlatformError) as missing, target.transaction():
            target.execute("SET TRANSACTION READ ONLY")
            replication.subscribe(target, move.target, wrong, "saasodoo_00000000beef_fwd")
        assert target.execute("SHOW log_statement").fetchone() == {"log_statement": "all"}
    for found in (nowhere, refused, missing):
        for address in (move.one.address, wrong, closed):
            assert address.password not in f"{found.value}{found.value.as_dict()}"
    for pool in (move.one, move.other):
        log = pool.log()
        assert "statement: " in log
        for address in (move.one.address, move.other.address, wrong, closed):
            assert address.password not in log
    assert move.one.address.password not in repr(move.one.address)


def test_sequences_are_copied_exactly(move: Move) -> None:
    move.copy()
    with move.connections() as (source, target), move.one.session(move.name) as tenant:
        for number in range(300):
            tenant.execute(
                sql.SQL("CREATE SEQUENCE {} START {}").format(sql.Identifier(f"Odd {number}"), sql.Literal(number + 1))
            )
        tenant.execute("SELECT nextval(format('%I', 'Odd ' || i)) FROM generate_series(0, 299, 2) i")
        tenant.execute("ALTER SEQUENCE ir_sequence_001 RESTART WITH 40 INCREMENT 5")  # as Odoo alters the step of a numbering
        tenant.execute("ALTER SEQUENCE partner_id_seq OWNED BY NONE")
        tenant.execute('ALTER SEQUENCE "Odd 7" AS smallint MINVALUE -5 MAXVALUE 9 RESTART WITH -5 CYCLE OWNED BY keyless.a')
        assert sequences.copy_sequences(source, target) == 303
        wanted = sequences.read_sequences(source)
        assert sequences.read_sequences(target) == wanted
        assert wanted["public", "ir_sequence_001"].last_value == 40
        assert not wanted["public", "ir_sequence_001"].is_called
        sequences.copy_sequences(source, target)
        assert sequences.read_sequences(target) == wanted
        tenant.execute("DROP TABLE partner CASCADE; DROP SEQUENCE partner_id_seq")
        with pytest.raises(Conflict, match="tables of both servers differ"):
            sequences.copy_sequences(source, target)
        assert sequences.read_sequences(target) == wanted


def test_a_killed_run_that_made_a_slot_can_begin_again(move: Move, tmp_path: Path) -> None:
    with move.one.superuser(move.name) as source:
        publication.publish(source)
    with replication_slot.create_slot_with_snapshot(move.one.address, move.name, move.forward) as first:
        pass
    with replication_slot.create_slot_with_snapshot(move.one.address, move.name, move.forward) as second:
        assert first != second
        with move.one.superuser(move.name) as source, source.transaction():
            source.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            source.execute(sql.SQL("SET TRANSACTION SNAPSHOT {}").format(sql.Literal(second)))
            assert source.execute("SELECT count(*) FROM partner").fetchone() == {"count": 500}
    with move.one.superuser(move.name) as source:
        assert not replication.lag(source, move.forward).active
        replication_slot.drop_slot(source, move.forward)


def test_an_unreachable_server_is_told(move: Move) -> None:
    nowhere = Address("127.0.0.1", 1, "nowhere", move.one.address.key)
    with pytest.raises(Unavailable), replication_slot.create_slot_with_snapshot(nowhere, move.name, move.forward):
        pass


def test_why_nothing_arrives_is_told(move: Move) -> None:
    move.copy()
    with move.connections() as (source, target):
        target.execute("INSERT INTO partner (id, name) VALUES (9000, 'in the way')")
        source.execute("INSERT INTO partner (id, name) VALUES (9000, 'can not arrive')")
        with pytest.raises(TimedOut, match=r"[1-9]\d* errors of the subscription"):
            replication.wait_for_sentinel(target, replication.write_sentinel(source), 5)
