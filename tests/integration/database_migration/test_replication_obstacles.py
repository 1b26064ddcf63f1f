"""Which keyless tables can be replicated: what the catalog says of any type, held against what the server itself can compare."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator

import psycopg
import pytest

from ansible_collections.saasodoo.platform.plugins.module_utils.database_migration.replication_obstacles import obstacles
from ansible_collections.saasodoo.platform.plugins.module_utils.postgres.connection import AsServer, Connection
from tests.fixtures.pools import Pool
from tests.fixtures.reporting import Report

_SEED = int(os.environ.get("SAASODOO_TYPES_SEED", str(time.time_ns() % 1_000_000)))
_SIMPLE = (
    "int", "text", "varchar(9)", "char(3)", "bool", "numeric(9,2)", "float8", "bytea", "uuid", "date", "timestamptz", "interval",
    "inet", "cidr", "macaddr", "jsonb", "json", "xml", "point", "box", "circle", "path", "bit(3)", "varbit", "money", "tsvector",
    "tsquery", "int4range", "nummultirange", "oidvector", "int2vector", "name", "oid", "pg_lsn", "jsonpath", "regclass",
    "refcursor",
)  # fmt: skip


@pytest.fixture
def database(pools: tuple[Pool, Pool], tenant_name: str) -> Iterator[Connection]:
    with pools[0].superuser(tenant_name) as connection:
        yield connection


def is_obstacle(database: Connection, kind: str) -> bool:
    """Return whether a keyless table with a column of that type is named as one."""
    with database.transaction(force_rollback=True):
        database.execute(f"CREATE TABLE tried (a int, b {kind})".encode())
        found = obstacles(AsServer(database))
        assert all("tried" in each and "column b" in each for each in found), found
        return bool(found)


def comparable(database: Connection, kind: str) -> bool:
    """Ask the server, which looks for the same equality when it groups and when it applies a replicated row."""
    try:
        with database.transaction(force_rollback=True):
            database.execute(f"SELECT b FROM (SELECT NULL::{kind} AS b) AS tried GROUP BY b".encode())
    except psycopg.errors.UndefinedFunction:
        return False
    return True


@pytest.mark.parametrize(
    ("statements", "kind"),
    [
        ("CREATE TYPE pair AS (a int, b json)", "pair"),
        ("CREATE TYPE place AS (a int, b point); CREATE TYPE trip AS (a text, b place[])", "trip[]"),
        ("CREATE DOMAIN one AS json; CREATE DOMAIN two AS one; CREATE DOMAIN three AS two", "three"),
        ("CREATE DOMAIN list AS json[]; CREATE TYPE pair AS (a list)", "pair"),
    ],
)
def test_what_can_not_be_compared_is_found_at_any_depth(database: Connection, statements: str, kind: str) -> None:
    database.execute(statements.encode())
    assert not comparable(database, kind)
    assert is_obstacle(database, kind)


def test_the_catalog_and_the_server_agree_on_types_of_any_make(database: Connection, report: Report) -> None:
    report(f"types are drawn with SAASODOO_TYPES_SEED={_SEED}")
    draw = random.Random(_SEED)
    database.execute("CREATE TYPE mood AS ENUM ('fine')")
    kinds = [*_SIMPLE, "mood"]
    for number in range(60):
        name, parts = f"made_{number}", draw.choices(kinds, k=draw.randint(1, 3))
        columns = ", ".join(f"c{at} {part}" for at, part in enumerate(parts))
        made = f"CREATE DOMAIN {name} AS {parts[0]}" if number % 2 else f"CREATE TYPE {name} AS ({columns})"
        database.execute(made.encode())
        kinds += [name, f"{name}[]"]
    wrong = [kind for kind in kinds if is_obstacle(database, kind) == comparable(database, kind)]
    assert not wrong
    assert 10 < sum(comparable(database, kind) for kind in kinds) < len(kinds) - 10, "the draw shows both"


def test_what_cannot_be_replicated_is_told(pools: tuple[Pool, Pool], tenant_name: str) -> None:
    with pools[0].session(tenant_name) as tenant:
        assert obstacles(AsServer(tenant)) == []
        tenant.execute("CREATE TABLE fine (a int[], b varchar(5), c cidr, d jsonb, e numeric, f bytea, g text[], h date, i uuid)")
        tenant.execute("CREATE DOMAIN short AS varchar(3); CREATE TYPE mood AS ENUM ('fine'); CREATE TYPE pair AS (a int, b int)")
        tenant.execute(
            "CREATE TABLE fine_too (a short, b mood, c pair, d int4range, e interval, f mood[], g name, h boolean, i inet)"
        )
        tenant.execute("CREATE TABLE has_key (id int PRIMARY KEY, a json, b xml, c point)")
        assert obstacles(AsServer(tenant)) == []
        tenant.execute("SELECT lo_create(0)")
        tenant.execute("CREATE UNLOGGED TABLE quick (id int PRIMARY KEY); CREATE MATERIALIZED VIEW sums AS SELECT 1 AS a")
        tenant.execute("CREATE TABLE odd (a json, b xml, c point, d json[], e int)")
        tenant.execute("CREATE TRIGGER t AFTER INSERT ON has_key EXECUTE FUNCTION suppress_redundant_updates_trigger()")
        tenant.execute("ALTER TABLE has_key ENABLE ALWAYS TRIGGER t")
        assert obstacles(AsServer(tenant)) == [
            "there are 1 large objects",
            "table public.quick is unlogged",
            "materialized view public.sums is refreshed only where it is",
            "trigger t of public.has_key would run for replicated rows too",
            "table public.odd has no key, and its column a of type json can't be compared",
            "table public.odd has no key, and its column b of type xml can't be compared",
            "table public.odd has no key, and its column c of type point can't be compared",
            "table public.odd has no key, and its column d of type json[] can't be compared",
        ]
