"""A PgBouncer's clients while their database goes to another server: they wait a moment, and nothing else happens to them."""

from __future__ import annotations

import ctypes
import itertools
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from psycopg import sql

from ansible_collections.saasodoo.platform.plugins.module_utils.errors import NotFound, Unavailable
from tests.fixtures.pooler import Pooler, make_tenant
from tests.fixtures.postgres import Cluster
from tests.fixtures.reporting import Report
from tests.fixtures.waiting import eventually

_numbers = itertools.count(1)


def ask(server: Cluster, database: str, query: str) -> list[tuple[int]]:
    with psycopg.connect(server.conninfo(database), autocommit=True) as admin:
        return admin.execute(query.encode()).fetchall()


def fence(server: Cluster, name: str) -> None:
    """Shut the old server to the tenant's role, as a migration does."""
    with psycopg.connect(server.conninfo(), autocommit=True) as admin:
        admin.execute(sql.SQL("ALTER ROLE {} NOLOGIN").format(sql.Identifier(name)))
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", (name,))


class Writer(threading.Thread):
    """Inserts one row after the other, each a transaction, and remembers which were acknowledged."""

    def __init__(self, pooler: Pooler, database: str, number: int) -> None:
        super().__init__()
        self._pooler, self._database, self._number = pooler, database, number
        self.acknowledged: list[int] = []
        self.errors: list[str] = []
        self.stall = 0.0
        self.stopped = threading.Event()

    def run(self) -> None:
        try:
            with self._pooler.connect(self._database) as connection:
                for number in itertools.count(self._number * 1_000_000):
                    if self.stopped.is_set():
                        return
                    begin = time.monotonic()
                    connection.execute("INSERT INTO written VALUES (%s)", (number,))
                    self.stall = max(self.stall, time.monotonic() - begin)
                    self.acknowledged.append(number)
        except psycopg.Error as error:
            self.errors.append(str(error))


@contextmanager
def writing(pooler: Pooler, database: str, count: int = 4) -> Iterator[list[Writer]]:
    """Have clients write as long as the block goes."""
    writers = [Writer(pooler, database, number) for number in range(count)]
    for writer in writers:
        writer.start()
    try:
        eventually(lambda: all(len(writer.acknowledged) > 20 for writer in writers))
        yield writers
        reached = {writer: len(writer.acknowledged) for writer in writers}
        eventually(lambda: all(writer.errors or len(writer.acknowledged) > reached[writer] + 20 for writer in writers))
    finally:
        for writer in writers:
            writer.stopped.set()
        for writer in writers:
            writer.join(timeout=30)


def check(writers: list[Writer], servers: tuple[Cluster, ...], database: str) -> list[int]:
    """No error, and each acknowledged row is on exactly one server; return how many are on each."""
    assert [error for writer in writers for error in writer.errors] == []
    found = [[row[0] for row in ask(server, database, "SELECT id FROM written")] for server in servers]
    assert sorted(itertools.chain(*found)) == sorted(number for writer in writers for number in writer.acknowledged)
    return [len(rows) for rows in found]


@pytest.fixture
def tenant(server_pair: tuple[Cluster, Cluster], pooler: Pooler) -> str:
    """A tenant's database on both servers; PgBouncer leads to the first."""
    name = f"odoo_switch_{next(_numbers)}"
    for server in server_pair:
        make_tenant(server, name)
        with psycopg.connect(server.conninfo(name), autocommit=True) as admin:
            admin.execute("CREATE TABLE written (id bigint)")
            admin.execute("GRANT ALL ON written TO PUBLIC")
    pooler.add(server_pair[0], name)
    return name


def where(pooler: Pooler, tenant: str) -> int:
    with pooler.connect(tenant) as client:
        row = client.execute("SELECT current_setting('port')::int").fetchone()
    assert row is not None
    return int(row[0])


def test_clients_that_write_all_along_notice_nothing(
    server_pair: tuple[Cluster, Cluster], pooler: Pooler, tenant: str, report: Report
) -> None:
    source, target = server_pair
    with writing(pooler, tenant) as writers:
        assert not pooler.control.is_paused(tenant)
        begin = time.monotonic()
        assert pooler.control.pause(tenant, 10)
        paused = time.monotonic()
        assert pooler.control.is_paused(tenant)
        fence(source, tenant)
        fenced = time.monotonic()
        pooler.control.route(tenant, "127.0.0.1", target.port, resume=True)
        routed = time.monotonic()
        assert not pooler.control.is_paused(tenant)
    on_source, on_target = check(writers, server_pair, tenant)
    assert min(on_source, on_target) > 0
    parts = {"pause": paused - begin, "fence": fenced - paused, "route and resume": routed - fenced}
    shown = ", ".join(f"{name} {seconds * 1000:.1f} ms" for name, seconds in parts.items())
    report(f"longest stall {max(writer.stall for writer in writers) * 1000:.0f} ms ({shown})")
    for name in (tenant, f"{tenant}__session"):
        assert pooler.control.destination(name) == ("127.0.0.1", target.port) == pooler.control.databases()[name]


def test_again_and_back_changes_nothing_else(server_pair: tuple[Cluster, Cluster], pooler: Pooler, tenant: str) -> None:
    files = [pooler.folder / name for name in ("databases.ini", "userlist.txt")]
    before = [file.read_text(encoding="utf-8") for file in files]
    for server in (server_pair[1], server_pair[1], server_pair[0]):
        for _ in range(2):
            assert pooler.control.pause(tenant, 10)
        pooler.control.route(tenant, "127.0.0.1", server.port)
        for _ in range(2):
            pooler.control.resume(tenant)
        assert where(pooler, tenant) == server.port
    assert [file.read_text(encoding="utf-8") for file in files] == before


def test_a_long_transaction_ends_the_pause_and_is_not_hurt(
    server_pair: tuple[Cluster, Cluster], pooler: Pooler, tenant: str
) -> None:
    with pooler.connect(tenant) as long, writing(pooler, tenant) as writers, long.transaction():
        long.execute("INSERT INTO written VALUES (-1)")
        assert not pooler.control.pause(tenant, 0.3)
        assert not pooler.control.console.paused()
        writers[0].acknowledged.append(-1)
    check(writers, server_pair, tenant)
    assert pooler.control.pause(tenant, 10)


@contextmanager
def slow_logins(server: Cluster) -> Iterator[None]:
    """Let each new connection to the server take a second."""

    def delay(seconds: int) -> None:
        with psycopg.connect(server.conninfo(), autocommit=True) as admin:
            admin.execute(sql.SQL("ALTER SYSTEM SET post_auth_delay = {}").format(seconds))
            admin.execute("SELECT pg_reload_conf()")

    delay(1)
    try:
        yield
    finally:
        delay(0)


@pytest.mark.parametrize(("timeout", "complete"), [(0.2, False), (10, True)])
def test_a_pause_cuts_no_login_off_which_would_drop_clients_afterwards(
    server_pair: tuple[Cluster, Cluster], pooler: Pooler, tenant: str, timeout: float, complete: bool
) -> None:
    source, target = server_pair
    with pooler.connect(tenant) as first, pooler.connect(tenant) as second, slow_logins(source):
        with first.transaction():
            first.execute("INSERT INTO written VALUES (1)")
            asking = threading.Thread(target=lambda: second.execute("INSERT INTO written VALUES (2)"))
            asking.start()
            eventually(lambda: pooler.control.console.servers([tenant], "login") == 1)
        assert pooler.control.pause(tenant, timeout) is complete
        if complete:
            pooler.control.route(tenant, "127.0.0.1", target.port)
            pooler.control.resume(tenant)
        first.execute("INSERT INTO written VALUES (3)")
        asking.join(timeout=20)
        second.execute("INSERT INTO written VALUES (4)")
    found = [sorted(ask(server, tenant, "SELECT id FROM written")) for server in server_pair]
    assert found == ([[(1,), (2,)], [(3,), (4,)]] if complete else [[(1,), (2,), (3,), (4,)], []])


def test_what_a_run_killed_in_a_pause_left_is_mended_by_resuming(pooler: Pooler, tenant: str) -> None:
    file = pooler.folder / "databases.ini"
    before = file.read_text(encoding="utf-8")
    file.write_text(before.replace("\n", " pool_size=0\n"), encoding="utf-8")
    pooler.control.console.ask("RELOAD")
    assert {row["pool_size"] for name, row in pooler.control.console.databases().items() if tenant in name} == {"0"}
    pooler.control.resume(tenant)
    assert file.read_text(encoding="utf-8") == before
    assert pooler.control.console.databases()[tenant]["pool_size"] == "8"


def test_a_listener_is_dropped_by_the_fence_and_waits_for_the_new_server(
    server_pair: tuple[Cluster, Cluster], pooler: Pooler, tenant: str
) -> None:
    source, target = server_pair
    alias = f"{tenant}__session"
    heard: list[str] = []
    dropped = threading.Event()
    ports: list[int] = []

    def listen() -> None:
        try:
            with pooler.connect(tenant, session=True) as first:
                first.execute("LISTEN bus")
                ports.append(source.port)
                list(first.notifies(timeout=30))
        except psycopg.OperationalError:
            dropped.set()
        with pooler.connect(tenant, session=True) as second:  # once, as Odoo's cron thread: a refusal ends it
            row = second.execute("SELECT current_setting('port')::int").fetchone()
            second.execute("LISTEN bus")
            ports.append(row[0] if row else 0)
            heard.extend(note.payload for note in second.notifies(timeout=30, stop_after=1))

    listener = threading.Thread(target=listen)
    listener.start()
    try:
        eventually(lambda: ports == [source.port])
        assert pooler.control.pause(tenant, 10)
        assert not dropped.is_set()
        fence(source, tenant)
        assert dropped.wait(20)
        eventually(lambda: pooler.waiting(alias) == 1)
        pooler.control.route(tenant, "127.0.0.1", target.port)
        assert pooler.waiting(alias) == 1
        pooler.control.resume(tenant)
        eventually(lambda: ports == [source.port, target.port])
        with pooler.connect(tenant) as speaker:
            speaker.execute("NOTIFY bus, 'hello'")
        eventually(lambda: heard == ["hello"])
    finally:
        listener.join(timeout=40)


def test_a_client_that_connects_meanwhile_waits_too(server_pair: tuple[Cluster, Cluster], pooler: Pooler, tenant: str) -> None:
    assert pooler.control.pause(tenant, 10)
    fence(server_pair[0], tenant)
    found: list[int] = []
    client = threading.Thread(target=lambda: found.append(where(pooler, tenant)))
    client.start()
    eventually(lambda: pooler.waiting(tenant) == 1)
    pooler.control.route(tenant, "127.0.0.1", server_pair[1].port)
    pooler.control.resume(tenant)
    client.join(timeout=30)
    assert found == [server_pair[1].port]


def test_another_tenants_open_sessions_do_not_hold_a_pause_up(
    server_pair: tuple[Cluster, Cluster], pooler: Pooler, tenant: str
) -> None:
    other = f"odoo_switch_{next(_numbers)}"
    make_tenant(server_pair[0], other)
    pooler.add(server_pair[0], other)
    with pooler.connect(other, session=True) as listener, pooler.connect(tenant) as client:
        listener.execute("LISTEN bus")
        assert pooler.control.pause(other, 10)
        client.execute("SELECT 1")
        assert pooler.control.pause(tenant, 10)
        pooler.control.resume(other)
        assert pooler.control.is_paused(tenant)
        pooler.control.resume(tenant)
        assert (client.execute("SELECT 1").fetchone(), listener.execute("SELECT 1").fetchone()) == ((1,), (1,))


def test_without_a_pause_idle_connections_to_the_old_server_are_not_used_again(
    server_pair: tuple[Cluster, Cluster], pooler: Pooler, tenant: str
) -> None:
    source, target = server_pair
    with pooler.connect(tenant) as client, pooler.connect(tenant) as slow:
        with slow.transaction():
            slow.execute("INSERT INTO written VALUES (1)")
            client.execute("INSERT INTO written VALUES (2)")
            pooler.control.route(tenant, "127.0.0.1", target.port)
            client.execute("INSERT INTO written VALUES (3)")
            slow.execute("INSERT INTO written VALUES (4)")
        for number in range(5, 9):
            slow.execute("INSERT INTO written VALUES (%s)", (number,))
    assert sorted(ask(source, tenant, "SELECT id FROM written")) == [(1,), (2,), (4,)]
    assert sorted(ask(target, tenant, "SELECT id FROM written")) == [(3,), (5,), (6,), (7,), (8,)]


def test_one_killed_while_paused_forgets_the_pause_and_leads_where_its_files_say(
    server_pair: tuple[Cluster, Cluster], pooler: Pooler, tenant: str
) -> None:
    source, target = server_pair
    assert pooler.control.pause(tenant, 10)
    pooler.kill()
    with pytest.raises(Unavailable):
        pooler.control.console.ask("SHOW VERSION", patience=0)
    pooler.start()
    assert not pooler.control.is_paused(tenant)
    pooler.control.resume(tenant)
    assert where(pooler, tenant) == source.port
    assert pooler.control.pause(tenant, 10)
    fence(source, tenant)
    restart = threading.Timer(0.5, pooler.start)
    pooler.kill()
    restart.start()
    pooler.control.route(tenant, "127.0.0.1", target.port)
    restart.join()
    pooler.control.resume(tenant)
    assert where(pooler, tenant) == target.port


def test_a_run_killed_between_file_and_reload_is_mended_by_the_next(
    server_pair: tuple[Cluster, Cluster], pooler: Pooler, tenant: str
) -> None:
    source, target = server_pair
    file = pooler.folder / "databases.ini"
    file.write_text(file.read_text().replace(f"port={source.port}", f"port={target.port}"), encoding="utf-8")
    assert pooler.control.destination(tenant) == ("127.0.0.1", source.port)
    assert pooler.control.databases()[tenant] == ("127.0.0.1", target.port)
    pooler.control.route(tenant, "127.0.0.1", target.port)
    assert pooler.control.destination(tenant) == ("127.0.0.1", target.port)
    assert where(pooler, tenant) == target.port


def test_a_database_nobody_knows(pooler: Pooler) -> None:
    pooler.control.resume("odoo_unknown")
    assert pooler.control.destination("odoo_unknown") is None
    assert not pooler.control.is_paused("odoo_unknown")
    assert pooler.control.databases() == {}
    with pytest.raises(NotFound):
        pooler.control.pause("odoo_unknown", 1)
    with pytest.raises(NotFound):
        pooler.control.route("odoo_unknown", "127.0.0.1", 1)


def test_a_process_that_asks_the_console_still_ends_with_its_parent(pooler: Pooler) -> None:
    """Asking takes another user's rights for a moment, at which the kernel forgets the death signal of task workers."""
    libc, death_signal = ctypes.CDLL(None), ctypes.c_int()
    libc.prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG
    try:
        pooler.control.console.ask("SHOW VERSION")
        libc.prctl(2, ctypes.byref(death_signal))  # PR_GET_PDEATHSIG
    finally:
        libc.prctl(1, 0)
    assert death_signal.value == signal.SIGTERM
