"""The comparison of two real databases: equal ones pass, and whatever is changed in one of them is found and named."""

from __future__ import annotations

import itertools
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from ansible_collections.saasodoo.platform.plugins.module_utils.database_migration import proof as database_proof
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.migration.proof import Report
from ansible_collections.saasodoo.platform.plugins.module_utils.errors import PlatformError, Unavailable
from ansible_collections.saasodoo.platform.plugins.module_utils.postgres.connection import Connection
from tests.fixtures.postgres import Cluster, program
from tests.fixtures.waiting import eventually

_numbers = itertools.count(1)
Opener = Callable[[], AbstractContextManager[Any]]

_CONTENTS = """
CREATE SCHEMA other;
CREATE TYPE mood AS ENUM ('good', 'bad');
CREATE TABLE partner (id serial PRIMARY KEY, name text, gone int, mood mood DEFAULT 'good');
ALTER TABLE partner DROP COLUMN gone;
INSERT INTO partner (name) SELECT 'name ' || n FROM generate_series(1, 500) AS n;
CREATE TABLE without_key (a int, b text);
INSERT INTO without_key VALUES (1, 'x'), (1, 'x'), (2, NULL), (2, ''), (3, E'"quoted",(\\n)');
CREATE TABLE one (id int, name text); CREATE TABLE two (id int, name text);
INSERT INTO one VALUES (1, 'first'), (2, 'second'); INSERT INTO two VALUES (1, 'erste'), (2, 'zweite');
CREATE TABLE empty (id int); CREATE TABLE no_columns ();
CREATE UNLOGGED TABLE other."Un Logged" (id int); INSERT INTO other."Un Logged" VALUES (7);
CREATE TABLE kinds (f8 float8, f4 float4, n numeric, j json, jb jsonb, b bytea, ts timestamptz, d date, i interval, m money,
    a text[], g int GENERATED ALWAYS AS (length(j::text)) STORED, "order" oid);
INSERT INTO kinds VALUES ('NaN', '-Infinity', 'NaN', '{"a":  1, "a": 2}', '{"b": 1}', '\\x00ff', '2026-07-01 12:00+02',
    'infinity', '1 year -2 days', 12.5, '{a,NULL,"b c"}'), ('-0', 1e-40, 1.500, '[]', 'null', '', '-infinity', '0044-03-15 BC',
    '-1.5 s', 0, '{}');
INSERT INTO kinds (f8) VALUES (0.1::float8 + 0.2::float8), (NULL);
CREATE TABLE parted (id int, at date) PARTITION BY RANGE (at);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM ('2026-01-01') TO ('2026-07-01');
CREATE TABLE parted_2 PARTITION OF parted FOR VALUES FROM ('2026-07-01') TO ('2027-01-01');
INSERT INTO parted SELECT n, '2026-01-01'::date + n FROM generate_series(1, 300) AS n;
CREATE TABLE parent (id int); CREATE TABLE child (more int) INHERITS (parent);
INSERT INTO parent VALUES (1); INSERT INTO child VALUES (2, 3);
CREATE SEQUENCE other."Down" INCREMENT -2 MAXVALUE 100 START 100; SELECT nextval('other."Down"');
CREATE SEQUENCE untouched START 5;
SELECT lo_from_bytea(4711, decode(repeat('deadbeef', 3000), 'hex'));
SELECT lo_from_bytea(4712, '\\x0000'); SELECT lo_create(4713);
CREATE SCHEMA saasodoo_migration; CREATE TABLE saasodoo_migration.sentinel (id int);
"""
#: What the target's database has set otherwise than the source's.
_OTHERWISE = ("DateStyle = 'German'", "IntervalStyle = 'iso_8601'", "TimeZone = 'Asia/Tokyo'", "bytea_output = 'escape'",
    "extra_float_digits = -3", "search_path = public, other")  # fmt: skip


@pytest.fixture(scope="module")
def filled(server_pair: tuple[Cluster, Cluster]) -> str:
    """The template of all databases here, on both servers: filled on the one, dumped and restored on the other."""
    source, target = server_pair
    for server in server_pair:
        execute(server, "postgres", "CREATE DATABASE filled")
    with psycopg.connect(source.conninfo("filled")) as connection:
        connection.execute(_CONTENTS.encode())
        # A large object with a hole, which the copy has not.
        connection.execute("SELECT lowrite(fd, 'end') FROM (SELECT lo_open(4712, 131072) AS fd) o, lo_lseek64(o.fd, 9000, 0)")
    dump = subprocess.run([program("pg_dump"), "-Fc", source.conninfo("filled")], capture_output=True, check=True)
    restore = [program("pg_restore"), "--exit-on-error", "-d", target.conninfo("filled")]
    subprocess.run(restore, input=dump.stdout, capture_output=True, check=True)
    execute(target, "filled", "INSERT INTO saasodoo_migration.sentinel VALUES (1)")
    return "filled"


@pytest.fixture
def pair(server_pair: tuple[Cluster, Cluster], filled: str) -> Iterator[tuple[Opener, Opener]]:
    """Two equal databases, on the two servers, that a test may change."""
    name = f"proof_{next(_numbers)}"
    for server in server_pair:
        execute(server, "postgres", f"CREATE DATABASE {name} TEMPLATE {filled}")
    for setting in _OTHERWISE:
        execute(server_pair[1], "postgres", f"ALTER DATABASE {name} SET {setting}")
    yield opener(server_pair[0], name), opener(server_pair[1], name)
    for server in server_pair:
        execute(server, "postgres", f"DROP DATABASE {name} WITH (FORCE)")


def execute(server: Cluster, database: str, *statements: str) -> None:
    with psycopg.connect(server.conninfo(database), autocommit=True) as connection:
        for statement in statements:
            for part in statement.split(";"):
                connection.execute(part.encode())


def opener(server: Cluster, database: str, *, on_open: Callable[[Connection], Any] = lambda _: None) -> Opener:
    @contextmanager
    def open_database() -> Iterator[Connection]:
        with psycopg.connect(server.conninfo(database), autocommit=True, row_factory=dict_row) as connection:
            on_open(connection)
            yield connection

    return open_database


def compare(source: Opener, target: Opener, **options: Any) -> Report:
    with pinned(source) as one, pinned(target) as other:
        return database_proof.compare(doors(source), doors(target), (one, other), **options)


def doors(opener: Opener) -> database_proof.Doors:
    """Return both ways in; here one role is the tenant and the superuser."""
    return database_proof.Doors(opener, opener)


@contextmanager
def pinned(opener: Opener) -> Iterator[database_proof.Snapshot]:
    """Pin a moment of a database nobody writes to."""
    with database_proof.prepare_snapshot(opener) as pending:
        yield pending.pin()


def test_a_restored_dump_is_equal(pair: tuple[Opener, Opener]) -> None:
    steps: list[tuple[int, int]] = []
    report = compare(*pair, progress=lambda done, total: steps.append((done, total)))
    assert report.differences == ()
    assert (report.tables, report.sequences, report.large_objects) == (12, 3, 3)
    assert report.rows == 500 + 5 + 4 + 1 + 4 + 300 + 2
    assert report.size_bytes > 2**16
    assert steps[-1] == (24, 24)


@pytest.mark.parametrize(
    ("change", "table", "what"),
    [
        ("UPDATE partner SET name = 'name  7' WHERE id = 7", "public.partner", "contents"),
        ("UPDATE partner SET name = NULL WHERE id = 7", "public.partner", "contents"),
        ("UPDATE without_key SET b = '' WHERE b IS NULL", "public.without_key", "contents"),
        ("DELETE FROM partner WHERE id = 500", "public.partner", "rows"),
        ("INSERT INTO without_key VALUES (3, 'x')", "public.without_key", "rows"),
        ("UPDATE without_key SET a = 1, b = 'x' WHERE a = 3", "public.without_key", "contents"),
        ("INSERT INTO empty VALUES (1)", "public.empty", "rows"),
        ("UPDATE kinds SET f8 = 0 WHERE f8 = '-0'", "public.kinds", "contents"),
        ("UPDATE kinds SET f8 = 0.3 WHERE f8 = 0.1::float8 + 0.2::float8", "public.kinds", "contents"),
        ("UPDATE kinds SET n = 1.5 WHERE n = 1.5", "public.kinds", "contents"),
        ('UPDATE kinds SET j = \'{"a": 1, "a": 2}\' WHERE g = 17', "public.kinds", "contents"),
        ("UPDATE kinds SET b = '\\x00fe' WHERE length(b) = 2", "public.kinds", "contents"),
        ("UPDATE kinds SET ts = ts + interval '1 us' WHERE isfinite(ts)", "public.kinds", "contents"),
        ("UPDATE parted SET id = 0 WHERE id = 300", "public.parted_2", "contents"),
        ("UPDATE ONLY parent SET id = 9", "public.parent", "contents"),
        ("DELETE FROM child", "public.child", "rows"),
        ('UPDATE other."Un Logged" SET id = 8', 'other."Un Logged"', "contents"),
        ("ALTER TABLE one ADD COLUMN more int", "public.one", "columns"),
        ("DROP TABLE one", "public.one", "existence"),
        ("CREATE TABLE three ()", "public.three", "existence"),
        ("SELECT nextval('partner_id_seq')", "public.partner_id_seq", "value"),
        ("SELECT setval('untouched', 5)", "public.untouched", "value"),
        ("SELECT setval('untouched', 6, false)", "public.untouched", "value"),
        ("DROP SEQUENCE untouched", "public.untouched", "existence"),
        ("SELECT lo_put(4711, 5000, '\\x00')", "large objects", "contents"),
        ("SELECT lo_put(4712, 9003, '\\x00')", "large objects", "contents"),
        ("SELECT lo_unlink(4713)", "large objects", "rows"),
        ("SELECT lo_unlink(4713), lo_create(4714)", "large objects", "contents"),
    ],
)
@pytest.mark.parametrize("side", [0, 1])
def test_one_change_is_found_and_named(pair: tuple[Opener, Opener], side: int, change: str, table: str, what: str) -> None:
    with pair[side]() as connection:
        connection.execute(change.encode())
    report = compare(*pair)
    assert [(found.table, found.what) for found in report.differences] == [(table, what)]
    assert report.differences[0].source != report.differences[0].target


def test_tables_whose_names_read_alike_are_told_apart(pair: tuple[Opener, Opener]) -> None:
    for opened in pair:
        with opened() as connection:
            connection.execute('CREATE SCHEMA "a.b" CREATE TABLE c (id int)')
            connection.execute('CREATE SCHEMA a CREATE TABLE "b.c" (id int)')
            connection.execute('INSERT INTO "a.b".c VALUES (1)')
            connection.execute('INSERT INTO a."b.c" VALUES (2)')
    assert compare(*pair).differences == ()
    with pair[1]() as connection:
        connection.execute('UPDATE "a.b".c SET id = 2')
    assert [found.table for found in compare(*pair).differences] == ['"a.b".c']
    with pair[1]() as connection:
        connection.execute('UPDATE a."b.c" SET id = 1')
    assert {found.table for found in compare(*pair).differences} == {'"a.b".c', 'a."b.c"'}


def test_rows_swapped_between_tables_are_found_in_both(pair: tuple[Opener, Opener]) -> None:
    with pair[1]() as connection:
        connection.execute("UPDATE one SET name = 'zweite' WHERE id = 2")
        connection.execute("UPDATE two SET name = 'second' WHERE id = 2")
    assert [found.table for found in compare(*pair).differences] == ["public.one", "public.two"]


def test_order_and_place_of_rows_and_columns_do_not_matter(pair: tuple[Opener, Opener]) -> None:
    with pair[0]() as connection:
        connection.execute("CREATE TABLE swapped (name text, id int)")
        connection.execute("INSERT INTO swapped VALUES ('a', 1), ('b', 2)")
        connection.execute("UPDATE partner SET name = name")
    with pair[1]() as connection:
        connection.execute("CREATE TABLE swapped (id int, name text)")
        connection.execute("INSERT INTO swapped VALUES (2, 'b'), (1, 'a')")
    assert compare(*pair).equal


def test_what_is_written_after_the_moment_is_not_seen(pair: tuple[Opener, Opener]) -> None:
    source, target = pair
    with pinned(source) as one, pinned(target) as other:
        with target() as connection:
            connection.execute("INSERT INTO partner (name) VALUES ('late')")
            connection.execute("DELETE FROM without_key")
            connection.execute("SELECT nextval('untouched')")
            connection.execute("SELECT lo_unlink(4711)")
        assert database_proof.compare(doors(source), doors(target), (one, other)).equal
    assert len(compare(source, target).differences) == 5


def test_what_is_written_or_made_before_the_moment_is_seen_though_all_was_prepared(pair: tuple[Opener, Opener]) -> None:
    source, target = pair
    with database_proof.prepare_snapshot(source) as one, database_proof.prepare_snapshot(target) as other:
        with target() as connection:
            connection.execute("INSERT INTO partner (name) VALUES ('just in time')")
            connection.execute("CREATE TABLE three ()")
        report = database_proof.compare(doors(source), doors(target), (one.pin(), other.pin()))
    assert [found.table for found in report.differences] == ["public.partner", "public.three"]


def test_somebody_who_alters_a_table_is_not_waited_for_for_long(pair: tuple[Opener, Opener]) -> None:
    source, target = pair
    with target() as connection, connection.transaction():
        connection.execute("ALTER TABLE partner ADD COLUMN more int")
        with pytest.raises(Unavailable, match="lock timeout"), database_proof.prepare_snapshot(target):
            pass
    assert [found.what for found in compare(source, target).differences] == ["columns"]


def test_truncating_and_altering_wait_until_it_is_compared(pair: tuple[Opener, Opener]) -> None:
    source, target = pair
    done = threading.Event()

    def truncate() -> None:
        with target() as connection:
            connection.execute("TRUNCATE partner")
        done.set()

    writer = threading.Thread(target=truncate)
    with pinned(source) as one, pinned(target) as other:
        writer.start()
        with target() as connection:
            eventually(lambda: bool(connection.execute("SELECT FROM pg_locks WHERE NOT granted").fetchall()))
        assert database_proof.compare(doors(source), doors(target), (one, other)).equal
        assert not done.is_set()
    writer.join(timeout=20)
    assert done.is_set()


def test_a_target_in_use_may_have_gone_on_with_its_sequences(pair: tuple[Opener, Opener]) -> None:
    with pair[1]() as connection:
        connection.execute("SELECT nextval('partner_id_seq'), nextval('untouched'), nextval('other.\"Down\"')")
        connection.execute("CREATE SEQUENCE made_since")
    assert len(compare(*pair).differences) == 4
    assert compare(*pair, in_use=True).equal
    assert len(compare(*reversed(pair), in_use=True).differences) == 4


def test_a_table_is_read_in_one_pass_without_sorting_or_keeping_it(pair: tuple[Opener, Opener]) -> None:
    with pair[0]() as connection:
        columns, types = ["id", "name"], ["integer", "text"]
        connection.execute("SET work_mem = '64kB'")
        plan = connection.execute(b"EXPLAIN " + database_proof.hashing("public", "partner", columns, types).as_bytes())
        nodes = [row["QUERY PLAN"].strip(" ->").split("  ")[0] for row in plan]
    assert [node.split(" on ")[0] for node in nodes] == ["Aggregate", "Seq Scan"]


def test_a_binary_value_does_not_become_text_which_could_be_longer_than_a_text_may() -> None:
    statement = database_proof.hashing("public", "kinds", ["b", "j"], ["bytea", "json"]).as_string()
    assert 'ROW(md5("b"), "j")' in statement


def test_a_snapshot_whose_export_has_ended_and_a_server_that_is_gone_are_told(
    server_pair: tuple[Cluster, Cluster], pair: tuple[Opener, Opener]
) -> None:
    source, target = pair
    with pinned(source) as one:
        pass
    with pinned(target) as other, pytest.raises(PlatformError, match="closed"):
        database_proof.compare(doors(source), doors(target), (one, other))

    def cut(connection: Connection) -> None:
        with psycopg.connect(server_pair[1].conninfo(), autocommit=True) as admin:
            admin.execute("SELECT pg_terminate_backend(%s)", (connection.info.backend_pid,))

    broken = opener(server_pair[1], "filled", on_open=cut)
    with pytest.raises(Unavailable), pinned(broken):
        pass
