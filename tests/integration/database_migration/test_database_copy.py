"""Whole databases to another server and back into an empty one; what is broken off is reported, and leaves nothing running."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from psycopg import sql

from ansible_collections.saasodoo.platform.plugins.module_utils.database_migration import (
    dump as database_copy,
)
from ansible_collections.saasodoo.platform.plugins.module_utils.database_migration import (
    empty_database,
    schema_fingerprint,
)
from ansible_collections.saasodoo.platform.plugins.module_utils.errors import Conflict, NotFound, PlatformError, Unavailable
from ansible_collections.saasodoo.platform.plugins.module_utils.odoo import database as odoo_database
from ansible_collections.saasodoo.platform.plugins.module_utils.postgres import sequences
from ansible_collections.saasodoo.platform.plugins.module_utils.postgres.connection import Address
from ansible_collections.saasodoo.platform.plugins.module_utils.postgres.deputy import Deputy
from ansible_collections.saasodoo.platform.plugins.module_utils.postgres.program import program_of
from ansible_collections.saasodoo.platform.plugins.module_utils.secrets.scram import make_verifier
from tests.fixtures.moves import Move, rows
from tests.fixtures.pools import KEY, Pool
from tests.fixtures.processes import command, family
from tests.fixtures.waiting import eventually

#: Enough to be caught in the middle of: random text, which does not compress, in a table of its own.
LARGE = """
CREATE TABLE large (id serial PRIMARY KEY, text text);
INSERT INTO large (text) SELECT string_agg(md5(random()::text), '') FROM generate_series(1, 20000) r,
generate_series(1, 30) GROUP BY r;
"""
DOUBLE = "INSERT INTO large (text) SELECT text FROM large"
#: Dumps or loads in a process of its own, says so, and tells the process ids of what it has started.
PROGRAM = """
import signal
import sys
from pathlib import Path
from ansible_collections.saasodoo.platform.plugins.module_utils.database_migration import dump as database_copy
from ansible_collections.saasodoo.platform.plugins.module_utils.postgres.connection import Address
from ansible_collections.saasodoo.platform.plugins.module_utils.postgres.deputy import Deputy
signal.signal(signal.SIGINT, signal.default_int_handler)  # tests that run in the background have it ignored
verb, port, name, database, folder = sys.argv[1:]
address = Address("127.0.0.1", int(port), name, bytes(range(32)))
at_progress = lambda figures: print(figures, flush=True)
getattr(database_copy, verb)(Deputy(address, database), Path(folder), report=at_progress)
"""
SESSIONS = "SELECT pid FROM pg_stat_activity WHERE application_name IN ('pg_dump', 'pg_restore', 'vacuumdb') AND datname = %s"
COPYING = "SELECT pid FROM pg_stat_activity WHERE datname = %s AND query LIKE 'COPY public.large%%' AND state = 'active'"
SETTINGS = """
ALTER DATABASE {0} SET search_path = "$user", public, "Odd, One";
ALTER DATABASE {0} SET statement_timeout = '5min';
ALTER DATABASE {0} CONNECTION LIMIT 17;
ALTER ROLE {0} SET work_mem = '7MB';
ALTER ROLE {0} IN DATABASE {0} SET saasodoo.mark = 'it''s = so';
"""
ABOUT = """
SELECT pg_encoding_to_char(encoding) AS encoding, datcollate, datctype, datlocprovider, datconnlimit,
    pg_get_userbyid(datdba) AS owner, datacl::text AS access,
    (SELECT array_agg(s::text ORDER BY s::text) FROM (SELECT setdatabase <> 0, setrole <> 0, setconfig FROM pg_db_role_setting
        WHERE setdatabase = d.oid OR setrole = (SELECT oid FROM pg_roles WHERE rolname = datname)) AS s) AS settings,
    (SELECT to_jsonb(r) - 'oid' FROM pg_roles r WHERE rolname = datname) AS role
FROM pg_database d WHERE datname = %s
"""


def one(address: Address, query: str, database: str) -> dict[str, Any] | None:
    with address.connect() as server:
        return server.execute(query, (database,)).fetchone()


def make_there(move: Move) -> None:
    shape = empty_database.read_shape(move.one.address, move.name)
    empty_database.create_empty(move.other.address, move.name, shape, make_verifier("secret"), 20)


def enlarge(move: Move) -> None:
    with move.one.session(move.name) as tenant:
        tenant.execute(LARGE)
        for _ in range(3):
            tenant.execute(DOUBLE)


def begun(verb: str, pool: Pool, move: Move) -> subprocess.Popen[str]:
    """Start it in a process of its own and wait until it is in the middle: some bytes are through."""
    arguments = [verb, str(pool.address.port), pool.address.name, move.name, str(move.folder)]
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(PROGRAM), *arguments], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for line in process.stdout:
        if "'bytes_done': 0," not in line:
            return process
    pytest.fail("it has reported nothing")


def children(pid: int) -> set[int]:
    """Return the processes below one."""
    return set(family(pid)[1:])


def commands(pids: set[int]) -> list[str]:
    """Return the command lines of those that still run."""
    return [" ".join(words) for pid in pids if (words := command(pid))]


@contextmanager
def stopped_copy(pool: Pool, database: str) -> Iterator[None]:
    """Hold the server's session that copies the large table."""
    row = one(pool.address, COPYING, database)
    assert row is not None
    os.kill(row["pid"], signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(row["pid"], signal.SIGCONT)


def gone(pids: set[int]) -> bool:
    return not any(Path(f"/proc/{pid}").exists() for pid in pids)


def idle(pool: Pool, database: str) -> bool:
    return one(pool.address, SESSIONS, database) is None


def test_a_copy_is_like_the_original(move: Move) -> None:
    with move.one.address.connect() as server:
        server.execute(sql.SQL(SETTINGS).format(sql.Identifier(move.name)))
        odoo_database.write_role(server, move.name, make_verifier("secret"), 20)
        odoo_database.protect(server, move.name, move.name)
    with move.one.session(move.name) as tenant:
        tenant.execute("SELECT lo_from_bytea(4711, 'a large object'), nextval('ir_sequence_001')")
    reported: list[dict[str, Any]] = []
    made = database_copy.dump(move.source, move.folder, report=reported.append)
    assert database_copy.read_dump(move.folder) == made
    assert made.stored > 1000
    make_there(move)
    database_copy.load(move.target, move.folder, report=reported.append)
    assert one(move.one.address, ABOUT, move.name) == one(move.other.address, ABOUT, move.name)
    with move.connections() as (source, target):
        assert rows(source) == rows(target)
        assert schema_fingerprint.schema_fingerprint(source) == schema_fingerprint.schema_fingerprint(target)
        assert sequences.read_sequences(source) == sequences.read_sequences(target)
        owners = "SELECT nspname, pg_get_userbyid(nspowner) AS owner FROM pg_namespace WHERE nspname !~ '^pg_' ORDER BY 1"
        assert source.execute(owners).fetchall() == target.execute(owners).fetchall()
        assert target.execute("SELECT lo_get(4711) AS o").fetchone() == {"o": b"a large object"}
        assert target.execute("SELECT 1 FROM pg_statistic WHERE starelid = 'partner'::regclass").fetchone()
        counted = target.execute(
            "SELECT count(*) AS n FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
        )
        assert counted.fetchone() == {"n": made.tables}
    for phase in ("dump", "load"):
        last = [each for each in reported if each["phase"] == phase][-1]
        assert (last["tables_done"], last["bytes_done"]) == (made.tables, made.bytes)
    with move.other.session(move.name) as tenant:
        tenant.execute("INSERT INTO partner (name) VALUES ('there'); CREATE TABLE own (id int)")


def test_a_dump_is_of_its_snapshot(move: Move) -> None:
    with move.one.superuser(move.name) as source:
        with source.transaction():
            row = source.execute("SELECT pg_export_snapshot() AS name").fetchone()
            assert row is not None
            with move.one.session(move.name) as tenant:
                tenant.execute("DELETE FROM partner")
            database_copy.dump(move.source, move.folder, snapshot=row["name"])
        with pytest.raises(PlatformError, match=r"pg_dump failed on server pool-a.*snapshot"):
            database_copy.dump(move.source, move.folder, snapshot="00000003-0000001B-1")
    assert not database_copy.is_dumped(move.folder)
    assert not list(move.folder.glob("*.dat.gz"))


def test_a_snapshots_rows_are_loaded(move: Move) -> None:
    with move.one.superuser(move.name) as source, source.transaction():
        row = source.execute("SELECT pg_export_snapshot() AS name").fetchone()
        assert row is not None
        with move.one.session(move.name) as tenant:
            tenant.execute("DELETE FROM partner")
        database_copy.dump(move.source, move.folder, snapshot=row["name"])
    make_there(move)
    database_copy.load(move.target, move.folder)
    with move.other.superuser(move.name) as target:
        assert target.execute("SELECT count(*) AS n FROM partner").fetchone() == {"n": 500}


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_dump_ends_with_who_asked_for_it(move: Move, how: signal.Signals) -> None:
    enlarge(move)
    process = begun("dump", move.one, move)
    started = children(process.pid)
    assert started
    with stopped_copy(move.one, move.name):  # or it might end well by itself before anybody looks
        process.send_signal(how)
        process.communicate(timeout=30)
        eventually(lambda: gone(started), "a program goes on alone")
    eventually(lambda: idle(move.one, move.name), "a session goes on alone")
    assert not database_copy.is_dumped(move.folder)
    with pytest.raises(NotFound, match="no complete dump"):
        database_copy.load(move.target, move.folder)
    database_copy.dump(move.source, move.folder)
    assert database_copy.is_dumped(move.folder)


def test_a_load_that_was_killed_is_made_again(move: Move) -> None:
    enlarge(move)
    database_copy.dump(move.source, move.folder)
    make_there(move)
    process = begun("load", move.other, move)
    started = children(process.pid)
    process.kill()
    process.communicate(timeout=30)
    eventually(lambda: gone(started), "a program goes on alone")
    with pytest.raises(Conflict, match="is there already"):
        make_there(move)
    with move.other.address.connect() as server:
        odoo_database.remove(server, move.name)
        odoo_database.remove(server, move.name)
    make_there(move)
    database_copy.load(move.target, move.folder)
    with move.connections() as (source, target):
        assert rows(source) == rows(target)


def test_a_password_is_nowhere_to_be_seen(move: Move) -> None:
    enlarge(move)
    process = begun("dump", move.one, move)
    arguments = commands(children(process.pid))
    process.kill()
    process.communicate(timeout=30)
    eventually(lambda: idle(move.one, move.name), "a session goes on alone")
    assert any("pg_dump" in each for each in arguments)
    assert not any(move.one.address.password in each for each in arguments)
    assert move.one.address.password not in move.one.log()


def test_an_error_while_it_is_told_how_far_it_is_ends_it(move: Move) -> None:
    enlarge(move)

    def at_progress(figures: dict[str, Any]) -> None:
        if figures["bytes_done"]:
            assert any("pg_dump" in each for each in commands(children(os.getpid())))
            raise InterruptedError

    with pytest.raises(InterruptedError):
        database_copy.dump(move.source, move.folder, report=at_progress)
    assert not any("pg_dump" in each for each in commands(children(os.getpid())))
    eventually(lambda: idle(move.one, move.name), "a session goes on alone")
    assert not database_copy.is_dumped(move.folder)


def test_a_server_that_dies_is_told(move: Move) -> None:
    enlarge(move)

    def at_progress(figures: dict[str, Any]) -> None:
        if figures["bytes_done"]:
            move.one.cluster.kill()

    try:
        with pytest.raises((Unavailable, PlatformError)) as raised:
            database_copy.dump(move.source, move.folder, report=at_progress)
        assert "pool-a" in str(raised.value)
        assert move.one.address.password not in str(raised.value)
    finally:
        move.one.cluster.kill()
        move.one.cluster.start()
    assert not database_copy.is_dumped(move.folder)


def test_what_does_not_fit_is_told_with_the_servers_words(move: Move) -> None:
    database_copy.dump(move.source, move.folder)
    make_there(move)
    with move.other.superuser(move.name) as target:
        target.execute("CREATE TABLE partner (other int)")
    with pytest.raises(PlatformError, match=r"pg_restore failed on server pool-b(.|\n)*already exists"):
        database_copy.load(move.target, move.folder)


def test_programs_are_of_the_servers_version(move: Move, tmp_path: Path) -> None:
    with move.one.address.connect() as server:
        major = server.info.server_version // 10000
    assert program_of(move.one.address, "pg_dump").parts[-3] == str(major)
    with pytest.raises(NotFound, match=f"pg_dump {major} is not installed"):
        program_of(move.one.address, "pg_dump", tmp_path)
    with pytest.raises(Unavailable):
        database_copy.dump(Deputy(Address("127.0.0.1", 1, "nowhere", KEY), move.name), move.folder)


def test_no_shape_of_no_database(move: Move) -> None:
    with pytest.raises(NotFound):
        empty_database.read_shape(move.one.address, "no_such_database")
