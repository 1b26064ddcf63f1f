"""A tenant's database moves to another server: how long that takes, and how long those who work have to wait."""

from __future__ import annotations

import os
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from psycopg import sql

from ansible_collections.saasodoo.platform.plugins.module_utils.pgbouncer.databases import PgBouncer
from ansible_collections.saasodoo.platform.plugins.module_utils.postgres.connection import Address, Connection
from ansible_collections.saasodoo.platform.plugins.module_utils.postgres.program import program_of
from ansible_collections.saasodoo.platform.plugins.module_utils.registry import connection as registry
from ansible_collections.saasodoo.platform.plugins.module_utils.secrets.platform_key import read_platform_key
from demo.timeline import wait_until
from tests.bench.comparison import Comparison, seconds_of
from tests.fixtures.platform import LocalPlatform
from tests.fixtures.tenants import Tenants
from tests.fixtures.writers import Load, Writer

_SIZES = (100, 1000)  # MB
_TABLES = 464  # with those of Odoo's base 600
_POOL = {"max_instances": 50, "cpu_limit": 1, "memory_limit": "1GB"}
_POOLS = [{"name": "pool-1", **_POOL}, {"name": "pool-2", **_POOL}]
_MAKE = """
DO $$ BEGIN FOR number IN 1..{tables} LOOP
    EXECUTE format('CREATE TABLE bench_%s (id serial PRIMARY KEY, name text, amount numeric, at timestamp, note text)', number);
END LOOP; END $$
"""
_FILL = """
DO $$ BEGIN FOR number IN 1..{tables} LOOP
    EXECUTE format('INSERT INTO bench_%s (name, amount, at, note)
        SELECT md5(i::text), i / 7.0, now(), repeat(md5((i * %s)::text), 4) FROM generate_series(1, {rows}) i', number, number);
    COMMIT;
END LOOP; END $$
"""
_BYTES_OF_A_ROW = 340  # with its part of the index, at most
_NEAR = 0.03
_SIZE = "SELECT pg_database_size(current_database()) / 1000000 AS megabytes"
_STEPS = """
SELECT step, (detail ->> 'seconds')::float AS seconds FROM ops.migration_steps WHERE state = 'done' AND detail ? 'seconds'
    AND migration_id = (SELECT id FROM ops.migrations WHERE tenant_id = %s ORDER BY started_at DESC LIMIT 1) ORDER BY id
"""


def run(platform: LocalPlatform) -> Iterator[Comparison | str]:
    """Move one database at each size in three ways. The published way is spared its stop, start and change of configuration."""
    pools = platform.play("postgres_pools", saasodoo_postgres_pools=_POOLS)
    assert pools.rc == 0, pools.text
    bench = _Bench(Tenants(platform))
    stalls = {}
    for megabytes in _SIZES:
        size = f"{bench.grow(megabytes)} MB in {_TABLES + 136} tables"
        online, offline = (bench.move(strategy) for strategy in ("online", "offline"))
        yield from bench.steps
        bench.steps.clear()
        published = bench.under_load(bench.published)
        stalls[megabytes] = online[1]
        for what, number in (("the whole", 0), ("longest wait of a writer", 1)):
            yield Comparison(f"{what}, {size}, online", [online[number]], "offline", [offline[number]])
            yield Comparison(f"{what}, {size}, online", [online[number]], "the published way", [published[number]])
    yield Comparison("longest wait of a writer, online, 1 GB", [stalls[1000]], "online, 100 MB", [stalls[100]])


class _Bench:
    """A tenant with a real Odoo, and one who writes through it all the time."""

    def __init__(self, tenants: Tenants) -> None:
        self.tenants, self.name = tenants, tenants.made()
        self.load = Load(tenants, self.name, lambda text: None)
        self.key = read_platform_key(tenants.platform_key_file)
        self.steps: list[str] = []
        with self.load.home() as database:
            self._as_tenant(database, _MAKE.format(tables=_TABLES))

    def _as_tenant(self, database: Connection, statement: str) -> None:
        role = sql.Identifier(self.tenants.record(self.name).database_name)
        database.execute(sql.SQL("SET ROLE {}").format(role))
        database.execute(statement.encode())
        database.execute("RESET ROLE")

    def grow(self, megabytes: int) -> int:
        """Fill the database up to about that, and return what it has now."""
        with self.load.home() as database:
            while (missing := megabytes - self._size(database)) > megabytes * _NEAR:
                rows = max(1, round(missing * 1_000_000 / _TABLES / _BYTES_OF_A_ROW))
                self._as_tenant(database, _FILL.format(tables=_TABLES, rows=rows))
            database.execute("VACUUM ANALYZE")
            return self._size(database)

    def _size(self, database: Connection) -> int:
        row = database.execute(_SIZE).fetchone()
        assert row is not None
        return int(row["megabytes"])

    def move(self, strategy: str) -> tuple[float, float]:
        """Move it by the playbook; return the seconds of the whole, and of the longest wait."""
        measured = self.under_load(lambda: self.tenants.do("migrate", self.name, strategy=strategy))
        with registry.connect(self.tenants.registry) as connection:
            rows = connection.execute(_STEPS, (self.tenants.record(self.name).id,)).fetchall()
        self.steps.append(f"  {strategy}, each step: " + ", ".join(f"{row['step']} {row['seconds']:.3f}" for row in rows))
        self.tenants.do("settle", self.name, let_go="true")
        return measured

    def under_load(self, act: Callable[[], object]) -> tuple[float, float]:
        """Return how long ``act`` takes, and how long the writer waits for one write at most, failed ones before it too."""
        user = self.tenants.log_in(self.name)
        writer = Writer("partners", lambda: user.create("res.partner", {"name": f"bench {uuid.uuid4()}"}))
        writer.start()
        try:
            writer.go_on(20)
            whole = seconds_of(act)
            writer.go_on(20)
        finally:
            writer.end()
        return whole, writer.stall

    def published(self) -> None:
        """Dump it to one file and restore that on the other server, while nobody writes."""
        database, home = self.tenants.record(self.name).database_name, self.load.server()
        with registry.connect(self.tenants.registry) as connection:
            rows = connection.execute("SELECT name, host, port FROM database.servers WHERE server_type = 'shared'").fetchall()
        source, target = sorted((Address(**row, key=self.key) for row in rows), key=lambda each: each.name != home.name)[:2]
        pooler = PgBouncer(self.tenants.local.home / "pgbouncer" / source.name)
        copy = sql.Identifier("published")
        with target.connect() as server, tempfile.TemporaryDirectory(prefix="saasodoo-bench-") as folder:
            wait_until("nobody writes", lambda: pooler.pause(database, 0.5))
            try:
                file = str(Path(folder) / "dump")
                _program(source, "pg_dump", "--format=custom", f"--file={file}", f"--dbname={database}")
                server.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(copy))
                _program(target, "pg_restore", "--no-owner", "--no-acl", "--dbname=published", file)
            finally:
                pooler.resume(database)
            server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(copy))


def _program(address: Address, name: str, *arguments: str) -> None:
    connection: dict[str, Any] = {"PGHOST": address.host, "PGPORT": str(address.port), "PGUSER": "saasodoo_admin"}
    environment = os.environ | connection | {"PGPASSWORD": address.password}
    subprocess.run([program_of(address, name), *arguments], env=environment, check=True)
