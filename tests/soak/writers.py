"""Who writes into the tenants all the time, through PgBouncer and through Odoo, and what was acknowledged to them.

Whoever is refused, or cut off, connects anew and writes something new: what is not acknowledged may be there once, or not at all.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import psycopg

from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant.tenant import Tenant
from ansible_collections.saasodoo.platform.plugins.module_utils.errors import PlatformError
from ansible_collections.saasodoo.platform.plugins.module_utils.secrets.platform_key import derive
from demo.odoo import Odoo, User
from tests.fixtures.customers import insist
from tests.fixtures.pools import superuser
from tests.fixtures.writers import Writer
from tests.soak.content import Work
from tests.soak.ground import Ground

_TABLE = "CREATE TABLE IF NOT EXISTS soak_notes (note text NOT NULL)"
_NOTE = "INSERT INTO soak_notes VALUES (%s)"
_FOUND = "SELECT note FROM soak_notes UNION ALL SELECT name FROM res_partner WHERE name LIKE 'soak %'"
_PRINT = "SELECT count(*) || ' rows, ' || md5(coalesce(string_agg(t::text, ',' ORDER BY t::text COLLATE \"C\"), '')) FROM {} AS t"
_PAUSE = 0.2  # seconds between two writes


@dataclass
class Book:
    """One tenant's writers, what was acknowledged to them, and what its odd tables hold by what was acknowledged of these."""

    ground: Ground
    name: str
    notes: list[str] = field(default_factory=list)
    tables: dict[str, str] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    _busy: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def writing(self, *, odoo: bool) -> Iterator[None]:
        """Let them write during the block."""
        clients: list[_Sql | _Rpc] = [_Sql(self.ground, self.name)]
        if odoo:
            clients.append(_Rpc(self.ground, self.name))
        writers = [Writer(f"{self.name} {type(each).__name__}", each.write, _PAUSE) for each in clients]
        for writer in writers:
            writer.start()
        try:
            yield
        finally:
            for writer, client in zip(writers, clients, strict=True):
                writer.end()
                client.close()
                self.notes += writer.acknowledged
                self.failures += writer.failures

    def work(self, work: Work) -> str:
        """Do as the tenant likes with its database; say what came of it."""
        with self._busy:
            table = work.table or (list(self.tables)[work.which % len(self.tables)] if self.tables else "")
            if not table:
                return "nothing is there to change"
            try:
                return self._work(work, table)
            except psycopg.OperationalError as error:  # whether it was committed, nobody knows
                self.tables.pop(table, None)
                return f"cut off: {error}"
            except psycopg.Error as error:
                return f"refused: {error}"

    def _work(self, work: Work, table: str) -> str:
        client = _Sql(self.ground, self.name)
        try:
            connection = client.connect()
            with connection.transaction():
                for statement in work.statements or (work.change.replace("{table}", table),):
                    connection.execute(statement.encode())
                time.sleep(work.seconds)
            self.tables.pop(table, None)
            if work.change.startswith("DROP"):
                return "dropped"
            self.tables[table] = fingerprint(connection, table)
            return f"done: {self.tables[table]}"
        finally:
            client.close()

    def problems(self) -> list[str]:
        """Name what is lost, doubled or different, in the database where the registry says that it is."""
        record = self.ground.tenants.record(self.name)
        with superuser(self.ground.address(self.ground.home_of(self.name)), record.database_name, wait=60) as database:
            found = Counter(row["note"] for row in database.execute(_FOUND))
            lost = [note for note in self.notes if note not in found]
            doubled = [note for note, times in found.items() if times > 1]
            wrong = [f"{len(lost)} of {len(self.notes)} acknowledged writes are lost: {lost[:3]}"] * bool(lost)
            wrong += [f"{len(doubled)} writes are doubled: {doubled[:3]}"] * bool(doubled)
            for table, before in self.tables.items():
                try:
                    now = fingerprint(database, table)
                except psycopg.Error as error:
                    now = str(error)
                wrong += [f"table {table} has {now} instead of {before}"] * (now != before)
        return [f"{self.name}: {each}" for each in wrong]


def fingerprint(connection: psycopg.Connection[Any], table: str) -> str:
    """Return how many rows it has and a hash of them, the same wherever it is asked."""
    with connection.transaction():
        connection.execute("SET LOCAL TimeZone = 'UTC'")
        row = connection.execute(_PRINT.format(table).encode()).fetchone()
    assert row is not None
    return str(next(iter(row.values())) if isinstance(row, dict) else row[0])


class _Sql:
    """Comes through the PgBouncer of the server that the tenant lives on, as its role."""

    def __init__(self, ground: Ground, name: str) -> None:
        record, home = insist(lambda: ground.tenants.record(name)), insist(lambda: ground.home_of(name))
        assert record is not None
        assert home is not None
        self._ground, self._record, self._port = ground, record, home.pooler_port
        self._password = derive(ground.key, str(self._record.id), "database", self._record.secret_generation)
        self._connection: psycopg.Connection[Any] | None = None

    def connect(self) -> psycopg.Connection[Any]:
        with suppress(PlatformError, AssertionError):  # while the registry is away, or has no place for it any more: where it was
            self._port = self._ground.home_of(str(self._record.id)).pooler_port
        name = self._record.database_name
        self._connection = psycopg.connect(
            host="127.0.0.1", port=self._port, dbname=name, user=name, password=self._password, connect_timeout=10,
            autocommit=True, prepare_threshold=None,
        )  # fmt: skip
        return self._connection

    def write(self) -> str:
        note = f"sql {uuid.uuid4()}"
        try:
            if self._connection is None:
                self.connect().execute(_TABLE)
            assert self._connection is not None
            self._connection.execute(_NOTE, (note,))
        except psycopg.Error:
            self.close()
            raise
        return note

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None


class _Rpc:
    """Comes through proxy and Odoo, as the administrator."""

    def __init__(self, ground: Ground, name: str) -> None:
        self._ground, self._record = ground, ground.tenants.record(name)
        self._user: User | None = None

    def write(self) -> str:
        note = f"soak {uuid.uuid4()}"
        if self._user is None:
            self._user = _log_in(self._ground, self._record)
        self._user.create("res.partner", {"name": note})
        return note

    def close(self) -> None:
        if self._user is not None:
            self._user.odoo.__exit__(None, None, None)


def _log_in(ground: Ground, record: Tenant) -> User:
    """Log in without the registry, which may be away."""
    host = f"{record.subdomain}.{ground.shop.base_domain}:{ground.shop.proxy_port}"
    odoo = Odoo(f"http://127.0.0.1:{ground.shop.proxy_port}", record.database_name, host=host)
    return odoo.log_in("admin", derive(ground.key, str(record.id), "odoo-admin", record.secret_generation))
